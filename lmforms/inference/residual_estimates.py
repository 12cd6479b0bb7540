"""Parameters of the residuals in a user's order and under a user's names.

Correlations first, called by the labels of visits; then the standard deviations of all strata where
``idh`` is the only variance function; otherwise the parameters of the variance functions, ratios of
strata among them, and σ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.residual_names import correlation_names, own_strata, variance_names
from ..residual.parametric import ParametricResidual
from ..results.state import FitState
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .residual_parameters import residual_parameters

SIGMA = "sigma"


@dataclass(frozen=True, eq=False)
class ResidualEstimates:
    """Estimates with standard errors and limits.

    Attributes
    ----------
    names : tuple of str (m,)
        ``sd[…]`` and ``sigma`` are standard deviations in the units of the response.
    estimate, std_error, lower, upper : ndarray (m,)
        NaN but for the estimate of a parameter at its bound, or one that was given.
    """

    names: tuple[str, ...]
    estimate: FloatArray
    std_error: FloatArray
    lower: FloatArray
    upper: FloatArray


def has_parameters(state: FitState) -> bool:
    """Whether the residuals have a structure with parameters."""
    return isinstance(state.residual, ParametricResidual) and len(state.residual.phi) > 0


def residual_values(state: FitState) -> tuple[tuple[str, ...], FloatArray, BoolArray]:
    """Names, estimates, and which are at a bound; empty without parameters.

    Parameters
    ----------
    state : FitState
    """
    bound, residual = state.design.structure, state.residual
    if bound is None or not isinstance(residual, ParametricResidual) or not len(residual.phi):
        return (), np.empty(0), np.empty(0, dtype=bool)
    sigma, strata = state.estimate.sigma, own_strata(bound)
    names = correlation_names(bound)
    split = len(names)
    natural, at = residual.natural, residual.at_bound
    if not strata:
        names += (*variance_names(bound), SIGMA)
        return names, np.append(natural, sigma), np.append(at, False)
    names += tuple(f"sd[{stratum}]" for stratum in strata)
    deviations = sigma * np.append(1.0, natural[split:])
    return (
        names,
        np.append(natural[:split], deviations),
        np.concatenate([at[:split], [False], at[split:]]),
    )


def residual_estimates(state: FitState, level: float) -> ResidualEstimates:
    """The parameters with standard errors and limits.

    Parameters
    ----------
    state : FitState
        Without standard errors if its φ was not estimated.
    level : float
        Of the limits.
    """
    names, estimate, _ = residual_values(state)
    if not names or not state.optimized:
        absent = np.full(len(names), np.nan)
        return ResidualEstimates(names, estimate, absent, absent, absent)
    found = residual_parameters(state, level)
    rows = _places(state)
    return ResidualEstimates(
        names, estimate, found.std_error[rows], found.lower[rows], found.upper[rows]
    )


def _places(state: FitState) -> IndexArray:
    """Where the parameters are among those of :func:`.residual_parameters`.

    That has the natural parameters, σ, and then the standard deviations of the other strata.
    """
    bound, residual = state.design.structure, state.residual
    assert bound is not None
    assert isinstance(residual, ParametricResidual)
    n_natural, strata = len(residual.natural), own_strata(bound)
    if not strata:
        return np.arange(n_natural + 1)
    split = n_natural - (len(strata) - 1)
    return np.append(np.arange(split), n_natural + np.arange(len(strata)))


def names_at_bound(state: FitState) -> tuple[str, ...]:
    """Names of the parameters of the residuals that are at a bound."""
    names, _, at_bound = residual_values(state)
    return tuple(name for name, at in zip(names, at_bound, strict=True) if at)
