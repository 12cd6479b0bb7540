"""Sizes of columns, fast for long ones and safe for enormous ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SAFE = 1e-280, 1e280
"""Mean squares between these were computed without over- or underflow."""


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
    with np.errstate(over="ignore", under="ignore"):
        squares = np.einsum("ij,ij->j", columns, columns) / n
    rms = np.sqrt(squares)
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
