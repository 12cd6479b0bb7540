"""Rows of series in the order of their points, and the different sets of points among series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..support.arrays import FloatArray, IndexArray

MOST_SEPARATE_PATTERNS = 64
"""Up to so many patterns are multiplied one after the other; beyond, roots are copied by series."""

MOST_DISTINCT_POINTS = 200
"""With up to so many different points, their correlation matrix is computed once for all series."""


@dataclass(frozen=True, eq=False)
class SeriesOrder:
    """Rows of series in the order of their points.

    Attributes
    ----------
    points : ndarray (n, d)
    rows : ndarray of int (n,)
        Rows, one series after the other, each in the order of its points.
    starts : ndarray of int (series,)
        Place in `rows` of the first row of each series.
    """

    points: FloatArray
    rows: IndexArray
    starts: IndexArray

    @classmethod
    def of(cls, points: FloatArray, series: IndexArray) -> SeriesOrder:
        """Sort rows by series and points."""
        keys = [points[:, j] for j in range(points.shape[1] - 1, -1, -1)]
        rows = np.lexsort((*keys, series))
        sorted_series = series[rows]
        new = np.append(True, sorted_series[1:] != sorted_series[:-1])
        return cls(points, rows, np.flatnonzero(new[: len(rows)]))

    @property
    def lengths(self) -> IndexArray:
        """Number of rows of each series."""
        return np.diff(np.append(self.starts, len(self.rows)))

    @cached_property
    def previous(self) -> IndexArray:
        """Row before each row in its series, −1 for the first."""
        before = np.empty(len(self.rows), dtype=np.intp)
        before[self.rows[1:]] = self.rows[:-1]
        before[self.rows[self.starts]] = -1
        return before

    @cached_property
    def _distinct(self) -> tuple[FloatArray, list[IndexArray]] | None:
        """The different points, and those of each pattern as indices (P, m); None if many."""
        points, codes = np.unique(self.points, axis=0, return_inverse=True)
        if len(points) > MOST_DISTINCT_POINTS:
            return None
        codes = codes.ravel()
        rows = [p.rows[np.searchsorted(p.which, np.arange(len(p.points)))] for p in self.patterns]
        return points, [codes[r] for r in rows]

    def blocks(self, matrix: Callable[[FloatArray], FloatArray]) -> list[FloatArray]:
        """The matrix of the points of each pattern, (P, m, m) for each length."""
        if self._distinct is None:
            return [matrix(pattern.points) for pattern in self.patterns]
        points, codes = self._distinct
        full = matrix(points)
        return [full[c[:, :, None], c[:, None, :]] for c in codes]

    def sparse(self, blocks: Sequence[FloatArray]) -> Any:
        """Blocks (P, m, m) of each length, repeated for the series of the pattern, (n, n)."""
        import scipy.sparse as sp

        n = len(self.rows)
        rows, cols, entries = [], [], []
        for pattern, own in zip(self.patterns, blocks, strict=True):
            i, j = np.indices(own.shape[1:]).reshape(2, -1)
            rows.append(pattern.rows[:, i].ravel())
            cols.append(pattern.rows[:, j].ravel())
            entries.append(own.reshape(len(own), -1)[pattern.which].ravel())
        places = np.concatenate(rows), np.concatenate(cols)
        found = sp.csr_matrix((np.concatenate(entries), places), shape=(n, n))
        found.eliminate_zeros()
        return found

    def block_functions(
        self, matrix: Callable[[FloatArray], FloatArray]
    ) -> list[Callable[[slice], FloatArray]]:
        """The same for some of the patterns, and matrices (k, …, m, m) of points."""
        if self._distinct is None:
            return [partial(_matrix_of, matrix, pattern) for pattern in self.patterns]
        points, codes = self._distinct
        full = matrix(points)

        def of(c: IndexArray) -> Callable[[slice], FloatArray]:
            return lambda chunk: full[:, c[chunk][:, :, None], c[chunk][:, None, :]]

        return [of(c) for c in codes]

    def contracted(
        self, derivative: Callable[[FloatArray], FloatArray], weights: Sequence[FloatArray]
    ) -> FloatArray:
        """Σ over patterns of ⟨weights, derivative⟩, for derivatives (k, …, m, m) of points."""
        if self._distinct is None:
            pairs = zip(self.patterns, weights, strict=True)
            each = (np.einsum("pij,kpij->k", w, derivative(p.points)) for p, w in pairs)
            return np.asarray(sum(each))
        points, codes = self._distinct
        size = len(points)
        total = np.zeros(size * size)
        for c, w in zip(codes, weights, strict=True):
            where = c[:, :, None] * size + c[:, None, :]
            total += np.bincount(where.ravel(), w.ravel(), size * size)
        return np.asarray(derivative(points).reshape(-1, size * size) @ total)

    @cached_property
    def patterns(self) -> tuple[SeriesPatterns, ...]:
        """Series by their length, and the different sets of points among them."""
        out = []
        lengths, d = self.lengths, self.points.shape[1]
        for m in np.unique(lengths):
            chosen = self.starts[lengths == m]
            rows = self.rows[chosen[:, None] + np.arange(m)]
            flat = self.points[rows].reshape(len(rows), m * d)
            points, which = np.unique(flat, axis=0, return_inverse=True)
            which = which.ravel()
            order = np.argsort(which, kind="stable")
            out.append(SeriesPatterns(points.reshape(-1, m, d), rows[order], which[order]))
        return tuple(out)


@dataclass(frozen=True, eq=False)
class SeriesPatterns:
    """Series of one length m.

    Attributes
    ----------
    points : ndarray (P, m, d)
        The different sets of points.
    rows : ndarray of int (S, m)
        Rows of each series, those with the same points together.
    which : ndarray of int (S,)
        Index of each series' points, ascending.
    """

    points: FloatArray
    rows: IndexArray
    which: IndexArray

    @cached_property
    def ends(self) -> IndexArray:
        """Bounds of the series of each pattern, (P + 1,)."""
        return np.searchsorted(self.which, np.arange(len(self.points) + 1))

    def times(self, matrices: FloatArray, values: FloatArray) -> FloatArray:
        """Matrices (P, m, m) of the patterns times values (S, m, c)."""
        count = len(self.points)
        if count == 1:
            return np.asarray(matrices[0] @ values)
        if count > MOST_SEPARATE_PATTERNS:
            return np.asarray(matrices[self.which] @ values)
        out = np.empty_like(values)
        for matrix, a, b in zip(matrices, self.ends[:-1], self.ends[1:], strict=True):
            out[a:b] = matrix @ values[a:b]
        return out

    def summed_products(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Σ over the series of each pattern of left_s right_s', (P, m, m)."""
        c = left.shape[2]
        if len(self.points) == len(self.rows):
            return np.asarray(left @ right.swapaxes(1, 2))
        out = np.empty((len(self.points), *left.shape[1:2] * 2))
        m = left.shape[1]
        for p, (a, b) in enumerate(zip(self.ends[:-1], self.ends[1:], strict=True)):
            x = left[a:b].transpose(1, 0, 2).reshape(m, (b - a) * c)
            y = right[a:b].transpose(1, 0, 2).reshape(m, (b - a) * c)
            out[p] = x @ y.T
        return out


def _matrix_of(
    matrix: Callable[[FloatArray], FloatArray], pattern: SeriesPatterns, chunk: slice
) -> FloatArray:
    return matrix(pattern.points[chunk])
