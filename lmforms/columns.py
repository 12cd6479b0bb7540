"""Sizes of columns and what depends on them, fast for long ones and safe for enormous ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SAFE = 1e-280, 1e280
"""Mean squares between these were computed without over- or underflow."""


APART = 1e-3
"""Columns of which at least this share lies outside the others: their moments keep the digits."""


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
    if p == 0 or (squares.min() > SAFE[0] and squares.max() < SAFE[1]):
        return rms
    for j in np.flatnonzero(~((squares > SAFE[0]) & (squares < SAFE[1]))):
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


def triangular_root(columns: FloatArray) -> FloatArray:
    """R of columns = QR, upper triangular with a positive diagonal, (min(n, p), p).

    From the moments where columns are well apart, by Householder elimination otherwise.

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
    root = _cholesky_if_apart(moments)
    if root is None:
        root = np.asarray(np.linalg.qr(columns, mode="r"))
        signs = np.where(np.diagonal(root) < 0, -1.0, 1.0)
        root = root * signs[:, None]
    return root


def least_squares(columns: FloatArray, y: FloatArray, rcond: float | None = None) -> FloatArray:
    """Coefficients of y (n,) on columns (n, p), of least size if they are dependent."""
    root = _cholesky_if_apart(columns.T @ columns)
    if root is None:
        return np.asarray(np.linalg.lstsq(columns, y, rcond=rcond)[0], dtype=np.float64)
    return np.asarray(np.linalg.solve(root.T @ root, columns.T @ y), dtype=np.float64)


def _cholesky_if_apart(moments: FloatArray) -> FloatArray | None:
    try:
        root = np.linalg.cholesky(moments).T
    except np.linalg.LinAlgError:
        return None
    apart = np.diagonal(root) > APART * np.sqrt(np.diagonal(moments))
    return np.asarray(root) if apart.all() else None
