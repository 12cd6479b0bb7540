"""Draws of residuals: a root of R times independent normal numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from .base import Residual
from .parametric import ParametricResidual
from .whitening import ChainWhitening


def root_times(residual: Residual, values: FloatArray) -> FloatArray:
    """R^(1/2) times values, with the covariance R if those are independent of variance one.

    Parameters
    ----------
    residual : Residual
    values : ndarray (n, c)

    Returns
    -------
    ndarray (n, c)
        A new array.

    Raises
    ------
    NumericalError
        A correlation matrix is singular.

    Notes
    -----
    Series in which a row depends on the last one alone are computed one row after the other, all
    series at once; others by a Cholesky factor for every different set of points.

    Examples
    --------
    >>> from lmforms.residual import Weighted
    >>> root_times(Weighted(np.array([1.0, 4.0])), np.ones((2, 1)))
    array([[1. ],
           [0.5]])
    """
    if isinstance(residual, ParametricResidual):
        return _correlated(residual, values) / residual.inverse_sd[:, None]
    if not residual.by_row:
        return _solved(residual, values)
    variances = residual.variances()
    return values.copy() if variances is None else values * np.sqrt(variances)[:, None]


def _correlated(residual: ParametricResidual, values: FloatArray) -> FloatArray:
    """C^(1/2) times values, C the correlations."""
    correlation, order, whitening = residual.correlation, residual.order, residual.whitening
    if correlation is None or order is None:
        return values.copy()
    if isinstance(whitening, ChainWhitening):
        out = values.copy()
        later, before, a, s = whitening.steps
        place = np.empty(len(order.rows), dtype=np.intp)  # number of each row in its series
        place[order.rows] = np.arange(len(order.rows)) - np.repeat(order.starts, order.lengths)
        by_place = np.argsort(place[later], kind="stable")
        ends = np.searchsorted(place[later][by_place], np.arange(1, order.lengths.max() + 1))
        for start, stop in pairwise(ends):
            now = by_place[start:stop]
            rows = later[now]
            out[rows] *= s[now, None]
            out[rows] += a[now, None] * out[before[now]]
        return out
    out = np.empty_like(values)
    phi = residual.phi[: correlation.n_parameters]
    for pattern in order.patterns:
        try:
            roots = np.linalg.cholesky(correlation.matrix(phi, pattern.points))
        except np.linalg.LinAlgError:
            raise NumericalError(
                "the correlation matrix of the residuals is singular at this φ."
            ) from None
        out[pattern.rows] = pattern.times(roots, values[pattern.rows])
    return out


def _solved(residual: Residual, values: FloatArray) -> FloatArray:
    """W⁻¹ times values, for WRW' = I."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import splu

    whitening: Any = residual.whiten(sp.identity(len(values), format="csr"))
    return np.asarray(splu(sp.csc_matrix(whitening)).solve(values))
