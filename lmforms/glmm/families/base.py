r"""What a family is: log-densities of rows with derivatives in η and in its own parameters.

A family writes its log-density in an inner predictor τ in which it has no cancellation: ln μ for
positive means, logit μ for means between 0 and 1, μ itself otherwise. A link gives τ as a function
of η (:mod:`.links`), and the chain rule derivatives in η:

.. math::
    \ell' = \ell_τ τ', \quad
    \ell'' = \ell_{ττ} τ'^2 + \ell_τ τ'', \quad
    \ell''' = \ell_{τττ} τ'^3 + 3 \ell_{ττ} τ' τ'' + \ell_τ τ'''.

Parameters beside the mean (a dispersion, the probability of excess zeros) are unbounded numbers
ω_j, one for each row, as a formula of predictors may describe them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ArgumentError, listed
from ...support.arrays import BoolArray, FloatArray
from .response import Response
from .scales import Inner, inner_of, natural, range_of, unbounded

Rows = Sequence[FloatArray | float]


@dataclass(frozen=True, eq=False)
class LogDensity:
    """Log-densities of rows, with derivatives in one predictor.

    Attributes
    ----------
    values : ndarray (order + 1, n)
        ℓ and its derivatives up to an order.
    parameters : ndarray (J, order, n)
        Derivatives of the first `order` rows of `values` in each parameter ω_j; with order 3,
        those of ℓ, ℓ' and ℓ''. No rows below order 1.
    """

    values: FloatArray
    parameters: FloatArray


def composed(
    outer: FloatArray | Sequence[FloatArray], inner: FloatArray | Sequence[FloatArray]
) -> list[FloatArray]:
    """Derivatives of a composition, up to the third.

    Factors are multiplied one at a time: where an outer derivative is 0, no power of an inner one
    overflows before it meets the 0.
    """
    rows = [outer[0]]
    if len(outer) > 1:
        rows.append(outer[1] * inner[1])
    if len(outer) > 2:
        rows.append(outer[2] * inner[1] * inner[1] + outer[1] * inner[2])
    if len(outer) > 3:
        third = outer[3] * inner[1] * inner[1] * inner[1]
        rows.append(third + 3.0 * outer[2] * inner[1] * inner[2] + outer[1] * inner[3])
    return rows


def through_link(inner: LogDensity, tau: FloatArray) -> LogDensity:
    """Derivatives in η of a log-density whose derivatives in τ are known.

    Parameters
    ----------
    inner : LogDensity
        Of order m ≤ 3.
    tau : ndarray (m + 1, n)
        τ and its derivatives in η.
    """
    with np.errstate(all="ignore"):
        values = np.stack(composed(inner.values, tau))
        parameters = np.empty_like(inner.parameters)
        for rows, target in zip(inner.parameters, parameters):
            for row, found in zip(target, composed(rows, tau) if len(rows) else ()):
                row[:] = found
    return LogDensity(values, parameters)


class Family(ABC):
    """A distribution of responses given their means μ, whose parameters are estimated or given.

    Parameters
    ----------
    **given : float or None
        Values of parameters that are not to be estimated, in their natural units; None for those
        that are.

    Notes
    -----
    Arrays of ω may have one entry, or be broadcast from one (``np.broadcast_to``), where a
    parameter is the same in all rows; functions of it alone are then computed once.
    """

    name: str
    inner: Inner
    links: tuple[str, ...]
    """Links that suit it; the first is the default."""

    own_parameters: tuple[str, ...] = ()
    """Parameters beside the mean, estimated or given."""

    takes_trials: bool = False
    has_zero: bool = False
    """Whether 0 has a probability above 0."""

    discrete: bool = False
    """Whether responses are whole numbers."""

    def __init__(self, **given: float | None) -> None:
        self.given = {name: float(v) for name, v in given.items() if v is not None}
        for name in self.given:
            if name not in self.own_parameters:
                own = f"it has {listed(self.own_parameters)}" if self.own_parameters else "none"
                raise ArgumentError(f"the {self.name} family has no parameter `{name}`: {own}.")
        for name, value in self.given.items():
            with np.errstate(all="ignore"):
                usable = np.isfinite(unbounded(name, value))
            if not usable:
                raise ArgumentError(
                    f"{name}={value:g} is no value of this parameter of the {self.name} family: "
                    f"it takes numbers {range_of(name)}."
                )

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value:g}" for name, value in self.given.items())
        return f"{type(self).__name__}({inside})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *sorted(self.given.items())))

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Parameters beside the mean that are estimated, in the order of ω."""
        return tuple(name for name in self.own_parameters if name not in self.given)

    def complete(self, omega: Sequence[FloatArray]) -> list[FloatArray]:
        """ω of all own parameters: the estimated ones as they come, with the given ones."""
        estimated = iter(omega)
        return [
            np.asarray(unbounded(name, self.given[name]))
            if name in self.given
            else _once_if_constant(np.asarray(next(estimated), dtype=np.float64))
            for name in self.own_parameters
        ]

    def density(
        self, response: Response, tau: FloatArray, omega: Sequence[FloatArray], order: int
    ) -> LogDensity:
        """Log-density and derivatives in τ and ω up to an order of 0 to 3.

        Parameters
        ----------
        response : Response
        tau : ndarray (n,)
        omega : sequence of ndarray (n,)
            Estimated parameters on their unbounded scale, by row.
        order : int

        Returns
        -------
        LogDensity
            Not finite where τ is not; no warnings.
        """
        with np.errstate(all="ignore"):
            values, parameters = self._rows(response, tau, self.complete(omega), order)
        found = LogDensity(
            np.empty((order + 1, len(tau))),
            np.empty((len(self.parameter_names), order, len(tau))),
        )
        for row, value in zip(found.values, values):
            row[:] = value
        if order:
            estimated = [p for n, p in zip(self.own_parameters, parameters) if n not in self.given]
            for target, rows in zip(found.parameters, estimated):
                for row, value in zip(target, rows):
                    row[:] = value
        return found

    @abstractmethod
    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        """ℓ and its derivatives in τ, and for each own parameter those of :class:`LogDensity`.

        At least as many rows as the order asks for: `omega` has all own parameters, `given` ones
        as numbers.
        """

    @abstractmethod
    def outside(self, response: Response) -> tuple[BoolArray, str]:
        """Rows whose response it cannot have, and what it can, such as ``"counts 0, 1, 2, …"``."""

    @abstractmethod
    def start_mean(self, response: Response) -> FloatArray:
        """Means (of one trial) near each response, inside the range of the mean, to start from."""

    def start_parameters(self, response: Response, mean: FloatArray) -> FloatArray:
        """ω (J,) to start from, given fitted means."""
        with np.errstate(all="ignore"):
            moments = self._moments(response, mean)
        return np.array([unbounded(name, moments[name]) for name in self.parameter_names])

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        """Rough values of all own parameters, in natural units and inside their ranges."""
        return {}

    def natural(self, omega: FloatArray) -> FloatArray:
        """Estimated parameters ω (J, …) in their natural units."""
        omega = np.asarray(omega, dtype=np.float64)
        rows = [natural(name, w) for name, w in zip(self.parameter_names, omega)]
        return np.array(rows).reshape(omega.shape)

    def expectation(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        """Expected response (of one trial); the mean μ itself unless zeros are added or missing."""
        return mean

    @abstractmethod
    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        """Variance of a response with this mean; if binomial, of the proportion of the trials."""

    @abstractmethod
    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        """Draws of responses; of successes if binomial."""

    @abstractmethod
    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """P(Y < y) and P(Y ≤ y)."""

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        """Twice the log-likelihood that each row lacks to the best mean of its own, ≥ 0.

        Of exponential dispersion models (gaussian, gamma, inverse gaussian, tweedie) it is
        multiplied by the dispersion, as R's ``dev.resids`` is. Other parameters are held.
        """
        tau = inner_of(self.inner, mean)
        best = self._best_inner(response, omega, tau)
        pair = [self.density(response, t, omega, 0).values[0] for t in (best, tau)]
        return np.maximum(2.0 * (pair[0] - pair[1]), 0.0)

    def _best_inner(
        self, response: Response, omega: Sequence[FloatArray], tau: FloatArray
    ) -> FloatArray:
        """τ that gives each row its greatest density, by bisection of the sign of ℓ'.

        Where ℓ grows without end, the end of the bracket serves: the rest is below rounding.
        """
        middle = inner_of(self.inner, self.start_mean(response))
        low = np.minimum(middle, tau) - _BEST_WITHIN
        high = np.maximum(middle, tau) + _BEST_WITHIN
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            rises = self.density(response, middle, omega, 1).values[1] > 0.0
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
        return 0.5 * (low + high)


# Far enough for powers of the mean down to 0.2 to be below rounding; and so is the bracket after
# these bisections
_BEST_WITHIN, _BISECTIONS = 200.0, 64


def _once_if_constant(omega: FloatArray) -> FloatArray:
    """One entry of an array that was broadcast from it."""
    return omega[:1] if omega.ndim and len(omega) and omega.strides[0] == 0 else omega
