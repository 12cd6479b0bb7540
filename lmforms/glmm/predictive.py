"""Quantiles of new responses whose linear predictors are uncertain.

The distribution function is the family's, averaged over η ~ N(η̂, v) on equidistant nodes; quantiles
are found from it by bisection, so that no random numbers are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..support.arrays import BoolArray, FloatArray
from .families.base import Family
from .families.response import Response
from .population import MeanFunction

DISTANCE, LAST = 0.1, 8.0
"""Of nodes, in standard deviations. A distribution function that jumps between two nodes has an
error of half the weight of one: 0.003 near the ends of an interval of 95 percent."""

HALVINGS = 45
"""Of the bracket of a quantile of a continuous response: ten digits remain."""

MOST_DOUBLINGS = 200


def predictive_quantiles(
    mean: MeanFunction,
    eta: FloatArray,
    variance: FloatArray,
    omega: Sequence[FloatArray],
    trials: FloatArray | None,
    p: float,
) -> FloatArray:
    """The smallest y with P(Y ≤ y) ≥ p of each row; numbers of successes if binomial.

    Examples
    --------
    >>> from lmforms.glmm.families.counts import Poisson
    >>> from lmforms.glmm.families.links import LINKS
    >>> mean = MeanFunction(Poisson(), LINKS["log"])
    >>> predictive_quantiles(mean, np.log([10.0]), np.zeros(1), [], None, 0.975)
    array([17.])
    """
    family, link = mean.family, mean.link
    z = np.arange(-LAST, LAST + 0.5 * DISTANCE, DISTANCE) if variance.any() else np.zeros(1)
    weights = np.exp(-0.5 * z**2)
    weights /= weights.sum()
    sd, is_positive = np.sqrt(variance), family.inner != "identity"

    def reached(y: FloatArray) -> BoolArray:
        response, total = Response(np.maximum(y, 0.0) if is_positive else y, trials), 0.0
        for node, weight in zip(z, weights, strict=True):
            at = eta + sd * node
            means = link.mean(np.where(link.valid(family.inner, at), at, eta))
            total = total + weight * family.cumulative(response, means, omega)[1]
        total = np.asarray(total)
        return np.asarray(np.where(y < 0.0, 0.0, total) >= p if is_positive else total >= p)

    return _smallest(reached, family, link.mean(eta), trials)


def _smallest(
    reached: Callable[[FloatArray], BoolArray],
    family: Family,
    centre: FloatArray,
    trials: FloatArray | None,
) -> FloatArray:
    if family.takes_trials:
        high = np.ones_like(centre) if trials is None else np.array(trials)
    elif family.inner == "logit":
        high = np.ones_like(centre)
    else:
        high = _bound(reached, np.ceil(np.maximum(centre, 0.0)), 1.0)
    low = np.full_like(centre, -1.0)
    if family.inner == "identity" and not family.discrete:
        low = -_bound(lambda y: ~reached(-y), np.maximum(-centre, 0.0), 1.0)
    elif not family.discrete:
        # zeros of their own, as of a hurdle or Tweedie, are a jump there
        at_zero = reached(np.zeros_like(centre)) if family.has_zero else np.zeros(len(high), bool)
        low, high = np.zeros_like(centre), np.where(at_zero, 0.0, high)
    if family.discrete:
        while (high - low > 1.0).any():
            middle = np.floor(0.5 * (low + high))
            there = reached(middle)
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        return high
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        there = reached(middle)
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    return np.asarray(high)


def _bound(
    reached: Callable[[FloatArray], BoolArray], start: FloatArray, step: float
) -> FloatArray:
    """Numbers from `start` upwards that reach p; infinite where none is found."""
    high = start + step
    for _ in range(MOST_DOUBLINGS):
        there = reached(high)
        if there.all():
            return high
        high = np.where(there, high, 2.0 * high)
    return np.where(reached(high), high, np.inf)
