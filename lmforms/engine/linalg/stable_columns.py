"""Sizes of columns and related numbers, fast for long columns and safe from overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...support.arrays import BoolArray, FloatArray

SAFE_MEAN_SQUARES = 1e-280, 1e280
"""Mean squares between these have been computed without over- or underflow."""

SHIFTED_SPREAD = 1.0 / 16.0
"""A number is subtracted from a response if its range is less than this share of its size. All
values are then within a factor of two of each other, and their differences are exact."""

INDEPENDENT_SHARE = 1e-3
"""Least squares use the moments if at least this share of every column is independent of the
others: they then lose few digits."""


def root_mean_squares(columns: FloatArray) -> FloatArray:
    """Root mean square of each column of (n, p), without overflow.

    Examples
    --------
    >>> root_mean_squares(np.array([[3e200, 0.0], [4e200, 0.0]])) / 1e200
    array([3.53553391, 0.        ])
    """
    n, p = columns.shape
    if n == 0:
        return np.zeros(p)
    squares = np.einsum("ij,ij->j", columns, columns) / n
    rms = np.sqrt(squares)
    if p == 0 or (squares.min() > SAFE_MEAN_SQUARES[0] and squares.max() < SAFE_MEAN_SQUARES[1]):
        return rms
    for j in np.flatnonzero(~((squares > SAFE_MEAN_SQUARES[0]) & (squares < SAFE_MEAN_SQUARES[1]))):
        largest = np.abs(columns[:, j]).max()
        if largest > 0:
            rms[j] = largest * np.sqrt(np.mean((columns[:, j] / largest) ** 2))
        else:
            rms[j] = 0.0
    return rms


def constant_columns(columns: FloatArray) -> BoolArray:
    """Which columns of (n, p) have one value, and not zero, in all rows."""
    n, p = columns.shape
    if n == 0:
        return np.zeros(p, dtype=bool)
    first = columns[0]
    flat = (first != 0) & (columns[n // 2] == first) & (columns[-1] == first)
    for j in np.flatnonzero(flat):
        flat[j] = bool((columns[:, j] == first[j]).all())
    return np.asarray(flat)


def subtract_shift(y: FloatArray, X: FloatArray) -> tuple[Any, FloatArray]:
    """A number c for each response and w with Xw = 1, so that y − c loses fewer digits.

    Parameters
    ----------
    y : ndarray (n,) or (n, r)
    X : ndarray (n, p)

    Returns
    -------
    c : float or ndarray (r,)
        Zero where nothing is gained, or no columns of X add up to a constant.
    w : ndarray (p,)
        The coefficients of y are those of y − c and cw.

    Examples
    --------
    >>> c, w = subtract_shift(np.array([1e12 + 0.5, 1e12 + 0.25]), np.ones((2, 1)))
    >>> float(c), w
    (1000000000000.5, array([1.]))
    """
    low, high, first = y.min(axis=0), y.max(axis=0), y[0]
    gains = high - low < SHIFTED_SPREAD * np.maximum(np.abs(low), np.abs(high))
    w = _constant_combination(X) if X.shape[1] and np.any(gains) else None
    if w is None:
        return 0.0 * first, np.zeros(X.shape[1])
    return np.where(gains, first, 0.0)[()], w


def _constant_combination(X: FloatArray) -> FloatArray | None:
    """w with Xw = 1 exactly: a constant column, or the indicators of all levels."""
    w = np.zeros(X.shape[1])
    flat = np.flatnonzero(constant_columns(X))
    if len(flat):
        w[flat[0]] = 1.0 / X[0, flat[0]]
        return w
    w = np.round(np.linalg.lstsq(X, np.ones(len(X)), rcond=None)[0])
    return w if (X @ w == 1.0).all() else None


def triangular_root(columns: FloatArray) -> FloatArray:
    """R of columns = QR, upper triangular with a positive diagonal, (min(n, p), p).

    From the moments where columns are nearly orthogonal, else by Householder elimination.

    Parameters
    ----------
    columns : ndarray (n, p)

    Examples
    --------
    >>> triangular_root(np.array([[3.0, 1.0], [4.0, 1.0]])).round(12)
    array([[5. , 1.4],
           [0. , 0.2]])
    """
    moments = columns.T @ columns
    root = _cholesky_if_independent(moments)
    if root is None:
        root = np.asarray(np.linalg.qr(columns, mode="r"))
        signs = np.where(np.diagonal(root) < 0, -1.0, 1.0)
        root = root * signs[:, None]
    return root


def least_squares(columns: FloatArray, y: FloatArray, rcond: float | None = None) -> FloatArray:
    """Coefficients of y (n,) on columns (n, p), of least size if they are dependent."""
    root = _cholesky_if_independent(columns.T @ columns)
    if root is None:
        return np.asarray(np.linalg.lstsq(columns, y, rcond=rcond)[0], dtype=np.float64)
    return np.asarray(np.linalg.solve(root.T @ root, columns.T @ y), dtype=np.float64)


def _cholesky_if_independent(moments: FloatArray) -> FloatArray | None:
    try:
        root = np.linalg.cholesky(moments).T
    except np.linalg.LinAlgError:
        return None
    independent = np.diagonal(root) > INDEPENDENT_SHARE * np.sqrt(np.diagonal(moments))
    return np.asarray(root) if independent.all() else None
