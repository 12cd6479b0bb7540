"""Unstructured covariance, ``(x | g)``: every variance and covariance is free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from .base import Covariance

SQRT2 = np.sqrt(2.0)


@lru_cache(maxsize=64)
def _triangle(k: int) -> tuple[IndexArray, IndexArray]:
    """Rows and columns of the lower triangle, column by column."""
    columns, rows = np.triu_indices(k)
    return rows, columns


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

    invariance: Literal["linear", "scale", "none"] = "linear"

    @property
    def n_theta(self) -> int:
        return self.k * (self.k + 1) // 2

    def variance_axes(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The principal axes, and the diagonals between any two of them."""
        if self.k == 1:
            return np.ones((1, 1)), lam[0] ** 2
        axes, d, _ = np.linalg.svd(lam)
        i, j = _pairs(self.k)
        plus, minus = axes[:, i] + axes[:, j], axes[:, i] - axes[:, j]
        u = np.concatenate([axes, plus / SQRT2, minus / SQRT2], axis=1)
        return u, np.append(d**2, np.zeros(2 * len(i)))

    def column_maps(self, rng: np.random.Generator) -> list[FloatArray]:
        return [rng.normal(size=(self.k, r)) for r in range(self.k)] + [np.eye(self.k)]

    def covariances(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.k) for j in range(i + 1, self.k)]

    def factor(self, theta: FloatArray) -> FloatArray:
        lam = np.zeros((self.k, self.k))
        lam[_triangle(self.k)] = theta
        return lam

    def derivative(self, theta: FloatArray) -> FloatArray:
        out = np.zeros((self.n_theta, self.k, self.k))
        out[(np.arange(self.n_theta), *_triangle(self.k))] = 1.0
        return out

    def theta(self, factor: FloatArray) -> FloatArray:
        return np.asarray(factor[_triangle(self.k)])

    def nearest(self, covariance: FloatArray) -> FloatArray:
        root = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        return self.theta(root)

    def start(self) -> FloatArray:
        return self.theta(np.eye(self.k))
