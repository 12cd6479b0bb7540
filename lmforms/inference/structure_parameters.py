"""Parameters of the structures of random effects, with standard errors by the delta method.

Standard errors are those of the observed information of (θ, ln σ²), or of the average information
after conjugate gradients. A parameter at its bound has none, and counts as known for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..covariance import Covariance, NaturalParameter
from ..engine.sums.units import AffineMap
from ..results.state import FitState
from ..support.arrays import FloatArray
from .degrees_of_freedom.variance_information import information_of_theta
from .generalized import generalized_estimate

STEP = 1e-3
"""Relative step of the derivatives of natural parameters, by differences extrapolated once."""


@dataclass(frozen=True)
class ParameterEstimate:
    """A parameter of a term's structure.

    Attributes
    ----------
    term : int
        Place of the term in the formula.
    parameter : NaturalParameter
    estimate, std_error : float
        In the response's units for standard deviations and loadings.
    lower, upper : float
        Limits of a Wald interval of ln x for a positive parameter, of the logit for one between
        two bounds.
    at_bound : bool
    """

    term: int
    parameter: NaturalParameter
    estimate: float
    std_error: float
    lower: float
    upper: float
    at_bound: bool


def structure_parameters(state: FitState, quantile: float) -> list[ParameterEstimate]:
    """Parameters of all structured terms, in the order of the formula.

    Parameters
    ----------
    state : FitState
    quantile : float
        Of the normal distribution, for the limits.
    """
    estimate, design = state.estimate, state.design
    if not any(term.covariance.parameters() for term in design.terms):
        return []
    problem = estimate.problem
    engine, bases, joint = engine_state(state)
    found: dict[int, list[ParameterEstimate]] = {}
    groups = zip(
        design.groups,
        problem.covariances,
        problem.theta_slices(),
        estimate.theta,
        bases,
        strict=True,
    )
    for group, covariance, entries, user, basis in groups:
        slices = zip(
            group.terms, covariance.theta_slices(), covariance.column_slices(), strict=True
        )
        for t, own, columns in slices:
            structure = design.terms[t].covariance
            names = structure.parameters()
            if not names:
                continue
            places = np.arange(len(engine))[entries][own]
            values, slopes = _natural(
                structure, engine[places], user[own], basis.linear[columns, columns]
            )
            relative = np.array([p.relative for p in names])
            scale = np.where(relative, estimate.sigma, 1.0)
            J = np.zeros((len(names), len(joint)))
            J[:, places] = scale[:, None] * slopes
            if state.family is None:
                J[:, -1] = np.where(relative, 0.5 * scale * values, 0.0)  # in ln σ²
            errors = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", J, joint, J), 0.0))
            bounds = structure.at_bound(user[own])
            each = zip(names, scale * values, errors, bounds, strict=True)
            found[t] = [_made(t, *one, quantile) for one in each]
    return [one for t in sorted(found) for one in found[t]]


def engine_state(state: FitState) -> tuple[FloatArray, tuple[AffineMap, ...], FloatArray]:
    """Parameters in the engine's units, θ first; changes of bases; covariance of the parameters.

    These are (θ, φ, ln σ²), or (θ, β, ω) of a family.
    """
    if state.family is None:
        estimate = state.estimate
        joint = information_of_theta(estimate).covariance
        return estimate.optimum.evaluation.theta, estimate.scaling.units.bases, joint
    found = generalized_estimate(state)
    bases = found.problem.model.rows.scaling.units.bases
    return found.optimum.psi, bases, found.joint_covariance


def _natural(
    structure: Covariance, engine: FloatArray, user: FloatArray, basis: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Natural parameters at θ in the user's units, and their slopes in θ of the engine."""
    values = structure.natural(user)

    def function(theta: FloatArray) -> FloatArray:
        return structure.natural(structure.transform(theta, basis))

    there = function(engine)
    # levels of a known covariance were scaled as well: standard deviations by one number
    usable = np.abs(there) > 0
    ratio = np.where(usable, values / np.where(usable, there, 1.0), 1.0)
    slopes = np.empty((len(values), len(engine)))
    for i in range(len(engine)):
        step = np.zeros(len(engine))
        step[i] = STEP * max(1.0, abs(engine[i]))
        full = (function(engine + step) - function(engine - step)) / (2.0 * step[i])
        half = (function(engine + 0.5 * step) - function(engine - 0.5 * step)) / step[i]
        slopes[:, i] = ratio * (4.0 * half - full) / 3.0
    return values, slopes


def _made(
    term: int,
    parameter: NaturalParameter,
    value: float,
    error: float,
    at_bound: bool,
    quantile: float,
) -> ParameterEstimate:
    if at_bound:
        nan = float("nan")
        return ParameterEstimate(term, parameter, float(value), nan, nan, nan, True)
    lower, upper = _limits(float(value), float(error), parameter.low, parameter.high, quantile)
    return ParameterEstimate(term, parameter, float(value), float(error), lower, upper, False)


def _limits(
    value: float, error: float, low: float, high: float, quantile: float
) -> tuple[float, float]:
    if not np.isfinite(low):
        return value - quantile * error, value + quantile * error
    if not np.isfinite(high):
        factor = np.exp(quantile * error / (value - low))
        return low + (value - low) / factor, low + (value - low) * factor
    odds = (value - low) / (high - value)
    factor = np.exp(quantile * error * (high - low) / ((value - low) * (high - value)))

    def back(x: float) -> float:
        return float(low + (high - low) * x / (1.0 + x)) if np.isfinite(x) else high

    return back(odds / factor), back(odds * factor)
