"""Types of arrays, for annotations, and dense arrays from sparse ones."""

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
