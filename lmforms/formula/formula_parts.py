"""All parts of a formula on a table: response, fixed and random columns, offsets, labels.

A formula of columns as they are is evaluated directly (:mod:`.plain_terms`). Any other goes to
formulaic, part by part, since the parts share what they learn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.arrays import BoolArray, IndexArray
from ..support.column_table import Labels, Levels, Table
from .auxiliary import AuxiliaryFormula
from .evaluator import Evaluator, Learnt
from .plain_terms import plain_matrix
from .scope import Scope
from .term_matrix import TermMatrix
from .terms import BoundFormula

if TYPE_CHECKING:
    from formulaic import ModelSpec

RESPONSE, FIXED = "the response", "the fixed part"
"""What messages call them."""


@dataclass(frozen=True, eq=False)
class FormulaParts:
    """The evaluated parts of a formula.

    Attributes
    ----------
    response, fixed : TermMatrix
    random : tuple of TermMatrix
        The basis of each random term. Parts with the same terms may be the same.
    offsets : tuple of TermMatrix
    labels : tuple of tuple of Series, Levels or ndarray of int
        Columns whose interaction groups the rows, for each random term.
    auxiliary : mapping of str to TermMatrix
        Columns of the parameters beside the mean, by the names of their formulas.
    """

    response: TermMatrix
    fixed: TermMatrix
    random: tuple[TermMatrix, ...]
    offsets: tuple[TermMatrix, ...]
    labels: tuple[tuple[Labels, ...], ...]
    auxiliary: Mapping[str, TermMatrix] = field(default_factory=dict)

    @property
    def matrices(self) -> tuple[TermMatrix, ...]:
        """Response, fixed part, random terms, offsets and those of other parameters."""
        auxiliary = self.auxiliary.values()
        return (self.response, self.fixed, *self.random, *self.offsets, *auxiliary)

    def subset(self, rows: BoolArray) -> FormulaParts:
        """Some of the rows."""
        return FormulaParts(
            response=self.response.subset(rows),
            fixed=self.fixed.subset(rows),
            random=tuple(m.subset(rows) for m in self.random),
            offsets=tuple(m.subset(rows) for m in self.offsets),
            labels=tuple(tuple(_rows_of(column, rows) for column in term) for term in self.labels),
            auxiliary={name: m.subset(rows) for name, m in self.auxiliary.items()},
        )


def _rows_of(column: Labels, rows: BoolArray) -> Labels:
    return Levels(column.codes[rows], column.dtype) if isinstance(column, Levels) else column[rows]


def formula_parts(
    bound: BoundFormula,
    table: Table,
    scope: Scope,
    contrasts: Mapping[str, Any],
    auxiliary: Mapping[str, AuxiliaryFormula] | None = None,
    learnt: Learnt | None = None,
) -> FormulaParts:
    """Evaluate every part of a formula.

    Parameters
    ----------
    bound : BoundFormula
    table : Table
        Columns of plain types (see :mod:`lmforms.data.frame`).
    scope : Scope
        Functions and variables that calls may use.
    contrasts : mapping
        Coding of factors by column name.
    auxiliary : mapping of str to AuxiliaryFormula, optional
        Formulas of parameters beside the mean, by their names.
    learnt : Learnt, optional
        What transforms and factors know from other rows.

    Raises
    ------
    DataError, FormulaError
        An expression fails, or gives something else than numbers.
    """
    plain = _plain_parts(bound, table, contrasts)
    if plain is not None and not auxiliary:
        return plain
    evaluator = Evaluator(table, scope, contrasts, learnt)
    parts = _evaluated_parts(bound, evaluator) if plain is None else plain
    if not auxiliary:
        return parts
    made = {
        name: evaluator.matrix(formula.terms, formula.part, formula.what)
        for name, formula in auxiliary.items()
    }
    return replace(parts, auxiliary=made)


def _evaluated_parts(bound: BoundFormula, evaluator: Evaluator) -> FormulaParts:
    """Every part as formulaic evaluates it."""
    formula = bound.formula
    offsets = [
        evaluator.matrix(parsed, part, "the offset")
        for parsed, part in zip(bound.offsets, formula.offsets, strict=True)
    ]
    for matrix, part in zip(offsets, formula.offsets, strict=True):
        if not _is_one_column(matrix):
            raise part.error(f"offset({part.label}) is not one column of numbers.")
    return FormulaParts(
        response=evaluator.matrix(bound.response, formula.response, RESPONSE),
        fixed=evaluator.matrix(bound.fixed, formula.fixed, FIXED),
        random=tuple(
            evaluator.matrix(t.expression, t.part, f"the random term {t.written}")
            for t in bound.random
        ),
        offsets=tuple(offsets),
        labels=tuple(
            tuple(evaluator.factor(f, t.group_part) for f in t.group) for t in bound.random
        ),
    )


# --- columns as they are -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LateSpecs:
    """What formulaic would have learnt, found when it is asked for.

    Of plain columns it learns the levels of factors, which one row of a table has too.

    Attributes
    ----------
    bound : BoundFormula
    table : Table
    """

    bound: BoundFormula
    table: Table

    @cached_property
    def matrices(self) -> tuple[TermMatrix, ...]:
        """The parts on the first row."""
        first = {name: column.iloc[:1] for name, column in self.table.items()}
        table = Table(first, self.table.index[:1])
        return _evaluated_parts(self.bound, Evaluator(table, Scope())).matrices


@dataclass(frozen=True, eq=False)
class DirectTerms:
    """Terms of columns as they are.

    Attributes
    ----------
    labels : tuple of str
    counts : tuple of int
        Columns of each term.
    is_categorical : bool
    late : LateSpecs
    place : int
        Of the part among all.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    is_categorical: bool
    late: LateSpecs
    place: int

    @property
    def spec(self) -> ModelSpec:
        """What the transforms learnt: of plain columns, levels alone."""
        return self.late.matrices[self.place].spec

    @property
    def columns_by_term(self) -> dict[str, IndexArray]:
        """Positions of the columns of each term, in the order of the formula."""
        ends = pairwise(accumulate(self.counts, initial=0))
        return {
            label: np.arange(start, stop, dtype=np.intp)
            for label, (start, stop) in zip(self.labels, ends, strict=True)
        }


def _plain_parts(
    bound: BoundFormula, table: Table, contrasts: Collection[str]
) -> FormulaParts | None:
    """The parts of a formula of columns as they are; None where anything else is there."""
    plain = bound.plain
    if plain is None:
        return None
    late = LateSpecs(bound, table)
    made: list[TermMatrix] = []
    for terms, place in zip(plain.distinct, plain.first, strict=True):
        found = plain_matrix(terms, table, contrasts)
        if found is None:
            return None
        own = DirectTerms(terms.labels, found.counts, found.is_categorical, late, place)
        made.append(TermMatrix(found.values, found.names, own))
    matrices = [made[kind] for kind in plain.places]
    labels = {name: _labels(table, name) for name in plain.grouping_columns}
    first_offset = 2 + len(bound.random)
    offsets = matrices[first_offset:]
    for matrix in offsets:
        if not _is_one_column(matrix):
            return None
    return FormulaParts(
        response=matrices[0],
        fixed=matrices[1],
        random=tuple(matrices[2:first_offset]),
        offsets=tuple(offsets),
        labels=tuple([tuple([labels[name] for name in group]) for group in plain.groups]),
    )


def _labels(table: Table, name: str) -> Labels:
    """A column of labels; floats are checked under their name."""
    column = table.plain(name)
    if isinstance(column, Levels):
        is_plain = column.dtype.categories.dtype.kind != "f"
    else:
        is_plain = column is not None and column.dtype.kind == "i"
    return column if is_plain else table.named(name)


def _is_one_column(matrix: TermMatrix) -> bool:
    """Whether it is one column of numbers."""
    return len(matrix.names) == 1 and not matrix.is_categorical
