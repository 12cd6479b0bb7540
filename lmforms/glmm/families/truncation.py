r"""Families without their zeros, and what families with more of them need, too.

Mixtures, hurdles and truncation need the family's log-probability of 0, :math:`L`, as a function of
η and ω: a zero of a mixture has :math:`\ln(π + (1 - π) e^L)`, a positive response of a truncated
family :math:`\ell - \ln(1 - e^L)`. Derivatives come from those of :math:`L` by the chain rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import ArgumentError
from ...support.arrays import BoolArray, FloatArray
from .base import Family, LogDensity, Response, Rows, composed, inner_of, unbounded

TRUNCATED_STARTS = {"size": 10.0, "dispersion": 0.1, "precision": 10.0}
"""Parameters of counts to start from where zeros are left out. Moments of the rest are not those of
the family, and from large dispersions a search ends where the mean goes to 0: the limit, the
logarithmic distribution, is a maximum of its own."""

# Doublings that pass any count in double precision
_DOUBLINGS = 1024


def through_zero(outer: Sequence[FloatArray], zero: LogDensity) -> LogDensity:
    """Derivatives of g(L), from g and its derivatives at L, and from L's own."""
    order = len(zero.values) - 1
    L = zero.values
    values = np.stack(composed(outer[: order + 1], L))
    parameters = np.empty_like(zero.parameters)
    for of, target in zip(zero.parameters, parameters):
        if order >= 1:
            target[0] = outer[1] * of[0]
        if order >= 2:
            target[1] = outer[2] * of[0] * L[1] + outer[1] * of[1]
        if order >= 3:
            first = outer[2] * L[2] + outer[3] * L[1] * L[1]
            target[2] = first * of[0] + outer[1] * of[2] + 2.0 * outer[2] * L[1] * of[1]
    return LogDensity(values, parameters)


def _at_zero(response: Response) -> Response:
    """The same rows, if all their responses were 0."""
    found: Response = response.once(
        "at_zero", lambda: Response(np.zeros_like(response.y), response.trials)
    )
    return found


def truncated_density(
    family: Family,
    response: Response,
    tau: FloatArray,
    omega: Sequence[FloatArray],
    order: int,
) -> LogDensity:
    """Log-density given that the response is not 0, for responses that are not."""
    found = family.density(response, tau, omega, order)
    if not family.has_zero:
        return found
    zero = family.density(_at_zero(response), tau, omega, order)
    with np.errstate(all="ignore"):
        odds = 1.0 / np.expm1(-zero.values[0])
        second = odds * (1.0 + odds)
        outer = [-np.log(-np.expm1(zero.values[0])), odds, second, second * (1.0 + 2.0 * odds)]
        away = through_zero(outer, zero)
    return LogDensity(found.values + away.values, found.parameters + away.parameters)


def _log_zero(
    family: Family,
    mean: FloatArray,
    omega: Sequence[FloatArray],
    trials: FloatArray | None,
) -> FloatArray:
    """L, −∞ of a family without zeros."""
    if not family.has_zero:
        return np.full(np.shape(mean), -np.inf)
    zeros = Response(np.zeros(np.shape(mean)), trials)
    return family.density(zeros, inner_of(family.inner, mean), omega, 0).values[0]


def zero_probability(
    family: Family,
    mean: FloatArray,
    omega: Sequence[FloatArray],
    trials: FloatArray | None,
) -> FloatArray:
    """The family's probability of 0."""
    return np.exp(_log_zero(family, mean, omega, trials))


def some_probability(
    family: Family,
    mean: FloatArray,
    omega: Sequence[FloatArray],
    trials: FloatArray | None,
) -> FloatArray:
    """The family's probability of a response other than 0, also where it is small."""
    return -np.expm1(_log_zero(family, mean, omega, trials))


def truncated_draws(
    family: Family,
    rng: np.random.Generator,
    mean: FloatArray,
    omega: Sequence[FloatArray],
    trials: FloatArray | None,
) -> FloatArray:
    """Draws that are not 0, by bisection of the distribution function."""
    mean = np.asarray(mean, dtype=np.float64)
    if not family.has_zero:
        return family.simulate(rng, mean, omega, trials)
    zero = zero_probability(family, mean, omega, trials)
    aim = zero + (1.0 - zero) * rng.random(mean.shape)

    def reached(y: FloatArray) -> BoolArray:
        return np.asarray(family.cumulative(Response(y, trials), mean, omega)[1] >= aim)

    low, high = np.zeros(mean.shape), np.ones(mean.shape)
    for _ in range(_DOUBLINGS):
        short = ~reached(high)
        if not short.any():
            break
        low, high = np.where(short, high, low), np.where(short, 2.0 * high, high)
    while True:
        middle = np.floor(0.5 * (low + high)) if family.discrete else 0.5 * (low + high)
        open_rows = (middle > low) & (middle < high)
        if not open_rows.any():
            return high
        there = reached(middle)
        low = np.where(open_rows & ~there, middle, low)
        high = np.where(open_rows & there, middle, high)


class Adapted(Family):
    """A family whose zeros are changed: the parameters of the family come first in ω."""

    def __init__(self, family: Family, **given: float | None) -> None:
        if isinstance(family, type) or not isinstance(family, Family):
            raise ArgumentError(
                f"{type(self).__name__} takes a family, as in {type(self).__name__}(Poisson())."
            )
        if isinstance(family, Adapted):
            raise ArgumentError(f"The zeros of {family!r} are already changed.")
        self.family = family
        self.name = f"{self.prefix}_{family.name}"
        self.inner = family.inner
        self.links = family.links
        self.takes_trials = family.takes_trials
        self.discrete = family.discrete
        super().__init__(**given)

    prefix: str

    truncates = False
    """Whether responses above 0 have the family's distribution given that they are not 0."""

    def __repr__(self) -> str:
        given = [f"{name}={value:g}" for name, value in self.given.items()]
        return f"{type(self).__name__}({', '.join([repr(self.family), *given])})"

    __hash__ = Family.__hash__

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return (*self.family.parameter_names, *super().parameter_names)

    def _split(self, omega: Sequence[FloatArray]) -> tuple[Sequence[FloatArray], list[FloatArray]]:
        """ω of the family, and the complete own one."""
        count = len(self.family.parameter_names)
        return omega[:count], self.complete(omega[count:])

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        raise NotImplementedError  # density is that of the family, changed

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        return self.family.outside(response)

    def start_mean(self, response: Response) -> FloatArray:
        return self.family.start_mean(response)

    def start_parameters(self, response: Response, mean: FloatArray) -> FloatArray:
        rows = response.y > 0.0
        rest = response.subset(rows) if rows.any() else response
        own = [name for name in self.own_parameters if name not in self.given]
        moments = self._moments(response, mean) if own else {}
        if self.truncates and self.family.discrete:
            of_family = [unbounded(n, TRUNCATED_STARTS[n]) for n in self.family.parameter_names]
        else:
            means = mean[rows] if rows.any() else mean
            of_family = list(self.family.start_parameters(rest, means))
        return np.array([*of_family, *(unbounded(name, moments[name]) for name in own)])


def truncated_cumulative(
    family: Family, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """P(Y < y) and P(Y ≤ y) given that Y is not 0, for responses that are not."""
    low, high = family.cumulative(response, mean, omega)
    zero = zero_probability(family, mean, omega, response.trials)
    some = some_probability(family, mean, omega, response.trials)
    return np.clip((low - zero) / some, 0.0, 1.0), np.clip((high - zero) / some, 0.0, 1.0)


class Truncated(Adapted):
    """A family given that the response is not 0.

    Parameters
    ----------
    family : Family
        One that has zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from lmforms.glmm.families.counts import Poisson
    >>> Truncated(Poisson()).density(Response(np.ones(1)), np.zeros(1), [], 0).values.round(4)
    array([[-0.5413]])
    """

    prefix = "truncated"
    truncates = True

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        if not family.has_zero:
            raise ArgumentError(f"The {family.name} family has no zeros to leave out.")

    def density(
        self, response: Response, tau: FloatArray, omega: Sequence[FloatArray], order: int
    ) -> LogDensity:
        return truncated_density(self.family, response, tau, omega, order)

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        rows, text = self.family.outside(response)
        text = text.replace("counts 0, 1, 2", "counts 1, 2, 3").replace("from 0", "from 1")
        return rows | (response.y == 0.0), text

    def expectation(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return mean / some_probability(self.family, mean, omega, trials)

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        some = some_probability(self.family, mean, omega, trials)
        square = (self.family.variance(mean, omega, trials) + mean**2) / some
        return square - (mean / some) ** 2

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        return truncated_draws(self.family, rng, mean, omega, trials)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        return truncated_cumulative(self.family, response, mean, omega)
