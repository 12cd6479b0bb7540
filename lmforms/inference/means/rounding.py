"""Linear functions that are zero but for rounding errors."""

from __future__ import annotations

import numpy as np

from ...data.design import Design
from ...support.arrays import FloatArray

RELATIVE = 1e-12
"""Bound of the rounding errors of a sum, as a share of the sizes of its parts."""

RELATIVE_SLOPE = 1e-10
"""The same of slopes: differences over steps of a thousandth of the range of the data."""

OF_COLUMN = 1e-15
"""Bound of the rounding errors of an entry, as a share of the root mean square of its column:
orthogonal polynomials are differences that nearly cancel."""

STEPS = 1e3
"""Steps in the range of the data, by which slopes magnify rounding errors."""


def without_rounding(functions: FloatArray, rounding: FloatArray) -> FloatArray:
    """Functions (r, k) with zeros in rows that are within their rounding errors (r, k).

    An estimate of such a row and its standard error would both be rounding errors, and their ratio
    any number.

    Examples
    --------
    >>> rows = np.array([[0.0, 1e-17], [1e-17, 0.5]])
    >>> without_rounding(rows, np.full((2, 2), 1e-12)).tolist()
    [[0.0, 0.0], [1e-17, 0.5]]
    """
    zero = np.asarray(np.abs(functions) <= rounding).all(axis=1)
    return np.where(np.reshape(zero, (-1, 1)), 0.0, functions)


def rounding_of_means(design: Design, sizes: FloatArray) -> FloatArray:
    """Bounds of the rounding errors of averages of rows (r, k).

    Parameters
    ----------
    design : Design
    sizes : ndarray (r, k)
        Averages of the absolute values of what is added up.
    """
    return RELATIVE * sizes + OF_COLUMN * _root_mean_squares(design)


def rounding_of_slopes(
    design: Design, sizes: FloatArray, data_range: tuple[float, float]
) -> FloatArray:
    """The same for slopes in a number that has some range in the data."""
    low, high = data_range
    width = high - low
    origin = max(abs(low), abs(high)) / width  # x + h is rounded to the digits of x
    relative = RELATIVE_SLOPE + STEPS * OF_COLUMN * origin
    return relative * sizes + STEPS * OF_COLUMN * _root_mean_squares(design) / width


def _root_mean_squares(design: Design) -> FloatArray:
    X = design.fixed.values
    return np.asarray(np.sqrt(np.einsum("ij,ij->j", X, X) / len(X)))
