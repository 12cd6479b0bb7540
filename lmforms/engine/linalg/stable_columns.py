"""Sizes of columns and related numbers, fast for long columns and safe from overflow."""

from __future__ import annotations

from math import sqrt
from operator import mul
from typing import Any

import numpy as np

from ...support.arrays import BoolArray, FloatArray
from .threads import LONGEST_PART, rows_of_part

SAFE_MEAN_SQUARES = 1e-280, 1e280
"""Mean squares between these have been computed without over- or underflow."""

LONG_COLUMN, FEW_COLUMNS = 1_000, 8
"""Columns of so many rows, where they are so few, are taken one by one: NumPy's loops over both
would run over the few columns inside. More do not share a line of the cache."""

FEW_MOMENTS = 4
"""Up to so many columns are made orthonormal by scalars."""

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
    squares = _sums_of_squares(columns) / n
    rms = np.sqrt(squares)
    low, high = SAFE_MEAN_SQUARES
    for j, square in enumerate(squares.tolist()):
        if not low < square < high:
            largest = np.abs(columns[:, j]).max()
            scaled = columns[:, j] / largest if largest > 0 else columns[:, j]
            rms[j] = largest * np.sqrt(np.mean(scaled**2))
    return rms


def _sums_of_squares(columns: FloatArray) -> FloatArray:
    """Of each column, infinite where it overflows."""
    n, p = columns.shape
    if n < LONG_COLUMN or p > FEW_COLUMNS:
        return np.einsum("ij,ij->j", columns, columns)
    parts = [columns[i : i + LONGEST_PART] for i in range(0, n, LONGEST_PART)]
    with np.errstate(over="ignore"):
        return np.array([sum(np.dot(part[:, j], part[:, j]) for part in parts) for j in range(p)])


def sums_of_products(columns: FloatArray) -> FloatArray:
    """X'X of columns (n, p), by parts of the rows: see :func:`.threads.rows_of_part`."""
    n, p = columns.shape
    step = rows_of_part(p)
    if n <= step or p > FEW_COLUMNS:
        return columns.T @ columns
    parts = (columns[i : i + step] for i in range(0, n, step))
    return np.asarray(sum(part.T @ part for part in parts))


def by_column(operation: np.ufunc, columns: FloatArray, numbers: FloatArray) -> FloatArray:
    """``operation(columns, numbers)``, with a number for each column.

    Few columns have Fortran order then: loops run along them, which is ten times as fast for two.
    """
    out = columns_to_fill(*columns.shape)
    fill_by_column(operation, columns, numbers, out)
    return out


def columns_to_fill(n: int, p: int) -> FloatArray:
    """An empty array (n, p), in Fortran order if columns are few."""
    return np.empty((p, n)).T if p <= FEW_COLUMNS else np.empty((n, p))


def fill_by_column(
    operation: np.ufunc, columns: FloatArray, numbers: FloatArray, out: FloatArray
) -> None:
    """:func:`by_column` into an array of :func:`columns_to_fill`."""
    if out.strides[0] > out.strides[1]:
        operation(columns, numbers, out=out)
    else:  # the order in which NumPy runs through both depends on how it is asked
        operation(columns.T, numbers[:, None], out=out.T)


def means(columns: FloatArray) -> FloatArray:
    """Mean of each column of (n, p)."""
    if columns.shape[1] > FEW_COLUMNS:
        return columns.mean(axis=0)
    return np.array([np.add.reduce(column) for column in columns.T]) / len(columns)


def constant_columns(columns: FloatArray) -> BoolArray:
    """Which columns of (n, p) have one value, and not zero, in all rows."""
    n, p = columns.shape
    flat = np.zeros(p, dtype=bool)
    if n == 0:
        return flat
    ends = columns[0].tolist(), columns[n // 2].tolist(), columns[-1].tolist()
    for j, (first, middle, last) in enumerate(zip(*ends, strict=True)):
        if first == middle == last != 0:
            flat[j] = bool((columns[:, j] == first).all())
    return flat


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
    gains = high - low < SHIFTED_SPREAD * np.maximum(-low, high)  # the largest absolute value
    w = _constant_combination(X) if X.shape[1] and gains.any() else None
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
    root = root_of_moments(sums_of_products(columns))
    if root is None:
        root = np.asarray(np.linalg.qr(columns, mode="r"))
        signs = np.where(np.diagonal(root) < 0, -1.0, 1.0)
        root = root * signs[:, None]
    return root


def least_squares(columns: FloatArray, y: FloatArray, rcond: float | None = None) -> FloatArray:
    """Coefficients of y (n,) on columns (n, p), of least size if they are dependent."""
    found = solved_moments(columns.T @ columns, columns.T @ y)
    if found is None:
        return np.asarray(np.linalg.lstsq(columns, y, rcond=rcond)[0], dtype=np.float64)
    return found


def solved_moments(moments: FloatArray, right: FloatArray) -> FloatArray | None:
    """Coefficients (p,) of least squares from moments, or None where they would lose digits."""
    if root_of_moments(moments) is None:
        return None
    return np.asarray(np.linalg.solve(moments, right), dtype=np.float64)


def root_of_moments(moments: FloatArray) -> FloatArray | None:
    """R of columns = QR from their moments, or None where these are not nearly orthogonal."""
    try:
        root = np.asarray(np.linalg.cholesky(moments), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    pairs = zip(root.diagonal().tolist(), moments.diagonal().tolist(), strict=True)
    return root.T if all(r * r > INDEPENDENT_SHARE**2 * m for r, m in pairs) else None


def orthonormalising(moments: FloatArray, n: int) -> FloatArray | None:
    """T with T'MT = nI, upper triangular, or None where moments M would lose digits.

    Parameters
    ----------
    moments : ndarray (p, p)
        Sums of n products.

    Examples
    --------
    >>> orthonormalising(np.array([[4.0, 2.0], [2.0, 5.0]]), 1)
    array([[ 0.5 , -0.25],
           [ 0.  ,  0.5 ]])
    """
    if len(moments) <= FEW_MOMENTS:
        return _orthonormalising_few(moments.tolist(), n)
    squares = moments.diagonal()
    low, high = SAFE_MEAN_SQUARES
    if not all(low < square < high for square in squares.tolist()):
        return None
    inverse_sizes = np.sqrt(n / squares)
    root = root_of_moments(moments * inverse_sizes * inverse_sizes[:, None])
    if root is None:
        return None
    return np.asarray((sqrt(n) * inverse_sizes)[:, None] * np.linalg.inv(root))


def _orthonormalising_few(moments: list[list[float]], n: int) -> FloatArray | None:
    """The same by Gram-Schmidt: a few numbers take less time than calls of LAPACK."""
    low, high = SAFE_MEAN_SQUARES
    found, none = list[list[float]](), [0.0] * len(moments)
    for j, row in enumerate(moments):
        if not low < row[j] < high:
            return None
        column, left = none[:], row[j] / n
        least = INDEPENDENT_SHARE**2 * left
        column[j] = 1.0
        for t in found:
            share = sum(map(mul, t, row)) / n
            left -= share * share
            column = [a - share * b for a, b in zip(column, t, strict=True)]
        if not left > least:
            return None
        scale = 1.0 / sqrt(left)
        found.append([scale * a for a in column])
    return np.array(found).T if found else np.empty((0, 0))
