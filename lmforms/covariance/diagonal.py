"""Diagonal covariance, ``(x || g)`` or ``diag(x | g)``: independent random effects."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from ..support.arrays import FloatArray
from .base import Covariance


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

    invariance: Literal["linear", "scale", "none"] = "scale"

    @property
    def n_theta(self) -> int:
        return self.k

    def variance_axes(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.eye(self.k), np.diag(lam) ** 2

    def column_maps(self, rng: np.random.Generator) -> list[FloatArray]:
        chosen = product((False, True), repeat=self.k)
        return [np.eye(self.k)[:, np.array(c, dtype=bool)] for c in chosen]

    def covariances(self) -> list[tuple[int, int]]:
        return []

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
