"""Pairs of levels, of two grouping factors, that occur together in rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...support.arrays import BoolArray, FloatArray, IndexArray, for_loops
from ..rows import FactorRows
from .moments import PairMoments

DENSE_ROWS, DENSE_PAIRS = 2.0, 1 << 12
"""Sums of all pairs of levels are stored while rows are added up if there are no more than so many
for each row, or so many in all."""

MOST_TABULATED_PAIRS = 1 << 22
"""With up to so many pairs of levels, those that occur are found by a table, else by sorting."""


def has_few_pairs(a: FactorRows, b: FactorRows) -> bool:
    """Whether sums of all pairs of levels of two factors may be stored."""
    pairs, rows = a.n_levels * b.n_levels, a.codes.shape[0]
    few = pairs <= DENSE_PAIRS or pairs <= DENSE_ROWS * rows
    return few and pairs <= MOST_TABULATED_PAIRS


@dataclass(frozen=True, eq=False)
class PairTable:
    """Sums over rows of all pairs of levels of two factors, as rows are added.

    Attributes
    ----------
    levels_b : int
    found : ndarray of bool (q_a q_b,)
        Pairs that have occurred.
    blocks : ndarray (q_a q_b, k_a, k_b)
    counts : ndarray of int (q_a q_b,), optional
        Rows of each pair, where they are counted.
    """

    levels_b: int
    found: BoolArray
    blocks: FloatArray
    counts: IndexArray | None = None

    @classmethod
    def of(cls, a: FactorRows, b: FactorRows, *, counted: bool = False) -> PairTable:
        """Without rows."""
        pairs = a.n_levels * b.n_levels
        blocks = np.zeros((pairs, a.basis.shape[1], b.basis.shape[1]))
        counts = np.zeros(pairs, dtype=np.int64) if counted else None
        return cls(b.n_levels, np.zeros(pairs, dtype=bool), blocks, counts)

    def keys(self, a: IndexArray, b: IndexArray) -> IndexArray:
        """Which pair some rows of these codes have; it has occurred then."""
        keys = a * self.levels_b + b
        self.found[keys] = True
        if self.counts is not None:
            self.counts[:] += np.bincount(keys, minlength=len(self.counts))
        return keys

    def moments(self) -> PairMoments:
        """Of pairs that have occurred."""
        (present,), q = self.found.nonzero(), self.levels_b
        counts = None if self.counts is None else self.counts[present]
        return PairMoments(present // q, present % q, self.blocks[present], counts)


def pair_places(
    a: FactorRows, b: FactorRows, kernels: Any = None
) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Levels of a and of b that occur together, sorted, (m,) each; the place of each row's pair.

    With `kernels` (:mod:`.row_kernels`) by compiled loops.
    """
    if kernels is None:
        present, where = _pair_keys(a, b)
        return present // b.n_levels, present % b.n_levels, where
    codes = [for_loops(f.codes, np.int64) for f in (a, b)]
    counts = [np.bincount(f.codes, minlength=f.n_levels) for f in (a, b)]
    starts = [np.cumsum(count) - count for count in counts]
    order, place, rows, cols = (np.empty(len(a.codes), dtype=np.int64) for _ in range(4))
    m = kernels.place_pairs(*codes, *starts, order, place, rows, cols)
    return rows[:m].copy(), cols[:m].copy(), place


def _pair_keys(a: FactorRows, b: FactorRows) -> tuple[IndexArray, IndexArray]:
    """Keys (level of a) × levels of b + (level of b) that occur, ascending; each row's place."""
    keys, limit = a.codes * b.n_levels + b.codes, a.n_levels * b.n_levels
    if limit > MOST_TABULATED_PAIRS:  # nested factors need no sorting of rows
        if (keys_of := _one_each(a, keys)) is not None and keys_of.min() >= 0:
            return keys_of, a.codes
        if (keys_of := _one_each(b, keys)) is not None and keys_of.min() >= 0:
            order = np.argsort(keys_of)
            place = np.empty(b.n_levels, dtype=np.intp)
            place[order] = np.arange(b.n_levels)
            return keys_of[order], place[b.codes]
    return _distinct_keys(keys, limit)


def _one_each(factor: FactorRows, keys: IndexArray) -> IndexArray | None:
    """The key that all rows of a level have (−1 without rows), if they have one."""
    found = np.full(factor.n_levels, -1, dtype=np.intp)
    found[factor.codes] = keys
    return found if (found[factor.codes] == keys).all() else None


def _distinct_keys(keys: IndexArray, limit: int) -> tuple[IndexArray, IndexArray]:
    """Sorted distinct keys, and the place of each key among them."""
    if limit > MOST_TABULATED_PAIRS:
        present, where = np.unique(keys, return_inverse=True)
        return present, where.astype(np.intp)
    found = np.zeros(limit, dtype=bool)
    found[keys] = True
    present = np.flatnonzero(found)
    place = np.empty(limit, dtype=np.intp)
    place[present] = np.arange(len(present))
    return present, place[keys]
