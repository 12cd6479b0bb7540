"""Numbers of rows of a generalised fit: means, residuals, simulated responses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ModelError
from ...glmm.estimate import GeneralizedEstimate
from ...glmm.families.ordinal import Ordinal
from ...inference.generalized_draws import ResponseDraws
from ...support.arrays import FloatArray
from ..state import FitState

RESIDUAL_KINDS = ("response", "pearson", "deviance", "working", "quantile")

LEAST_SHARE = 1e-15
"""Probabilities are kept so far from 0 and 1 that normal quantiles are finite."""


def estimate_of(state: FitState) -> GeneralizedEstimate:
    """The estimate of a generalised fit."""
    estimate: Any = state.estimate
    assert isinstance(estimate, GeneralizedEstimate)
    return estimate


def fitted_means(state: FitState) -> FloatArray:
    """Means at the modes of the random effects, (n,): of one trial if binomial."""
    estimate = estimate_of(state)
    trials = estimate.likelihood.response.trials
    return expected(estimate, estimate.eta, _omega(estimate), trials)


def expected(
    estimate: GeneralizedEstimate,
    eta: FloatArray,
    omega: list[FloatArray],
    trials: FloatArray | None = None,
) -> FloatArray:
    """Expected responses at given linear predictors, with zeros that are added or left out."""
    mean = estimate.likelihood.link.mean(eta)
    return np.asarray(estimate.family.expectation(mean, omega, trials))


def residuals(state: FitState, kind: str, rng: np.random.Generator) -> FloatArray:
    """Residuals of the rows, see :meth:`lmforms.GeneralizedResults.residuals`."""
    estimate = estimate_of(state)
    likelihood, family = estimate.likelihood, estimate.family
    if isinstance(family, Ordinal) and kind != "quantile":
        raise ModelError(
            f"residuals of kind={kind!r} are not defined for ordered classes: use kind='quantile'."
        )
    response, omega = likelihood.response, _omega(estimate)
    mean = likelihood.link.mean(estimate.eta)
    fitted = family.expectation(mean, omega, response.trials)
    left = state.response - fitted
    weights = 1.0 if likelihood.weights is None else likelihood.weights
    if kind == "response":
        return np.asarray(left)
    if kind == "pearson":
        variance = family.variance(mean, omega, response.trials)
        return np.asarray(np.sqrt(weights) * left / np.sqrt(variance))
    if kind == "deviance":
        unit = family.unit_deviance(response, mean, omega)
        return np.asarray(np.sign(left) * np.sqrt(np.maximum(weights * unit, 0.0)))
    if kind == "working":
        _, first, second = likelihood.at(estimate.eta, estimate.coefficients, 2).values
        return np.divide(first, -second, out=np.zeros_like(first), where=second != 0.0)
    from scipy.special import ndtri

    below, upto = family.cumulative(response, mean, omega)
    share = below + rng.uniform(size=len(below)) * (upto - below)
    return np.asarray(ndtri(np.clip(share, LEAST_SHARE, 1.0 - LEAST_SHARE)))


def simulated(
    state: FitState, count: int, rng: np.random.Generator, *, new_effects: bool
) -> FloatArray:
    """Draws of the response, (n, count): of successes if binomial."""
    draws = ResponseDraws(state, new_effects=new_effects)
    out = np.empty((state.design.n, count))
    for i, own in enumerate(rng.spawn(count)):  # the first draws do not depend on their number
        out[:, i] = draws.draw(own)
    return out


def _omega(estimate: GeneralizedEstimate) -> list[FloatArray]:
    """ω of the rows."""
    return estimate.likelihood.omega(estimate.coefficients)
