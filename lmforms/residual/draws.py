"""Draws of residuals: a root of R times independent normal numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..correlation import Product
from ..errors import NumericalError
from ..support.arrays import FloatArray
from .base import Residual
from .parametric import ParametricResidual
from .whitening import ChainWhitening


def root_width(residual: Residual, n: int) -> int:
    """Independent numbers for a draw of the residuals of n rows: more on a grid with gaps."""
    if isinstance(residual, ParametricResidual) and residual.cells is not None:
        return len(residual.cells.points)
    return n


def root_times(residual: Residual, values: FloatArray) -> FloatArray:
    """R^(1/2) times values, with the covariance R if those are independent of variance one.

    Parameters
    ----------
    residual : Residual
    values : ndarray (root_width, c)
        See :func:`root_width`.

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
    series at once; grids of such rows and columns along both, and cells without a row are left out
    at the end. Others have a Cholesky factor for every different set of points.

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
    correlation, order = residual.correlation, residual.order
    if correlation is None or order is None:
        return values.copy()
    phi = residual.phi[: correlation.n_parameters]
    if isinstance(correlation, Product) and residual.cells is not None:
        cells, cut = residual.cells, correlation.left.n_parameters
        down = ChainWhitening(cells.by_row, correlation.left, phi[:cut])
        across = ChainWhitening(cells.by_column, correlation.right, phi[cut:])
        return _chain(across, _chain(down, values))[cells.observed]
    if correlation.is_chain:
        return _chain(ChainWhitening(order, correlation, phi), values)
    out = np.empty_like(values)
    for pattern in order.patterns:
        try:
            roots = np.linalg.cholesky(correlation.matrix(phi, pattern.points))
        except np.linalg.LinAlgError:
            raise NumericalError(
                "the correlation matrix of the residuals is singular at this φ."
            ) from None
        out[pattern.rows] = pattern.times(roots, values[pattern.rows])
    return out


def _chain(whitening: ChainWhitening, values: FloatArray) -> FloatArray:
    """C^(1/2) times values, one place of all series after the other."""
    order, out = whitening.order, values.copy()
    later, before, a, s = whitening.steps
    place = np.empty(len(order.rows), dtype=np.intp)  # number of each row in its series
    place[order.rows] = np.arange(len(order.rows)) - np.repeat(order.starts, order.lengths)
    by_place = np.argsort(place[later], kind="stable")
    ends = np.searchsorted(place[later][by_place], np.arange(1, order.lengths.max() + 1))
    for start, stop in pairwise(ends):
        now = by_place[start:stop]
        rows = later[now]
        out[rows] = s[now, None] * out[rows] + a[now, None] * out[before[now]]
    return out


def _solved(residual: Residual, values: FloatArray) -> FloatArray:
    """W⁻¹ times values, for WRW' = I."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import splu

    whitening: Any = residual.whiten(sp.identity(len(values), format="csr"))
    return np.asarray(splu(sp.csc_matrix(whitening)).solve(values))
