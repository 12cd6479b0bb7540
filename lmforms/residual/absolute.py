"""Residual covariances σ²R in the parameters that tables of variance components have.

What depends on the choice of parameters, as Kenward and Roger's covariance of β̂ does through
second derivatives, is meant for absolute variances, correlations, ranges and powers: σ² and ρ of
an AR(1), σ₁², …, σ_k² and ρ of a heterogeneous one, the variance of the nugget and that of the
rest. Structures whose matrices fill a linear space are meant for their variances and covariances,
so that second derivatives are zero: independent residuals with variances by strata, compound
symmetry, Toeplitz and moving-average correlations with one variance, unstructured matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..correlation import UnstructuredCorrelation
from ..support.arrays import BoolArray, FloatArray
from .parametric import ParametricResidual
from .variance_functions import StrataVariance, VarianceFunction, VarianceProduct

NUGGET = "nugget"
"""Name of the parameter that is a share of the variance."""


def is_linear(residual: ParametricResidual) -> bool:
    """Whether the matrices σ²R of a structure, for all σ² and φ, fill a linear space.

    Not where some of φ are at a bound: the rest need not.

    Examples
    --------
    >>> from lmforms.correlation import CompoundSymmetry, FirstOrder
    >>> rows, series = np.arange(3.0)[:, None], np.zeros(3, dtype=int)
    >>> is_linear(ParametricResidual(CompoundSymmetry(3), rows, series))
    True
    >>> is_linear(ParametricResidual(FirstOrder(), rows, series))
    False
    """
    correlation, variance = residual.correlation, residual.variance
    if known_parameters(residual).any():
        return False
    if variance is None:
        return correlation is None or correlation.is_linear
    if not isinstance(variance, StrataVariance):
        return False
    if correlation is None:
        return True
    # any covariances go together with any variances if those of one visit are the same
    return isinstance(correlation, UnstructuredCorrelation) and _is_function(
        residual.points[:, 0], variance.codes
    )


def known_parameters(residual: ParametricResidual) -> BoolArray:
    """Which of φ are at a bound, where they count as known."""
    phi = residual.phi
    split = 0 if residual.correlation is None else residual.correlation.n_parameters
    out = np.zeros(len(phi), dtype=bool)
    if residual.correlation is not None:
        out[:split] = residual.correlation.ends_reached(phi[:split])
    if residual.variance is not None:
        out[split:] = residual.variance.at_bound(phi[split:])
    return out


def absolute_parameters(residual: ParametricResidual, x: Any) -> Any:
    """Natural parameters with absolute variances, an analytic function.

    Parameters
    ----------
    residual : ParametricResidual
    x : ndarray (n_phi + 1,)
        φ and ln σ², real or complex.

    Returns
    -------
    ndarray
        Those of the correlation, those of the variance function, and σ², the variance where the
        variance function is 1. The ratios of strata are replaced by their variances. A nugget
        without variance function is replaced by its variance, and σ² by that of the rest.

    Examples
    --------
    >>> from lmforms.correlation import FirstOrder
    >>> rows, series = np.arange(3.0)[:, None], np.zeros(3, dtype=int)
    >>> ar1 = ParametricResidual(FirstOrder(), rows, series)
    >>> absolute_parameters(ar1, np.append(FirstOrder().parameters([0.5]), np.log(4.0)))
    array([0.5, 4. ])
    """
    x = np.asarray(x)
    correlation, variance = residual.correlation, residual.variance
    split = 0 if correlation is None else correlation.n_parameters
    sigma2 = np.exp(x[-1])
    parts = [] if correlation is None else [np.asarray(correlation.natural(x[:split]))]
    if variance is not None:
        parts.append(_with_variances(variance, variance.natural(x[split:-1]), sigma2))
    elif correlation is not None and NUGGET in correlation.names:
        place = correlation.names.index(NUGGET)
        own, share = np.array(parts[0]), parts[0][place]
        own[place] = sigma2 * share
        return np.append(own, sigma2 * (1.0 - share))
    return np.append(np.concatenate(parts) if parts else np.empty(0), sigma2)


def _with_variances(variance: VarianceFunction, natural: Any, sigma2: Any) -> Any:
    """The ratios of the first factor that has strata, as variances."""
    factors = variance.factors if isinstance(variance, VarianceProduct) else (variance,)
    ends = np.cumsum([factor.n_parameters for factor in factors])[:-1]
    values = np.split(np.array(natural), ends)
    for i, factor in enumerate(factors):
        if isinstance(factor, StrataVariance):
            values[i] = sigma2 * values[i] ** 2
            break
    return np.concatenate(values)


def _is_function(points: FloatArray, codes: Any) -> bool:
    """Whether rows with the same point have the same code."""
    pairs = np.unique(np.column_stack([points, codes]), axis=0)
    return len(np.unique(pairs[:, 0])) == len(pairs)
