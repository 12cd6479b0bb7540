"""Numbers of a sparse Cholesky factor on its known pattern, and solves with it, compiled.

Panels, columns of one pattern, are taken from first to last: the panel is factored, and the
product of what is below its diagonal block is subtracted where it belongs. Large panels are
handed to LAPACK by :mod:`.panel_cholesky`.

References
----------
Ng, Peyton (1993), *Block sparse Cholesky algorithms on advanced uniprocessor computers*,
SIAM J. Sci. Comput. 14(5).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .clique_kernels import PATTERN, group_places
from .compiled import compiled

_PLACES, _INDEX, _ENTRIES = "int64[::1]", "int32[::1]", "float64[::1]"


@compiled(f"int64({PATTERN}, int64, int64, float64, {_ENTRIES}, {_ENTRIES}, {_PLACES}, {_ENTRIES})")
def factor_panels(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    begin: Any,
    finish: Any,
    least: Any,
    values: Any,
    square: Any,
    near: Any,
    line: Any,
) -> Any:
    """Factor some panels, and subtract what they contribute to later ones.

    Parameters
    ----------
    start, index, panels, owner : ndarray
        See :class:`.factor_pattern.FactorPattern`.
    begin, finish : int
        Panels.
    least : float
        Pivots must be above this.
    values : ndarray
    square : ndarray (h·h,)
        Empty; or the products of the numbers below a panel's diagonal block, by rows: its upper
        triangle is subtracted, and nothing else is done.
    near : ndarray of int64 (h,)
    line : ndarray (w + h,)
        For the loop, with h rows below a panel of w columns.

    Returns
    -------
    int
        −1, or the first column whose pivot is not above `least`.
    """
    for n in range(begin, finish):
        own, width = panels[n], panels[n + 1] - panels[n]
        top = start[own] + width
        height = start[own + 1] - top
        first = end = np.int64(0)
        for row in range(width if len(square) else 0, width + height):
            # line[b] = Σ_c L[row, c] L[row + b, c] over columns c before the row
            count = np.uint64(width + height - row)  # unsigned: no check for negative places
            a = row - width
            if len(square):
                for b in range(count):
                    line[b] = square[np.uint64(a * height + a) + b]
            elif width > 1:
                for b in range(count):
                    line[b] = 0.0
                for c in range(min(row, width)):
                    p = np.uint64(start[own + c] + row - c)
                    left = values[p]
                    for b in range(count):
                        line[b] += left * values[p + b]
            if row < width:
                p = np.uint64(start[own + row])
                if width > 1:
                    values[p] -= line[0]
                if not values[p] > least:  # not a number, too
                    return own + row
                values[p] = math.sqrt(values[p])
                inverse = 1.0 / values[p]
                for b in range(np.uint64(1), count):
                    if width > 1:
                        values[p + b] -= line[b]
                    values[p + b] *= inverse
                continue
            if a == end:
                first, end = group_places(start, index, panels, owner, top, height, a, near)
            base = start[first + near[a]] - near[a]
            if width > 1:
                for b in range(a, height):
                    values[base + near[b]] -= line[b - a]
            else:
                left = values[top + a]
                for b in range(a, height):
                    values[base + near[b]] -= left * values[top + b]
    return -1


@compiled(f"void({_PLACES}, {_INDEX}, {_ENTRIES}, float64[:, ::1])")
def solve_both(start: Any, index: Any, values: Any, x: Any) -> None:
    """``x ← (LL')⁻¹x`` for x (m, r)."""
    m, r = x.shape
    for n in range(2 * m):
        # L from its first column to its last, and L' from its last row to its first
        back = n >= m
        j = 2 * m - 1 - n if back else n
        top, count = start[j], start[j + 1] - start[j]
        for k in range(count):
            p = top + count - 1 - k if back else top + k  # the diagonal is last, or first
            value = values[p]
            if p == top:
                for c in range(r):
                    x[j, c] /= value
                continue
            i = np.int64(index[p])
            to, of = (j, i) if back else (i, j)
            for c in range(r):
                x[to, c] -= value * x[of, c]


@compiled(f"void({_PLACES}, {_INDEX}, {_PLACES}, {_PLACES}, {_PLACES})")
def find_places(start: Any, index: Any, cols: Any, rows: Any, out: Any) -> None:
    """Where entries of L are stored, by halves."""
    for n in range(len(cols)):
        low, high, row = start[cols[n]], start[cols[n] + 1], rows[n]
        while low < high:
            middle = (low + high) >> 1
            if index[middle] < row:
                low = middle + 1
            else:
                high = middle
        out[n] = low
