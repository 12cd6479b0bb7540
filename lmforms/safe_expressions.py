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
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .errors import FormulaError
from .evaluator import Scope
from .piece import Piece, aliased, needs_alias, unaliased
from .terms import factors_of, marked

if TYPE_CHECKING:
    from formulaic.parser.types import Factor

    from .terms import BoundFormula

Kind = Literal["number", "basis", "labels", "factor", "coding", "text", "list", "given"]
"""Numbers are a column or one of them, a basis several columns, labels a column of objects;
given is what functions and variables of the caller are."""

Number = int | float

DATE_PARTS = (
    *("year", "quarter", "month", "day", "hour", "minute", "second", "microsecond", "nanosecond"),
    *("dayofweek", "day_of_week", "weekday", "dayofyear", "day_of_year", "days_in_month"),
    *("days", "seconds", "microseconds", "nanoseconds"),
)
"""What ``<column>.dt.`` may be followed by: properties of pandas' dates and spans."""

SIZES = ("df", "degree", "levels")
"""Parameters of transforms that say how many columns they make …"""

MOST_COLUMNS = 1000
"""… which a single one may ask for. Polynomials and splines are done for far below this."""

WAY_OUT = (
    "Make a column of it, or a function with a name of its own, and fit with "
    "context={'name': function}."
)

LARGEST_BASIS = 2**27
"""Numbers (rows times columns, 1 GiB) that all transforms of a formula may make."""

LARGEST_INTEGER = 2**63 - 1
"""Beyond it NumPy computes with Python's integers, whose powers have no end."""

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True)
class Part:
    """What an expression gives: its kind, and its value where no column is in it."""

    kind: Kind
    value: Number | None = None


class ForbiddenError(Exception):
    """An expression is not in the whitelist; the text says why and what to do."""


def names_from_context(
    bound: BoundFormula,
    labels: Collection[str],
    rows: int,
    given: Mapping[str, Any],
    what: str,
) -> list[str]:
    """Check every expression of a formula; return the names it needs from ``context=``.

    Parameters
    ----------
    bound : BoundFormula
    labels : collection of str
        Columns of the data that hold objects, so that arithmetic with them is Python's own.
    rows : int
    given : mapping
        What ``context=`` holds.
    what : str
        ``"save"`` or ``"load"``, for messages.

    Raises
    ------
    FormulaError
        An expression is outside the whitelist; the message marks it and says the way out.
    """
    checker = _Checker(bound.columns, labels, given)
    for factor, piece in _expressions(bound):
        try:
            checker.check(factor.expr)
            if checker.basis * rows > LARGEST_BASIS:
                raise ForbiddenError(
                    f"the transforms of the formula make {checker.basis} columns of {rows} rows, "
                    f"and at most {LARGEST_BASIS:,} numbers are allowed: use a smaller basis"
                )
        except ForbiddenError as exc:
            hint = WAY_OUT if what == "save" else "Nothing of the file was evaluated."
            raise FormulaError(f"{what}: {exc}. {hint}\n{marked(factor, piece)}") from None
    return sorted(checker.outside)


def _expressions(bound: BoundFormula) -> Iterator[tuple[Factor, Piece]]:
    """Everything that will be evaluated, with the place where it stands."""
    formula = bound.formula
    sides = [(bound.response, formula.response), (bound.fixed, formula.fixed)]
    sides += [(term.expression, term.piece) for term in bound.random]
    sides += list(zip(bound.offsets, formula.offsets, strict=True))
    for parsed, piece in sides:
        yield from ((f, piece) for f in factors_of(parsed) if f.eval_method.value == "python")
    for term in bound.random:
        for factor in term.group:
            if factor.eval_method.value == "python":
                yield factor, term.group_piece


class _Checker:
    """Walks syntax trees; collects names that are not known and counts columns to be made."""

    def __init__(
        self, columns: Collection[str], labels: Collection[str], given: Mapping[str, Any]
    ) -> None:
        from formulaic.transforms import TRANSFORMS

        self._columns, self._labels, self._given = set(columns), set(labels), given
        self._language = {**TRANSFORMS, **Scope()}
        self._aliases: dict[str, str] = {}
        self.outside: set[str] = set()
        self.basis = 0

    def check(self, expression: str) -> None:
        from formulaic.utils.code import sanitize_variable_names

        known = dict.fromkeys([*self._columns, *self._given, *self._language])
        known |= dict.fromkeys(aliased(c) for c in self._columns if needs_alias(c))
        self._aliases = {}
        try:
            tree = ast.parse(sanitize_variable_names(expression, known, self._aliases), mode="eval")
            self._part(tree.body)
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
            raise ForbiddenError(f"{_shown(node)} is not allowed in a saved formula")
        return visit[type(node)](node)

    def _constant(self, node: ast.Constant) -> Part:
        if isinstance(node.value, str):
            return Part("text")
        if node.value is None:
            return Part("list")
        return _number(node.value, node)

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
        return Part("labels" if name in self._labels else "number")

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
            return _number(value, ast.Name(name))
        return Part("list" if isinstance(value, (str, bytes, list, tuple, Mapping)) else "given")

    def _operation(self, node: ast.BinOp) -> Part:
        if type(node.op) not in _ARITHMETIC:
            raise ForbiddenError(f"the operator of {_shown(node)} is not allowed")
        left, right = self._operand(node.left), self._operand(node.right)
        if left.value is None or right.value is None:
            return Part("number")
        return _computed(node, _ARITHMETIC[type(node.op)], left.value, right.value)

    def _sign(self, node: ast.UnaryOp) -> Part:
        if type(node.op) not in _SIGNS:
            raise ForbiddenError(f"the operator of {_shown(node)} is not allowed")
        part = self._operand(node.operand)
        return part if part.value is None else _computed(node, _SIGNS[type(node.op)], part.value)

    def _operand(self, node: ast.expr) -> Part:
        part = self._part(node)
        if part.kind not in ("number", "given"):
            raise ForbiddenError(f"{_shown(node)} is no number, and stands in arithmetic")
        return part

    def _comparison(self, node: ast.Compare) -> Part:
        if not all(isinstance(op, _COMPARISONS) for op in node.ops):
            raise ForbiddenError(f"{_shown(node)} is not allowed: compare by == or <")
        for part in (self._part(side) for side in (node.left, *node.comparators)):
            if part.kind not in ("number", "labels", "text", "given"):
                raise ForbiddenError(f"{_shown(node)} compares what has no order")
        return Part("number")

    def _sequence(self, node: ast.List | ast.Tuple) -> Part:
        for item in node.elts:
            self._part(item)
        return Part("list")

    def _mapping(self, node: ast.Dict) -> Part:
        for item in (*node.keys, *node.values):
            if item is None:
                raise ForbiddenError(f"{_shown(node)} is not allowed in a saved formula")
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
            f"the attribute {_shown(node)} is not allowed in a saved formula, only np.<ufunc>, "
            "contr.<coding> and <column>.dt.<part of a date>"
        )

    def _member(self, node: ast.Attribute) -> Any:
        """The ufunc, constant or coding that ``np.`` or ``contr.`` stands before, or None."""
        if not isinstance(node.value, ast.Name):
            return None
        for name, module in (("np", np), ("contr", self._language["contr"])):
            written = aliased(name) if name in self._columns else name
            if node.value.id == written and self._given.get(name, module) is module:
                value = getattr(module, node.attr, None)
                return value if isinstance(value, (np.ufunc, float)) or _is_coding(value) else None
        return None

    def _call(self, node: ast.Call) -> Part:
        function, name = self._function(node.func)
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg.startswith("_"):
                raise ForbiddenError(f"the arguments of {_shown(node)} are not allowed")
        values = [*node.args, *(k.value for k in node.keywords)]
        if isinstance(function, np.ufunc):
            if node.keywords or len(node.args) > function.nin:
                raise ForbiddenError(
                    f"{_shown(node)} may have {function.nin} arguments in a saved formula, without "
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
                raise ForbiddenError(f"{_shown(node)} names no column")
            return self._of_column(str(column))
        wide = self._count_columns(function, node, parts)
        if name in ("C", "factor", "hashed"):
            return Part("factor")
        if parts and parts[0].kind not in ("number", "given"):
            raise ForbiddenError(f"{_shown(node)} transforms what is no column of numbers")
        return Part("basis" if wide else "number")

    def _function(self, node: ast.expr) -> tuple[Any, str]:
        """What is called and its name; None for a function of the caller."""
        if isinstance(node, ast.Attribute):
            function = self._member(node)
            if function is None or isinstance(function, float):
                self._attribute(node)
                raise ForbiddenError(f"{_shown(node)} is no function")
            return function, node.attr
        if not isinstance(node, ast.Name):
            raise ForbiddenError(f"the call of {_shown(node)} is not allowed in a saved formula")
        name = unaliased(node.id)
        if node.id == name and self._column(name) is not None:
            raise ForbiddenError(f"`{name}` is a column, and is called like a function")
        if name in self._given or name not in self._language:
            self._from_context(name)
            return None, name
        if not callable(self._language[name]):
            raise ForbiddenError(f"`{name}` is no function")
        return self._language[name], name

    def _count_columns(self, function: Any, node: ast.Call, parts: list[Part]) -> bool:
        """Add up the columns that a transform is asked for, and bound them.

        Whether it may make several.
        """
        known = list(signature(function).parameters)
        names = [*known[: len(node.args)], *(str(k.arg) for k in node.keywords)]
        self.basis += 1
        for name, part in zip(names, parts, strict=False):
            if name not in SIZES or part.kind != "number":
                continue
            if part.value is None or not part.value <= MOST_COLUMNS:
                raise ForbiddenError(
                    f"`{name}` of {_shown(node)} must be a number of at most {MOST_COLUMNS} in a "
                    "saved formula"
                )
            self.basis += max(0, int(part.value))
        return any(name in SIZES for name in known)


def _is_coding(value: Any) -> bool:
    """Whether it is a class of contrasts, or a function of the language that makes one."""
    from formulaic.transforms.contrasts import Contrasts
    from formulaic.transforms.patsy_compat import Treatment

    return value is Treatment or (isinstance(value, type) and issubclass(value, Contrasts))


def _number(value: Any, node: ast.expr) -> Part:
    if not isinstance(value, (bool, int, float)):
        raise ForbiddenError(f"{_shown(node)} is not allowed in a saved formula")
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ForbiddenError(
            f"{_shown(node)} has more than 63 bits: write it with a point, such as 1e20"
        )
    return Part("number", value)


def _computed(node: ast.expr, compute: Callable[..., Any], *values: Number) -> Part:
    """The value of arithmetic without columns, computed only where it is harmless."""
    try:
        if compute is operator.pow:
            math.pow(*values)  # has no integers that grow for ever
        return _number(compute(*values), node)
    except (ArithmeticError, ValueError, TypeError) as exc:
        raise ForbiddenError(f"{_shown(node)} cannot be computed ({exc})") from None


def _shown(node: ast.expr) -> str:
    """An expression in a message, shortened."""
    text = unaliased(ast.unparse(node))
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}…`"
