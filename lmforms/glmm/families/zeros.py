"""More zeros than a family has: mixtures with zeros, and hurdles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from ...errors import ArgumentError
from ...support.arrays import BoolArray, FloatArray
from .base import Family, LogDensity, Response, Rows
from .special import softplus
from .truncation import (
    Adapted,
    some_probability,
    through_zero,
    truncated_cumulative,
    truncated_density,
    truncated_draws,
    zero_probability,
)


class _WithZeros(Adapted):
    """A family with a probability π of zeros of its own, ω = logit π."""

    own_parameters = ("zero_inflation",)
    has_zero = True

    def __init__(self, family: Family, zero_inflation: float | None = None) -> None:
        super().__init__(family, zero_inflation=zero_inflation)

    def _extended(self, of_family: FloatArray, own: Rows, order: int) -> FloatArray:
        """Derivatives in the parameters, π's as the last if it is estimated."""
        if self.given or not order:
            count = len(self.parameter_names)
            return of_family[:, :order].reshape(count, order, of_family.shape[-1])
        rows = np.empty((order, of_family.shape[-1]))
        for target, row in zip(rows, own):
            target[:] = row
        return np.concatenate([of_family, rows[None]])


class ZeroInflated(_WithZeros):
    """A family that is mixed with zeros: a response is 0 with probability π, or the family's.

    Parameters
    ----------
    family : Family
        One that has zeros of its own: counts, successes, or Tweedie.
    zero_inflation : float, optional
        π if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from lmforms.glmm.families.counts import Poisson
    >>> family = ZeroInflated(Poisson())
    >>> family.parameter_names
    ('zero_inflation',)
    >>> family.density(Response(np.zeros(1)), np.zeros(1), [np.zeros(1)], 0).values.round(4)
    array([[-0.3799]])
    """

    prefix = "zero_inflated"

    def __init__(self, family: Family, zero_inflation: float | None = None) -> None:
        super().__init__(family, zero_inflation)
        if not family.has_zero:
            raise ArgumentError(
                f"The {family.name} family has no zeros to add to: use Hurdle({family!r})."
            )

    def density(
        self, response: Response, tau: FloatArray, omega: Sequence[FloatArray], order: int
    ) -> LogDensity:
        of_family, (w,) = self._split(omega)
        found = self.family.density(response, tau, of_family, order)
        w = np.broadcast_to(w, tau.shape)
        rows = response.once("is_zero", lambda: response.y == 0.0)
        zero = LogDensity(found.values[:, rows], found.parameters[:, :, rows])
        with np.errstate(all="ignore"):
            found.values[0] -= softplus(w)
            at = w[rows]
            share, other = expit(zero.values[0] - at), expit(at - zero.values[0])
            both = share * other
            outer = [
                np.logaddexp(at, zero.values[0]) - softplus(at),
                share,
                both,
                both * (other - share),
            ]
            mixed = through_zero(outer, zero)
            found.values[:, rows] = mixed.values
            found.parameters[:, :, rows] = mixed.parameters
            own = np.zeros((order, len(tau)))
            if order >= 1:
                own[0] = -expit(w)
                # share of added zeros less π, without their difference where L is near 0
                own[0, rows] = -other * expit(-at) * np.expm1(zero.values[0])
            if order >= 2:
                own[1, rows] = -both * zero.values[1]
            if order >= 3:
                own[2, rows] = -both * zero.values[2] - outer[3] * zero.values[1] ** 2
        return LogDensity(found.values, self._extended(found.parameters, list(own), order))

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        omega = [np.asarray(w)[None] for w in self.family.start_parameters(response, mean)]
        expected = np.mean(zero_probability(self.family, mean, omega, response.trials))
        observed = np.mean(response.y == 0.0)
        found = (observed - expected) / max(1.0 - expected, 1e-8)
        return {"zero_inflation": float(np.clip(found, 0.02, 0.9))}

    def expectation(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return expit(-self._split(omega)[1][0]) * mean

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        of_family, (w,) = self._split(omega)
        within = self.family.variance(mean, of_family, trials)
        return np.asarray(expit(-w) * (within + expit(w) * mean**2))

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        of_family, (w,) = self._split(omega)
        drawn = self.family.simulate(rng, mean, of_family, trials)
        return np.where(rng.random(np.shape(mean)) < expit(w), 0.0, drawn)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        of_family, (w,) = self._split(omega)
        low, high = self.family.cumulative(response, mean, of_family)
        added = np.where(response.y > 0.0, expit(w), 0.0)
        return added + expit(-w) * low, expit(w) + expit(-w) * high


class Hurdle(_WithZeros):
    """Zeros with probability π, and a family without its zeros for the others.

    Parameters
    ----------
    family : Family
        Also one that has no zeros, such as gamma.
    zero_inflation : float, optional
        π if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from lmforms.glmm.families.counts import Poisson
    >>> counts, none = Response(np.array([0.0, 1.0])), [np.zeros(2)]
    >>> Hurdle(Poisson()).density(counts, np.zeros(2), none, 0).values.round(4)
    array([[-0.6931, -1.2345]])
    """

    prefix = "hurdle"
    truncates = True

    def density(
        self, response: Response, tau: FloatArray, omega: Sequence[FloatArray], order: int
    ) -> LogDensity:
        of_family, (w,) = self._split(omega)
        w = np.broadcast_to(w, tau.shape)
        rows, positive = response.once(
            "positive", lambda: (response.y > 0.0, response.subset(response.y > 0.0))
        )
        count = len(positive.y)
        values = np.zeros((order + 1, len(tau)))
        of_rows = np.zeros((len(of_family), order, len(tau)))
        if count:
            part = truncated_density(
                self.family, positive, tau[rows], [_of_rows(o, rows) for o in of_family], order
            )
            values[:, rows], of_rows[:, :, rows] = part.values, part.parameters
        with np.errstate(all="ignore"):
            values[0] -= np.where(rows, softplus(w), softplus(-w))
            # a predictor without a mean is refused at zeros, too, where the mean plays no part
            values[0, ~np.isfinite(tau)] = np.nan
            own = [np.where(rows, -expit(w), expit(-w)), 0.0, 0.0]
        return LogDensity(values, self._extended(of_rows, own, order))

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        rows, text = self.family.outside(response)
        return rows & (response.y != 0.0), text if self.family.has_zero else f"0, or {text}"

    def start_mean(self, response: Response) -> FloatArray:
        positive = response.y > 0.0
        usual = np.mean(response.y[positive]) if positive.any() else 1.0
        filled = response.y if self.family.has_zero else np.where(positive, response.y, usual)
        return self.family.start_mean(Response(filled, response.trials))

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        return {"zero_inflation": float(np.clip(np.mean(response.y == 0.0), 0.02, 0.98))}

    def expectation(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        of_family, (w,) = self._split(omega)
        some = some_probability(self.family, mean, of_family, trials)
        return np.asarray(expit(-w) * mean / some)

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        of_family, (w,) = self._split(omega)
        some = some_probability(self.family, mean, of_family, trials)
        square = (self.family.variance(mean, of_family, trials) + mean**2) / some
        return np.asarray(expit(-w) * square - self.expectation(mean, omega, trials) ** 2)

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        of_family, (w,) = self._split(omega)
        drawn = truncated_draws(self.family, rng, mean, of_family, trials)
        return np.where(rng.random(np.shape(mean)) < expit(w), 0.0, drawn)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        of_family, (w,) = self._split(omega)
        positive = response.y > 0.0
        filled = Response(np.where(positive, response.y, 1.0), response.trials)
        low, high = truncated_cumulative(self.family, filled, mean, of_family)
        at_zero = expit(w)
        return (
            np.where(positive, at_zero + expit(-w) * low, 0.0),
            np.where(positive, at_zero + expit(-w) * high, at_zero),
        )


def _of_rows(omega: FloatArray, rows: BoolArray) -> FloatArray:
    """A parameter at some of the rows, still one number if it was one."""
    omega = np.asarray(omega)
    if omega.size == 1 or omega.strides[0] == 0:
        return np.broadcast_to(omega.ravel()[:1], int(rows.sum()))
    return omega[rows]
