"""Where C = Z₂'Z₁ has entries, and how many pairs of them loops over CC' visit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...support.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class SparsityPattern:
    """Where C has entries, level by level of Z₁: ``rows[indptr[l]:indptr[l + 1]]``.

    Attributes
    ----------
    rows : ndarray of int32 (entries,)
        Ascending within a level.
    indptr : ndarray of int32 (q₁ + 1,)
    m : int
        Number of rows.
    """

    rows: IntArray
    indptr: IntArray
    m: int

    @property
    def bytes(self) -> int:
        return int(self.rows.nbytes + self.indptr.nbytes)

    @cached_property
    def level(self) -> IntArray:
        """The level of every entry."""
        levels = np.arange(len(self.indptr) - 1, dtype=np.int32)
        return np.repeat(levels, np.diff(self.indptr))

    @cached_property
    def first(self) -> IntArray:
        """The first entry of every entry's level."""
        return np.repeat(self.indptr[:-1], np.diff(self.indptr))

    @cached_property
    def work(self) -> float:
        """Pairs of entries of one level, summed: what CC' costs."""
        return float((np.diff(self.indptr).astype(np.float64) ** 2).sum())

    @cached_property
    def row_work(self) -> FloatArray:
        """Pairs of entries in the lower triangle of CC', by row."""
        before = np.arange(len(self.rows)) - self.indptr[self.level]
        return np.asarray(np.bincount(self.rows, before + 1.0, self.m), dtype=np.float64)

    @cached_property
    def column_work(self) -> FloatArray:
        """The same by column."""
        after = self.indptr[self.level + 1] - np.arange(len(self.rows))
        return np.asarray(np.bincount(self.rows, after, self.m), dtype=np.float64)

    def blocks(self, start: int, stop: int, k: int) -> IntArray:
        """Entries of rows `start` to `stop`, the k rows of one level in a row of the result."""
        if (start, k) not in self._blocks:
            mine = (self.rows >= start) & (self.rows < stop)
            self._blocks[start, k] = np.flatnonzero(mine).reshape(-1, k)
        return self._blocks[start, k]

    @cached_property
    def _blocks(self) -> dict[tuple[int, int], IntArray]:
        return {}

    @cached_property
    def by_row(self) -> tuple[IntArray, IntArray, IntArray]:
        """Entries in the order of rows; where each row begins; where each entry's level ends."""
        import scipy.sparse as sp

        count = len(self.rows)
        numbers = sp.csc_matrix(
            (np.arange(count, dtype=np.int32), self.rows, self.indptr),
            shape=(self.m, len(self.indptr) - 1),
        ).tocsr()
        ends = np.repeat(self.indptr[1:], np.diff(self.indptr))
        return numbers.data, numbers.indptr.astype(np.int32), ends.astype(np.int32)


def ranges(work: FloatArray, parts: int) -> IntArray:
    """Bounds of `parts` ranges of rows with about as much work each."""
    done = np.cumsum(work)
    inner = np.searchsorted(done, np.linspace(0.0, done[-1], parts + 1)[1:-1]) + 1
    return np.concatenate([[0], inner, [len(work)]]).astype(np.int64)
