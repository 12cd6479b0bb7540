r"""Means and variances of responses whose random effects are integrated out.

Given x, the linear predictor of a row is η + s ζ with ζ standard normal and s² = z'Σz the variance
of its random effects. So moments are integrals in one dimension, by the trapezoid rule with equal
steps: its error falls exponentially in the inverse of the step, for all links in like manner,
where Gauss–Hermite rules are slow for large s.

.. math::
    m = E\,μ(η + s ζ), \qquad
    \operatorname{Var} y = E\,V(μ(η + s ζ)) + \operatorname{Var} μ(η + s ζ).

The derivative of m in s² is half of its second one in η.

References
----------
Trefethen, Weideman (2014), *The exponentially convergent trapezoidal rule*, SIAM Review 56(3);
de Villemereuil et al. (2016), *General methods for evolutionary quantitative genetic inference
from generalized mixed models*, Genetics 204(3), for the moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError
from ..support.arrays import FloatArray
from .families.base import Family
from .families.links import LINKS, UNBOUNDED_LINKS, Link

NODE_DISTANCE, LAST_NODE = 0.2, 12.0
"""Of the trapezoid rule, in standard deviations: rounding is reached up to s = 5, and the means of
a logarithmic link, whose integrand is largest at ζ = s, up to s = 4."""

MOST_OUTSIDE = 1e-6
"""Probability of linear predictors without a mean, above which the population has none."""


def _nodes() -> tuple[FloatArray, FloatArray]:
    z = np.arange(-LAST_NODE, LAST_NODE + 0.5 * NODE_DISTANCE, NODE_DISTANCE)
    weights = np.exp(-0.5 * z**2)
    return z, weights / weights.sum()


Z, WEIGHTS = _nodes()


@dataclass(frozen=True, eq=False)
class PopulationMoments:
    """Moments of the responses of rows over their random effects.

    Attributes
    ----------
    mean : ndarray (n,)
        Of the response, of one trial if binomial.
    between : ndarray (n,)
        Variance of the mean given the random effects.
    within : ndarray (n,)
        Mean of the variance given the random effects.
    """

    mean: FloatArray
    between: FloatArray
    within: FloatArray

    @property
    def sd(self) -> FloatArray:
        """Standard deviation of the response."""
        return np.asarray(np.sqrt(self.between + self.within))


@dataclass(frozen=True, eq=False)
class MeanFunction:
    """The expected response of rows as a function of η, s² and ω.

    Attributes
    ----------
    family : Family
    link : Link
    """

    family: Family
    link: Link

    @property
    def needs_omega(self) -> bool:
        """Whether expected responses depend on parameters beside the mean."""
        return type(self.family).expectation is not Family.expectation

    def at_predictor(self, eta: FloatArray, omega: Sequence[FloatArray]) -> FloatArray:
        """Given the linear predictor itself; NaN where the family has no such mean.

        Examples
        --------
        >>> from lmforms.glmm.families.counts import Poisson
        >>> from lmforms.glmm.families.links import LINKS
        >>> MeanFunction(Poisson(), LINKS["identity"]).at_predictor(np.array([2.0, -1.0]), [])
        array([ 2., nan])
        """
        found = np.asarray(self.family.expectation(self.link.mean(eta), omega))
        if self.link.name in UNBOUNDED_LINKS:
            return found
        return np.where(self.link.valid(self.family.inner, eta), found, np.nan)

    def averaged(
        self, eta: FloatArray, variance: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        """E μ(η + s ζ), (n,).

        Raises
        ------
        ModelError
            Some values of the random effects have no mean.

        Examples
        --------
        >>> from lmforms.glmm.families.counts import Poisson
        >>> from lmforms.glmm.families.links import LINKS
        >>> mean = MeanFunction(Poisson(), LINKS["log"])
        >>> mean.averaged(np.zeros(1), np.ones(1), []) / np.exp(0.5)
        array([1.])
        """
        if not np.any(variance > 0.0):
            return self.at_predictor(eta, omega)
        out = np.zeros(np.shape(eta))
        for weight, _, mean in self._over_nodes(eta, variance):
            out += weight * self.family.expectation(mean, omega)
        return np.where(np.isfinite(eta), out, np.nan)

    def moments(
        self,
        eta: FloatArray,
        variance: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> PopulationMoments:
        """Mean and variances of responses, of proportions if binomial.

        Raises
        ------
        ModelError
            Some values of the random effects have no mean.
        """
        first, second, within = (np.zeros(np.shape(eta)) for _ in range(3))
        centre = self.at_predictor(eta, omega)
        for weight, _, mean in self._over_nodes(eta, variance):
            away = self.family.expectation(mean, omega, trials) - centre
            first += weight * away
            second += weight * away**2
            within += weight * self.family.variance(mean, omega, trials)
        between = np.maximum(second - first**2, 0.0)
        return PopulationMoments(centre + first, between, within)

    def _over_nodes(
        self, eta: FloatArray, variance: FloatArray
    ) -> Iterator[tuple[FloatArray, float, FloatArray]]:
        """Weights of the rows, ζ, and μ; nodes without a mean have no weight."""
        sd = np.sqrt(variance)
        known = np.isfinite(eta)
        lost = np.zeros(np.shape(eta))
        for z, w in zip(Z, WEIGHTS, strict=True):
            at = eta + sd * z
            inside = self.link.valid(self.family.inner, at) | ~known
            lost += np.where(inside, 0.0, w)
            if (lost > MOST_OUTSIDE).any():
                raise ModelError(
                    f"the population has no mean: with the {self.link.name} link, normal random "
                    f"effects give linear predictors at which the {self.family.name} family has "
                    f"none. {advice_on_links(self.family)}"
                )
            # such a node's mean is replaced by that of the middle, and its weight is 0
            mean = self.link.mean(np.where(inside, at, eta))
            yield np.where(inside, w, 0.0), float(z), mean

    def slopes(
        self, eta: FloatArray, variance: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        """Derivatives of the mean in η, in s² and in each ω_j, by central differences."""
        # predictors of other links have sizes of their own, far from 1
        size = 1.0 if self.link.name in (*UNBOUNDED_LINKS, "log") else np.abs(eta)

        def at(change: float) -> FloatArray:
            return self.averaged(eta + change * size, variance, omega)

        first = (at(FIRST_STEP) - at(-FIRST_STEP)) / (2.0 * FIRST_STEP * size)
        second = np.zeros_like(first)
        if np.any(variance > 0.0):
            second = (at(SECOND_STEP) - 2.0 * at(0.0) + at(-SECOND_STEP)) / (
                SECOND_STEP * size
            ) ** 2
        of_omega = []
        for j in range(len(omega) if self.needs_omega else 0):
            both = []
            for step in (FIRST_STEP, -FIRST_STEP):
                moved = [o + step if i == j else o for i, o in enumerate(omega)]
                both.append(self.averaged(eta, variance, moved))
            of_omega.append((both[0] - both[1]) / (2.0 * FIRST_STEP))
        return first, 0.5 * second, of_omega


def advice_on_links(family: Family) -> str:
    """Which links have a mean for all predictors."""
    always = [name for name in family.links if LINKS[name].takes_all_numbers(family.inner)]
    names = [f"link={name!r}" for name in always]
    return f"A link for all numbers has none of that: {' or '.join(names)}."


FIRST_STEP, SECOND_STEP = 1e-5, 1e-3
"""Of differences in η and ω: errors are near 1e-10 and 1e-7 of the mean."""
