"""Parameters of the residuals' structure in a user's terms, with standard errors and limits.

Standard errors come by the delta method from the observed information of (θ, φ, ln σ²). A
parameter at its bound has none, and counts as known for the others. Limits are those of a Wald
interval on the scale of the logarithm for positive parameters, of the logit between two bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.residual_names import correlation_names, own_strata, variance_names
from ..residual.parametric import ParametricResidual
from ..results.state import FitState
from ..support.arrays import FloatArray
from .degrees_of_freedom.variance_information import information_of_theta
from .structure_parameters import wald_limits


@dataclass(frozen=True)
class ResidualEstimate:
    """A parameter of the residuals.

    Attributes
    ----------
    name : str
        ``sd[…]`` and ``sigma`` are standard deviations in the units of the response.
    estimate, std_error, lower, upper : float
    at_bound : bool
    """

    name: str
    estimate: float
    std_error: float
    lower: float
    upper: float
    at_bound: bool


@dataclass(frozen=True, eq=False)
class NaturalParameters:
    """Natural parameters and standard deviations, and how they depend on (φ, ln σ²).

    Attributes
    ----------
    names : tuple of str (m,)
    values : ndarray (m,)
    slopes : ndarray (n_phi + 1, m)
    low, high : ndarray (m,)
        Bounds.
    at_bound : ndarray of bool (m,)
    """

    names: tuple[str, ...]
    values: FloatArray
    slopes: FloatArray
    low: FloatArray
    high: FloatArray
    at_bound: FloatArray


def natural_parameters(state: FitState) -> NaturalParameters | None:
    """The parameters of a fit, those of the correlation first; None without any.

    With ``idh`` alone as variance function the standard deviations of all strata are among them;
    otherwise the last of them is σ, and ratios of strata are relative to the first one.

    Parameters
    ----------
    state : FitState
    """
    bound, residual, sigma = state.design.structure, state.residual, state.estimate.sigma
    if bound is None or not isinstance(residual, ParametricResidual) or not len(residual.phi):
        return None
    strata = own_strata(bound)
    names = correlation_names(bound)
    n_correlation = len(names)
    values, low, high = residual.natural, *_bounds(residual)
    slopes = np.vstack([residual.natural_derivative, np.zeros(len(values))])
    if strata:
        names += tuple(f"sd[{stratum}]" for stratum in strata)
        ratios = np.append(1.0, values[n_correlation:])
        own = np.zeros((len(slopes), len(strata)))
        own[:-1, 1:] = slopes[:-1, n_correlation:]
        own[-1] = 0.5 * ratios  # σ is exp(½ ln σ²)
        values = np.append(values[:n_correlation], sigma * ratios)
        slopes = np.hstack([slopes[:, :n_correlation], sigma * own])
        positive = np.zeros(len(strata))
        low = np.append(low[:n_correlation], positive)
        high = np.append(high[:n_correlation], positive + np.inf)
    else:
        names += (*variance_names(bound), "sigma")
        of_sigma = np.zeros(len(slopes))
        of_sigma[-1] = 0.5 * sigma
        values = np.append(values, sigma)
        slopes = np.column_stack([slopes, of_sigma])
        low, high = np.append(low, 0.0), np.append(high, np.inf)
    added = [False]  # σ, or the standard deviation of the first stratum
    at = residual.at_bound
    at_bound = np.concatenate([at[:n_correlation], added, at[n_correlation:]])
    if not strata:
        at_bound = np.append(at, added)
    return NaturalParameters(names, values, slopes, low, high, at_bound)


def _bounds(residual: ParametricResidual) -> tuple[FloatArray, FloatArray]:
    low, high = zip(*(part.bounds() for part in residual.parts), strict=True)
    return np.concatenate(low), np.concatenate(high)


def residual_estimates(state: FitState, quantile: float) -> list[ResidualEstimate]:
    """Estimates with standard errors and limits.

    Parameters
    ----------
    state : FitState
        Without standard errors if its φ was not estimated.
    quantile : float
        Of the normal distribution, for the limits.
    """
    found = natural_parameters(state)
    if found is None:
        return []
    errors = np.full(len(found.values), np.nan)
    if state.optimized:
        joint = information_of_theta(state.estimate).covariance
        first = state.estimate.problem.n_theta
        own = joint[first:, first:]
        variances = np.einsum("ij,ik,kj->j", found.slopes, own, found.slopes)
        errors = np.where(found.at_bound, np.nan, np.sqrt(np.maximum(variances, 0.0)))
    limits = [
        wald_limits(value, error, low, high, quantile) if np.isfinite(error) else (np.nan, np.nan)
        for value, error, low, high in zip(
            *(column.tolist() for column in (found.values, errors, found.low, found.high)),
            strict=True,
        )
    ]
    return [
        ResidualEstimate(name, float(value), float(error), *own, bool(at))
        for name, value, error, own, at in zip(
            found.names, found.values, errors, limits, found.at_bound, strict=True
        )
    ]


def names_at_bound(state: FitState) -> Sequence[str]:
    """Names of the parameters of the residuals that are at a bound."""
    found = natural_parameters(state)
    if found is None:
        return ()
    return tuple(name for name, at in zip(found.names, found.at_bound, strict=True) if at)
