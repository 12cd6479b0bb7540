"""Where the rows of one column of L stand in the columns of these rows, for compiled loops.

The rows I below column j form a clique: L holds all of (I, I). They are taken in groups that
belong to one panel, so that one search serves all its columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled, inner

PATTERN = "int64[::1], int32[::1], int64[::1], int32[::1]"
"""Types of `start`, `index`, `panels` and `owner` in :func:`group_places`."""

FAR = 8
"""Rows are searched by halves in columns that hold this many times more than are sought."""


@inner
def group_places(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    top: Any,
    height: Any,
    a: Any,
    near: Any,
) -> Any:
    """Find rows a, a + 1, … in the panel of row a.

    Parameters
    ----------
    start, index, panels, owner : ndarray
        See :class:`.factor_pattern.FactorPattern`.
    top, height : int
        The rows are ``index[top : top + height]``. (To take them out as an array would cost
        more than a short column does.)
    a : int
    near : ndarray of int64 (h,)
        Filled from a on: row b stands in the panel's first column at this place, and in its
        column c at ``start[c] - t + near[b]`` for the t-th column c.

    Returns
    -------
    first : int
        The panel's first column.
    end : int
        Rows a to end are columns of the panel.
    """
    panel = owner[index[top + a]]
    first, stop = panels[panel], panels[panel + 1]
    end = a
    while end < height and index[top + end] < stop:
        near[end] = index[top + end] - first
        end += 1
    base = start[first]
    p, over = base + stop - first, start[first + 1]
    far = over - p > FAR * (height - end)
    for b in range(end, height):
        row = index[top + b]
        if far:
            high = over
            while p < high:
                middle = (p + high) >> 1
                if index[middle] < row:
                    p = middle + 1
                else:
                    high = middle
        else:
            while index[p] != row:
                p += 1
        near[b] = p - base
        p += 1
    return first, end


@compiled(f"void({PATTERN}, int64, float64[::1], float64[::1], boolean, int64[::1])")
def copy_clique(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    n: Any,
    values: Any,
    square: Any,
    subtract: Any,
    near: Any,
) -> None:
    """Numbers of (I, I) for the rows I below panel n: to an array, or subtracted by one.

    Parameters
    ----------
    values : ndarray
        Numbers on the pattern.
    square : ndarray (h·h,)
        One triangle of the array: row by row, what is right of its diagonal.
    subtract : bool
        ``values[I, I] −= square`` instead of ``square = values[I, I]``.
    near : ndarray of int64 (h,)
        For the loop.
    """
    top = start[panels[n]] + panels[n + 1] - panels[n]
    height = start[panels[n] + 1] - top
    a = np.int64(0)
    while a < height:
        first, end = group_places(start, index, panels, owner, top, height, a, near)
        for c in range(a, end):
            base = start[first + near[c]] - near[c]
            for b in range(c, height):
                if subtract:
                    values[base + near[b]] -= square[c * height + b]
                else:
                    square[c * height + b] = values[base + near[b]]
        a = end
