"""Which Python expressions a saved formula may hold: a whitelist, checked before evaluation.

The calls and the arithmetic of a formula are Python code. A fit that is loaded may come from
anyone, so its formula may hold nothing but

- columns of the data and numbers, with arithmetic, comparisons, ``&`` and ``|``;
- calls of the formula language's own functions, of ``np.<ufunc>`` and of functions that the
  caller gives as ``context=``;
- attributes of three kinds: ``np.<ufunc>``, ``contr.<coding>``, ``<column>.dt.<part of a date>``;
- text, lists and codings as arguments of calls, such as the knots of a spline.

The same check at saving refuses what could not be loaded. What is checked is the syntax tree
of the very text that will be evaluated, after its names were made identifiers and
normalised as Python does.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal

import numpy as np

from .evaluator import Scope
from .piece import aliased, needs_alias, unaliased
from .safe_arithmetic import (
    OPERATORS,
    SIGNS,
    ForbiddenError,
    Number,
    checked_number,
    computed,
    shown,
)

Kind = Literal["number", "basis", "labels", "factor", "coding", "text", "list", "given"]
"""Numbers are a column or one of them, a basis several columns, labels a column of objects;
given is what functions and variables of the caller are."""

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

SIZES = ("df", "degree", "levels")
"""Parameters of transforms that say how many columns they make …"""

MOST_COLUMNS = 1000
"""… which a single one may ask for, and the most entries of a list, such as knots. Polynomials
and splines are done for far below this."""

_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True)
class Part:
    """What an expression gives.

    Attributes
    ----------
    kind : str
    value : number, optional
        Where no column is in it.
    width : int
        Columns that it makes as a predictor, at most.
    """

    kind: Kind
    value: Number | None = None
    width: int = 1


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
        from formulaic.transforms import TRANSFORMS

        self._columns, self._objects = set(columns), set(objects)
        self._given, self._distinct = given, distinct
        self._language = {**TRANSFORMS, **Scope()}
        self._aliases: dict[str, str] = {}
        self.outside: set[str] = set()

    def check(self, expression: str) -> Part:
        """What an expression gives.

        Raises
        ------
        ForbiddenError
            It holds something that is not in the whitelist.
        """
        from formulaic.utils.code import sanitize_variable_names

        known = dict.fromkeys([*self._columns, *self._given, *self._language])
        known |= dict.fromkeys(aliased(c) for c in self._columns if needs_alias(c))
        self._aliases = {}
        try:
            tree = ast.parse(sanitize_variable_names(expression, known, self._aliases), mode="eval")
            return self._part(tree.body)
        except (RecursionError, MemoryError):
            raise ForbiddenError("an expression is nested too deeply") from None
        except (SyntaxError, ValueError) as exc:
            raise ForbiddenError(f"an expression is not valid Python ({exc})") from None

    # --- nodes ----------------------------------------------------------------------------

    def _part(self, node: ast.expr) -> Part:
        visit: dict[type[ast.expr], Callable[[Any], Part]] = {
            ast.Attribute: self._attribute,
            ast.BinOp: self._operation,
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
        column = self._column(node.id)
        if column is not None:
            return self._of_column(column)
        if node.id in self._given or node.id not in self._language:
            return self._from_context(node.id)
        value = self._language[node.id]
        if isinstance(value, (bool, int, float)):
            return Part("number", value)
        if _is_coding(value):
            return Part("coding")
        raise ForbiddenError(f"`{node.id}` is a function, and stands where a value is needed")

    def _of_column(self, name: str) -> Part:
        return Part("labels" if name in self._objects else "number")

    def _column(self, identifier: str) -> str | None:
        """The column that an identifier stands for."""
        name = self._aliases.get(identifier, identifier)
        if name in self._columns:
            return name
        plain = unaliased(name)
        return plain if name != plain and plain in self._columns and needs_alias(plain) else None

    def _from_context(self, name: str) -> Part:
        own = unaliased(name)
        if own.startswith("__") or (hasattr(builtins, own) and name not in self._given):
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
        if type(node.op) not in SIGNS:
            raise ForbiddenError(f"the operator of {shown(node)} is not allowed")
        part = self._operand(node.operand)
        if part.value is None:
            return part
        return Part("number", computed(shown(node), SIGNS[type(node.op)], part.value))

    def _operand(self, node: ast.expr) -> Part:
        part = self._part(node)
        if part.kind not in ("number", "given"):
            raise ForbiddenError(f"{shown(node)} is no number, and stands in arithmetic")
        return part

    def _comparison(self, node: ast.Compare) -> Part:
        if not all(isinstance(op, _COMPARISONS) for op in node.ops):
            raise ForbiddenError(f"{shown(node)} is not allowed: compare by == or <")
        for part in (self._part(side) for side in (node.left, *node.comparators)):
            if part.kind not in ("number", "labels", "text", "given"):
                raise ForbiddenError(f"{shown(node)} compares what has no order")
        return Part("number")

    def _sequence(self, node: ast.List | ast.Tuple) -> Part:
        if len(node.elts) > MOST_COLUMNS:
            raise ForbiddenError(f"{shown(node)} has more than {MOST_COLUMNS} entries")
        for item in node.elts:
            self._part(item)
        return Part("list", width=len(node.elts))

    def _mapping(self, node: ast.Dict) -> Part:
        for item in (*node.keys, *node.values):
            if item is None:
                raise ForbiddenError(f"{shown(node)} is not allowed in a saved formula")
            self._part(item)
        return Part("list")

    def _attribute(self, node: ast.Attribute) -> Part:
        owner, name = node.value, node.attr
        value = self._member(node)
        if isinstance(value, float):
            return Part("number", value if math.isfinite(value) else None)
        if _is_coding(value):
            return Part("coding")
        if isinstance(owner, ast.Attribute) and owner.attr == "dt" and name in DATE_PARTS:
            column = owner.value
            if isinstance(column, ast.Name) and self._column(column.id) is not None:
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
                return value if isinstance(value, (np.ufunc, float)) or _is_coding(value) else None
        return None

    def _call(self, node: ast.Call) -> Part:
        function, name = self._function(node.func)
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg.startswith("_"):
                raise ForbiddenError(f"the arguments of {shown(node)} are not allowed")
        values = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(function, np.ufunc):
            if node.keywords or len(node.args) > function.nin:
                raise ForbiddenError(
                    f"{shown(node)} may have {function.nin} arguments in a saved formula, without "
                    "keywords"
                )
            for value in values:
                self._operand(value)
            return Part("number")
        parts = [self._part(value) for value in values]
        if function is None:  # of the caller, who answers for it
            return Part("given")
        if _is_coding(function):
            return Part("coding")
        if name == "I":
            return parts[0] if len(parts) == 1 else Part("number")
        if name == "Q":
            column = getattr(values[0], "value", None) if len(values) == 1 else None
            if column not in self._columns:
                raise ForbiddenError(f"{shown(node)} names no column")
            return self._of_column(str(column))
        if name in ("C", "factor"):
            return Part("factor", width=self._levels(node.args[0]) if node.args else 1)
        width = self._columns_made(function, node, parts)
        if name == "hashed":
            return Part("factor", width=width or 1)
        if parts and parts[0].kind not in ("number", "given"):
            raise ForbiddenError(f"{shown(node)} transforms what is no column of numbers")
        return Part("number") if width is None else Part("basis", width=width)

    def _levels(self, node: ast.expr) -> int:
        """Levels that a factor made of an expression can have."""
        if isinstance(node, ast.Compare):
            return 2
        if isinstance(node, ast.Attribute) and DATE_PARTS.get(node.attr):
            return int(DATE_PARTS[node.attr] or 0)
        names = (self._column(n.id) for n in ast.walk(node) if isinstance(n, ast.Name))
        return self._distinct({name for name in names if name is not None})

    def _function(self, node: ast.expr) -> tuple[Any, str]:
        """What is called and its name; None for a function of the caller."""
        if isinstance(node, ast.Attribute):
            function = self._member(node)
            if function is None or isinstance(function, float):
                self._attribute(node)
                raise ForbiddenError(f"{shown(node)} is no function")
            return function, node.attr
        if not isinstance(node, ast.Name):
            raise ForbiddenError(f"the call of {shown(node)} is not allowed in a saved formula")
        name = unaliased(node.id)
        if name in self._given or name not in self._language:
            self._from_context(name)
            return None, name
        if not callable(self._language[name]):
            raise ForbiddenError(f"`{name}` is no function")
        return self._language[name], name

    def _columns_made(self, function: Any, node: ast.Call, parts: list[Part]) -> int | None:
        """Columns that a transform is asked for, bounded; None if it always makes one."""
        known = list(signature(function).parameters)
        if not any(name in SIZES for name in known):
            return None
        names = [*known[: len(node.args)], *(str(k.arg) for k in node.keywords)]
        made = 1
        for name, part in zip(names, parts, strict=False):
            if part.kind == "list":  # knots
                made += part.width
            elif name in SIZES:
                if part.value is None or not 0 <= part.value <= MOST_COLUMNS:
                    raise ForbiddenError(
                        f"`{name}` of {shown(node)} must be a number between 0 and {MOST_COLUMNS} "
                        "in a saved formula"
                    )
                made += int(part.value)
        return made


def _is_coding(value: Any) -> bool:
    """Whether it is a class of contrasts, or a function of the language that makes one."""
    from formulaic.transforms.contrasts import Contrasts
    from formulaic.transforms.patsy_compat import Treatment

    return value is Treatment or (isinstance(value, type) and issubclass(value, Contrasts))
