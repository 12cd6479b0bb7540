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

LAST = 7.0
"""The last node, in standard deviations."""

FINEST, COARSEST = 0.02, 0.25
"""Distances of nodes. One that is no longer than a response's own standard deviation, in units of
that of its mean, leaves an error below 1e-8."""

PRECISION = 1e-9
"""Of the distribution function at a quantile of a continuous response."""

MOST_STEPS = 60
"""Of the search for it, by false position with halved ends."""

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
    columns = [eta, variance, *([] if trials is None else [trials])]
    columns += [o for o in omega if len(o) > 1]
    kept, back = np.unique(np.stack(columns), axis=1, return_inverse=True)
    places = np.empty(kept.shape[1], dtype=np.intp)
    places[np.ravel(back)] = np.arange(len(eta))  # a row for each different one
    own = [o if len(o) == 1 else o[places] for o in omega]
    m = None if trials is None else trials[places]
    return _of_distinct(mean, eta[places], variance[places], own, m, p)[np.ravel(back)]


def _of_distinct(
    mean: MeanFunction,
    eta: FloatArray,
    variance: FloatArray,
    omega: Sequence[FloatArray],
    trials: FloatArray | None,
    p: float,
) -> FloatArray:
    family, link, sd = mean.family, mean.link, np.sqrt(variance)
    is_positive = family.inner != "identity"
    step = _distance(mean, eta, sd, omega, trials)
    z = np.arange(-LAST, LAST + 0.5 * step, step) if variance.any() else np.zeros(1)
    weights = np.exp(-0.5 * z**2)
    weights /= weights.sum()

    def excess(y: FloatArray) -> FloatArray:
        response = Response(np.maximum(y, 0.0) if is_positive else y, trials)
        total = np.zeros_like(y)
        for node, weight in zip(z, weights, strict=True):
            at = eta + sd * node
            means = link.mean(np.where(link.valid(family.inner, at), at, eta))
            total = total + weight * family.cumulative(response, means, omega)[1]
        return np.asarray((np.where(y < 0.0, 0.0, total) if is_positive else total) - p)

    return _smallest(excess, family, link.mean(eta), trials)


def _distance(
    mean: MeanFunction,
    eta: FloatArray,
    sd: FloatArray,
    omega: Sequence[FloatArray],
    trials: FloatArray | None,
) -> float:
    """Of nodes that see each step of the distribution function."""
    centre, slope = mean.link.inner("identity", eta, 1)
    own = np.sqrt(mean.family.variance(centre, omega, trials))
    with np.errstate(all="ignore"):
        ratio = own / (np.abs(slope) * sd)
    ratio = ratio[np.isfinite(ratio)]
    return float(np.clip(ratio.min(initial=COARSEST), FINEST, COARSEST))


def _smallest(
    excess: Callable[[FloatArray], FloatArray],
    family: Family,
    centre: FloatArray,
    trials: FloatArray | None,
) -> FloatArray:
    """Where P(Y ≤ y) − p first reaches 0."""

    def reached(y: FloatArray) -> BoolArray:
        return np.asarray(excess(y) >= 0.0)

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
    return _root(excess, low, high)


def _root(
    excess: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Between numbers where a function is below 0 and where it is not."""
    below, above = excess(low), excess(high)
    below = np.minimum(below, 0.0)
    x, kept = high, np.zeros(len(low))  # the end that was kept: −1 or 1
    for step in range(MOST_STEPS):
        share = above / np.where(above - below > 0.0, above - below, 1.0)
        if step % 3 == 2:  # a bracket that shrinks at one end only is halved
            share = np.full_like(share, 0.5)
        x = high - np.clip(share, 0.0, 1.0) * (high - low)
        at = excess(x)
        if (np.abs(at) <= PRECISION).all():
            break
        left = at < 0.0
        above = np.where(left & (kept == 1.0), 0.5 * above, above)
        below = np.where(~left & (kept == -1.0), 0.5 * below, below)
        low, below = np.where(left, x, low), np.where(left, at, below)
        high, above = np.where(left, high, x), np.where(left, above, at)
        kept = np.where(left, 1.0, -1.0)
    return np.asarray(x)


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
