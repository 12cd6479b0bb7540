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
of :func:`lmforms.formula.expression.parse`, which is what the evaluator evaluates, and what
names mean is looked up where the evaluator does: in
:func:`lmforms.formula.transforms.language`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from ..formula.expression import INFIX, Expression, parse
from ..formula.operators import COMPARISONS
from ..formula.piece import aliased, joined, needs_alias
from ..formula.transforms import FALLBACKS, language
from .safe_arithmetic import OPERATORS, SIGNS, ForbiddenError, checked_number, computed, shown
from .safe_calls import NUMBERS, VALUES, Part, called, is_coding, listed

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
    outside : set of str
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
        self._columns |= {joined(name): name for name in columns if "." in name}
        self._objects = set(objects)
        self._given, self._distinct = given, distinct
        self._language = {**FALLBACKS, **language()}
        self._expression: Expression
        self.outside: set[str] = set()

    def check(self, code: str) -> Part:
        """What an expression gives.

        Raises
        ------
        ForbiddenError
            It holds something that is not in the whitelist.
        """
        self._expression = parse(code)
        try:
            return self._part(self._expression.tree.body)
        except ForbiddenError as exc:
            raise ForbiddenError(self._expression.written(str(exc))) from None

    # --- nodes ----------------------------------------------------------------------------

    def _part(self, node: ast.expr) -> Part:
        visit: dict[type[ast.expr], Callable[[Any], Part]] = {
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
            raise ForbiddenError(f"{shown(node)} is not allowed in a saved formula")
        return visit[type(node)](node)

    def _constant(self, node: ast.Constant) -> Part:
        if isinstance(node.value, str):
            return Part("text")
        if node.value is None:
            return Part("list")
        return Part("number", checked_number(node.value, shown(node)))

    def _name(self, node: ast.Name) -> Part:
        column = self._column(node)
        if column is not None:
            return self._of_column(column)
        name = self._expression.name(node.id)
        if name in self._given or name not in self._language:
            return self._from_context(name)
        value = self._language[name]
        if isinstance(value, (bool, int, float)):
            return Part("number", value)
        if is_coding(value):
            return Part("coding")
        raise ForbiddenError(f"`{name}` is a function, and stands where a value is needed")

    def _of_column(self, name: str) -> Part:
        if name in self._objects:
            return Part("labels", width=self._distinct([name]))
        return Part("number")

    def _column(self, node: ast.Name) -> str | None:
        """The column that a name stands for."""
        return self._columns.get(self._expression.quoted.get(node.id, node.id))

    def _from_context(self, name: str) -> Part:
        if name.startswith("__") or (hasattr(builtins, name) and name not in self._given):
            raise ForbiddenError(f"`{name}` is Python's own, and not allowed in a saved formula")
        self.outside.add(name)
        value = self._given.get(name)
        if isinstance(value, (bool, int, float)):
            return Part("number", checked_number(value, name))
        return Part("list" if isinstance(value, (str, bytes, list, tuple, Mapping)) else "given")

    def _operation(self, node: ast.BinOp) -> Part:
        if type(node.op) not in OPERATORS:
            raise ForbiddenError(f"the operator of {shown(node)} is not allowed")
        left, right = self._operand(node.left), self._operand(node.right)
        if left.value is None or right.value is None:
            return Part("number")
        value = computed(shown(node), OPERATORS[type(node.op)], left.value, right.value)
        return Part("number", value)

    def _sign(self, node: ast.UnaryOp) -> Part:
        part = self._operand(node.operand)
        if isinstance(node.op, ast.Not):
            return Part("number")
        if part.value is None:
            return part
        return Part("number", computed(shown(node), SIGNS[type(node.op)], part.value))

    def _condition(self, node: ast.BoolOp) -> Part:
        for side in node.values:
            self._operand(side)
        return Part("number")

    def _operand(self, node: ast.expr) -> Part:
        part = self._part(node)
        if part.kind not in NUMBERS:
            raise ForbiddenError(f"{shown(node)} is no number, and stands in arithmetic")
        return part

    def _comparison(self, node: ast.Compare) -> Part:
        if not all(type(op) in COMPARISONS for op in node.ops):
            raise ForbiddenError(f"{shown(node)} is not allowed: compare by == or <")
        for part in (self._part(side) for side in (node.left, *node.comparators)):
            if part.kind not in VALUES:
                raise ForbiddenError(f"{shown(node)} compares what has no order")
        return Part("number")

    def _sequence(self, node: ast.List | ast.Tuple) -> Part:
        return listed(node, [self._part(item) for item in node.elts])

    def _mapping(self, node: ast.Dict) -> Part:
        items = [item for item in (*node.keys, *node.values) if item is not None]
        if len(items) != 2 * len(node.keys):
            raise ForbiddenError(f"{shown(node)} is not allowed in a saved formula")
        return listed(node, [self._part(item) for item in items])

    def _attribute(self, node: ast.Attribute) -> Part:
        owner, name = node.value, node.attr
        value = self._member(node)
        if isinstance(value, float):
            return Part("number", value)
        if is_coding(value):
            return Part("coding")
        if isinstance(owner, ast.Attribute) and owner.attr == "dt" and name in DATE_PARTS:
            column = owner.value
            if isinstance(column, ast.Name) and self._column(column) is not None:
                return Part("number")
        raise ForbiddenError(
            f"the attribute {shown(node)} is not allowed in a saved formula, only np.<ufunc>, "
            "contr.<coding> and <column>.dt.<part of a date>"
        )

    def _member(self, node: ast.Attribute) -> Any:
        """The ufunc, constant or coding that ``np.`` or ``contr.`` stands before, or None."""
        if not isinstance(node.value, ast.Name):
            return None
        for name, module in (("np", np), ("contr", self._language["contr"])):
            written = node.value.id == aliased(name)
            written |= node.value.id == name and name not in self._columns
            if written and self._given.get(name, module) is module:
                value = getattr(module, node.attr, None)
                return value if isinstance(value, (np.ufunc, float)) or is_coding(value) else None
        return None

    def _call(self, node: ast.Call) -> Part:
        if isinstance(node.func, ast.Name) and node.func.id in INFIX.values():
            return self._infix(node)
        function, name = self._function(node.func)
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg.startswith("_"):
                raise ForbiddenError(f"the arguments of {shown(node)} are not allowed")
        if name == "Q" and function is not None:
            return self._quoted(node)
        parts = [self._part(value) for value in (*node.args, *(k.value for k in node.keywords))]
        if function is None:  # of the caller, who answers for it
            return Part("given")
        return called(node, function, name, parts, lambda: self._levels(node))

    def _infix(self, node: ast.Call) -> Part:
        """``%in%`` and the two of division."""
        left, right = (self._part(argument) for argument in node.args)
        if node.func.id == INFIX["%in%"]:  # type: ignore[attr-defined]
            fit = left.kind in VALUES and right.kind in (*VALUES, "list")
        else:
            fit = left.kind in NUMBERS and right.kind in NUMBERS
        if not fit:
            raise ForbiddenError(f"{shown(node)} has operands of the wrong kind")
        return Part("number")

    def _quoted(self, node: ast.Call) -> Part:
        column = getattr(node.args[0], "value", None) if len(node.args) == 1 else None
        if not isinstance(column, str) or column not in self._columns.values() or node.keywords:
            raise ForbiddenError(f"{shown(node)} names no column")
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
                raise ForbiddenError(f"{shown(node)} is no function")
            return function, node.attr
        if not isinstance(node, ast.Name) or self._column(node) is not None:
            raise ForbiddenError(f"the call of {shown(node)} is not allowed in a saved formula")
        name = self._expression.name(node.id)
        if name in self._given or name not in self._language:
            self._from_context(name)
            return None, name
        if not callable(self._language[name]):
            raise ForbiddenError(f"`{name}` is no function")
        return self._language[name], name
