"""Whether the formula of a saved fit may be evaluated, and what it needs for that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import FormulaError, MemoryLimitError
from ..formula.aliases import unaliased
from ..formula.formulaic_factors import mark_factor
from .safe_arithmetic import ForbiddenError
from .safe_expressions import ExpressionChecker

if TYPE_CHECKING:
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor

    from ..formula.auxiliary import AuxiliaryFormula
    from ..formula.formula_part import FormulaPart
    from ..formula.terms import BoundFormula
    from ..support.column_table import Table

MAX_NUMBERS = 2**28
"""Numbers (2 GiB) in all columns that a formula makes. A small file can ask for any number of
them: a factor with a level for each row has a column for each row."""

MAX_COLUMNS = 2000
"""The time that finding dependent columns takes grows with their square."""

SAVE_ADVICE = (
    "Make a column of it, or a function with a name of its own, and fit with "
    "context={'name': function}."
)


def names_from_context(
    bound: BoundFormula,
    table: Table,
    given: Mapping[str, Any],
    what: str,
    auxiliary: Mapping[str, AuxiliaryFormula] | None = None,
) -> list[str]:
    """Check a formula; return the names that it needs from ``context=``.

    Parameters
    ----------
    bound : BoundFormula
    table : Table
        Its columns.
    given : mapping
        What ``context=`` holds.
    what : str
        ``"save"`` or ``"load"``, for messages.
    auxiliary : mapping of str to AuxiliaryFormula, optional
        Formulas of parameters beside the mean.

    Raises
    ------
    FormulaError
        An expression is outside the whitelist; the message marks it and says the way out.
    MemoryLimitError
        The columns that it makes would be too many.
    """
    objects = [name for name, column in table.items() if column.dtype.kind == "O"]

    @cache
    def levels(name: str) -> int:
        return int(table[name].nunique())

    def distinct(names: Collection[str]) -> int:
        return min(table.n, prod(levels(name) for name in names))

    others = tuple((auxiliary or {}).values())
    used = dict.fromkeys([*bound.columns, *(c for formula in others for c in formula.columns)])
    checker = ExpressionChecker(tuple(used), objects, given, distinct)

    def width(factor: Factor, part: FormulaPart) -> int:
        if factor.eval_method.value == "literal":
            return 1
        if factor.eval_method.value == "lookup":
            name = unaliased(factor.expr)
            is_factor = name in objects or table[name].dtype.kind == "b"
            return levels(name) if is_factor else 1
        try:
            return checker.check(factor.expr).width
        except ForbiddenError as exc:
            hint = SAVE_ADVICE if what == "save" else "Nothing of the file was evaluated."
            raise FormulaError(f"{what}: {exc}. {hint}\n{mark_factor(factor, part)}") from None

    columns = 0
    parts = [*_column_parts(bound), *((own.terms, own.part) for own in others)]
    for parsed, part in parts:
        columns += sum(prod(width(f, part) for f in term.factors) for term in parsed)
    for term in bound.random:
        for factor in term.group:
            width(factor, term.group_part)
    if columns > MAX_COLUMNS or columns * table.n > MAX_NUMBERS:
        raise MemoryLimitError(
            f"{what}: the formula makes up to {columns:,} columns of {table.n:,} rows, and a "
            f"saved fit may have {MAX_COLUMNS:,} columns with {MAX_NUMBERS:,} numbers. Use a "
            "random term for a factor of many levels, and a column of the data for a factor that "
            "is computed."
        )
    return sorted(checker.free_names)


def _column_parts(bound: BoundFormula) -> Iterator[tuple[SimpleFormula, FormulaPart]]:
    """The parts of a formula that make columns, with the place where they stand."""
    formula = bound.formula
    yield bound.response, formula.response
    yield bound.fixed, formula.fixed
    yield from ((term.expression, term.part) for term in bound.random)
    yield from zip(bound.offsets, formula.offsets, strict=True)


def load_with(names: list[str]) -> str:
    """How to give `load` names from the user's code."""
    return f"give load(path, context={{{', '.join(f'{name!r}: ...' for name in names)}}})"
