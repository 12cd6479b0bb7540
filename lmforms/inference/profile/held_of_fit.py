"""How each parameter of a fit is held at a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ...covariance import Covariance
from ...covariance.stacked import Stacked
from ...covariance.structured import Structured
from ...covariance.unstructured import InBasis, Unstructured
from ...data.residual_names import correlation_names, own_strata
from ...engine.criterion.problem import Problem, StructuredProblem
from ...engine.sums.units import AffineMap
from ...residual.parametric import ParametricResidual
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..model_parameters import ModelParameter
from .held import Held, HeldCoefficient, HeldScale
from .held_entries import HeldCorrelation, HeldDeviation, HeldStratum
from .held_functions import HeldFunction, HeldNatural, NaturalFunction

RIGHT_ANGLE = 0.5 * np.pi

AnyProblem = TypeVar("AnyProblem", bound=StructuredProblem)


def held_parameter(state: FitState, parameter: ModelParameter) -> Held:
    """The parameter of a fit, to be held at values.

    Parameters
    ----------
    state : FitState
        A fit with a factor.
    parameter : ModelParameter
    """
    problem = state.estimate.problem
    assert isinstance(problem, Problem)
    if parameter.kind == "fixed":
        return _coefficient(state, problem, parameter.first)
    if parameter.kind in ("sd", "cor"):
        return _of_unstructured(state, problem, parameter)
    if parameter.kind == "structure":
        return _of_structure(state, problem, parameter)
    if parameter.kind == "sigma":
        return HeldScale(problem, unit=state.estimate.scaling.pilot.y_scale)
    return _of_residuals(state, problem, parameter)


def _coefficient(state: FitState, problem: Problem, j: int) -> Held:
    scaling = state.estimate.scaling
    zero = np.zeros(len(state.estimate.beta))
    return HeldCoefficient(
        problem,
        row=scaling.units.x.linear[j],
        offset=float(scaling.beta(zero)[j]),
        unit=scaling.pilot.y_scale,
        estimate=float(state.estimate.beta[j]),
    )


# --- random effects -----------------------------------------------------------------------------


def _of_unstructured(state: FitState, problem: Problem, parameter: ModelParameter) -> Held:
    """Standard deviations and correlations of terms without other parameters."""
    bases = state.estimate.scaling.units.bases
    group, part, structure, start, basis = place_of_term(state, problem, bases, parameter.term)
    first, second = parameter.first, parameter.second
    unit = _unit(state, group) * float(np.linalg.norm(basis[first]))
    if not isinstance(structure, Unstructured):  # independent effects
        return HeldDeviation(problem, 0.0, closed=(True, False), entry=start + first, unit=unit)
    chosen = [first] if parameter.kind == "sd" else [first, second]
    if structure.k > 1:
        rotated = InBasis(structure.k, structure, axes(basis, chosen))
        problem = with_part(problem, group, part, rotated)
    if parameter.kind == "sd":
        return HeldDeviation(problem, 0.0, closed=(True, False), entry=start, unit=unit)
    return HeldCorrelation(
        problem,
        -RIGHT_ANGLE,
        RIGHT_ANGLE,
        (True, True),
        (start, start + 1),
        first=start + 1,
        second=start + structure.k,
    )


def axes(basis: FloatArray, chosen: list[int]) -> FloatArray:
    """B for which the chosen rows of TB are unit vectors, up to their sizes."""
    rows = basis[chosen] / np.linalg.norm(basis[chosen], axis=1)[:, None]
    left = np.linalg.qr(rows.T, mode="complete")[0][:, len(chosen) :]
    return np.asarray(np.linalg.inv(np.vstack([rows, left.T])), dtype=np.float64)


def _of_structure(state: FitState, problem: Problem, parameter: ModelParameter) -> Held:
    """Parameters of structures: standard deviations, loadings, correlations, ranges."""
    bases = state.estimate.scaling.units.bases
    group, _, structure, start, basis = place_of_term(state, problem, bases, parameter.term)
    relative = structure.relative_coordinates()
    if parameter.first < len(relative):
        own = relative[parameter.first]
        return HeldDeviation(
            problem,
            -np.inf if own.is_signed else 0.0,
            closed=(not own.is_signed, False),
            positive=tuple(start + i - int(i > own.entry) for i in own.positive),
            entry=start + own.entry,
            unit=_unit(state, group) * float(basis[own.effect, own.effect]),
            power=own.power,
        )
    assert isinstance(structure, Structured)
    n = structure.n_deviations
    function = NaturalFunction(structure.correlation, parameter.first - n, start + n)
    return _natural(state, problem, function)


def place_of_term(
    state: FitState, problem: StructuredProblem, bases: Sequence[AffineMap], term: int
) -> tuple[int, int, Covariance, int, FloatArray]:
    """Group and part of a term, its structure, the first of its θ, and its change of basis."""
    group = state.design.terms[term].group
    part = list(state.design.groups[group].terms).index(term)
    covariance = problem.covariances[group]
    columns = covariance.column_slices()[part]
    start = problem.theta_slices()[group].start + covariance.theta_slices()[part].start
    basis = bases[group].linear[columns, columns]
    return group, part, covariance.structures()[part], start, basis


def with_part(problem: AnyProblem, group: int, part: int, structure: Covariance) -> AnyProblem:
    """The problem with another parametrisation of one term."""
    covariance = problem.covariances[group]
    if isinstance(covariance, Stacked):
        parts = list(covariance.parts)
        parts[part] = structure
        structure = Stacked.of(parts)
    covariances = list(problem.covariances)
    covariances[group] = structure
    return replace(problem, covariances=tuple(covariances))


def _unit(state: FitState, group: int) -> float:
    """Standard deviations of the user over those of the engine, but for the basis."""
    return state.estimate.scaling.pilot.y_scale / float(level_sizes(state)[group])


def level_sizes(state: FitState) -> FloatArray:
    """Root of the size of K of each grouping factor, which is in the engine's λ."""
    known = [state.relationship.get(group.name) for group in state.design.groups]
    return np.sqrt([1.0 if k is None else k.form.mean_variance() for k in known])


# --- residuals ----------------------------------------------------------------------------------


def _of_residuals(state: FitState, problem: Problem, parameter: ModelParameter) -> Held:
    residual, bound = state.residual, state.design.structure
    assert isinstance(residual, ParametricResidual)
    assert bound is not None
    n_correlations, first = len(correlation_names(bound)), parameter.first
    split = problem.n_theta + len(residual.phi)
    if residual.variance is not None:
        split -= residual.variance.n_parameters
    if first < n_correlations:
        function = NaturalFunction(residual.correlation, first, problem.n_theta)
        return _natural(state, problem, function)
    stratum = first - n_correlations
    if not own_strata(bound):
        return _natural(state, problem, NaturalFunction(residual.variance, stratum, split))
    unit = state.estimate.scaling.pilot.y_scale
    if stratum == 0:
        return HeldScale(problem, unit=unit)
    return HeldStratum(problem, entry=split + stratum - 1, unit=unit)


def _natural(state: FitState, problem: Problem, function: NaturalFunction) -> Held:
    x = state.estimate.optimum.evaluation.theta
    entry = function.own_entry(x)
    if entry is not None:
        return HeldNatural.of(HeldNatural(problem, entry=entry, function=function, at=x))
    low, high = function.bounds
    is_angle = np.isfinite(low) and np.isfinite(high)
    bound = RIGHT_ANGLE if is_angle else np.inf
    return HeldFunction(problem, -bound, bound, function=function)
