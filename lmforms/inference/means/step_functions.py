"""Where the fixed part jumps, so that it has no slope."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...data.design import Design
from ...support.arrays import FloatArray
from ...support.column_table import Table
from .defined_rows import defined_columns

SUSPECT = 1e-4
"""Change of the differences over neighbouring steps, as a share of a column's range in the data,
from which on an interval is searched for a jump."""

HALVINGS = 20

JUMP = 0.05
"""Share of a difference that is left in 2⁻²⁰ of its interval if it is a jump. Of a cube root at
zero, the steepest of the usual functions, 0.01 is left."""


class Differences:
    """Differences over neighbouring steps at n rows, of which it keeps the extremes.

    Attributes
    ----------
    least, most : ndarray (n, k)
    start, end : ndarray (n, k)
        Ends of the step that changes a column most.
    """

    def __init__(self, n: int, k: int) -> None:
        self.least, self.most = np.full((n, k), np.inf), np.full((n, k), -np.inf)
        self.start, self.end = np.zeros((2, n, k))
        self._largest = np.full((n, k), -1.0)

    def add(self, difference: FloatArray, start: FloatArray, end: FloatArray) -> None:
        """Add the differences (n, k) over the steps from `start` to `end` (n,)."""
        np.minimum(self.least, difference, out=self.least)
        np.maximum(self.most, difference, out=self.most)
        size = np.abs(difference)
        larger = size > self._largest
        self._largest = np.where(larger, size, self._largest)
        self.start = np.where(larger, start[:, None], self.start)
        self.end = np.where(larger, end[:, None], self.end)


def jump(
    design: Design, table: Table, name: str, differences: Differences, what: str
) -> float | None:
    """A value of a number at which the fixed part jumps, next to some rows; None if it does not.

    Parameters
    ----------
    design : Design
    table : Table
        The n rows.
    name : str
        The number.
    differences : Differences
        Over steps around the rows.
    what : str
        Method that the user called, for messages.

    Notes
    -----
    Intervals are halved: the difference over the half with more of it shrinks with the interval
    where a function is continuous, and stays where it jumps.
    """
    spread = differences.most - differences.least
    suspect = spread > SUSPECT * np.ptp(design.fixed.values, axis=0)
    rows = np.flatnonzero(suspect.any(axis=1))
    if not len(rows):
        return None
    # of the columns that change most: one for each row
    column = np.argmax(np.where(suspect[rows], spread[rows], -1.0), axis=1)
    chosen = np.zeros(table.n, dtype=bool)
    chosen[rows] = True
    part = table.rows(chosen)

    def value(x: FloatArray) -> FloatArray:
        moved = pd.Series(x, index=part.index, name=name)
        return defined_columns(design, part.assign({name: moved}), what)[
            np.arange(len(column)), column
        ]

    low, high = differences.start[rows, column], differences.end[rows, column]
    at_low, at_high = value(low), value(high)
    first = np.abs(at_high - at_low)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        at_middle = value(middle)
        left = np.abs(at_middle - at_low) >= np.abs(at_high - at_middle)
        low, at_low = np.where(left, low, middle), np.where(left, at_low, at_middle)
        high, at_high = np.where(left, middle, high), np.where(left, at_middle, at_high)
    jumps = np.abs(at_high - at_low) > JUMP * first
    return float(high[np.argmax(jumps)]) if jumps.any() else None
