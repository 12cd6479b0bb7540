"""Numbers of rows of a generalised fit: means, residuals, simulated responses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..glmm.estimate import GeneralizedEstimate
from ..support.arrays import FloatArray
from .simulate import EffectDraws
from .state import FitState

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
    return expected(estimate, estimate.eta, _omega(estimate))


def expected(estimate: GeneralizedEstimate, eta: FloatArray, omega: list[FloatArray]) -> FloatArray:
    """Expected responses at given linear predictors, with zeros that are added or left out."""
    mean = estimate.likelihood.link.mean(eta)
    return np.asarray(estimate.family.expectation(mean, omega))


def residuals(state: FitState, kind: str, rng: np.random.Generator) -> FloatArray:
    """Residuals of the rows, see :meth:`lmforms.GeneralizedResults.residuals`."""
    estimate = estimate_of(state)
    likelihood, family = estimate.likelihood, estimate.family
    response, omega = likelihood.response, _omega(estimate)
    mean = likelihood.link.mean(estimate.eta)
    fitted = family.expectation(mean, omega)
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
        return np.asarray(first / -second)
    from scipy.special import ndtri

    below, upto = family.cumulative(response, mean, omega)
    share = below + rng.uniform(size=len(below)) * (upto - below)
    return np.asarray(ndtri(np.clip(share, LEAST_SHARE, 1.0 - LEAST_SHARE)))


def simulated(
    state: FitState, count: int, rng: np.random.Generator, *, new_effects: bool
) -> FloatArray:
    """Draws of the response, (n, count): of successes if binomial."""
    design, estimate = state.design, estimate_of(state)
    likelihood, omega = estimate.likelihood, _omega(estimate)
    effects = [EffectDraws.of(state, g) for g in range(len(design.groups))] if new_effects else []
    out = np.empty((design.n, count))
    for i, own in enumerate(rng.spawn(count)):  # the first draws do not depend on their number
        eta = estimate.eta
        if new_effects:
            total = np.zeros((design.n, 1))
            for effect in effects:
                effect.add(total, own.standard_normal((1, effect.count)))
            eta = design.X @ estimate.beta + design.offset + total[:, 0]
        mean = likelihood.link.mean(eta)
        out[:, i] = estimate.family.simulate(own, mean, omega, likelihood.response.trials)
    return out


def _omega(estimate: GeneralizedEstimate) -> list[FloatArray]:
    """ω of the rows."""
    return estimate.likelihood.omega(estimate.coefficients)
