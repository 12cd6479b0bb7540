"""Loops over the pattern of a sparse Cholesky factor, compiled by numba; for large models only.

Twins: :meth:`SelectedInverse._plain`, and the counting of columns that :mod:`.takahashi` has.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from .compiled import compiled
from .takahashi import _column_counts

FAR = 8
"""Rows are searched by halves in columns that hold this many times more than are sought."""

_PLACES, _INDEX, _ENTRIES = "int64[::1]", "int32[::1]", "float64[::1]"


@numba.njit
def _place(index: Any, low: Any, high: Any, row: Any, far: Any) -> Any:
    """Where a column holds `row`, from place `low` on; by halves if it is `far`."""
    if not far:
        while index[low] != row:
            low += 1
        return low
    while low < high:
        middle = (low + high) >> 1
        if index[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit
def _column(start: Any, index: Any, values: Any, j: Any, z: Any, y: Any) -> None:
    """One column of Z, with Z[I, I] where it stands."""
    top = start[j] + 1
    height = start[j + 1] - top
    pivot = values[top - 1]
    for a in range(height):
        y[a] = values[top + a] / pivot
        z[top + a] = 0.0
    for a in range(height):
        p, end = start[index[top + a]], start[index[top + a] + 1]
        far = end - p > FAR * (height - a)
        left = y[a]
        s = z[p] * left
        for b in range(a + 1, height):
            p = _place(index, p + 1, end, index[top + b], far)
            s += z[p] * y[b]
            z[top + b] -= z[p] * left
        z[top + a] -= s
    z[top - 1] = 1.0 / (pivot * pivot)
    for a in range(height):
        z[top - 1] -= y[a] * z[top + a]


@numba.njit
def _gathered(start: Any, index: Any, top: Any, z: Any, block: Any) -> None:
    """Z[I, I] as an array."""
    height = len(block)
    for a in range(height):
        p, end = start[index[top + a]], start[index[top + a] + 1]
        far = end - p > FAR * (height - a)
        block[a, a] = z[p]
        for b in range(a + 1, height):
            p = _place(index, p + 1, end, index[top + b], far)
            block[a, b] = z[p]
            block[b, a] = z[p]


@numba.njit
def _inverse_root(start: Any, values: Any, first: Any, width: Any) -> Any:
    """L[J, J]⁻¹."""
    root = np.zeros((width, width))
    for c in range(width):
        root[c, c] = 1.0 / values[start[first + c]]
        for r in range(c + 1, width):
            s = 0.0
            for d in range(c, r):
                s += values[start[first + d] + r - d] * root[d, c]
            root[r, c] = -s / values[start[first + r]]
    return root


@numba.njit
def _panel(start: Any, values: Any, first: Any, width: Any, block: Any, z: Any) -> None:
    """Columns of one pattern, from Z[I, I]: products of matrices."""
    height = len(block)
    root = _inverse_root(start, values, first, width)
    own = np.dot(root.T, root)
    if height:
        below = np.empty((height, width))
        for c in range(width):
            p = start[first + c] + width - c
            for a in range(height):
                below[a, c] = values[p + a]
        y = np.dot(below, root)
        x = np.dot(block, y)
        own += np.dot(y.T, x)
        for c in range(width):
            p = start[first + c] + width - c
            for a in range(height):
                z[p + a] = -x[a, c]
    for c in range(width):
        p = start[first + c]
        for r in range(c, width):
            z[p + r - c] = own[r, c]


@compiled(f"void({_PLACES}, {_INDEX}, {_ENTRIES}, {_PLACES}, {_ENTRIES})")
def _selected_inverse(start: Any, index: Any, values: Any, panels: Any, z: Any) -> None:
    tallest, widest = 0, 0
    for n in range(len(panels) - 1):
        last = panels[n + 1] - 1
        tallest = max(tallest, start[last + 1] - start[last] - 1)
        widest = max(widest, panels[n + 1] - panels[n])
    single = np.empty(tallest)
    space = np.empty(tallest * tallest if widest > 1 else 0)
    for n in range(len(panels) - 2, -1, -1):
        first, stop = panels[n], panels[n + 1]
        if stop - first == 1:
            _column(start, index, values, first, z, single)
            continue
        top = start[stop - 1] + 1
        height = start[stop] - top
        block = space[: height * height].reshape(height, height)
        _gathered(start, index, top, z, block)
        _panel(start, values, first, stop - first, block, z)


def selected_inverse(plan: Any, values: Any) -> Any:
    """S⁻¹ on the pattern of L, from L's numbers."""
    z = np.empty(len(values))
    _selected_inverse(plan.indptr, plan.indices, values, plan.panels, z)
    return z


column_counts = compiled(f"int64[::1]({_PLACES}, {_INDEX}, float64)")(_column_counts)
"""Entries of every column of L."""
