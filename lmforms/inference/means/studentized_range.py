"""Distribution of the studentized range for many statistics at once.

``scipy.stats.studentized_range`` integrates for each of them, some 25 ms each: too slow for all
comparisons among 100 varieties, each with its own degrees of freedom.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import chdtri, gammaln, ndtr

from ...support.arrays import FloatArray
from .quantiles import quantiles

NORMAL_END = 8.5
"""The normal density beyond it is below 1e-16."""

NORMAL_NODES = 160
CHI_NODES = 96
"""Nodes of Gauss-Legendre rules: errors stay below 1e-9."""

FEW_DEGREES_OF_FREEDOM = 10.0
NODES_FOR_FEW = 768
"""Nodes where there are few degrees of freedom, and the scale varies over many magnitudes."""

WIDEST_RANGE = 18.0
"""The range of normal variables is beyond it with a probability below 1e-30."""

RANGE_STEP = 1 / 256
"""Spacing of a cubic spline of the range's distribution, whose error is below 1e-11."""

CHI_TAIL = 1e-12
"""Probability of the values of the estimated scale that are left out at either end."""

ROWS_AT_A_TIME = 20_000


def survival(q: FloatArray, means: float, df: FloatArray) -> FloatArray:
    """P(Q > q) for the range of `means` independent normal means over their standard error.

    P(Q ≤ q) = ∫ f(s) W(qs) ds, with f the density of √(χ²/df) and
    W(w) = k ∫ φ(z) [Φ(z) − Φ(z − w)]^(k−1) dz.

    Parameters
    ----------
    q : ndarray (r,)
    means : float
        k, at least 2; it need not be whole.
    df : ndarray (r,)
        May be infinite; NaN gives NaN.

    References
    ----------
    Copenhaver, Holland (1988), *Computation of the Distribution of the Maximum Studentized Range
    Statistic*, Journal of Statistical Computation and Simulation 30.

    Examples
    --------
    >>> survival(np.array([3.0]), 3, np.array([20.0])).round(6)
    array([0.110...])
    """
    q, df = np.broadcast_arrays(np.asarray(q, dtype=np.float64), np.asarray(df, dtype=np.float64))
    out = np.full(q.shape, np.nan)
    known = np.isfinite(q) & ~np.isnan(df)
    for start in range(0, int(known.sum()), ROWS_AT_A_TIME):
        rows = np.flatnonzero(known)[start : start + ROWS_AT_A_TIME]
        out[rows] = _survival(q[rows], means, df[rows])
    out[np.isposinf(q) & ~np.isnan(df)] = 0.0
    return out


def quantile(p: float, means: float, df: FloatArray) -> FloatArray:
    """q with P(Q ≤ q) = p for each of the degrees of freedom (r,)."""
    return quantiles(lambda q, nu: survival(q, means, nu), p, df)


def _survival(q: FloatArray, means: float, df: FloatArray) -> FloatArray:
    distribution = _range_distribution(float(means))
    out = np.empty(len(q))
    few, normal = df < FEW_DEGREES_OF_FREEDOM, np.isinf(df)
    out[normal] = 1.0 - distribution(np.clip(q[normal], 0.0, WIDEST_RANGE))
    for rows, count in ((few, NODES_FOR_FEW), (~few & ~normal, CHI_NODES)):
        if rows.any():
            values, inverse = np.unique(df[rows], return_inverse=True)
            s, weight = _scale_rule(values, count)
            w = np.minimum(q[rows, None] * s[inverse], WIDEST_RANGE)
            out[rows] = np.einsum("ij,ij->i", weight[inverse], 1.0 - distribution(w))
    return np.clip(out, 0.0, 1.0)


def _scale_rule(df: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of integrals over the density of √(χ²/df), (degrees of freedom, nodes).

    Over ln s, in which the density is smooth for all degrees of freedom.
    """
    low = 0.5 * np.log(chdtri(df, 1.0 - CHI_TAIL) / df)
    high = 0.5 * np.log(chdtri(df, CHI_TAIL) / df)
    low = np.maximum(low, np.log(CHI_TAIL) / df - 1.0)  # where the quantile underflows
    nodes, weights = _legendre(count)
    x = low[:, None] + 0.5 * (high - low)[:, None] * (nodes + 1.0)
    half = 0.5 * df[:, None]
    log_density = (
        np.log(2.0) + half * np.log(half) - gammaln(half) + 2.0 * half * x - half * np.exp(2.0 * x)
    )
    weight = np.exp(log_density) * weights * 0.5 * (high - low)[:, None]
    return np.exp(x), weight / weight.sum(axis=1, keepdims=True)


@lru_cache(maxsize=4)
def _legendre(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of the Gauss-Legendre rule on (−1, 1)."""
    return np.polynomial.legendre.leggauss(count)


@lru_cache(maxsize=16)
def _range_distribution(means: float) -> Any:
    """W as a cubic spline on a fine grid."""
    from scipy.interpolate import CubicSpline

    nodes, weights = _legendre(NORMAL_NODES)
    z = NORMAL_END * nodes
    density = NORMAL_END * weights * np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    w = np.arange(0.0, WIDEST_RANGE + RANGE_STEP, RANGE_STEP)
    inside = ndtr(z) - ndtr(z - w[:, None])
    return CubicSpline(w, means * (inside ** (means - 1.0) @ density))
