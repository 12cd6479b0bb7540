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

from typing import Any

import numba
import numpy as np

from .clique_kernels import group_places
from .compiled import compiled

SMALL_PRODUCT = 4_000
"""Multiplications of a product of matrices up to which a loop is faster than BLAS."""

_PLACES, _INDEX, _ENTRIES = "int64[::1]", "int32[::1]", "float64[::1]"
_PATTERN = f"{_PLACES}, {_INDEX}, {_PLACES}, {_INDEX}"


@numba.njit
def _subtract_column(
    start: Any, index: Any, panels: Any, owner: Any, top: Any, height: Any, near: Any, values: Any
) -> None:
    """``values[I, I] −= xx'`` for the rows I and numbers x of a column below its diagonal."""
    if height == 1:
        values[start[index[top]]] -= values[top] * values[top]
        return
    a = 0
    while a < height:
        first, end = group_places(start, index, panels, owner, top, height, a, near)
        for c in range(a, end):
            base = start[first + near[c]] - near[c]
            left = values[top + c]
            for b in range(c, height):
                values[base + near[b]] -= left * values[top + b]
        a = end


@numba.njit
def _subtract_block(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    top: Any,
    height: Any,
    x: Any,
    near: Any,
    values: Any,
) -> None:
    """``values[I, I] −= x`` for x (h, h), of which the upper triangle is read."""
    a = 0
    while a < height:
        first, end = group_places(start, index, panels, owner, top, height, a, near)
        for c in range(a, end):
            base = start[first + near[c]] - near[c]
            for b in range(c, height):
                values[base + near[b]] -= x[c, b]
        a = end


@numba.njit
def _factor_panel(start: Any, values: Any, first: Any, width: Any, below: Any, least: Any) -> Any:
    """Factor columns of one pattern, which leaves what is below them in rows of `below`.

    Returns the column whose pivot is not above `least`, or −1.
    """
    height = below.shape[1]
    for c in range(width):
        p = start[first + c]
        own = values[p : p + width - c]
        under = values[p + width - c : p + width - c + height]
        for d in range(c):
            q = start[first + d] + c - d
            left = values[q]
            for r in range(width - c):
                own[r] -= left * values[q + r]
            other = below[d]
            for r in range(height):
                under[r] -= left * other[r]
        if not own[0] > least:  # not a number, too
            return first + c
        root = np.sqrt(own[0])
        own[0] = root
        inverse = 1.0 / root
        for r in range(1, width - c):
            own[r] *= inverse
        copied = below[c]
        for r in range(height):
            under[r] *= inverse
            copied[r] = under[r]
    return -1


@numba.njit
def _square(below: Any, out: Any) -> None:
    """The upper triangle of below'below."""
    width, height = below.shape
    if width * height * height > SMALL_PRODUCT:
        np.dot(below.T, below, out)
        return
    for a in range(height):
        row = out[a]
        for b in range(a, height):
            row[b] = below[0, a] * below[0, b]
        for c in range(1, width):
            left = below[c, a]
            for b in range(a, height):
                row[b] += left * below[c, b]


@compiled(f"int64({_PATTERN}, int64, int64, float64, {_ENTRIES})")
def factor_panels(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    begin: Any,
    finish: Any,
    least: Any,
    values: Any,
) -> Any:
    """Factor some panels, and subtract what they contribute to later ones.

    Returns the first column whose pivot is not above `least`, or −1.
    """
    tallest, widest, largest = 0, 0, 0
    for n in range(begin, finish):
        width = panels[n + 1] - panels[n]
        height = start[panels[n] + 1] - start[panels[n]] - width
        tallest = max(tallest, height)
        if width > 1:
            widest, largest = max(widest, width * height), max(largest, height)
    near = np.empty(tallest, np.int64)
    space, square = np.empty(widest), np.empty(largest * largest)
    for n in range(begin, finish):
        first, width = panels[n], panels[n + 1] - panels[n]
        top = start[first] + width
        height = start[first + 1] - top
        if width == 1:
            if not values[top - 1] > least:
                return first
            root = np.sqrt(values[top - 1])
            values[top - 1] = root
            inverse = 1.0 / root
            for a in range(top, top + height):
                values[a] *= inverse
            if height:
                _subtract_column(start, index, panels, owner, top, height, near, values)
            continue
        below = space[: width * height].reshape(width, height)
        bad = _factor_panel(start, values, first, width, below, least)
        if bad >= 0:
            return bad
        if height:
            block = square[: height * height].reshape(height, height)
            _square(below, block)
            _subtract_block(start, index, panels, owner, top, height, block, near, values)
    return -1


@compiled(f"void({_PATTERN}, int64, {_ENTRIES}, {_ENTRIES})")
def subtract_below(
    start: Any, index: Any, panels: Any, owner: Any, n: Any, square: Any, values: Any
) -> None:
    """Subtract the contribution (h·h,) of a large panel to later ones."""
    first, width = panels[n], panels[n + 1] - panels[n]
    top = start[first] + width
    height = start[first + 1] - top
    near = np.empty(height, np.int64)
    block = square.reshape(height, height)
    _subtract_block(start, index, panels, owner, top, height, block, near, values)


@compiled(f"void({_PLACES}, {_ENTRIES}, int64, int64, {_ENTRIES}, {_ENTRIES}, boolean)")
def copy_panel(
    start: Any, values: Any, first: Any, width: Any, own: Any, below: Any, back: Any
) -> None:
    """Between columns of one pattern and dense arrays of the order of Fortran.

    Parameters
    ----------
    own : ndarray (w·w,)
        The diagonal block; only its lower triangle is written.
    below : ndarray (h·w,)
    back : bool
        From the arrays to the columns.
    """
    height = len(below) // width
    for c in range(width):
        p = start[first + c]
        block = own[c * width + c : c * width + width]
        under = below[c * height : (c + 1) * height]
        top = p + width - c
        if back:
            values[p:top] = block
            values[top : top + height] = under
        else:
            block[:] = values[p:top]
            under[:] = values[top : top + height]


@compiled(f"void({_PLACES}, {_INDEX}, {_ENTRIES}, float64[:, ::1])")
def solve_both(start: Any, index: Any, values: Any, x: Any) -> None:
    """``x ← (LL')⁻¹x`` for x (m, r)."""
    m, r = x.shape
    for j in range(m):
        top = start[j]
        for c in range(r):
            x[j, c] /= values[top]
        for p in range(top + 1, start[j + 1]):
            i, left = index[p], values[p]
            for c in range(r):
                x[i, c] -= left * x[j, c]
    for j in range(m - 1, -1, -1):
        top = start[j]
        for p in range(top + 1, start[j + 1]):
            i, left = index[p], values[p]
            for c in range(r):
                x[j, c] -= left * x[i, c]
        for c in range(r):
            x[j, c] /= values[top]


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
