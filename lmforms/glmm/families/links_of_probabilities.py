"""Links of probabilities, exact in both tails on the scale of log-odds."""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx, expit, log_ndtr, logit, ndtr, ndtri

from ...support.arrays import FloatArray
from .link_base import Link, Rows


class Logit(Link):
    """η = ln(μ/(1 − μ))."""

    name = "logit"
    exact = "logit"

    def of_mean(self, mean: FloatArray) -> FloatArray:
        return np.asarray(logit(mean))

    def mean(self, eta: FloatArray) -> FloatArray:
        return np.asarray(expit(eta))

    def _exact(self, eta: FloatArray, order: int) -> Rows:
        zero = np.zeros_like(eta)
        return [eta, np.ones_like(eta), zero, zero][: order + 1]


# From here on the continued fraction of the normal hazard has converged after these levels.
_FRACTION_FROM, _FRACTION_LEVELS = 4.0, 60


def _normal_hazard(x: FloatArray, order: int) -> Rows:
    """φ(x)/Φ(−x) for x ≥ 0, with derivatives up to the second.

    Laplace's continued fraction x + 1/(x + 2/(x + 3/(x + …))) has no differences of like numbers
    in its derivatives, unlike b' = b (b − x) far out.
    """
    b = np.sqrt(2.0 / np.pi) / erfcx(x / np.sqrt(2.0))
    first = b * (b - x)
    rows = [b, first, first * (b - x) + b * (first - 1.0)]
    far = x >= _FRACTION_FROM
    if far.any():
        z = x[far]
        r, d, dd = np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
        for k in range(_FRACTION_LEVELS, 0, -1):
            r = k / (z + r)
            share = r * r / k
            above = 1.0 + d
            d, dd = -share * above, share * (2.0 * r / k * above * above - dd)
        rows[0][far], rows[1][far], rows[2][far] = z + r, 1.0 + d, dd
    return rows[: order + 1]


class Probit(Link):
    """η = Φ⁻¹(μ)."""

    name = "probit"
    exact = "logit"

    def of_mean(self, mean: FloatArray) -> FloatArray:
        return np.asarray(ndtri(mean))

    def mean(self, eta: FloatArray) -> FloatArray:
        return np.asarray(ndtr(eta))

    def _exact(self, eta: FloatArray, order: int) -> Rows:
        # odd in η
        x, sign = np.abs(eta), np.where(eta < 0.0, -1.0, 1.0)
        rows = [sign * (log_ndtr(x) - log_ndtr(-x))]
        if order:
            a = np.exp(-0.5 * x * x) / (np.sqrt(2.0 * np.pi) * ndtr(x))
            far = _normal_hazard(x, order - 1)
            rows.append(a + far[0])
        if order > 1:
            rows.append(sign * (far[1] - a * (x + a)))
        if order > 2:
            rows.append(far[2] + a * ((x + a) * (x + 2.0 * a) - 1.0))
        return rows


class CLogLog(Link):
    """η = ln(−ln(1 − μ))."""

    name = "cloglog"
    exact = "logit"

    def of_mean(self, mean: FloatArray) -> FloatArray:
        return np.asarray(np.log(-np.log1p(-np.asarray(mean))))

    def mean(self, eta: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return np.asarray(-np.expm1(-np.exp(eta)))

    def _exact(self, eta: FloatArray, order: int) -> Rows:
        w = np.exp(eta)
        # ln((e^w − 1)/w), and 1 − w/(e^w − 1), which is w/2 − w²/12 + … near 0
        tiny = w < 1e-8
        rows = [np.where(tiny, eta + 0.5 * w, w + np.log(-np.expm1(-w)))]
        if order:
            share = np.where(tiny, 1.0, w / np.expm1(w))
            slope = w + share
            rows.append(slope)
        if order > 1:
            square = w * w
            series = 0.5 * w - square * (
                1 / 12 - square * (1 / 720 - square * (1 / 30240 - square * (1 / 1209600)))
            )
            less = np.where(w < 0.25, series, 1.0 - share)
            rows.append(slope * less)
        if order > 2:
            # slope − 1 = w − less; where w² overflows, the rest is far below it
            rows.append(slope * (less * less + share * (w - less)))
        return rows


class Cauchit(Link):
    """η = tan(π(μ − 1/2))."""

    name = "cauchit"
    exact = "logit"

    def of_mean(self, mean: FloatArray) -> FloatArray:
        mean = np.asarray(mean, dtype=np.float64)
        with np.errstate(divide="ignore"):
            low, high = -1.0 / np.tan(np.pi * mean), 1.0 / np.tan(np.pi * (1.0 - mean))
        middle = np.tan(np.pi * (mean - 0.5))
        return np.where(mean < 0.25, low, np.where(mean > 0.75, high, middle))

    def mean(self, eta: FloatArray) -> FloatArray:
        eta = np.asarray(eta, dtype=np.float64)
        tail = np.arctan2(1.0, np.abs(eta)) / np.pi
        return np.where(eta < 0.0, tail, 1.0 - tail)

    def _exact(self, eta: FloatArray, order: int) -> Rows:
        # odd in η
        x, sign = np.abs(eta), np.where(eta < 0.0, -1.0, 1.0)
        q = np.arctan2(1.0, x) / np.pi
        excess = 2.0 / np.pi * np.arctan(x)  # p − q
        rows = [sign * np.log1p(excess / q)]
        if order:
            whole = 1.0 + x * x
            density = 1.0 / (np.pi * whole)
            slope = density / (q * (1.0 - q))
            rows.append(slope)
        if order > 1:
            bend = slope * excess - 2.0 * x / whole
            rows.append(sign * slope * bend)
        if order > 2:
            turn = 2.0 * (x - 1.0) / whole * ((x + 1.0) / whole)
            change = turn + slope * bend * excess + 2.0 * slope * density
            rows.append(slope * (bend * bend + change))
        return rows
