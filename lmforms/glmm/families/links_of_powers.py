"""Links that are powers or the logarithm of the mean."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...support.arrays import FloatArray
from .link_base import Link, Rows
from .scales import Inner


class Log(Link):
    """η = ln μ."""

    name = "log"
    exact = "log"

    def of_mean(self, mean: FloatArray) -> FloatArray:
        return np.asarray(np.log(mean))

    def mean(self, eta: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(eta))

    def _exact(self, eta: FloatArray, order: int) -> Rows:
        zero = np.zeros_like(eta)
        return [eta, np.ones_like(eta), zero, zero][: order + 1]


class Identity(Link):
    """η = μ."""

    name = "identity"
    exact = "identity"

    def of_mean(self, mean: FloatArray) -> FloatArray:
        return np.asarray(mean, dtype=np.float64)

    def mean(self, eta: FloatArray) -> FloatArray:
        return np.asarray(eta, dtype=np.float64)

    def _exact(self, eta: FloatArray, order: int) -> Rows:
        zero = np.zeros_like(eta)
        return [eta, np.ones_like(eta), zero, zero][: order + 1]


class _Power(Link):
    """η = μ^power, for means above 0."""

    exact = "log"
    power: ClassVar[float]

    def of_mean(self, mean: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.asarray(np.asarray(mean, dtype=np.float64) ** self.power)

    def mean(self, eta: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.asarray(self._base(np.asarray(eta, dtype=np.float64)) ** (1.0 / self.power))

    def _base(self, eta: FloatArray) -> FloatArray:
        """η where it has a mean, NaN elsewhere."""
        return np.where(eta > 0.0, eta, np.nan)

    def _exact(self, eta: FloatArray, order: int) -> Rows:
        base = self._base(eta)
        # of |η|; the sign of odd derivatives is that of η
        scale = 1.0 / (self.power * eta)
        rows = [np.log(base) / self.power, scale, -scale / eta, 2.0 * scale / eta**2]
        return [np.where(np.isnan(base), np.nan, row) for row in rows[: order + 1]]


class Sqrt(_Power):
    """η = √μ; the mean is η² for negative η, too, as in R."""

    name = "sqrt"
    power = 0.5

    def _base(self, eta: FloatArray) -> FloatArray:
        return np.abs(eta)


class Inverse(_Power):
    """η = 1/μ; means below 0 exist where τ is the mean itself."""

    name = "inverse"
    power = -1.0

    def mean(self, eta: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.asarray(1.0 / np.asarray(eta, dtype=np.float64))

    def _inner(self, kind: Inner, eta: FloatArray, order: int) -> Rows:
        if kind != "identity":
            return super()._inner(kind, eta, order)
        inverse = 1.0 / eta
        rows = [inverse, -(inverse**2), 2.0 * inverse**3, -6.0 * inverse**4]
        return rows[: order + 1]


class InverseSquared(_Power):
    """η = 1/μ²."""

    name = "inverse_squared"
    power = -2.0
