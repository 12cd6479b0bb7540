"""Rows of a field as cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..support.arrays import FloatArray, IndexArray

MOST_CELLS_PER_ROW = 12
"""Places with more cells than this for each row are no grid."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One direction of a grid.

    Attributes
    ----------
    codes : ndarray of int (n,)
        Cell of each row.
    values : ndarray (m,)
        Coordinates of the cells.
    """

    codes: IndexArray
    values: FloatArray


def grid_axis(coordinates: FloatArray) -> Axis:
    """Cells of coordinates: every step of whole numbers, else the values that there are.

    Examples
    --------
    >>> grid_axis(np.array([2.0, 8.0, 4.0])).values
    array([2., 4., 6., 8.])
    >>> grid_axis(np.array([0.5, 2.0, 0.5])).codes
    array([0, 1, 0])
    """
    there, codes = np.unique(coordinates, return_inverse=True)
    codes = codes.ravel()
    if len(there) > 1 and (there == np.floor(there)).all() and np.abs(there).max() < 2**53:
        gaps = (there - there[0]).astype(np.int64)
        step = int(np.gcd.reduce(gaps))
        count = int(gaps[-1]) // step + 1
        if count <= MOST_CELLS_PER_ROW * len(there):
            return Axis((gaps // step)[codes], there[0] + step * np.arange(count, dtype=np.float64))
    return Axis(codes, there)


def on_grid(values: FloatArray, rows: Axis, columns: Axis) -> FloatArray:
    """Values of rows in the cells of a grid, NaN where there is no row.

    Examples
    --------
    >>> axis = grid_axis(np.array([1.0, 2.0]))
    >>> on_grid(np.array([1.0, 2.0]), axis, axis)
    array([[ 1., nan],
           [nan,  2.]])
    """
    out = np.full((len(rows.values), len(columns.values)), np.nan)
    out[rows.codes, columns.codes] = values
    return out


def is_grid(rows: Axis, columns: Axis) -> bool:
    """Whether the cells are few enough beside the rows."""
    cells = len(rows.values) * len(columns.values)
    return cells <= MOST_CELLS_PER_ROW * len(rows.codes)


def has_twice(rows: Axis, columns: Axis) -> bool:
    """Whether two rows are in one cell."""
    cells = rows.codes * len(columns.values) + columns.codes
    return len(np.unique(cells)) < len(cells)
