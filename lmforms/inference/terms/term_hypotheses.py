"""Matrices L of the tests of terms, from the estimable functions and the columns of X.

See :mod:`.term_contrasts` for the definitions and the notation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from ...engine.linalg.independent_columns import independent_columns
from ...engine.linalg.stable_columns import root_mean_squares, triangular_root
from ...support.arrays import FloatArray, IndexArray
from .estimable_spaces import (
    EstimableFunctions,
    EstimableSpace,
    column_space,
    without_rounding_columns,
)
from .fixed_terms import FixedTerm

ROUNDING = 1e-12
"""Coefficients below this share of the largest of their row, in units of the columns' sizes, are
rounding."""

SAME_ROWS = 1e-8
"""Rows of hypotheses that agree up to this share are one hypothesis."""


@dataclass(frozen=True, eq=False)
class ModelColumns:
    """Columns of X, before the rank check, and which of them are kept.

    Attributes
    ----------
    values : ndarray (n, all columns)
    kept : ndarray of int (p,)
    by_term : mapping of str to ndarray of int
        All columns of each term.
    """

    values: FloatArray
    kept: IndexArray
    by_term: Mapping[str, IndexArray]

    @cached_property
    def all_sizes(self) -> FloatArray:
        """Root mean square of each column; 1 for columns of zeros."""
        sizes = root_mean_squares(self.values)
        return np.where(sizes > 0, sizes, 1.0)

    @property
    def sizes(self) -> FloatArray:
        """Those of the columns kept."""
        return np.asarray(self.all_sizes[self.kept])

    @cached_property
    def root(self) -> FloatArray:
        """R of the columns kept, each divided by its size."""
        if len(self.kept) == self.values.shape[1]:
            return self.all_root
        return triangular_root(self.values[:, self.kept] / self.sizes)

    @cached_property
    def all_root(self) -> FloatArray:
        """R of all columns, each divided by its size."""
        return triangular_root(self.values / self.all_sizes)


def adjusted_for(term: FixedTerm, terms: Sequence[FixedTerm], type: int) -> list[FixedTerm]:
    """The terms that a term is tested after: none of their parameters is in its hypotheses."""
    if type == 1:
        return list(terms[: terms.index(term)])
    return [other for other in terms if other != term and not other.contains(term)]


def type_three(
    columns: ModelColumns, estimable: EstimableFunctions, tested: Sequence[FixedTerm]
) -> dict[str, FloatArray]:
    """T'M of each term."""
    found = {}
    for term in tested:
        space = estimable.space_of(term)
        functions = np.kron(_functions(space, term)[1], np.eye(space.k)).T
        own = space.treatment[:, space.own_columns(term)]
        left = without_rounding_columns(functions @ own, own, space.tolerance)
        echelon = _one_column_each(left)
        rows = echelon @ functions @ space.coding[:, columns.kept]
        if not estimable.complete:
            rows = _independent_rows(rows, columns.sizes)
        found[term.label] = rows
    return found


def _functions(space: EstimableSpace, term: FixedTerm) -> tuple[FloatArray, FloatArray]:
    """J and T of a term, in coordinates of the basis of its space."""
    others = {other.label for other in adjusted_for(term, space.terms, 3)}
    outside = column_space(space.rows(others).T, space.tolerance)
    own = space.rows({term.label}).T
    for _ in range(2):  # once more for what rounding left
        own = own - outside @ (outside.T @ own)
    return outside, column_space(own, space.tolerance)


def _one_column_each(block: FloatArray) -> FloatArray:
    """A such that rows A @ block have 1 in one column each, where the other rows have 0.

    The first columns that are independent; the rows are left as they are if there are too few.
    """
    chosen = independent_columns(block)
    if len(chosen) < len(block):
        return np.eye(len(block))
    return np.asarray(np.linalg.inv(block[:, chosen]))


def type_two(
    columns: ModelColumns, estimable: EstimableFunctions, tested: Sequence[FixedTerm]
) -> dict[str, FloatArray]:
    """QᵢR of each term after all others that do not contain it, where X spans what X_o spans."""
    moved = _moved(columns, estimable)
    ends = np.cumsum([0, *(len(space.coding) for space in estimable.spaces)])
    found = {}
    for term in tested:
        space = estimable.space_of(term)
        place = estimable.spaces.index(space)
        start, end = ends[place], ends[place + 1]
        rest = np.delete(moved, np.s_[start:end], axis=1)
        outside, functions = (np.kron(f, np.eye(space.k)) for f in _functions(space, term))
        own = space.treatment[:, space.own_columns(term)]
        left = without_rounding_columns(functions.T @ own, own, space.tolerance)
        own = own[:, independent_columns(left)]
        before = np.hstack([rest, moved[:, start:end] @ outside])
        free = not any(other.contains(term) for other in tested)
        rows = _after(before, moved[:, start:end] @ own, reduced=free)
        found[term.label] = rows @ columns.root * columns.sizes
    return found


def type_one(
    columns: ModelColumns, estimable: EstimableFunctions, tested: Sequence[FixedTerm]
) -> dict[str, FloatArray]:
    """QᵢR of each term after those before it, where X spans what X_o spans."""
    moved = _moved(columns, estimable)
    treatment = np.vstack([space.treatment for space in estimable.spaces])
    kept = independent_columns(treatment)
    coded = moved @ treatment[:, kept]
    found = {}
    for term in tested:
        own = np.flatnonzero(np.isin(kept, estimable.space_of(term).own_columns(term)))
        before = np.arange(own[0] if len(own) else 0)
        rows = _after(coded[:, before], coded[:, own])
        found[term.label] = rows @ columns.root * columns.sizes
    return found


def _moved(columns: ModelColumns, estimable: EstimableFunctions) -> FloatArray:
    """RM⁻¹."""
    maps = np.vstack([space.coding[:, columns.kept] / columns.sizes for space in estimable.spaces])
    return np.asarray(scipy.linalg.solve(maps.T, columns.root.T).T)


def from_columns(
    columns: ModelColumns, terms: Sequence[FixedTerm], type: int
) -> dict[str, FloatArray]:
    """Types I and II from the columns of X, for contrasts that leave out some differences."""
    root, sizes = columns.all_root, columns.all_sizes
    found = {}
    for term in (term for term in terms if not term.is_intercept):
        others = [columns.by_term[other.label] for other in adjusted_for(term, terms, type)]
        order = np.concatenate([*others, columns.by_term[term.label]])
        kept: IndexArray = order[independent_columns(columns.values[:, order])]
        own = np.isin(kept, columns.by_term[term.label])
        free = type == 2 and not any(other.contains(term) for other in terms)
        rows = _after(root[:, kept[~own]], root[:, kept[own]] * sizes[kept[own]], reduced=free)
        found[term.label] = (rows @ root * sizes)[:, columns.kept]
    return found


def _after(before: FloatArray, columns: FloatArray, *, reduced: bool = False) -> FloatArray:
    """Rows that take from others what is along the part of columns outside of those before.

    Row i has the coefficient 1 of column i and 0 of the earlier ones; the rows are orthogonal, or,
    if `reduced`, have 0 of the later ones too.
    """
    q, r = np.linalg.qr(np.hstack([before, columns]))
    start = before.shape[1]
    rows, own = q[:, start:].T, r[start:, start:]
    if reduced and own.size:  # old versions of SciPy refuse no columns
        return np.asarray(scipy.linalg.solve_triangular(own, rows))
    return np.asarray(rows / np.diagonal(own)[:, None])


def _independent_rows(rows: FloatArray, sizes: FloatArray) -> FloatArray:
    """As few rows as say the same: contrasts of few columns make some of them equal."""
    scaled = rows / sizes
    largest = np.abs(scaled).max(initial=0.0)
    if largest == 0.0:
        return rows[:0]
    return column_space((scaled / largest).T, SAME_ROWS).T * sizes


def without_rounding(
    rows: FloatArray, sizes: FloatArray, uninvolved: Sequence[IndexArray]
) -> FloatArray:
    """Exact zeros of the columns that hypotheses do not involve, and for rounding of zero.

    Parameters
    ----------
    rows : ndarray (r, p)
    sizes : ndarray (p,)
    uninvolved : sequence of ndarray of int
        Columns of the terms that the term is adjusted for.
    """
    shares = np.abs(rows / sizes)
    largest = shares.max(axis=1, initial=0.0, keepdims=True)
    rows = np.where(shares > ROUNDING * largest, rows, 0.0)
    for columns in uninvolved:
        rows[:, columns] = 0.0
    return rows
