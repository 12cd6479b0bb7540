"""Shares between 0 and 1: the beta distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betainc, expit, ndtr, polygamma

from ...support.arrays import BoolArray, FloatArray
from .base import Family, Response, Rows
from .special import (
    HALF_LOG_TWO_PI,
    log_excess,
    stirling_error,
    stirling_slope,
    tails,
)

LEAST_NORMAL_PRECISION = 1e10
"""Precisions above it have the distribution function of normal responses, to about 10⁻⁶; SciPy 1.12
is as near here, and loses digits beyond."""


class Beta(Family):
    """Beta responses with variance μ(1 − μ)/(1 + φ) (`precision` φ, ω = ln φ).

    Parameters
    ----------
    precision : float, optional
        φ if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> half = Response(np.array([0.25]))
    >>> Beta().density(half, np.zeros(1), [np.log([2.0])], 0).values.round(4)  # uniform
    array([[0.]])
    """

    name = "beta"
    inner = "logit"
    links = ("logit", "probit", "cloglog", "cauchit", "log")
    own_parameters = ("precision",)

    def __init__(self, precision: float | None = None) -> None:
        super().__init__(precision=precision)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        y = response.y
        log_y, log_rest = response.once("log_shares", lambda: (np.log(y), np.log1p(-y)))
        p, q, log_term = tails(tau)
        log_p, log_q = np.minimum(tau, 0.0) - log_term, -np.maximum(tau, 0.0) - log_term
        size = np.exp(omega[0])
        a, b = size * p, size * q
        # φ times the divergence of y from μ: linear terms of its logarithms cancel exactly
        away = y - p
        divergence = -a * log_excess(away / p, log_y - log_p) - b * log_excess(
            -away / q, log_rest - log_q
        )
        stirling = stirling_error(size) - stirling_error(a) - stirling_error(b)
        rows = [
            0.5 * (omega[0] + log_p + log_q) - HALF_LOG_TWO_PI + stirling
            - log_y - log_rest - divergence
        ]  # fmt: skip
        if not order:
            return rows, []
        # ψ(x) = ln x − 1/(2x) + s'(x)
        slope_a, slope_b = stirling_slope(a), stirling_slope(b)
        w = a * q
        d = (log_y - log_rest - tau) + 0.5 / a - 0.5 / b - slope_a + slope_b
        first = w * d
        rows.append(first)
        whole = size * stirling_slope(size) - a * slope_a - b * slope_b
        of_size: list[FloatArray] = [0.5 - divergence + whole]
        if order > 1:
            one_a, one_b = polygamma(1, a), polygamma(1, b)
            both = one_a + one_b
            rows.append(first * (q - p) - w * w * both)
            shift = b * one_b - a * one_a  # of d, in ω
            of_size.append(first + w * shift)
        if order > 2:
            two_a, two_b = polygamma(2, a), polygamma(2, b)
            rows.append(
                first * (1.0 - 6.0 * p * q)
                - 3.0 * w * w * (q - p) * both
                - w * w * w * (two_a - two_b)
            )
            of_size.append(
                (first + w * shift) * (q - p) - w * w * (2.0 * both + a * two_a + b * two_b)
            )
        return rows, [of_size]

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        return ~((response.y > 0.0) & (response.y < 1.0)), "values strictly between 0 and 1"

    def start_mean(self, response: Response) -> FloatArray:
        return response.y

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        spread = np.sum((response.y - mean) ** 2)
        found = np.sum(mean * (1.0 - mean)) / spread - 1.0 if spread > 0.0 else np.inf
        return {"precision": float(np.clip(found, 0.5, 1e4))}

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return mean * (1.0 - mean) * expit(-self.complete(omega)[0])

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        size = np.exp(self.complete(omega)[0])
        draws = rng.beta(size * mean, size * (1.0 - mean), np.shape(mean))
        # rounding to 0 or 1 would make a response that the family itself refuses
        return np.clip(draws, np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        size = np.exp(self.complete(omega)[0])
        below = betainc(size * mean, size * (1.0 - mean), response.y)
        away = (response.y - mean) / np.sqrt(mean * (1.0 - mean) / (1.0 + size))
        below = np.where(size > LEAST_NORMAL_PRECISION, ndtr(away), below)
        return below, below
