r"""Sums of a Poisson number of gamma variables: amounts that may be exactly 0.

A response y > 0 is a sum of j terms with a density that Dunn and Smyth (2005, "Series evaluation
of Tweedie exponential dispersion model densities") add up over j. Relative to the mean y, with
:math:`λ = y^{2 - p}/(φ (2 - p))` and :math:`α = (2 - p)/(p - 1)`, a term is

.. math:: \exp\{(1 + α) (j \ln(λ/j) + j - λ) - s(j) - s(jα)\} \sqrt{α} / (2π y),

with Stirling's errors s, so that nothing cancels and derivatives are averages over the terms. What
the mean adds to the sum at y is the deviance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, gammainc

from ...support.arrays import BoolArray, FloatArray, IndexArray
from .base import Family, Response, Rows
from .positive import log_response
from .special import (
    HALF_LOG_TWO_PI,
    expm1_minus,
    log_excess,
    stirling_error,
    stirling_slope,
)

# Terms further from the largest one, in standard deviations and terms, are below rounding.
_REACH, _REACH_TERMS = 9.0, 12.0
# Where the terms vary slowly and none near j = 0 counts, a trapezoidal sum at distances of half a
# standard deviation is exact: its error is e^{−8π²} of the sum.
_STRIDE, _STRIDED_FROM, _STRIDED_SD = 0.5, 400.0, 4.0
# Terms times rows of one step
_STEP = 2**18


class _Series(NamedTuple):
    """The logarithm of the sum of terms, and its derivatives."""

    value: FloatArray
    in_log_lambda: FloatArray
    in_alpha: FloatArray


def _windows(
    center: FloatArray, alpha: FloatArray
) -> Iterator[tuple[IndexArray, FloatArray, FloatArray]]:
    """Rows with about as many terms, their values of j (rows, terms), and distances (rows, 1)."""
    sd = np.sqrt(center / (1.0 + alpha))
    strided = (center > _STRIDED_FROM) & (sd > _STRIDED_SD)
    stride = np.where(strided, _STRIDE * sd, 1.0)
    reach = _REACH * sd
    low = np.where(strided, center - reach, np.maximum(1.0, np.floor(center - reach)))
    high = np.where(strided, center + reach, np.ceil(center + reach + _REACH_TERMS))
    width = np.ceil((high - low) / stride) + 1.0
    by_width = np.argsort(width)
    start = 0
    while start < len(center):
        taken = width[by_width[start:]] * np.arange(1, len(center) - start + 1)
        stop = start + max(1, int(np.searchsorted(taken, _STEP, side="right")))
        rows = by_width[start:stop]
        steps = np.arange(width[rows[-1]])
        yield rows, low[rows, None] + stride[rows, None] * steps, stride[rows, None]
        start = stop


def _poisson_excess(j: FloatArray, center: FloatArray) -> FloatArray:
    """j ln(λ/j) + j − λ, at most 0."""
    return j * log_excess((center - j) / j, np.log(center) - np.log(j))


def _series(lam: FloatArray, alpha: FloatArray) -> _Series:
    found = _Series(*np.empty((3, len(lam))))
    for rows, j, stride in _windows(lam, alpha):
        a = alpha[rows, None]
        excess = _poisson_excess(j, lam[rows, None])
        terms = (1.0 + a) * excess - stirling_error(j) - stirling_error(j * a)
        largest = terms.max(axis=1, keepdims=True)
        weights = np.exp(terms - largest)
        total = weights.sum(axis=1, keepdims=True)
        found.value[rows] = (largest + np.log(total * stride))[:, 0]
        weights /= total
        found.in_log_lambda[rows] = np.sum(weights * ((1.0 + a) * (j - lam[rows, None])), axis=1)
        found.in_alpha[rows] = np.sum(weights * (excess - j * stirling_slope(j * a)), axis=1)
    return found


class Tweedie(Family):
    """Compound Poisson-gamma responses with variance φμ^p and 1 < p < 2, zeros among them.

    The parameters are a `dispersion` φ, ω = ln φ, and the `power` p, ω = logit(p − 1).

    Parameters
    ----------
    power, dispersion : float, optional
        p and φ if they are not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> family = Tweedie(power=1.5)
    >>> row = family.density(Response(np.array([0.0])), np.zeros(1), [np.zeros(1)], 1)
    >>> row.values[:, 0].round(4)  # a Poisson number of mean 2 is 0
    array([-2., -1.])
    """

    name = "tweedie"
    inner = "log"
    links = ("log", "identity", "sqrt", "inverse")
    own_parameters = ("dispersion", "power")
    has_zero = True

    def __init__(self, power: float | None = None, dispersion: float | None = None) -> None:
        super().__init__(dispersion=dispersion, power=power)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        log_dispersion, log_odds = omega
        some: BoolArray = response.once("positive_rows", lambda: response.y > 0.0)
        k, c = expit(log_odds), expit(-log_odds)  # p − 1 and 2 − p
        B = np.exp(c * tau - log_dispersion)
        number = B / c  # expected number of terms
        with np.errstate(divide="ignore"):
            delta = log_response(response) - tau
        value, in_dispersion = -number, number.copy()
        in_power = -number * (1.0 / c - tau)
        if some.any():
            part = self._positive(response, some, delta, omega)
            value[some], in_dispersion[some], in_power[some] = part
        rows: list[FloatArray] = [value]
        if not order:
            return rows, []
        A = B * np.exp(delta)
        first = B * np.expm1(delta)
        second = -k * A - c * B
        rows += [first, second, k * k * A - c * c * B]
        of_power = (in_power, -tau * first, -first - tau * second)
        return rows, [(in_dispersion, -first, -second), [k * c * row for row in of_power]]

    def _positive(
        self, response: Response, some: BoolArray, delta: FloatArray, omega: list[FloatArray]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """ℓ of responses above 0, with derivatives in ln φ and p."""
        log_dispersion, log_odds = (np.broadcast_to(w, some.shape)[some] for w in omega)
        k, c = expit(log_odds), expit(-log_odds)
        delta, log_y = delta[some], log_response(response)[some]
        scale = np.exp(c * log_y - log_dispersion)
        series = response.at("tweedie", omega, lambda: _series(scale / c, c / k))
        below, above = expm1_minus(k * delta) / k, expm1_minus(-c * delta) / c
        half = scale * (below + above)  # of the deviance, over φ
        turn = delta * (np.expm1(k * delta) / k + np.expm1(-c * delta) / c) - below / k + above / c
        value = series.value + 0.5 * np.log(c / k) - 2.0 * HALF_LOG_TWO_PI - log_y - half
        in_power = (
            log_y * half
            - scale * turn
            + series.in_log_lambda * (1.0 / c - log_y)
            - series.in_alpha / k**2
            - 0.5 / (k * c)
        )
        return value, half - series.in_log_lambda, in_power

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        return ~((response.y >= 0.0) & np.isfinite(response.y)), "numbers of 0 or more"

    def start_mean(self, response: Response) -> FloatArray:
        return response.y + 0.1 * (np.mean(response.y) or 1.0) * (response.y == 0.0)

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        power = self.given.get("power", 1.5)
        found = float(np.mean((response.y - mean) ** 2 / mean**power))
        return {"dispersion": found if found > 0.0 else 1.0, "power": power}

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        log_dispersion, log_odds = self.complete(omega)
        return np.asarray(np.exp(log_dispersion) * mean ** (1.0 + expit(log_odds)))

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        number, alpha, size = self._compound(mean, omega)
        drawn = rng.poisson(number, np.shape(mean))
        return rng.gamma(drawn * alpha) * size

    def _compound(
        self, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean of the number of terms, and the shape and scale of one."""
        log_dispersion, log_odds = self.complete(omega)
        k, c, phi = expit(log_odds), expit(-log_odds), np.exp(log_dispersion)
        return mean**c / (phi * c), np.broadcast_to(c / k, np.shape(mean)), phi * k * mean**k

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        y = response.y
        number, alpha, size = self._compound(mean, omega)
        at_zero = np.exp(-number)
        above = np.zeros(np.shape(y))
        for rows, j, stride in _windows(number, np.zeros_like(number)):
            mass = _poisson_excess(j, number[rows, None]) - stirling_error(j)
            mass = np.exp(mass - HALF_LOG_TWO_PI - 0.5 * np.log(j)) * stride
            parts = gammainc(j * alpha[rows, None], (y / size)[rows, None])
            above[rows] = np.sum(mass * parts, axis=1)
        return np.where(y > 0.0, at_zero + above, 0.0), np.minimum(at_zero + above, 1.0)

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        log_odds = self.complete(omega)[1]
        k, c = expit(log_odds), expit(-log_odds)
        some = response.y > 0.0
        delta = np.where(some, np.log(np.where(some, response.y, 1.0)) - np.log(mean), 0.0)
        half = expm1_minus(k * delta) / k + expm1_minus(-c * delta) / c
        return np.asarray(2.0 * np.where(some, response.y**c * half, mean**c / c))
