"""Counts: Poisson, and negative binomial with the two usual variances."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import betaincc, expit, gammaincc

from ...support.arrays import BoolArray, FloatArray
from .base import Family, Response, Rows
from .special import (
    HALF_LOG_TWO_PI,
    divergence,
    log_excess,
    rising,
    softplus,
    stirling_error,
    tails,
)

# R's start of counts of 0, whose logarithm is needed
_ABOVE_ZERO = 0.1


LARGEST_LOG_SIZE = 230.0
"""The largest ln size whose distribution is computed: it is that of Poisson long before."""


def log_count(response: Response) -> FloatArray:
    """ln y, and 0 at 0, where it is only multiplied by y."""
    found: FloatArray = response.once("log_count", lambda: np.log(np.maximum(response.y, 1.0)))
    return found


def at_mode(response: Response) -> FloatArray:
    """ln(y^y e^{−y}/y!), the Poisson log-density at the mean y."""

    def compute() -> FloatArray:
        y, index = response.distinct()
        root = np.where(y > 0.0, HALF_LOG_TWO_PI + 0.5 * np.log(np.maximum(y, 1.0)), 0.0)
        return np.asarray((-root - stirling_error(y))[index])

    found: FloatArray = response.once("at_mode", compute)
    return found


class _Counts(Family):
    """What families of counts have in common."""

    inner = "log"
    links = ("log", "identity", "sqrt")
    has_zero = True
    discrete = True

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        y = response.y
        return ~((y >= 0.0) & (y == np.floor(y)) & np.isfinite(y)), "counts 0, 1, 2, …"

    def start_mean(self, response: Response) -> FloatArray:
        return response.y + _ABOVE_ZERO


class Poisson(_Counts):
    """Poisson counts.

    Examples
    --------
    >>> import numpy as np
    >>> row = Poisson().density(Response(np.array([2.0])), np.zeros(1), [], 3)
    >>> row.values[:, 0].round(4)
    array([-1.6931,  1.    , -1.    , -1.    ])
    """

    name = "poisson"

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        y = response.y
        minus = -np.exp(tau)
        delta = tau - log_count(response)
        first = np.where(y > 0.0, -y * np.expm1(delta), minus)
        return (at_mode(response) + y * delta + first, first, minus, minus), []

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return mean

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        return rng.poisson(mean).astype(np.float64)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        y = response.y
        below = np.where(y > 0.0, gammaincc(np.maximum(y, 1.0), mean), 0.0)
        return below, np.asarray(gammaincc(y + 1.0, mean))

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        return 2.0 * divergence(response.y, mean)


class _NegativeBinomial(_Counts):
    """Counts from a gamma mixture of Poisson distributions, of size r that may follow the mean."""

    def _size(self, mean: FloatArray, omega: FloatArray) -> FloatArray:
        raise NotImplementedError

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return mean * (1.0 + mean / self._size(mean, self.complete(omega)[0]))

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        size = self._size(mean, self.complete(omega)[0])
        return rng.poisson(rng.gamma(size, mean / size, np.shape(mean))).astype(np.float64)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        y, size = response.y, self._size(mean, self.complete(omega)[0])
        share = mean / (mean + size)  # its complement, near 1, has lost the digits of large sizes
        below = np.where(y > 0.0, betaincc(np.maximum(y, 1.0), size, share), 0.0)
        return below, np.asarray(betaincc(y + 1.0, size, share))


def _log_mass(
    response: Response,
    tau: FloatArray,
    mean: FloatArray,
    size: FloatArray,
    log_odds: FloatArray,
    at_size: FloatArray,
) -> FloatArray:
    """Log-density at a mean and a size, as a deviance and `at_size` of Stirling's errors.

    (y + r) ln((y + r)/(μ + r)) is not a difference of logarithms near the mode.
    """
    y = response.y
    share = (y - mean) / (mean + size)
    apart = np.log1p(y / size) - log_odds
    near = np.abs(share) < 0.5
    ratio = np.where(near, np.log1p(np.where(near, share, 0.0)), apart)
    return (y + size) * ratio + y * (tau - log_count(response)) + at_size + at_mode(response)


def _at_size(y: FloatArray, size: FloatArray) -> FloatArray:
    """What a size adds to the log-density at the mean y."""
    found = stirling_error(y + size) - stirling_error(size) - 0.5 * np.log1p(y / size)
    return np.where(y > 0.0, found, 0.0)


def _slope(y: FloatArray, size: FloatArray) -> FloatArray:
    """The derivative in ln size of the ratio of gamma functions."""
    return rising(y, size, 1)[1]


class NegativeBinomial(_NegativeBinomial):
    """Negative binomial counts with variance μ + μ²/k (`size` k, ω = ln k), also called NB2.

    Parameters
    ----------
    size : float, optional
        k if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> row = NegativeBinomial(size=1).density(Response(np.array([0.0])), np.zeros(1), [], 1)
    >>> row.values[:, 0].round(4)  # geometric
    array([-0.6931, -0.5   ])
    """

    name = "negative_binomial"
    own_parameters = ("size",)

    def __init__(self, size: float | None = None) -> None:
        super().__init__(size=size)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        y, mean, size = response.y, np.exp(tau), np.exp(omega[0])
        z = tau - omega[0]
        p, q, log_term = tails(z)
        log_odds = np.maximum(z, 0.0) + log_term  # ln(1 + μ/k)
        at_size = response.at("nb_value", omega, lambda: self._by_count(response, size, _at_size))
        rows = [_log_mass(response, tau, mean, size, log_odds, at_size)]
        if not order:
            return rows, []
        slope = response.at("nb_slope", omega, lambda: self._by_count(response, size, _slope))
        kp = mean * q  # k p, without the rounding of z
        first = y * q - kp
        # ln(1 + u) − u/(1 + u)
        bend = -log_excess(-p, -log_odds)
        of_size = [slope - size * bend + y * p]
        rows.append(first)
        if order > 1:
            pq = p * q
            second = -(y * p + kp) * q
            rows.append(second)
            of_size.append(p * first)
        if order > 2:
            rows.append(second * (q - p))
            of_size.append(pq * (y * (q - p) - 2.0 * kp))
        return rows, [of_size]

    @staticmethod
    def _by_count(
        response: Response,
        size: FloatArray,
        function: Callable[[FloatArray, FloatArray], FloatArray],
    ) -> FloatArray:
        """A function of counts and sizes; of distinct counts alone where the size is the same."""
        if np.size(size) > 1:
            return np.asarray(function(response.y, size))
        y, index = response.distinct()
        return np.asarray(function(y, np.broadcast_to(size, y.shape))[index])

    def _size(self, mean: FloatArray, omega: FloatArray) -> FloatArray:
        return np.broadcast_to(np.exp(np.minimum(omega, LARGEST_LOG_SIZE)), np.shape(mean))

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        excess = np.sum((response.y - mean) ** 2 - mean)
        found = np.sum(mean**2) / excess if excess > 0.0 else np.inf
        return {"size": float(np.clip(found, 0.05, 100.0))}

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        y, size = response.y, self._size(mean, self.complete(omega)[0])
        with np.errstate(all="ignore"):
            own = np.where(y > 0.0, y * np.log(y / mean), 0.0)
            found = 2.0 * (own - (y + size) * np.log1p((y - mean) / (mean + size)))
        return np.maximum(found, 0.0)


class NegativeBinomial1(_NegativeBinomial):
    """Negative binomial counts with variance μ(1 + φ) (`dispersion` φ, ω = ln φ), called NB1.

    Parameters
    ----------
    dispersion : float, optional
        φ if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> row = NegativeBinomial1().density(Response(np.zeros(1)), np.zeros(1), [np.zeros(1)], 1)
    >>> row.values[:, 0].round(4)  # size 1 at μ = φ = 1: geometric
    array([-0.6931, -0.6931])
    """

    name = "negative_binomial1"
    own_parameters = ("dispersion",)

    def __init__(self, dispersion: float | None = None) -> None:
        super().__init__(dispersion=dispersion)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        y, mean = response.y, np.exp(tau)
        size = np.exp(tau - omega[0])
        log_odds = softplus(omega[0])  # ln(1 + φ)
        rows = [_log_mass(response, tau, mean, size, log_odds, _at_size(y, size))]
        if not order:
            return rows, []
        slopes = rising(y, size, order)
        p = expit(omega[0])
        none = size * log_odds  # −ln of the probability of 0
        bend = -log_excess(-p, -log_odds)  # ln(1 + φ) − φ/(1 + φ)
        change = size * bend  # −d none / dω
        rows.append(slopes[1] + y - none)
        of_dispersion = [change - slopes[1] - y * p]
        if order > 1:
            rows.append(slopes[2] - none)
            of_dispersion.append(change - slopes[2])
        if order > 2:
            rows.append(slopes[3] - none)
            of_dispersion.append(change - slopes[3])
        return rows, [of_dispersion]

    def _size(self, mean: FloatArray, omega: FloatArray) -> FloatArray:
        return mean * np.exp(-np.maximum(omega, -LARGEST_LOG_SIZE))

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        found = np.mean((response.y - mean) ** 2 / mean) - 1.0
        return {"dispersion": float(np.clip(found, 0.01, 20.0))}
