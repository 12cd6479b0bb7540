"""Sizes, means and constancy of columns as they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray, for_loops
from ..linalg.stable_columns import (
    FEW_COLUMNS,
    SAFE_MEAN_SQUARES,
    constant_columns,
    means,
    root_mean_squares,
)

LARGEST_SQUARABLE = 1e145
"""Numbers above this, or below its inverse, cannot be squared and summed."""

FIXED, RANDOM = "predictors", "random effects' predictors"
"""How messages name the columns of X and of the bases."""


@dataclass(frozen=True)
class ColumnFacts:
    """Of columns (n, p).

    Attributes
    ----------
    constant : int or None
        The first column of ones.
    center : ndarray (p,)
        Means where there is one, but zero for columns of one value; else zeros.
    """

    constant: int | None
    center: FloatArray


def column_facts(what: str, columns: FloatArray, kernels: Any = None) -> ColumnFacts:
    """Facts of columns (n, p), by compiled loops (:mod:`.row_kernels`) if given.

    Parameters
    ----------
    what : str
        How a message names the columns.
    columns : ndarray (n, p)
    kernels : module, optional

    Raises
    ------
    NumericalError
        Squares are beyond floating point.
    """
    by_loops = kernels is not None and columns.shape[1] <= FEW_COLUMNS
    found = _by_loops(columns, kernels) if by_loops else None
    if found is None:
        refuse_extreme(what, root_mean_squares(columns).tolist())
        flat = constant_columns(columns).tolist()
        center = means(columns) if any(flat) and not all(flat) else np.zeros(len(flat))
    else:
        _, center, lows, highs = found
        flat = (lows == highs).tolist()
    ones = None
    for j, same in enumerate(flat):
        if same:
            center[j] = 0.0
            ones = j if ones is None and columns[0, j] == 1.0 else ones
    return ColumnFacts(ones, center if ones is not None else np.zeros(center.shape))


def response_range(y: FloatArray, kernels: Any = None) -> tuple[float, float]:
    """The least and the largest value of y (n,); see :func:`column_facts`."""
    found = _by_loops(y[:, None], kernels) if kernels is not None else None
    if found is not None:
        return float(found[2, 0]), float(found[3, 0])
    refuse_extreme("response", root_mean_squares(y[:, None]).tolist())
    return float(np.minimum.reduce(y)), float(np.maximum.reduce(y))


def _by_loops(columns: FloatArray, kernels: Any) -> FloatArray | None:
    """Mean squares, means, least and largest values, (4, p); None where squares may overflow."""
    facts = np.empty((4, columns.shape[1]))
    kernels.column_facts(for_loops(columns), facts)
    low, high = SAFE_MEAN_SQUARES
    for square in facts[0].tolist():
        if not low < square < high:
            return None
    return facts


def refuse_extreme(what: str, sizes: list[float]) -> None:
    """Refuse numbers whose squares are beyond floating point.

    Raises
    ------
    NumericalError
    """
    least = 1.0 / LARGEST_SQUARABLE
    for size in sizes:
        if size > LARGEST_SQUARABLE or 0.0 < size < least:
            raise NumericalError(
                f"the sizes of the {what} are between {min(s for s in sizes if s > 0):.3g} and "
                f"{max(sizes):.3g}: squares are beyond floating point. Choose other units."
            )
