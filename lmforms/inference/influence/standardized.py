"""Residuals over their own standard deviations, which depend on leverages.

References
----------
Nobre, Singer (2007), *Residual analysis for linear mixed models*, Biometrical Journal 49(6),
section 3, for conditional and marginal residuals; Haslett, Dillane (2004), *Application of
'delete = replace' to deletion diagnostics for variance component estimation in the linear mixed
model*, JRSS B 66(1), for predictions of a row from the others.
"""

from __future__ import annotations

import numpy as np

from ...errors import MemoryLimitError
from ...results.state import FitState
from ...support.arrays import FloatArray
from .marginal_rows import MarginalRows

LEAST_SHARE = 1e-10
"""A residual with less than this share of the variance of its row is rounding, and NaN here: the
row has a coefficient of its own."""


def standardized(rows: MarginalRows, sigma: float) -> FloatArray:
    """y − ŷ over σ̂ times the root of the diagonal of RP₀R, (n,)."""
    own = rows.residual.variances()
    return _ratio(rows.conditional, rows.residual_variances, 1.0 if own is None else own, sigma)


def studentized(rows: MarginalRows, sigma: float, nu: int) -> FloatArray:
    """Row less its prediction from all others, over its standard deviation by their σ̂, (n,).

    The difference is (P₀y)_i/(P₀)_ii with variance σ²/(P₀)_ii, and the others have the penalised
    sum of squares r² − (P₀y)_i²/(P₀)_ii with one degree of freedom less. NaN if none is left.
    """
    if nu == 1:
        return np.full(rows.n, np.nan)
    values = rows.weighted_residuals
    t = _ratio(values, rows.projected_diagonal, rows.precision_diagonal, sigma)
    scale = rows.r2 / nu / sigma**2  # 1 at an optimum
    left = (nu - np.square(t) / scale) / (nu - 1)
    return np.where(left > LEAST_SHARE, t / np.sqrt(np.maximum(left, LEAST_SHARE)), np.nan)


def marginal_standardized(rows: MarginalRows, state: FitState) -> FloatArray:
    """y − Xβ̂ over σ̂ times the root of the diagonal of V₀ − X(X'V₀⁻¹X)⁻¹X', (n,)."""
    total = marginal_variances(state)
    own = total - np.square(rows.X).sum(axis=1)
    return _ratio(rows.marginal, own, total, state.estimate.sigma)


def marginal_variances(state: FitState) -> FloatArray:
    """Diagonal of V₀, (n,).

    Raises
    ------
    MemoryLimitError
        A known covariance of levels is too large to be written out.
    """
    own = state.residual.variances()
    total = np.ones(state.design.n) if own is None else own.copy()
    for group, lam in zip(state.design.groups, state.estimate.lams, strict=True):
        variances = np.square(state.design.basis(group) @ lam).sum(axis=1)
        known = state.relationship.get(group.name)
        if known is not None:
            if 8 * len(known) ** 2 > state.control.memory:
                raise MemoryLimitError(
                    f"marginal variances need the covariance of the {len(known):,} levels of "
                    f"`{group.name}` written out. Raise Control(memory=…)."
                )
            diagonal = np.diag(known.dense())[known.positions(group.levels)]
            variances = variances * diagonal[group.codes]
        total = total + variances
    return np.asarray(total)


def _ratio(
    values: FloatArray, variances: FloatArray, sizes: FloatArray | float, sigma: float
) -> FloatArray:
    """Values over σ√variances, NaN where these are rounding beside their sizes."""
    known = variances > LEAST_SHARE * sizes
    return np.where(known, values, np.nan) / (sigma * np.sqrt(np.where(known, variances, 1.0)))
