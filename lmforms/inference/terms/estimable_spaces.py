"""Estimable functions of the over-parametrised design, as orthonormal bases of its row space.

A function l'β_o of the parameters is estimable if l lies in the row space of X_o. Terms that do
not share the same numbers have parameters of their own there: as a rule the row space is the sum of
one space for each set of numbers, times the numbers, and then follows from indicators of
combinations of levels alone, whatever values the numbers have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ...support.arrays import FloatArray, IndexArray
from .fixed_terms import FixedTerm
from .parameter_blocks import OverParametrised, TermParameters

INDICATOR_TOLERANCE = 1e-8
"""Parts of unit vectors below this are rounding, where all numbers are indicators of combinations:
rounding is 1e-14, the least true part about one over the number of levels."""

NUMBER_TOLERANCE = 1e-6
"""The same where columns of numbers enter, whose common origin costs digits."""


@dataclass(frozen=True)
class EstimableSpace:
    """Estimable functions of some terms.

    Attributes
    ----------
    terms : tuple of FixedTerm
    spans : tuple of slice
        Rows of `basis` of each term.
    basis : ndarray (parameters, r)
        Orthonormal: l is estimable if and only if it is a combination of the columns.
    k : int
        Columns of numbers that every parameter stands for: each has the same basis.
    coding : ndarray (r × k, columns of all terms)
        The coding K of the fit in these coordinates: the function with coordinates t is t'`coding`
        times the coefficients of all columns of X. Columns of numbers vary fastest.
    treatment : ndarray (r × k, columns of all terms)
        The same for treatment contrasts.
    columns : tuple of ndarray of int
        Columns of each term under treatment contrasts.
    tolerance : float
        Parts of unit vectors below this are rounding.
    """

    terms: tuple[FixedTerm, ...]
    spans: tuple[slice, ...]
    basis: FloatArray
    k: int
    coding: FloatArray
    treatment: FloatArray
    columns: tuple[IndexArray, ...]
    tolerance: float

    def own_columns(self, term: FixedTerm) -> IndexArray:
        """Columns of a term under treatment contrasts."""
        return self.columns[self.terms.index(term)]

    def rows(self, labels: set[str]) -> FloatArray:
        """Rows of the basis of some terms, by their labels."""
        chosen = [self.basis[s] for t, s in zip(self.terms, self.spans) if t.label in labels]
        return np.vstack([np.empty((0, self.basis.shape[1])), *chosen])


@dataclass(frozen=True)
class EstimableFunctions:
    """All estimable functions.

    Attributes
    ----------
    spaces : tuple of EstimableSpace
        Functions of different spaces have no parameters in common.
    complete : bool
        Whether X spans what X_o spans: not so for contrasts of fewer columns than levels allow.
    """

    spaces: tuple[EstimableSpace, ...]
    complete: bool

    def space_of(self, term: FixedTerm) -> EstimableSpace:
        """The space with the parameters of a term."""
        return next(space for space in self.spaces if term in space.terms)


def estimable_functions(over: OverParametrised, rank: int) -> EstimableFunctions:
    """Bases of the estimable functions.

    Parameters
    ----------
    over : OverParametrised
    rank : int
        Of X.
    """
    numbers = dict.fromkeys(p.term.numbers for p in over.parameters)
    spaces = tuple(_indicator_space(over, own) for own in numbers)
    if rank == sum(space.basis.shape[1] * space.k for space in spaces):
        # rank X ≤ rank X_o ≤ this sum
        return EstimableFunctions(spaces, complete=True)
    complete = all(_spans_all(space) for space in spaces)
    joint = _joint_space(over, rank if complete else None)
    return EstimableFunctions((joint,), complete or joint.basis.shape[1] == rank)


def _spans_all(space: EstimableSpace) -> bool:
    """Whether the coding of the fit keeps all estimable functions apart."""
    sizes = np.abs(space.coding).max(axis=0, initial=0.0)
    scaled = space.coding / np.where(sizes > 0, sizes, 1.0)
    return column_rank(scaled, INDICATOR_TOLERANCE) == len(space.coding)


def _indicator_space(over: OverParametrised, numbers: frozenset[str]) -> EstimableSpace:
    """The terms with some numbers, from the combinations of levels that occur."""
    parameters = [p for p in over.parameters if p.term.numbers == numbers]
    counts = [p.combinations.count for p in parameters]
    basis = column_space(over.indicator_root(parameters).T, INDICATOR_TOLERANCE)
    return _space(parameters, counts, basis, len(parameters[0].numbers), INDICATOR_TOLERANCE)


def _joint_space(over: OverParametrised, rank: int | None) -> EstimableSpace:
    """All terms in one space, from the columns of X_o themselves."""
    _, values, directions = np.linalg.svd(over.root(), full_matrices=False)
    if rank is None:
        rank = int((values > INDICATOR_TOLERANCE * values.max(initial=0.0)).sum())
    counts = [len(p.coding) for p in over.parameters]
    return _space(over.parameters, counts, directions[:rank].T, 1, NUMBER_TOLERANCE)


def _space(
    parameters: Sequence[TermParameters],
    counts: Sequence[int],
    basis: FloatArray,
    k: int,
    tolerance: float,
) -> EstimableSpace:
    def in_coordinates(codings: list[FloatArray]) -> FloatArray:
        stacked = np.vstack(codings)
        moved = (basis.T @ stacked.reshape(len(basis), -1)).reshape(
            basis.shape[1] * k, stacked.shape[1]
        )
        return without_rounding_columns(moved, stacked, tolerance)

    return EstimableSpace(
        terms=tuple(p.term for p in parameters),
        spans=tuple(slice(s, s + c) for s, c in zip(_starts(counts), counts, strict=True)),
        basis=basis,
        k=k,
        coding=in_coordinates([p.coding for p in parameters]),
        treatment=in_coordinates([p.treatment for p in parameters]),
        columns=tuple(np.flatnonzero((p.treatment != 0).any(axis=0)) for p in parameters),
        tolerance=tolerance,
    )


def _starts(counts: Sequence[int]) -> list[int]:
    return [0, *np.cumsum(counts[:-1]).tolist()]


def without_rounding_columns(
    projected: FloatArray, columns: FloatArray, tolerance: float
) -> FloatArray:
    """Projected columns, with exact zeros where next to nothing is left of a column.

    Parameters
    ----------
    projected : ndarray (r, k)
    columns : ndarray (m, k)
        Before they were projected.
    tolerance : float
        A smaller share is rounding.
    """
    left, sizes = (np.linalg.norm(c, axis=0) for c in (projected, columns))
    return np.where(left > tolerance * sizes, projected, 0.0)


def column_space(columns: FloatArray, tolerance: float) -> FloatArray:
    """Orthonormal basis of what columns span; parts below `tolerance` are rounding.

    By elimination with column pivoting: `tolerance` is relative to the largest column, or to 1.

    Examples
    --------
    >>> column_space(np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]), 1e-8).shape
    (2, 1)
    """
    if not columns.size:
        return np.empty((len(columns), 0))
    q, r, _ = scipy.linalg.qr(columns, mode="economic", pivoting=True)
    return np.asarray(q[:, : _count(r, tolerance)])


def column_rank(columns: FloatArray, tolerance: float) -> int:
    """Number of columns that :func:`column_space` gives.

    Examples
    --------
    >>> column_rank(np.ones((3, 2)), 1e-8)
    1
    """
    if not columns.size:
        return 0
    r, _ = scipy.linalg.qr(columns, mode="r", pivoting=True)
    return _count(r, tolerance)


def _count(r: FloatArray, tolerance: float) -> int:
    pivots = np.abs(np.diagonal(r))
    return int((pivots > tolerance * max(1.0, pivots.max(initial=0.0))).sum())
