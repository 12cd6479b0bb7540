"""Unstructured covariance, ``(x | g)``: every variance and covariance is free."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import prod
from typing import ClassVar

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from .base import Covariance, Invariance

SQRT2 = np.sqrt(2.0)

WELL_CONDITIONED = 0.1
"""With a larger ratio of the smallest to the largest singular value of λ, the parametrisation by
its lower triangle is good enough."""


@lru_cache(maxsize=64)
def _triangle(k: int) -> tuple[IndexArray, IndexArray]:
    """Rows and columns of the lower triangle, column by column."""
    columns, rows = np.triu_indices(k)
    return rows, columns


@lru_cache(maxsize=64)
def _unit_triangles(k: int) -> FloatArray:
    """∂λ/∂θ, the same at every θ."""
    rows, columns = _triangle(k)
    out = np.zeros((len(rows), k, k))
    out[np.arange(len(rows)), rows, columns] = 1.0
    out.setflags(write=False)
    return out


@lru_cache(maxsize=64)
def _diagonal(k: int) -> IndexArray:
    """Places of the diagonal in θ."""
    rows, columns = _triangle(k)
    return np.flatnonzero(rows == columns)


def _least_singular_value(lam: FloatArray) -> float:
    """A bound from below of the singular values of a triangular λ, |det λ|/‖λ‖^(k − 1)."""
    det = abs(prod(lam.diagonal().tolist()))
    k = len(lam)
    return det if k == 1 or det == 0.0 else det / float(np.vdot(lam, lam)) ** (0.5 * (k - 1))


@lru_cache(maxsize=64)
def _pairs(k: int) -> tuple[IndexArray, IndexArray]:
    """All i < j."""
    i, j = np.triu_indices(k, 1)
    return i, j


@dataclass(frozen=True)
class Unstructured(Covariance):
    """λ is any lower-triangular matrix; θ its lower triangle, column by column.

    References
    ----------
    Bates et al. (2015), section 2.2: θ as lme4 orders it.

    Examples
    --------
    >>> Unstructured(2).factor(np.array([1.0, 0.5, 0.2]))
    array([[1. , 0. ],
           [0.5, 0.2]])
    """

    invariance: ClassVar[Invariance] = "linear"
    spans_covariances: ClassVar[bool] = True

    @property
    def n_theta(self) -> int:
        return self.k * (self.k + 1) // 2

    def factor(self, theta: FloatArray) -> FloatArray:
        lam = np.zeros((self.k, self.k))
        lam[_triangle(self.k)] = theta
        return lam

    def derivative(self, theta: FloatArray) -> FloatArray:
        return _unit_triangles(self.k)

    def theta(self, factor: FloatArray) -> FloatArray:
        return np.asarray(factor[_triangle(self.k)])

    def nearest(self, covariance: FloatArray) -> FloatArray:
        root = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        return self.theta(root)

    def start(self) -> FloatArray:
        return self.theta(np.eye(self.k))

    def covariances(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.k) for j in range(i + 1, self.k)]

    def canonical(self, theta: FloatArray, of: Covariance) -> FloatArray:
        if type(of) is Unstructured and (theta[_diagonal(self.k)] >= 0.0).all():
            return theta + 0.0  # no negative zeros
        return super().canonical(theta, of)

    def is_singular(self, theta: FloatArray, tolerance: float) -> list[bool]:
        if _least_singular_value(self.factor(theta)) >= tolerance:
            return [False]
        return super().is_singular(theta, tolerance)

    def with_zeros(self, theta: FloatArray, bound: float) -> FloatArray:
        if _least_singular_value(self.factor(theta)) >= bound:
            return theta
        u, d, _ = np.linalg.svd(self.factor(theta))
        if d.min() >= bound:
            return theta
        return self.root_theta(u * np.where(d < bound, 0.0, d))

    def in_principal_axes(self, theta: FloatArray) -> tuple[Covariance, FloatArray]:
        return principal_axes(self, self, theta)

    def variance_directions(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The principal axes, and the diagonals between any two of them."""
        if self.k == 1:
            return np.ones((1, 1)), lam[0] ** 2
        axes, d, _ = np.linalg.svd(lam)
        i, j = _pairs(self.k)
        plus, minus = axes[:, i] + axes[:, j], axes[:, i] - axes[:, j]
        u = np.concatenate([axes, plus / SQRT2, minus / SQRT2], axis=1)
        return u, np.append(d**2, np.zeros(2 * len(i)))

    def spanning_directions(self, lam: FloatArray) -> FloatArray:
        """The principal axes, and a diagonal between any two of them."""
        axes = np.linalg.svd(lam)[0]
        i, j = _pairs(self.k)
        return np.concatenate([axes, (axes[:, i] + axes[:, j]) / SQRT2], axis=1)

    def column_spaces(self, rng: np.random.Generator) -> list[FloatArray]:
        return [rng.normal(size=(self.k, r)) for r in range(self.k)] + [np.eye(self.k)]


@dataclass(frozen=True, eq=False)
class Rotated(Covariance):
    """λ = QL with a fixed orthogonal Q and a lower-triangular L = L(θ), for the optimiser.

    λλ' is as free as that of :class:`Unstructured`. Near a singular λλ' the order of the axes
    matters: with L alone, if an early axis has no variance, λλ' hardly depends on the later
    columns' rotation, and Newton steps become short. This does not happen with Q the principal
    axes of the current λ, in descending order of variance.
    """

    inner: Covariance = field(default_factory=lambda: Unstructured(1))
    axes: FloatArray = field(default_factory=lambda: np.eye(1))

    spans_covariances: ClassVar[bool] = True

    @property
    def n_theta(self) -> int:
        return self.inner.n_theta

    @property
    def rank(self) -> int:
        return self.inner.rank

    def covariances(self) -> list[tuple[int, int]]:
        return self.inner.covariances()

    def factor(self, theta: FloatArray) -> FloatArray:
        return np.asarray(self.axes @ self.inner.factor(theta))

    def derivative(self, theta: FloatArray) -> FloatArray:
        return np.asarray(self.axes @ self.inner.derivative(theta))

    def theta(self, factor: FloatArray) -> FloatArray:
        return self.inner.theta(self.axes.T @ factor)

    def root_theta(self, root: FloatArray) -> FloatArray:
        return self.inner.root_theta(self.axes.T @ root)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return self.inner.nearest(self.axes.T @ covariance @ self.axes)

    def start(self) -> FloatArray:
        return self.inner.start()

    def in_principal_axes(self, theta: FloatArray) -> tuple[Covariance, FloatArray]:
        return principal_axes(self, self.inner, theta)

    def spanning_directions(self, lam: FloatArray) -> FloatArray:
        return self.inner.spanning_directions(lam)


@dataclass(frozen=True, eq=False)
class InBasis(Rotated):
    """λ = BL with any invertible B, so that the rows of L = B⁻¹λ are effects of choice.

    With a lower-triangular L, the standard deviation of the first of them is |L₁₁|, and the
    correlation of the first two is a function of L₂₁ and L₂₂.
    """

    @cached_property
    def _inverse(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self.axes), dtype=np.float64)

    def theta(self, factor: FloatArray) -> FloatArray:
        return self.inner.theta(self._inverse @ factor)

    def root_theta(self, root: FloatArray) -> FloatArray:
        return self.inner.root_theta(self._inverse @ root)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return self.inner.nearest(self._inverse @ covariance @ self._inverse.T)


def principal_axes(
    current: Covariance, inner: Covariance, theta: FloatArray
) -> tuple[Covariance, FloatArray]:
    """`inner` in the principal axes of λλ' as `current` has it at θ, unless it is regular."""
    if inner.k == 1:
        return current, theta
    lam = current.factor(theta)
    if type(current) is Unstructured:
        least, size = _least_singular_value(lam), float(np.vdot(lam, lam)) ** 0.5
        if least > WELL_CONDITIONED * size:
            return current, theta
    axes, d, _ = np.linalg.svd(lam)
    if d[inner.rank - 1] > WELL_CONDITIONED * d[0]:
        return current, theta
    return Rotated(k=inner.k, inner=inner, axes=axes), inner.theta(np.diag(d))
