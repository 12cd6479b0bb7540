"""Where the rows of one column of L stand in the columns of these rows, for compiled loops.

The rows I below column j form a clique: L holds all of (I, I). They are taken in groups that
belong to one panel, so that one search serves all its columns.
"""

from __future__ import annotations

from typing import Any

from .compiled import inner

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
