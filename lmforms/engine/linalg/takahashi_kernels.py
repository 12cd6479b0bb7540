"""Takahashi's recursion over the panels of a sparse factor, compiled; for large models only.

Twin: :func:`.takahashi.plain_selected_inverse`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

# the loops between columns and arrays serve here too
from .cholesky_kernels import copy_panel  # noqa: F401
from .clique_kernels import group_places
from .compiled import compiled

_PLACES, _INDEX, _ENTRIES = "int64[::1]", "int32[::1]", "float64[::1]"
_PATTERN = f"{_PLACES}, {_INDEX}, {_PLACES}, {_INDEX}"


@numba.njit
def _times_column(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    top: Any,
    height: Any,
    y: Any,
    near: Any,
    z: Any,
) -> None:
    """``z ← −Z[I, I] y`` for the rows I of a column below its diagonal, at z[top:]."""
    if height == 1:
        z[top] = -z[start[index[top]]] * y[0]
        return
    for b in range(height):
        z[top + b] = 0.0
    a = 0
    while a < height:
        first, end = group_places(start, index, panels, owner, top, height, a, near)
        for c in range(a, end):
            base = start[first + near[c]] - near[c]
            left = y[c]
            s = z[base + near[c]] * left
            for b in range(c + 1, height):
                entry = z[base + near[b]]
                s += entry * y[b]
                z[top + b] -= entry * left
            z[top + c] -= s
        a = end


@numba.njit
def _gather(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    top: Any,
    height: Any,
    near: Any,
    z: Any,
    out: Any,
) -> None:
    """The upper triangle of Z[I, I]."""
    a = 0
    while a < height:
        first, end = group_places(start, index, panels, owner, top, height, a, near)
        for c in range(a, end):
            base = start[first + near[c]] - near[c]
            for b in range(c, height):
                out[c, b] = z[base + near[b]]
        a = end


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
    """Columns of one pattern, from the upper triangle of Z[I, I]: products of matrices."""
    height = len(block)
    root = _inverse_root(start, values, first, width)
    own = np.dot(root.T, root)
    if height:
        for a in range(height):
            for b in range(a):
                block[a, b] = block[b, a]
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


@compiled(f"void({_PATTERN}, int64, int64, {_ENTRIES}, {_ENTRIES})")
def selected_panels(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    begin: Any,
    finish: Any,
    values: Any,
    z: Any,
) -> None:
    """Z in the columns of some panels, from last to first."""
    tallest, largest = 0, 0
    for n in range(begin, finish):
        width = panels[n + 1] - panels[n]
        height = start[panels[n] + 1] - start[panels[n]] - width
        tallest = max(tallest, height)
        if width > 1:
            largest = max(largest, height)
    near, y = np.empty(tallest, np.int64), np.empty(tallest)
    space = np.empty(largest * largest)
    for n in range(finish - 1, begin - 1, -1):
        first, width = panels[n], panels[n + 1] - panels[n]
        top = start[first] + width
        height = start[first + 1] - top
        if width > 1:
            block = space[: height * height].reshape(height, height)
            _gather(start, index, panels, owner, top, height, near, z, block)
            _panel(start, values, first, width, block, z)
            continue
        inverse = 1.0 / values[top - 1]
        for a in range(height):
            y[a] = values[top + a] * inverse
        if height:
            _times_column(start, index, panels, owner, top, height, y, near, z)
        own = inverse * inverse
        for a in range(height):
            own -= y[a] * z[top + a]
        z[top - 1] = own


@compiled(f"void({_PATTERN}, int64, {_ENTRIES}, {_ENTRIES})")
def gather_below(
    start: Any, index: Any, panels: Any, owner: Any, n: Any, z: Any, square: Any
) -> None:
    """Z[I, I] for the rows I below a large panel, (h·h,); one triangle of it."""
    first, width = panels[n], panels[n + 1] - panels[n]
    top = start[first] + width
    height = start[first + 1] - top
    near, out = np.empty(height, np.int64), square.reshape(height, height)
    _gather(start, index, panels, owner, top, height, near, z, out)
