"""S⁻¹ on the pattern of its Cholesky factor, by Takahashi's recursion.

With Z = S⁻¹, S = LL' (rows and columns already in the fill-reducing order), for columns J
from last to first, where J is one column or several neighbouring ones with one pattern, and
I the rows below J in L,

    Y = L[I, J] L[J, J]⁻¹,   Z[I, J] = −Z[I, I] Y,
    Z[J, J] = L[J, J]⁻ᵀL[J, J]⁻¹ − Y'Z[I, J],

where the pattern of L holds all entries of Z[I, I] that are needed.

References
----------
Takahashi, Fagan, Chin (1973); Erisman, Tinney (1975), *On computing certain elements of the
inverse of a sparse matrix*, Comm. ACM 18(3); Lin et al. (2011), *SelInv*, ACM TOMS 37(4),
for columns taken together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IntArray
from .compiled import compiled_kernels

WIDEST = 256
"""Columns taken together at most."""

PER_COLUMN = 50.0
"""Pairs of entries that cost as much in compiled code as one column costs in Python."""


@dataclass(frozen=True, eq=False)
class SelectedInverse:
    """The pattern of L, and the recursion on it.

    Attributes
    ----------
    indptr, indices : ndarray of int
        L by columns, rows ascending.
    """

    indptr: IntArray
    indices: IntArray

    @property
    def m(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def work(self) -> float:
        """Σ|I|²: pairs of entries of one column, what a factorisation or inverse costs."""
        return float((np.diff(self.indptr).astype(np.float64) ** 2).sum())

    @cached_property
    def panels(self) -> IntArray:
        """First columns of groups with one pattern, and m."""
        counts = np.diff(self.indptr)
        starts = self.indptr[:-1]
        following = np.full(self.m, -1, dtype=np.int64)
        below = counts > 1
        following[below] = self.indices[starts[below] + 1]
        columns = np.arange(self.m)
        joined = np.zeros(self.m, dtype=bool)
        joined[1:] = (following[:-1] == columns[1:]) & (counts[1:] == counts[:-1] - 1)
        last = np.maximum.accumulate(np.where(joined, 0, columns))
        joined &= (columns - last) % WIDEST > 0
        return np.append(np.flatnonzero(~joined), self.m).astype(np.int64)

    def __call__(self, values: FloatArray) -> FloatArray:
        """Z on the pattern of L, from L's numbers."""
        compiled = compiled_kernels("linalg.takahashi_kernels", max(self.work, PER_COLUMN * self.m))
        if compiled is not None:
            return np.asarray(compiled.selected_inverse(self, values))
        return self._plain(values)

    def _plain(self, values: FloatArray) -> FloatArray:
        starts = self.indptr[:-1]
        diagonal = values[starts]
        z = np.empty_like(values)
        z[starts] = 1.0 / diagonal**2
        for j in np.flatnonzero(np.diff(self.indptr) > 1)[::-1]:
            span = slice(self.indptr[j] + 1, self.indptr[j + 1])
            rows = self.indices[span]
            column = values[span] / diagonal[j]
            low, high = np.minimum.outer(rows, rows), np.maximum.outer(rows, rows)
            z[span] = -(z[self.places(low, high)] @ column)
            z[starts[j]] -= column @ z[span]
        return z

    def places(self, cols: IntArray, rows: IntArray) -> IntArray:
        """Where entries of the pattern are stored."""
        return np.searchsorted(self.keys, cols.astype(np.int64) * self.m + rows)

    @cached_property
    def keys(self) -> IntArray:
        """column·m + row of every entry, ascending."""
        return entry_keys(self.indptr, self.indices)


def entry_keys(indptr: IntArray, indices: IntArray) -> IntArray:
    """column·m + row of every entry of a CSC matrix: sorted if its rows are."""
    m = len(indptr) - 1
    return np.repeat(np.arange(m, dtype=np.int64) * m, np.diff(indptr)) + indices


def column_counts(
    indptr: IntArray, indices: IntArray, order: IntArray, most: float = np.inf
) -> IntArray:
    """Entries of each column of L, for a symmetric pattern (lower triangle) in this order.

    Counting stops soon after `most` entries in all.

    Row i of L holds the paths in the elimination tree from the row's entries up to i.

    References
    ----------
    Davis (2006), *Direct Methods for Sparse Linear Systems*, sections 4.1–4.4.
    """
    import scipy.sparse as sp

    m = len(order)
    place = np.empty(m, dtype=np.int64)
    place[order] = np.arange(m)
    rows = place[indices]
    cols = np.repeat(place, np.diff(indptr))
    entries = (np.ones(len(rows), dtype=np.int8), (np.maximum(rows, cols), np.minimum(rows, cols)))
    by_row = sp.csr_matrix(entries, shape=(m, m))
    start, index = by_row.indptr.astype(np.int64), by_row.indices.astype(np.int32)
    compiled = compiled_kernels("linalg.takahashi_kernels", PER_COLUMN * len(rows))
    count = _column_counts if compiled is None else compiled.column_counts
    return np.asarray(count(start, index, most))


def _column_counts(start: Any, index: Any, most: float) -> Any:
    m = len(start) - 1
    parent = np.full(m, -1, np.int64)
    counts = np.ones(m, np.int64)
    seen = np.full(m, -1, np.int64)
    total = m
    for i in range(m):
        seen[i] = i
        for p in range(start[i], start[i + 1]):
            k = index[p]
            while seen[k] != i:
                if parent[k] < 0:
                    parent[k] = i
                counts[k] += 1
                total += 1
                seen[k] = i
                k = parent[k]
        if total > most:
            break
    return counts
