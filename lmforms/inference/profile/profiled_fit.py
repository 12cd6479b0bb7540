"""The fit that is profiled: by the right criterion, at its optimum, and identified."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from ...control import METHODS_WITHOUT_START
from ...data.theta_order import theta_in_formula_order
from ...engine.criterion.evaluate import Differentiated, evaluate
from ...engine.criterion.problem import Problem
from ...engine.optimize.newton import QuadraticModel
from ...errors import ConvergenceWarning, LmformsWarning, ModelError
from ...results.state import FitState
from ...support.arrays import FloatArray
from ...support.caller import caller_depth
from ..model_parameters import ModelParameter, model_parameters, parameter_values
from .constrained_minimum import constrained_minimum
from .curve import LOWER, ProfileCurve, profile_curve
from .held import Held, Nothing
from .held_of_fit import held_parameter, level_sizes

AT_OPTIMUM = 1e-9
"""No search is made where a step promises a smaller decrease."""


@dataclass(frozen=True, eq=False)
class ProfiledFit:
    """A linear fit at the minimum of the criterion that is profiled.

    Attributes
    ----------
    state : FitState
    x : ndarray
        (θ, φ) there, in the engine's units.
    log_scale : float
        ln σ² there.
    value, rounding : float
        The criterion and its rounding error.
    """

    state: FitState
    x: FloatArray
    log_scale: float
    value: float
    rounding: float

    @property
    def problem(self) -> Problem:
        """The criterion."""
        problem = self.state.estimate.problem
        assert isinstance(problem, Problem)
        return problem

    def curve(self, parameter: ModelParameter, limit: float) -> ProfileCurve:
        """The profile of a parameter, to |ζ| = `limit` or a bound.

        Raises
        ------
        LowerCriterionError
        """
        held = held_parameter(self.state, parameter)
        return profile_curve(held, self.start(held), self.value, self.rounding, limit)

    def start(self, held: Held) -> FloatArray:
        """The optimum in the coordinates of a held parameter."""
        x = held.problem.canonical(self.x, self.problem)
        return np.append(x, self.log_scale) if held.with_scale else x

    def refitted_from(self, held: Held, x: FloatArray) -> ProfiledFit:
        """The fit that a search from x leads to, where a profile was lower."""
        state, problem = self.state, self.problem
        canonical = problem.canonical(x[: problem.n_parameters], held.problem)
        found = constrained_minimum(Nothing(problem), 0.0, canonical)
        at = evaluate(problem, found.x)
        return ProfiledFit(
            state, found.x, float(np.log(at.sigma2)), min(found.value, at.value), self.rounding
        )

    def values(self, held: Held, tau: float, x: FloatArray) -> FloatArray:
        """All parameters of the fit, in the user's units, at x."""
        at, estimate = held.evaluate(tau, x), self.state.estimate
        canonical = self.problem.canonical(x[: self.problem.n_parameters], held.problem)
        scaling, sizes = estimate.scaling, level_sizes(self.state)
        slices = self.problem.theta_slices()
        covariances = self.problem.covariances
        theta = tuple(
            c.scaled(c.transform(canonical[s], m.linear), 1.0 / float(size))
            for c, s, m, size in zip(covariances, slices, scaling.units.bases, sizes, strict=True)
        )
        residual = estimate.residual
        if residual is not None and self.problem.n_phi:
            residual = residual.at(canonical[self.problem.n_theta :])
        moved = replace(estimate, residual=residual).with_values(
            theta=theta,
            beta=scaling.beta(at.gls.beta),
            sigma=float(scaling.pilot.y_scale * np.sqrt(at.sigma2)),
        )
        return parameter_values(replace(self.state, estimate=moved))


def profiled_fit(state: FitState, reml: bool) -> ProfiledFit:
    """The fit by ML, or by REML, at its optimum.

    Raises
    ------
    ModelError
        There is no profile: the fit has no factor, is at a given θ, or its variances depend on the
        fitted values.
    """
    _refuse(state)
    if state.estimate.reml != reml or state.method != "auto":
        state = _refitted(state, reml)
    return at_optimum(state)


def at_optimum(state: FitState) -> ProfiledFit:
    """The minimum near the estimate, by a few more steps if there are any to take."""
    optimum, problem = state.estimate.optimum.evaluation, state.estimate.problem
    assert isinstance(problem, Problem)
    assert isinstance(optimum, Differentiated)
    rounding = optimum.rounding
    if QuadraticModel.of(optimum).decrement < AT_OPTIMUM:
        log_scale = float(np.log(optimum.sigma2))
        return ProfiledFit(state, optimum.theta, log_scale, optimum.value, rounding)
    found = constrained_minimum(Nothing(problem), 0.0, optimum.theta)
    if found.value < optimum.value - max(LOWER, rounding):
        warn_of_lower("a search from the estimate", optimum.value - found.value)
    if not found.value < optimum.value:
        found = replace(found, x=optimum.theta, value=optimum.value)
    at = evaluate(problem, found.x)
    return ProfiledFit(
        state, found.x, float(np.log(at.sigma2)), min(found.value, at.value), rounding
    )


def warn_of_lower(where: str, decrease: float) -> None:
    """Say that the fit was not at the minimum."""
    warnings.warn(
        f"profile: {where} found a criterion that is lower by {decrease:.2g}: the fit had not "
        "stopped at the lowest optimum. The profiles are those of the lower one; their estimates "
        "are in `estimates`.",
        ConvergenceWarning,
        stacklevel=caller_depth(),
    )


def _refuse(state: FitState) -> None:
    if not state.optimized:
        raise ModelError(
            "a profile needs the estimates, and this is the model at a given θ: profile the fit."
        )
    if not state.estimate.is_factored:
        raise ModelError(
            "a profile needs the exact criterion, and this fit is by conjugate gradients, which "
            "estimate it: fit with Control(factor='auto'), or take Wald intervals."
        )
    spec = state.design.residual_spec
    if spec is not None and spec.depends_on_fitted:
        raise ModelError(
            "the variances of the residuals depend on the fitted values, so that there is not one "
            "likelihood to profile: give a covariate in the place of the fitted values, or take "
            "Wald intervals."
        )


def _refitted(state: FitState, reml: bool) -> FitState:
    """By the other criterion, or to the optimum of this one."""
    usable = state.method not in METHODS_WITHOUT_START and not state.estimate.singular
    start = theta_in_formula_order(state.design, state.estimate.theta) if usable else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        fit = state.refit(
            state.response,
            reml=reml,
            start=start,
            control=state.control,
            method="auto",
            phi=state.estimate.phi if usable else None,
        )
    refitted: FitState = fit.state
    return refitted


def undefined_correlations(state: FitState) -> set[str]:
    """Names of correlations of effects whose estimated variance is zero."""
    each = zip(model_parameters(state), parameter_values(state), strict=True)
    return {p.name for p, value in each if p.kind == "cor" and np.isnan(value)}
