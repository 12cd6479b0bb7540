"""The pattern of a sparse Cholesky factor L, and the panels of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...support.arrays import IntArray
from .compiled import compiled_kernels

PER_COLUMN = 50.0
"""Pairs of entries that cost as much in compiled code as one column costs in Python."""

LARGE_PANEL = 2e6
"""Multiplications of a panel from which LAPACK repays its being copied and called."""

NARROW = 16
"""Columns up to which a panel is not LAPACK's, however tall: the work is in its product."""


@dataclass(frozen=True, eq=False)
class FactorPattern:
    """Where the entries of L are.

    Attributes
    ----------
    indptr : ndarray of int64 (m + 1,)
    indices : ndarray of int32
        L by columns, rows ascending: the diagonal entry comes first.
    """

    indptr: IntArray
    indices: IntArray

    @property
    def m(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        return len(self.indices)

    @cached_property
    def work(self) -> float:
        """Σ|I|²: pairs of entries of one column, what a factorisation or inverse costs."""
        return float((np.diff(self.indptr).astype(np.float64) ** 2).sum())

    @cached_property
    def panels(self) -> IntArray:
        """First columns of groups with one pattern (apart from their own rows), and m."""
        counts = np.diff(self.indptr)
        starts = self.indptr[:-1]
        following = np.full(self.m, -1, dtype=np.int64)
        below = counts > 1
        following[below] = self.indices[starts[below] + 1]
        joined = np.zeros(self.m, dtype=bool)
        joined[1:] = following[:-1] == np.arange(1, self.m)
        joined[1:] &= counts[1:] == counts[:-1] - 1
        return np.append(np.flatnonzero(~joined), self.m).astype(np.int64)

    @cached_property
    def owner(self) -> IntArray:
        """The panel of each column, (m,)."""
        widths = np.diff(self.panels)
        return np.repeat(np.arange(len(widths), dtype=np.int32), widths)

    @cached_property
    def shapes(self) -> tuple[IntArray, IntArray]:
        """Columns of every panel, and its rows below these columns' own."""
        widths = np.diff(self.panels)
        return widths, np.diff(self.indptr)[self.panels[:-1]] - widths

    @cached_property
    def large(self) -> IntArray:
        """Panels that are dense matrices for LAPACK."""
        widths, below = self.shapes
        work = widths * (widths + below).astype(np.float64) ** 2
        return np.flatnonzero((widths > NARROW) & (work > LARGE_PANEL))

    def largest(self, sizes: IntArray) -> int:
        """The largest of these sizes of panels, without those for LAPACK."""
        return int(np.delete(sizes, self.large).max(initial=0))

    def runs(self) -> list[tuple[int, int, bool]]:
        """All panels in order: large ones alone, the others in runs.

        Returns
        -------
        list of (begin, end, large)
        """
        out, begin = [], 0
        for n in self.large.tolist():
            if n > begin:
                out.append((begin, n, False))
            out.append((n, n + 1, True))
            begin = n + 1
        if begin < len(self.panels) - 1:
            out.append((begin, len(self.panels) - 1, False))
        return out

    def places(self, cols: IntArray, rows: IntArray) -> IntArray:
        """Where entries of the pattern are stored."""
        compiled = compiled_kernels("linalg.cholesky_kernels", PER_COLUMN * len(cols))
        if compiled is None:
            return np.searchsorted(self.keys, cols.astype(np.int64) * self.m + rows)
        out = np.empty(len(cols), dtype=np.int64)
        as_int = (np.ascontiguousarray(x, dtype=np.int64) for x in (cols, rows))
        compiled.find_places(self.indptr, self.indices, *as_int, out)
        return out

    @cached_property
    def keys(self) -> IntArray:
        """column·m + row of every entry, ascending."""
        return entry_keys(self.indptr, self.indices)


def entry_keys(indptr: IntArray, indices: IntArray) -> IntArray:
    """column·m + row of every entry of a CSC matrix: sorted if its rows are."""
    m = len(indptr) - 1
    return np.repeat(np.arange(m, dtype=np.int64) * m, np.diff(indptr)) + indices
