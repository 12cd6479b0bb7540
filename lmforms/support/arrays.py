"""Types of arrays, for annotations."""

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
"""One stack of (levels, k, k), or of (levels, k, p), for each grouping factor."""

LinearMap = Callable[[FloatArray], FloatArray]
"""A linear map given by what it does to the columns of an array."""
