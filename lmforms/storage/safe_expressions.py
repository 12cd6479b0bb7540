"""Which expressions a saved formula may hold: a whitelist, checked before evaluation.

The calls and the arithmetic of a formula are code. A fit that is loaded may come from anyone,
so its formula may hold nothing but

- columns of the data and numbers, with arithmetic, comparisons, ``&``, ``|``, ``!`` and R's
  ``%%``, ``%/%``, ``%in%``;
- calls of the formula language's own functions, of ``np.<ufunc>`` and of functions that the
  caller gives as ``context=``;
- attributes of three kinds: ``np.<ufunc>``, ``contr.<coding>``, ``<column>.dt.<part of a date>``;
- text, lists and codings as arguments of calls, such as the knots of a spline.

The same check at saving refuses what could not be loaded. What is checked is the syntax tree
of :func:`lmforms.formula.expression.parse_code`, which is what the evaluator evaluates, and what
names mean is looked up where the evaluator does: in
:func:`lmforms.formula.transforms.built_in_names`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from ..formula.aliases import aliased, needs_alias, without_dots
from ..formula.expression import INFIX, Expression, parse_code
from ..formula.operators import COMPARISONS
from ..formula.transforms import FALLBACKS, built_in_names
from .safe_arithmetic import OPERATORS, SIGNS, ForbiddenError, checked_number, computed, quoted
from .safe_calls import NUMBERS, VALUES, ValueType, is_contrast, type_of_call, type_of_list

DATE_PARTS: dict[str, int | None] = {
    **dict.fromkeys(("dayofweek", "day_of_week", "weekday"), 7),
    **dict.fromkeys(("dayofyear", "day_of_year"), 366),
    **{"quarter": 4, "month": 12, "day": 31, "days_in_month": 4},
    **{"hour": 24, "minute": 60, "second": 60},
    **dict.fromkeys(("year", "days", "seconds", "microsecond", "microseconds"), None),
    **dict.fromkeys(("nanosecond", "nanoseconds"), None),
}
"""What ``<column>.dt.`` may be followed by: properties of pandas' dates and spans, and how many
values they have where that is little."""


class ExpressionChecker:
    """Walks the syntax trees of expressions and collects the names that it does not know.

    Parameters
    ----------
    columns : collection of str
        Of the data.
    objects : collection of str
        Those that hold objects, so that arithmetic with them is Python's own.
    given : mapping
        What ``context=`` holds.
    distinct : callable
        How many different rows some columns have, at most.

    Attributes
    ----------
    free_names : set of str
        Names met so far that must come from ``context=``.
    """

    def __init__(
        self,
        columns: Collection[str],
        objects: Collection[str],
        given: Mapping[str, Any],
        distinct: Callable[[Collection[str]], int],
    ) -> None:
        self._columns = {name: name for name in columns}
        self._columns |= {aliased(name): name for name in columns if needs_alias(name)}
        self._columns |= {without_dots(name): name for name in columns if "." in name}
        self._objects = set(objects)
        self._given, self._distinct = given, distinct
        self._built_in = {**FALLBACKS, **built_in_names()}
        self._expression: Expression
        self.free_names: set[str] = set()

    def check(self, code: str) -> ValueType:
        """What an expression gives.

        Raises
        ------
        ForbiddenError
            It holds something that is not in the whitelist.
        """
        self._expression = parse_code(code)
        try:
            return self._type(self._expression.tree.body)
        except ForbiddenError as exc:
            raise ForbiddenError(self._expression.written(str(exc))) from None

    # --- nodes ----------------------------------------------------------------------------

    def _type(self, node: ast.expr) -> ValueType:
        visit: dict[type[ast.expr], Callable[[Any], ValueType]] = {
            ast.Attribute: self._attribute,
            ast.BinOp: self._operation,
            ast.BoolOp: self._condition,
            ast.Call: self._call,
            ast.Compare: self._comparison,
            ast.Constant: self._constant,
            ast.Dict: self._mapping,
            ast.List: self._sequence,
            ast.Name: self._name,
            ast.Tuple: self._sequence,
            ast.UnaryOp: self._sign,
        }
        if type(node) not in visit:
            raise ForbiddenError(f"{quoted(node)} is not allowed in a saved formula")
        return visit[type(node)](node)

    def _constant(self, node: ast.Constant) -> ValueType:
        if isinstance(node.value, str):
            return ValueType("text")
        if node.value is None:
            return ValueType("list")
        return ValueType("number", checked_number(node.value, quoted(node)))

    def _name(self, node: ast.Name) -> ValueType:
        column = self._column(node)
        if column is not None:
            return self._of_column(column)
        name = self._expression.name(node.id)
        if name in self._given or name not in self._built_in:
            return self._from_context(name)
        value = self._built_in[name]
        if isinstance(value, (bool, int, float)):
            return ValueType("number", value)
        if is_contrast(value):
            return ValueType("coding")
        raise ForbiddenError(f"`{name}` is a function, and stands where a value is needed")

    def _of_column(self, name: str) -> ValueType:
        if name in self._objects:
            return ValueType("labels", width=self._distinct([name]))
        return ValueType("number")

    def _column(self, node: ast.Name) -> str | None:
        """The column that a name stands for."""
        return self._columns.get(self._expression.quoted.get(node.id, node.id))

    def _from_context(self, name: str) -> ValueType:
        if name.startswith("__") or (hasattr(builtins, name) and name not in self._given):
            raise ForbiddenError(f"`{name}` is Python's own, and not allowed in a saved formula")
        self.free_names.add(name)
        value = self._given.get(name)
        if isinstance(value, (bool, int, float)):
            return ValueType("number", checked_number(value, name))
        return ValueType(
            "list" if isinstance(value, (str, bytes, list, tuple, Mapping)) else "given"
        )

    def _operation(self, node: ast.BinOp) -> ValueType:
        if type(node.op) not in OPERATORS:
            raise ForbiddenError(f"the operator of {quoted(node)} is not allowed")
        left, right = self._operand(node.left), self._operand(node.right)
        if left.value is None or right.value is None:
            return ValueType("number")
        value = computed(quoted(node), OPERATORS[type(node.op)], left.value, right.value)
        return ValueType("number", value)

    def _sign(self, node: ast.UnaryOp) -> ValueType:
        inferred = self._operand(node.operand)
        if isinstance(node.op, ast.Not):
            return ValueType("number")
        if inferred.value is None:
            return inferred
        return ValueType("number", computed(quoted(node), SIGNS[type(node.op)], inferred.value))

    def _condition(self, node: ast.BoolOp) -> ValueType:
        for side in node.values:
            self._operand(side)
        return ValueType("number")

    def _operand(self, node: ast.expr) -> ValueType:
        inferred = self._type(node)
        if inferred.kind not in NUMBERS:
            raise ForbiddenError(f"{quoted(node)} is no number, and stands in arithmetic")
        return inferred

    def _comparison(self, node: ast.Compare) -> ValueType:
        if not all(type(op) in COMPARISONS for op in node.ops):
            raise ForbiddenError(f"{quoted(node)} is not allowed: compare by == or <")
        for inferred in (self._type(side) for side in (node.left, *node.comparators)):
            if inferred.kind not in VALUES:
                raise ForbiddenError(f"{quoted(node)} compares what has no order")
        return ValueType("number")

    def _sequence(self, node: ast.List | ast.Tuple) -> ValueType:
        return type_of_list(node, [self._type(item) for item in node.elts])

    def _mapping(self, node: ast.Dict) -> ValueType:
        items = [item for item in (*node.keys, *node.values) if item is not None]
        if len(items) != 2 * len(node.keys):
            raise ForbiddenError(f"{quoted(node)} is not allowed in a saved formula")
        return type_of_list(node, [self._type(item) for item in items])

    def _attribute(self, node: ast.Attribute) -> ValueType:
        owner, name = node.value, node.attr
        value = self._member(node)
        if isinstance(value, float):
            return ValueType("number", value)
        if is_contrast(value):
            return ValueType("coding")
        if isinstance(owner, ast.Attribute) and owner.attr == "dt" and name in DATE_PARTS:
            column = owner.value
            if isinstance(column, ast.Name) and self._column(column) is not None:
                return ValueType("number")
        raise ForbiddenError(
            f"the attribute {quoted(node)} is not allowed in a saved formula, only np.<ufunc>, "
            "contr.<coding> and <column>.dt.<part of a date>"
        )

    def _member(self, node: ast.Attribute) -> Any:
        """The ufunc, constant or coding that ``np.`` or ``contr.`` stands before, or None."""
        if not isinstance(node.value, ast.Name):
            return None
        for name, module in (("np", np), ("contr", self._built_in["contr"])):
            written = node.value.id == aliased(name)
            written |= node.value.id == name and name not in self._columns
            if written and self._given.get(name, module) is module:
                value = getattr(module, node.attr, None)
                return value if isinstance(value, (np.ufunc, float)) or is_contrast(value) else None
        return None

    def _call(self, node: ast.Call) -> ValueType:
        if isinstance(node.func, ast.Name) and node.func.id in INFIX.values():
            return self._infix(node)
        function, name = self._function(node.func)
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg.startswith("_"):
                raise ForbiddenError(f"the arguments of {quoted(node)} are not allowed")
        if name == "Q" and function is not None:
            return self._quoted(node)
        types = [self._type(value) for value in (*node.args, *(k.value for k in node.keywords))]
        if function is None:  # of the caller, who answers for it
            return ValueType("given")
        return type_of_call(node, function, name, types, lambda: self._levels(node))

    def _infix(self, node: ast.Call) -> ValueType:
        """``%in%`` and the two of division."""
        left, right = (self._type(argument) for argument in node.args)
        if node.func.id == INFIX["%in%"]:  # type: ignore[attr-defined]
            fit = left.kind in VALUES and right.kind in (*VALUES, "list")
        else:
            fit = left.kind in NUMBERS and right.kind in NUMBERS
        if not fit:
            raise ForbiddenError(f"{quoted(node)} has operands of the wrong kind")
        return ValueType("number")

    def _quoted(self, node: ast.Call) -> ValueType:
        column = getattr(node.args[0], "value", None) if len(node.args) == 1 else None
        if not isinstance(column, str) or column not in self._columns.values() or node.keywords:
            raise ForbiddenError(f"{quoted(node)} names no column")
        return self._of_column(column)

    def _levels(self, node: ast.Call) -> int:
        """Levels that a factor made by a call can have."""
        argument = node.args[0] if node.args else node
        if isinstance(argument, ast.Compare):
            return 2
        if isinstance(argument, ast.Attribute) and DATE_PARTS.get(argument.attr):
            return int(DATE_PARTS[argument.attr] or 0)
        names = {self._column(n) for n in ast.walk(node) if isinstance(n, ast.Name)}
        names |= {str(n.value) for n in ast.walk(node) if isinstance(n, ast.Constant)}  # of Q
        return self._distinct([name for name in self._columns if name in names])

    def _function(self, node: ast.expr) -> tuple[Any, str]:
        """What is called and its name; None for a function of the caller."""
        if isinstance(node, ast.Attribute):
            function = self._member(node)
            if function is None or isinstance(function, float):
                self._attribute(node)
                raise ForbiddenError(f"{quoted(node)} is no function")
            return function, node.attr
        if not isinstance(node, ast.Name) or self._column(node) is not None:
            raise ForbiddenError(f"the call of {quoted(node)} is not allowed in a saved formula")
        name = self._expression.name(node.id)
        if name in self._given or name not in self._built_in:
            self._from_context(name)
            return None, name
        if not callable(self._built_in[name]):
            raise ForbiddenError(f"`{name}` is no function")
        return self._built_in[name], name
