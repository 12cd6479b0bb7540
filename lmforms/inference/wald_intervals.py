"""Wald intervals of all parameters of a fit.

Fixed effects by t. The others by the normal distribution on a scale without bounds, mapped back:
standard deviations on that of the logarithm, correlations on that of the inverse hyperbolic
tangent, parameters of structures as their tables have them. Standard errors are those of the
observed information of (θ, φ, ln σ²), by the delta method; what is at its bound has none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..engine.sums.units import AffineMap
from ..errors import ModelError
from ..results.state import FitState
from ..support.arrays import FloatArray
from ..tables.result_table import ResultTable
from .coefficients import coefficient_intervals
from .family_parameters import family_parameters
from .generalized import generalized_estimate
from .model_parameters import ModelParameter, model_parameters, parameter_values
from .residual_estimates import has_parameters, residual_estimates
from .residual_parameters import unbounded_limits
from .structure_parameters import engine_state, structure_parameters
from .unidentified import refuse_unidentified

WIDE = 30.0
"""A standard error of ω, a logarithm or logit, beyond this is that of a parameter at its bound."""

NEAR_ONE = 1e-9
"""A correlation this near to ±1 is at its bound."""


def all_wald_intervals(
    state: FitState, level: float, ddf: str, information: str | None
) -> ResultTable:
    """lower and upper of every parameter.

    Raises
    ------
    ModelError
        The fit is at a given θ, or the data do not determine a variance.
    """
    from scipy.special import ndtri

    if not state.optimized:
        raise ModelError(
            "intervals of the variance parameters need their estimates, and this is the model at a "
            "given θ: take them from the fit."
        )
    parameters = model_parameters(state)
    refuse_unidentified(state, parameters)
    quantile = float(ndtri(0.5 + 0.5 * level))
    fixed = coefficient_intervals(state, level, ddf, information)
    limits = {p.name: (np.nan, np.nan) for p in parameters}
    names = [p.name for p in parameters if p.kind == "fixed"]
    limits.update(zip(names, zip(fixed["lower"], fixed["upper"], strict=True), strict=True))
    limits.update(_of_deviations(state, parameters, quantile))
    _add_structures(state, parameters, limits, quantile)
    if state.family is not None:
        _add_family(state, parameters, limits, quantile)
    elif has_parameters(state):
        found = residual_estimates(state, level)
        own = [p for p in parameters if p.kind in ("residual", "sigma")]
        for p, lower, upper in zip(own, found.lower, found.upper, strict=True):
            limits[p.name] = float(lower), float(upper)
    table = np.array(list(limits.values()), dtype=np.float64).reshape(len(limits), 2)
    notes = list(fixed.notes)
    if len(names) < len(parameters):
        notes.append("Variance parameters: normal, on the scale of the logarithm or the logit.")
    missing = [name for name, pair in limits.items() if np.isnan(pair[0])]
    if state.family is not None and (why := generalized_estimate(state).no_standard_errors):
        notes.append(f"{why[0].upper()}{why[1:]}.")
    elif missing:
        notes.append(f"At a bound, without a standard error: {', '.join(missing)}.")
    return ResultTable(
        {"lower": table[:, 0], "upper": table[:, 1]},
        index=pd.Index(list(limits)),
        title=f"{100 * level:g} % confidence intervals",
        notes=notes,
    )


def _add_structures(
    state: FitState,
    parameters: tuple[ModelParameter, ...],
    limits: dict[str, tuple[float, float]],
    quantile: float,
) -> None:
    own = [p for p in parameters if p.kind == "structure"]
    for p, found in zip(own, structure_parameters(state, quantile), strict=True):
        limits[p.name] = found.lower, found.upper


def _add_family(
    state: FitState,
    parameters: tuple[ModelParameter, ...],
    limits: dict[str, tuple[float, float]],
    quantile: float,
) -> None:
    estimate = generalized_estimate(state)
    errors = np.sqrt(np.diag(estimate.cov_coefficients))
    own = [p for p in parameters if p.kind == "family"]
    for p, found in zip(own, family_parameters(state), strict=True):
        omega, spread = estimate.coefficients[found.entry], quantile * errors[found.entry]
        if not errors[found.entry] > WIDE:
            limits[p.name] = found.value(omega - spread), found.value(omega + spread)


def _of_deviations(
    state: FitState, parameters: tuple[ModelParameter, ...], quantile: float
) -> dict[str, tuple[float, float]]:
    """Limits of standard deviations and correlations of random effects, and of σ."""
    values = parameter_values(state)
    at, bases, joint = engine_state(state)
    out = {}
    for p, value in zip(parameters, values, strict=True):
        if p.kind not in ("sd", "cor", "sigma") or (p.kind == "sigma" and has_parameters(state)):
            continue
        if p.kind == "sigma":
            slope = np.zeros(len(joint))
            slope[-1] = 0.5 * value
        else:
            slope = _slope(state, p, value, at, bases)
            slope = np.append(slope, np.zeros(len(joint) - len(slope)))
            if p.kind == "sd" and state.family is None:
                slope[-1] = 0.5 * value
        error = float(np.sqrt(np.maximum(slope @ joint @ slope, 0.0)))
        if not error > 0 or not p.low + NEAR_ONE < value < p.high - NEAR_ONE:
            out[p.name] = float("nan"), float("nan")
            continue
        estimate, spread, low, high = (np.array([x]) for x in (value, error, p.low, p.high))
        lower, upper = unbounded_limits(estimate, spread, low, high, quantile)
        out[p.name] = float(lower[0]), float(upper[0])
    return out


def _slope(
    state: FitState,
    parameter: ModelParameter,
    value: float,
    at: FloatArray,
    bases: tuple[AffineMap, ...],
) -> FloatArray:
    """Derivatives of a standard deviation or correlation in the parameters of the engine."""
    problem = state.estimate.problem
    group = state.design.terms[parameter.term].group
    part = list(state.design.groups[group].terms).index(parameter.term)
    columns = problem.covariances[group].column_slices()[part]
    basis = bases[group].linear[columns, columns]
    theta = at[: problem.n_theta]
    rows = basis @ problem.lams(theta)[group][columns, columns]
    moves = basis @ problem.derivatives(theta)[group][:, columns, columns]
    out = np.zeros(len(at))
    places = problem.theta_slices()[group]
    first, second = parameter.first, parameter.second
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(rows, axis=1)
        logs = np.einsum("ijk,jk->ij", moves, rows) / lengths**2  # ∂ln length
        if parameter.kind == "sd":
            out[places] = value * logs[:, first]
        else:
            product = moves[:, first] @ rows[second] + moves[:, second] @ rows[first]
            both = lengths[first] * lengths[second]
            out[places] = product / both - value * (logs[:, first] + logs[:, second])
    return np.nan_to_num(out)
