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
from .compiled import compiled, inner

_PLACES, _INDEX, _ENTRIES = "int64[::1]", "int32[::1]", "float64[::1]"


@inner
def _products(start: Any, values: Any, first: Any, columns: Any, row: Any, out: Any) -> None:
    """``out[b] = Σ_c L[row, c] L[row + b, c]`` over columns of a panel, for b < len(out).

    Rows are counted from the panel's first. Four columns are taken at a time, since what is
    written is read and written again for each pass.
    """
    for b in range(len(out)):
        out[b] = 0.0
    c = 0
    while c + 4 <= columns:
        # unsigned: no check for negative places
        p = np.uint64(start[first + c] + row - c)
        q = np.uint64(start[first + c + 1] + row - c - 1)
        r = np.uint64(start[first + c + 2] + row - c - 2)
        s = np.uint64(start[first + c + 3] + row - c - 3)
        w, x, y, z = values[p], values[q], values[r], values[s]
        for b in range(np.uint64(len(out))):
            pair = w * values[p + b] + x * values[q + b]
            out[b] += pair + (y * values[r + b] + z * values[s + b])
        c += 4
    while c < columns:
        p = np.uint64(start[first + c] + row - c)
        w = values[p]
        for b in range(np.uint64(len(out))):
            out[b] += w * values[p + b]
        c += 1


@compiled(f"int64({PATTERN}, int64, int64, float64, {_ENTRIES}, {_PLACES}, {_ENTRIES})")
def factor_panels(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    begin: Any,
    finish: Any,
    least: Any,
    values: Any,
    near: Any,
    line: Any,
) -> Any:
    """Factor some panels, and subtract what they contribute to later ones.

    Returns the first column whose pivot is not above `least`, or −1. The arrays `near` and
    `line` are as long as the longest column.
    """
    for n in range(begin, finish):
        own, width = panels[n], panels[n + 1] - panels[n]
        top = start[own] + width
        height = start[own + 1] - top
        for c in range(width):
            p, count = start[own + c], width - c + height
            if c:
                products = line[:count]
                _products(start, values, own, c, c, products)
                for b in range(count):
                    values[p + b] -= products[b]
            if not values[p] > least:  # not a number, too
                return own + c
            values[p] = math.sqrt(values[p])
            inverse = 1.0 / values[p]
            for b in range(1, count):
                values[p + b] *= inverse
        if width == 1 and height == 1:
            values[start[index[top]]] -= values[top] * values[top]
            continue
        a = np.int64(0)
        while a < height:
            first, end = group_places(start, index, panels, owner, top, height, a, near)
            for c in range(a, end):
                base = start[first + near[c]] - near[c]
                if width == 1:
                    left = values[top + c]
                    for b in range(c, height):
                        values[base + near[b]] -= left * values[top + b]
                else:
                    products = line[: height - c]
                    _products(start, values, own, width, width + c, products)
                    for b in range(c, height):
                        values[base + near[b]] -= products[b - c]
            a = end
    return -1


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
