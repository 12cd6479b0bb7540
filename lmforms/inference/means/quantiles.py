"""Quantiles of distributions that are known by their survival functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...support.arrays import FloatArray

BISECTIONS = 60
"""Of an interval of length 1e4: to below double precision of what is of order one."""

LARGEST_QUANTILE = 1e4

NODES = 16
"""Where there are more degrees of freedom than this, quantiles are interpolated in 1/df."""


def quantiles(
    survival: Callable[[FloatArray, FloatArray], FloatArray], p: float, df: FloatArray
) -> FloatArray:
    """x with survival(x, df) = 1 − p for each of the degrees of freedom.

    Parameters
    ----------
    survival : callable
        Decreasing in its first argument; takes arrays (r,) of x and of degrees of freedom.
    p : float
    df : ndarray (r,)
        May be infinite; NaN gives NaN.

    Notes
    -----
    ln x is a smooth function of 1/df. For many different degrees of freedom it is computed at
    Chebyshev's points and interpolated; relative errors are below 1e-8.

    Examples
    --------
    >>> from scipy.special import ndtr
    >>> quantiles(lambda x, df: ndtr(-x), 0.975, np.array([5.0])).round(4)
    array([1.96])
    """
    values, inverse = np.unique(df, return_inverse=True)
    known = ~np.isnan(values)
    found = np.full(len(values), np.nan)
    inverse_df = 1.0 / values[known]
    if known.sum() <= NODES:
        found[known] = _bisected(survival, p, values[known])
    else:
        low, high = inverse_df.min(), inverse_df.max()
        nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
        at = low + 0.5 * (high - low) * (nodes + 1.0)
        logs = np.log(_bisected(survival, p, 1.0 / at))
        series = np.polynomial.Chebyshev.fit(at, logs, NODES - 1, domain=[low, high])
        found[known] = np.exp(series(inverse_df))
    return np.asarray(found[inverse.reshape(np.shape(df))])


def _bisected(
    survival: Callable[[FloatArray, FloatArray], FloatArray], p: float, df: FloatArray
) -> FloatArray:
    low, high = np.zeros(len(df)), np.full(len(df), LARGEST_QUANTILE)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        above = survival(middle, df) > 1.0 - p
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high
