"""Diagonal covariance, ``(x || g)`` or ``diag(x | g)``: independent random effects."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np

from ..support.arrays import FloatArray
from .base import Covariance, Invariance


@dataclass(frozen=True)
class Diagonal(Covariance):
    """λ = diag(θ): every column has its own variance and no covariances.

    Unlike lme4's ``||``, which leaves the columns of a factor correlated, every column
    of the basis is separate, whether it comes from a number or a factor.

    Examples
    --------
    >>> Diagonal(2).factor(np.array([1.0, 0.5]))
    array([[1. , 0. ],
           [0. , 0.5]])
    """

    invariance: ClassVar[Invariance] = "scale"
    spans_covariances: ClassVar[bool] = True

    @property
    def n_theta(self) -> int:
        return self.k

    def factor(self, theta: FloatArray) -> FloatArray:
        return np.diag(theta)

    def derivative(self, theta: FloatArray) -> FloatArray:
        out = np.zeros((self.k, self.k, self.k))
        ix = np.arange(self.k)
        out[ix, ix, ix] = 1.0
        return out

    def theta(self, factor: FloatArray) -> FloatArray:
        return np.diag(factor).copy()

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return np.sqrt(np.diag(covariance))

    def start(self) -> FloatArray:
        return np.ones(self.k)

    def covariances(self) -> list[tuple[int, int]]:
        return []

    def with_zeros(self, theta: FloatArray, bound: float) -> FloatArray:
        return np.where(np.abs(theta) < bound, 0.0, theta)

    def variance_directions(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.eye(self.k), np.diag(lam) ** 2

    def spanning_directions(self, lam: FloatArray) -> FloatArray:
        return np.eye(self.k)

    def column_spaces(self, rng: np.random.Generator) -> list[FloatArray]:
        chosen = product((False, True), repeat=self.k)
        return [np.eye(self.k)[:, np.array(c, dtype=bool)] for c in chosen]
