"""Simulated responses of a generalised fit beside the observed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ...engine.linalg.threads import limited_blas_threads
from ...errors import ModelError, NumericalError
from ...glmm.conditional_mode import ConditionalModel, Mode, find_mode
from ...glmm.families.response import Response
from ...glmm.likelihood import ConditionalLikelihood
from ...glmm.population import MeanFunction
from ...glmm.start import ROUGH_MODE
from ...inference.diagnostics.distribution_tests import normality
from ...inference.diagnostics.quantile_residuals import quantile_residuals
from ...inference.diagnostics.variance_parts import random_variances
from ...support.arrays import FloatArray
from ..random_effect_checks import FEWEST_EFFECTS
from ..simulated_residuals import SimulatedResiduals
from ..state import FitState
from .rows import estimate_of, simulated

MOST_NUMBERS = 4_000_000
"""Simulated responses that are fitted anew, times rows."""


@dataclass(frozen=True, eq=False)
class SimulatedSums:
    """Sums over rows of the observed response and of simulated ones.

    Attributes
    ----------
    pearson : float
        Sum of squared Pearson residuals given the random effects.
    zeros : int
    shapes : ndarray (effects,)
        Shapiro and Wilk's statistic of the modes of each random effect; see `shaped_effects`.
    simulated_pearson, simulated_zeros : ndarray (draws,)
    simulated_shapes : ndarray (draws, effects)
    """

    pearson: float
    zeros: int
    shapes: FloatArray
    simulated_pearson: FloatArray
    simulated_zeros: FloatArray
    simulated_shapes: FloatArray


def simulated_sums(state: FitState, n: int, rng: np.random.Generator) -> SimulatedSums:
    """Sums with fixed and random effects fitted anew to each simulated response.

    Draws whose modes cannot be found are left out.

    Raises
    ------
    NumericalError
        That of the observed response cannot.
    """
    estimate = estimate_of(state)
    problem, at = estimate.problem, estimate.optimum.mode
    count = max(1, min(n, MOST_NUMBERS // max(state.design.n, 1)))
    pearson, zeros, shapes = [], [], []
    effects = shaped_effects(state)
    draws = simulated(state, count, rng, new_effects=True)

    def refitted(likelihood: ConditionalLikelihood) -> tuple[float, list[float]]:
        model = ConditionalModel(problem.model.rows, likelihood, problem.model.offset)
        mode = find_mode(
            model, at.lams, at.beta, at.coefficients, at.u, joint=True, tolerance=ROUGH_MODE
        )
        return _pearson_sum(likelihood, mode), [
            normality(mode.b[g] @ bases[g].linear.T[:, j], "").statistic for g, j in effects
        ]

    bases = problem.model.rows.scaling.units.bases
    with limited_blas_threads(problem.model.rows.system.largest):
        for y in draws.T:
            response = Response(y, estimate.likelihood.response.trials)
            likelihood = replace(estimate.likelihood, response=response)
            zeros.append(np.count_nonzero(y == 0.0))
            try:
                total, own = refitted(likelihood)
            except NumericalError:
                continue
            pearson.append(total)
            shapes.append(own)
        observed, observed_shapes = refitted(estimate.likelihood)
    return SimulatedSums(
        pearson=observed,
        zeros=int(np.count_nonzero(estimate.likelihood.response.y == 0.0)),
        shapes=np.array(observed_shapes),
        simulated_pearson=np.array(pearson),
        simulated_zeros=np.array(zeros, dtype=np.float64),
        simulated_shapes=np.array(shapes).reshape(len(shapes), len(effects)),
    )


def shaped_effects(state: FitState) -> list[tuple[int, int]]:
    """Random effects (factor, column) whose distribution is looked at.

    Of independent levels that are not few.
    """
    return [
        (g, j)
        for g, group in enumerate(state.design.groups)
        if group.name not in state.relationship and len(group.labels) >= FEWEST_EFFECTS
        for j in range(len(group.columns))
    ]


def _pearson_sum(likelihood: ConditionalLikelihood, mode: Mode) -> float:
    """Σ w (y − μ̂)²/V(μ̂), of proportions if binomial."""
    family, response = likelihood.family, likelihood.response
    omega, mean = likelihood.omega(mode.coefficients), likelihood.link.mean(mode.eta)
    y = response.y if response.trials is None else response.y / response.trials
    variance = family.variance(mean, omega, response.trials)
    with np.errstate(all="ignore"):
        own = (y - family.expectation(mean, omega, response.trials)) ** 2 / variance
    own = np.where(variance > 0.0, own, 0.0)  # a mean at the end of its range
    return float(np.sum(own if likelihood.weights is None else likelihood.weights * own))


def generalized_residuals(
    state: FitState, n: int, rng: np.random.Generator, random: str
) -> SimulatedResiduals:
    """Quantile residuals of a generalised fit.

    Responses are compared in units of the model's standard deviation, which keeps their order and
    which of them are equal.
    """
    estimate, design, new = estimate_of(state), state.design, random == "new"
    mean, sd = row_moments(state, new_effects=new)
    trials = estimate.likelihood.response.trials
    unit = 1.0 if trials is None else trials

    def standardized(y: FloatArray) -> FloatArray:
        scale = np.broadcast_to(unit, mean.shape)
        return np.asarray((y / scale[:, None] - mean[:, None]) / sd[:, None])

    def draw(count: int) -> FloatArray:
        return standardized(simulated(state, count, rng, new_effects=new))

    observed = standardized(estimate.likelihood.response.y[:, None])[:, 0]
    found = quantile_residuals(observed, draw, n, rng)
    # where responses are equal to simulated ones, whether they lie outside is drawn too
    outside = (found.scaled * (n + 1) < 1.0) | (found.scaled * (n + 1) > n)
    found = replace(found, outside=outside)
    return SimulatedResiduals(
        scaled=pd.Series(found.scaled, index=design.index, name="scaled"),
        outside=pd.Series(found.outside, index=design.index, name="outside"),
        predicted=pd.Series(mean, index=design.index, name="predicted"),
        n=n,
        random=random,
        rotated=False,
        _state=state,
        _residuals=found,
    )


def row_moments(state: FitState, *, new_effects: bool) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each response, of proportions if binomial.

    Raises
    ------
    ModelError
        They are not finite, or the population has no mean.
    """
    estimate, design = estimate_of(state), state.design
    function = MeanFunction(estimate.family, estimate.likelihood.link)
    omega: Sequence[FloatArray] = estimate.likelihood.omega(estimate.coefficients)
    eta, variance = estimate.eta, np.zeros(design.n)
    if new_effects:
        eta = design.X @ estimate.beta + design.offset
        variance = sum(random_variances(state).values(), start=variance)
    trials = estimate.likelihood.response.trials
    moments = function.moments(eta, variance, omega, trials)
    if not np.isfinite(moments.sd).all():
        raise ModelError(
            f"the {estimate.family.name} family has no finite variance at its parameters, and "
            "simulated residuals are in units of standard deviations."
        )
    least = np.finfo(float).tiny  # where a mean is rounded to an end of its range
    return moments.mean, np.maximum(moments.sd, least)
