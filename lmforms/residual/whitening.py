"""Whitening of series of rows: by the last row before, or by a root for every length of series.

W with WRW' = I, for R block-diagonal over series. Derivatives of quadratic forms in R⁻¹ = W'W are
contracted with given matrices, so that their cost hardly depends on the number of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..correlation import Correlation
from ..correlation.base import complex_derivative
from ..errors import NumericalError
from ..support.arrays import FloatArray, IndexArray
from .series_order import SeriesOrder, SeriesPatterns

MOST_KEPT_NUMBERS = 1 << 25
"""Derivatives of correlation matrices with more numbers than this are computed at each use."""


class Whitening(Protocol):
    """W with WRW' = I for correlations at one φ."""

    @property
    def log_dets(self) -> FloatArray:
        """Contribution of each row to ln|R|, (n,)."""

    @property
    def least_innovation(self) -> float:
        """Least variance of a row that earlier rows of its series leave, its variance being 1."""

    def log_det_slope(self, counts: FloatArray) -> FloatArray:
        """∂/∂φ of `log_dets` times counts (n,), which are the same for the rows of a series."""

    def whiten(self, rows: FloatArray) -> FloatArray:
        """W times rows (n, c)."""

    def transposed(self, rows: FloatArray) -> FloatArray:
        """W' times rows (n, c)."""

    def matrix(self) -> Any:
        """W as a sparse matrix."""

    def contract(self, F: Any, Y: Any) -> FloatArray:
        """∂tr(F'R⁻¹F N)/∂φ for a fixed F (n, c), with Y = WFN; dense or sparse."""


@dataclass(frozen=True, eq=False)
class ChainWhitening:
    """Of series in which a row depends on earlier ones only through the last: O(n).

    Row i becomes (row i − a_i × the row before)/s_i, with a_i the correlation of the two and
    s_i² = 1 − a_i².
    """

    order: SeriesOrder
    correlation: Correlation
    phi: FloatArray

    @cached_property
    def pairs(self) -> tuple[IndexArray, IndexArray]:
        """Rows that have a row before them, and those."""
        later = np.flatnonzero(self.order.previous >= 0)
        return later, self.order.previous[later]

    def _steps(self, phi: Any) -> tuple[Any, Any]:
        """a_i and s_i² of the rows that have one before."""
        later, before = self.pairs
        points = self.order.points
        pair = points[before], points[later]
        return self.correlation.between(phi, *pair), self.correlation.innovation(phi, *pair)

    @cached_property
    def _values(self) -> tuple[FloatArray, FloatArray]:
        a, s2 = self._steps(self.phi)
        if not (s2 > 0).all():
            raise NumericalError("the correlation matrix of the residuals is singular at this φ.")
        return a, np.sqrt(s2)

    @property
    def steps(self) -> tuple[IndexArray, IndexArray, FloatArray, FloatArray]:
        """Rows that have one before them, those rows, a_i and s_i."""
        return (*self.pairs, *self._values)

    @cached_property
    def _slopes(self) -> tuple[FloatArray, FloatArray]:
        """∂a_i/∂φ and ∂ln s_i/∂φ, (n_phi, rows)."""
        both = complex_derivative(lambda z: np.stack(self._steps(z)), self.phi)
        return both[:, 0], 0.5 * both[:, 1] / np.square(self._values[1])

    @property
    def log_dets(self) -> FloatArray:
        out = np.zeros(len(self.order.rows))
        out[self.pairs[0]] = 2.0 * np.log(self._values[1])
        return out

    @property
    def least_innovation(self) -> float:
        return float(np.square(self._values[1]).min(initial=1.0))

    def log_det_slope(self, counts: FloatArray) -> FloatArray:
        return np.asarray(2.0 * self._slopes[1] @ counts[self.pairs[0]])

    def whiten(self, rows: FloatArray) -> FloatArray:
        (later, before), (a, s) = self.pairs, self._values
        out = np.array(rows, dtype=np.float64)
        out[later] -= a[:, None] * rows[before]
        out[later] /= s[:, None]
        return out

    def transposed(self, rows: FloatArray) -> FloatArray:
        (later, before), (a, s) = self.pairs, self._values
        out = np.array(rows, dtype=np.float64)
        out[later] /= s[:, None]
        out[before] -= (a / s)[:, None] * rows[later]  # each row is before at most one
        return out

    def matrix(self) -> Any:
        import scipy.sparse as sp

        (later, before), (a, s) = self.pairs, self._values
        n = len(self.order.rows)
        diagonal = np.ones(n)
        diagonal[later] = 1.0 / s
        ix = np.arange(n)
        entries = np.concatenate([diagonal, -a / s])
        places = np.concatenate([ix, later]), np.concatenate([ix, before])
        return sp.csr_matrix((entries, places), shape=(n, n))

    def contract(self, F: Any, Y: Any) -> FloatArray:
        (later, before), (a, s) = self.pairs, self._values
        da, dlog_s = self._slopes
        y, earlier = Y[later], F[before]
        from_before = row_products(earlier, y)
        scaled = a[:, None] * earlier if isinstance(F, np.ndarray) else _rows_times(earlier, a)
        own = row_products(F[later] - scaled, y) / s  # no difference of large products
        return np.asarray(-2.0 * (da @ (from_before / s) + dlog_s @ own))


@dataclass(frozen=True, eq=False)
class PatternWhitening:
    """Of series by the inverse Cholesky factor of each different correlation matrix."""

    order: SeriesOrder
    correlation: Correlation
    phi: FloatArray

    @cached_property
    def roots(self) -> list[FloatArray]:
        """L⁻¹ of R = LL', (P, m, m) for each length."""
        out = []
        for blocks in self.order.blocks(lambda p: self.correlation.matrix(self.phi, p)):
            try:
                lower = np.linalg.cholesky(blocks)
            except np.linalg.LinAlgError:
                raise NumericalError(
                    "the correlation matrix of the residuals is singular at this φ."
                ) from None
            out.append(np.tril(np.linalg.inv(lower)))
        return out

    def _each(self) -> Sequence[tuple[SeriesPatterns, FloatArray]]:
        return list(zip(self.order.patterns, self.roots, strict=True))

    def _slopes_of(self, weights: Sequence[FloatArray]) -> FloatArray:
        """Σ over patterns of ⟨weights, ∂R/∂φ⟩, for weights (P, m, m) of each length."""
        return self.order.contracted(self._derivative, weights)

    def _derivative(self, points: FloatArray) -> FloatArray:
        """∂R/∂φ of points that the order keeps, computed once if it is not enormous."""
        key = id(points)
        if key not in self._kept:
            found = self.correlation.derivative(self.phi, points)
            if found.size > MOST_KEPT_NUMBERS:
                return found
            self._kept[key] = found
        return self._kept[key]

    @cached_property
    def _kept(self) -> dict[int, FloatArray]:
        return {}

    def changes(self) -> list[Callable[[slice], FloatArray]]:
        """∂R/∂φ of some of the patterns, (n_phi, P, m, m), for each length."""
        return self.order.block_functions(lambda p: self.correlation.derivative(self.phi, p))

    @property
    def log_dets(self) -> FloatArray:
        out = np.empty(len(self.order.rows))
        for pattern, roots in self._each():
            each = -2.0 * np.log(np.einsum("pii->pi", roots))
            out[pattern.rows] = each[pattern.which]
        return out

    @property
    def least_innovation(self) -> float:
        return float(np.exp(self.log_dets.min(initial=0.0)))

    def log_det_slope(self, counts: FloatArray) -> FloatArray:
        weights = []
        for pattern, roots in self._each():
            each = np.bincount(pattern.which, counts[pattern.rows[:, 0]], len(roots))
            weights.append(each[:, None, None] * (roots.swapaxes(1, 2) @ roots))
        return self._slopes_of(weights)

    def whiten(self, rows: FloatArray) -> FloatArray:
        out = np.empty(rows.shape)
        for pattern, roots in self._each():
            out[pattern.rows] = pattern.times(roots, rows[pattern.rows])
        return out

    def transposed(self, rows: FloatArray) -> FloatArray:
        out = np.empty(rows.shape)
        for pattern, roots in self._each():
            out[pattern.rows] = pattern.times(roots.swapaxes(1, 2), rows[pattern.rows])
        return out

    def matrix(self) -> Any:
        return self.order.sparse(self.roots)

    def contract(self, F: Any, Y: Any) -> FloatArray:
        weights = []
        for pattern, roots in self._each():
            back = roots.swapaxes(1, 2)
            few = F.shape[1] < pattern.rows.shape[1]
            if few and isinstance(F, np.ndarray) and len(roots) == len(pattern.rows):
                left = back @ (roots @ F[pattern.rows])
                outer = left @ (back @ Y[pattern.rows]).swapaxes(1, 2)  # R⁻¹F N F'R⁻¹
            else:
                outer = back @ (roots @ _products_within(pattern, F, Y)) @ roots
            weights.append(-0.5 * (outer + outer.swapaxes(1, 2)))
        return self._slopes_of(weights)


def _products_within(pattern: SeriesPatterns, F: Any, Y: Any) -> FloatArray:
    """Σ over the series of each pattern of F_s Y_s', (P, m, m)."""
    if isinstance(F, np.ndarray):
        return pattern.summed_products(F[pattern.rows], Y[pattern.rows])
    series, m = pattern.rows.shape
    out = np.zeros((len(pattern.points), m, m))
    if series < m * m:
        for rows, p in zip(pattern.rows, pattern.which, strict=True):
            product = F[rows] @ Y[rows].T
            out[p] += product if isinstance(product, np.ndarray) else product.toarray()
        return out
    for i in range(m):
        for j in range(m):
            each = row_products(F[pattern.rows[:, i]], Y[pattern.rows[:, j]])
            out[:, i, j] = np.bincount(pattern.which, each, len(out))
    return out


def _rows_times(rows: Any, factors: FloatArray) -> Any:
    """Sparse rows, each times a number."""
    return rows.multiply(factors[:, None]).tocsr()


def row_products(a: Any, b: Any) -> FloatArray:
    """Inner products of the rows of two matrices, dense or sparse, (n,)."""
    if isinstance(a, np.ndarray):
        return np.einsum("ij,ij->i", a, b)
    return np.asarray(a.multiply(b).sum(axis=1)).ravel()
