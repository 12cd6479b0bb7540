"""Standard errors and intervals of the natural parameters of the residual structure.

Standard errors are those of the delta method, from the joint observed information of (θ, φ, ln σ²)
that also serves Satterthwaite's degrees of freedom. Limits are those of Wald intervals on a scale
without bounds, mapped back: the logit between two bounds (for −1 and 1 it is twice the inverse
hyperbolic tangent), the logarithm above a lower bound, else the scale itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..correlation.base import complex_derivative
from ..residual.parametric import ParametricResidual
from ..residual.variance_functions import StrataVariance, VarianceFunction, VarianceProduct
from ..results.state import FitState
from ..support.arrays import BoolArray, FloatArray
from .degrees_of_freedom.observed_information import observed_information

SIGMA = "sigma"
"""Name of σ, and of the standard deviations of strata, ``sigma[b]``."""


@dataclass(frozen=True, eq=False)
class ResidualParameters:
    """Estimates of the parameters of the residuals.

    Attributes
    ----------
    names : tuple of str
        Natural parameters of the correlation and of the variance function; ``sigma``, where that
        function is 1; and ``sigma[b]``, the standard deviations of the other strata.
    estimate, std_error, lower, upper : ndarray (r,)
        NaN instead of standard errors and limits for what is at its bound.
    at_bound : ndarray of bool (r,)
    """

    names: tuple[str, ...]
    estimate: FloatArray
    std_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    at_bound: BoolArray


def residual_parameters(state: FitState, level: float = 0.95) -> ResidualParameters:
    """Estimates, standard errors and intervals of the parameters of the residuals.

    Without a structure with parameters, σ alone.

    Parameters
    ----------
    state : FitState
    level : float
        Of the intervals.

    Examples
    --------
    >>> import lmforms as lf
    >>> growth = lf.datasets.load("sleepstudy")
    >>> fit = lf.lmer("Reaction ~ Days", growth, residual="ar1(Days | Subject)")
    >>> found = residual_parameters(fit.state)
    >>> found.names, found.estimate.round(3), found.std_error.round(3)
    (('rho', 'sigma'), array([ 0.8  , 49.515]), array([0.043, 5.017]))
    """
    from scipy.special import ndtri

    residual, sigma = state.residual, state.estimate.sigma
    covariance = observed_information(state).covariance
    n_phi = len(residual.phi)
    own = covariance[len(covariance) - n_phi - 1 :, len(covariance) - n_phi - 1 :]
    x = np.append(residual.phi, np.log(sigma**2))
    low, high = np.zeros(1), np.full(1, np.inf)
    names: tuple[str, ...] = (SIGMA,)
    at_bound = np.zeros(1, dtype=bool)
    if isinstance(residual, ParametricResidual):
        strata = _strata(residual)
        places = np.array([i for i, _ in strata], dtype=np.intp)
        bounds = [part.bounds() for part in residual.parts]
        low = np.concatenate([*(b[0] for b in bounds), np.zeros(1 + len(strata))])
        high = np.concatenate([*(b[1] for b in bounds), np.full(1 + len(strata), np.inf)])
        names = (*residual.names, SIGMA, *(_absolute_name(name) for _, name in strata))
        ends = residual.at_bound
        at_bound = np.concatenate([ends, [False], ends[places]])
    values = np.asarray(_values(residual, x), dtype=np.float64)
    J = complex_derivative(lambda z: _values(residual, z), x)
    errors = np.sqrt(np.maximum(np.einsum("ai,ab,bi->i", J, own, J), 0.0))
    errors[at_bound] = np.nan
    lower, upper = unbounded_limits(values, errors, low, high, float(ndtri(0.5 + 0.5 * level)))
    return ResidualParameters(names, values, errors, lower, upper, at_bound)


def _values(residual: object, x: FloatArray) -> FloatArray:
    """All that is reported at (φ, ln σ²), an analytic function."""
    sigma = np.exp(0.5 * np.asarray(x)[-1:])
    if not isinstance(residual, ParametricResidual):
        return sigma
    split = 0 if residual.correlation is None else residual.correlation.n_parameters
    natural = []
    if residual.correlation is not None:
        natural.append(residual.correlation.natural(x[:split]))
    if residual.variance is not None:
        natural.append(residual.variance.natural(x[split:-1]))
    values = np.concatenate([*natural, sigma])
    places = np.array([i for i, _ in _strata(residual)], dtype=np.intp)
    return np.concatenate([values, sigma * values[places]])


def _strata(residual: ParametricResidual) -> list[tuple[int, str]]:
    """Place and name of the ratio of each stratum, if strata are all that variances depend on."""
    variance: VarianceFunction | None = residual.variance
    if isinstance(variance, VarianceProduct) or not isinstance(variance, StrataVariance):
        return []
    first = len(residual.names) - len(variance.names)
    return [(first + i, name) for i, name in enumerate(variance.names)]


def _absolute_name(name: str) -> str:
    """``sigma[b]`` of the ratio ``sd[b]``."""
    _, bracket, label = name.partition("[")
    return SIGMA + bracket + label


def unbounded_limits(
    values: FloatArray, errors: FloatArray, low: FloatArray, high: FloatArray, quantile: float
) -> tuple[FloatArray, FloatArray]:
    """Wald limits on a scale without bounds, mapped back.

    Parameters
    ----------
    values, errors : ndarray (r,)
    low, high : ndarray (r,)
        Bounds of the parameters, infinite where there are none.
    quantile : float
        Of the normal distribution.

    Examples
    --------
    >>> one = np.ones(1)
    >>> lower, upper = unbounded_limits(0.5 * one, 0.1 * one, -one, one, 1.96)
    >>> np.allclose(np.tanh(np.arctanh(0.5) - 1.96 * 0.1 / 0.75), lower)
    True
    """
    out = []
    for sign in (-1.0, 1.0):
        step = sign * quantile * errors
        with np.errstate(all="ignore"):
            above = low + (values - low) * np.exp(step / (values - low))
            # logit: odds (x − low)/(high − x) times exp(step (high − low)/((x − low)(high − x)))
            odds = np.exp(-step * (high - low) / ((values - low) * (high - values)))
            between = low + (high - low) / (1.0 + odds * (high - values) / (values - low))
        plain = values + step
        limits = np.where(np.isfinite(low), np.where(np.isfinite(high), between, above), plain)
        out.append(np.where(np.isnan(errors), np.nan, limits))
    return out[0], out[1]
