"""Numbers of successes: binomial, and beta-binomial with more variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betainc, betaln, expit, logit

from ...support.arrays import BoolArray, FloatArray
from .base import Family, Response, Rows
from .special import divergence, rising, tails

LINKS_OF_PROBABILITIES = ("logit", "probit", "cloglog", "cauchit", "log")
# Trials times rows of one step when probabilities are added up
_STEP = 2**20


def log_combinations(response: Response) -> FloatArray:
    """ln C(m, y), exactly 0 at both ends."""

    def compute() -> FloatArray:
        y, m = response.y, response.of_trials()
        found = -np.log1p(m) - betaln(y + 1.0, m - y + 1.0)
        return np.where((y == 0.0) | (y == m), 0.0, found)

    found: FloatArray = response.once("log_combinations", compute)
    return found


class _Successes(Family):
    """What families of successes have in common."""

    inner = "logit"
    links = (*LINKS_OF_PROBABILITIES, "identity")
    takes_trials = True
    has_zero = True
    discrete = True

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        y, m = response.y, response.of_trials()
        whole = (y == np.floor(y)) & (m == np.floor(m)) & np.isfinite(m)
        inside = whole & (y >= 0.0) & (y <= m)
        if response.trials is None:
            return ~inside, "0 or 1"
        return ~inside, "whole numbers of successes from 0 to the trials"

    def start_mean(self, response: Response) -> FloatArray:
        return (response.y + 0.5) / (response.of_trials() + 1.0)


class Binomial(_Successes):
    """Successes of independent trials; the log-density includes ln C(m, y).

    Examples
    --------
    >>> import numpy as np
    >>> three_of_four = Response(np.array([3.0]), np.array([4.0]))
    >>> row = Binomial().density(three_of_four, np.zeros(1), [], 2)
    >>> row.values[:, 0].round(4)
    array([-1.3863,  1.    , -1.    ])
    """

    name = "binomial"

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        y, m = response.y, response.of_trials()
        p, q, log_term = tails(tau)
        failures = m - y
        # −y ln(1 + e^{−τ}) − (m − y) ln(1 + e^τ), each without its larger part
        against = np.where(tau > 0.0, failures, y)
        rows = [log_combinations(response) - m * log_term - np.abs(tau) * against]
        if order:
            rows.append(y * q - failures * p)
        if order > 1:
            rows.append(-m * p * q)
        if order > 2:
            rows.append(rows[2] * (q - p))
        return rows, []

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return mean * (1.0 - mean) / (1.0 if trials is None else trials)

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        m = np.ones(np.shape(mean)) if trials is None else np.asarray(trials)
        return rng.binomial(m.astype(np.int64), mean).astype(np.float64)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        y, m = response.y, response.of_trials()

        def upto(y: FloatArray) -> FloatArray:
            inside = (y >= 0.0) & (y < m)
            at = np.where(inside, y, 0.0)
            found = betainc(np.where(inside, m - at, 1.0), at + 1.0, 1.0 - mean)
            return np.where(inside, found, np.where(y < 0.0, 0.0, 1.0))

        return upto(y - 1.0), upto(y)

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        y, m = response.y, response.of_trials()
        return 2.0 * (divergence(y, m * mean) + divergence(m - y, m * (1.0 - mean)))


class BetaBinomial(_Successes):
    r"""Successes whose probability has a beta distribution with a `precision` φ, ω = ln φ.

    The variance of a proportion of m trials is :math:`μ(1 - μ)/m · (1 + (m - 1)/(1 + φ))`, as in
    glmmTMB's ``betabinomial``.

    Parameters
    ----------
    precision : float, optional
        φ if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> one_of_two = Response(np.array([1.0]), np.array([2.0]))
    >>> row = BetaBinomial().density(one_of_two, np.zeros(1), [np.log([2.0])], 0)
    >>> np.exp(row.values).round(4)  # φ = 2 at μ = 1/2: all numbers are as likely
    array([[0.3333]])
    """

    name = "beta_binomial"
    own_parameters = ("precision",)

    def __init__(self, precision: float | None = None) -> None:
        super().__init__(precision=precision)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        y, m = response.y, response.of_trials()
        binomial = Binomial()._rows(response, tau, [], order)[0]
        p, q, _ = tails(tau)
        size = np.exp(omega[0])
        # in ln a = ω + ln p and ln b = ω + ln q
        A, B = rising(y, size * p, order), rising(m - y, size * q, order)
        total = response.at("beta_binomial_total", omega, lambda: rising(m, size, 1))
        rows = [binomial[0] + A[0] + B[0] - total[0]]
        of_size: list[FloatArray] = []
        pq = p * q
        if order:
            rows.append(binomial[1] + A[1] * q - B[1] * p)
            of_size.append(A[1] + B[1] - total[1])
        if order > 1:
            rows.append(binomial[2] + A[2] * q * q + B[2] * p * p - (A[1] + B[1]) * pq)
            of_size.append(A[2] * q - B[2] * p)
        if order > 2:
            third = A[3] * q * q * q - B[3] * p * p * p - 3.0 * pq * (A[2] * q - B[2] * p)
            rows.append(binomial[3] + third - (A[1] + B[1]) * pq * (q - p))
            of_size.append(A[3] * q * q + B[3] * p * p - (A[2] + B[2]) * pq)
        return rows, [of_size]

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        y, m = response.y, response.of_trials()
        spread = np.sum((y / m - mean) ** 2 * m)
        unit = mean * (1.0 - mean)
        excess = (spread - np.sum(unit)) / np.sum(unit * (m - 1.0))
        return {"precision": float(np.clip(1.0 / excess - 1.0, 0.5, 100.0)) if excess > 0 else 100}

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        m = 1.0 if trials is None else trials
        correlation = expit(-self.complete(omega)[0])
        return mean * (1.0 - mean) / m * (1.0 + (m - 1.0) * correlation)

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        size = np.exp(self.complete(omega)[0])
        return Binomial().simulate(rng, rng.beta(size * mean, size * (1.0 - mean)), [], trials)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        m = response.of_trials()
        y = np.minimum(response.y, m)
        response = Response(y, m)
        shape = np.shape(y)
        w = np.broadcast_to(self.complete(omega)[0], shape)
        tau = np.broadcast_to(logit(mean), shape)
        below, point = np.zeros(shape), np.exp(self.density(response, tau, omega, 0).values[0])
        each = BetaBinomial()
        start = 0
        while start < len(y):  # rows by rows, as all smaller numbers are added up
            widths = np.maximum.accumulate(y[start:] + 1.0) * np.arange(1, len(y) - start + 1)
            stop = start + max(1, int(np.searchsorted(widths, _STEP, side="right")))
            at = slice(start, stop)
            counts = np.arange(np.max(y[at]))
            among, column = np.nonzero(counts < y[at, None])
            rows = start + among
            smaller = Response(counts[column], m[rows])
            mass = each.density(smaller, tau[rows], [w[rows]], 0).values[0]
            below += np.bincount(rows, np.exp(mass), len(y))
            start = stop
        return below, np.minimum(below + point, 1.0)
