"""Types of arrays, for annotations, and conversions to dense arrays of real numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]
"""What NumPy itself uses for positions."""

IntArray = npt.NDArray[np.integer[Any]]
"""Integers of any width."""

Blocks = Sequence[FloatArray]
"""One array for each grouping factor: (k, k), or a stack (levels, k, k) or (levels, k, p)."""

LinearMap = Callable[[FloatArray], FloatArray]
"""A linear map given by what it does to the columns of an array."""


def as_dense(matrix: Any) -> FloatArray:
    """A dense or sparse matrix as a dense one.

    Examples
    --------
    >>> as_dense(np.eye(1))
    array([[1.]])
    """
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray())


def for_loops(array: Any, dtype: type = np.float64) -> AnyArray:
    """An array as compiled loops take it: contiguous, and not marked as read-only.

    Examples
    --------
    >>> fixed = np.broadcast_to(0.5, 3)
    >>> for_loops(fixed).flags.writeable, for_loops(np.ones((2, 3)).T).flags.c_contiguous
    (True, True)
    """
    array = np.ascontiguousarray(array, dtype=dtype)
    return array if array.flags.writeable else array.copy()


def real_values(values: Any) -> FloatArray:
    """Real numbers in double precision, NaN where they are masked.

    Raises
    ------
    TypeError, ValueError, OverflowError, RuntimeError
        Text, complex numbers, lists of different lengths, or what NumPy does not convert; the
        caller makes an error of its own of it.

    Examples
    --------
    >>> real_values(np.ma.array([1, 2], mask=[False, True]))
    array([ 1., nan])
    """
    array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if array.dtype.kind not in "biufO":
        raise TypeError(f"entries of type {array.dtype}")
    if array.dtype.kind == "O":
        array = np.ma.filled(array, np.nan)
        if any(isinstance(v, (str, bytes)) for v in array.flat):
            raise TypeError("entries are text")  # digits are not numbers
        if any(isinstance(v, (complex, np.complexfloating)) for v in array.flat):
            raise TypeError("entries are complex")
    elif isinstance(array, np.ma.MaskedArray):
        array = np.ma.filled(array.astype(np.float64), np.nan)
    return np.asarray(array, dtype=np.float64)
