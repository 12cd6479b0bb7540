"""Takahashi's recursion over the panels of a sparse factor, compiled; for large models only.

Twin: :func:`.takahashi.plain_selected_inverse`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .clique_kernels import PATTERN, group_places
from .compiled import compiled, inner_sum

_ENTRIES = "float64[::1]"


@inner_sum
def _dot(a: Any, at: Any, b: Any, to: Any, count: Any) -> Any:
    i, j = np.uint64(at), np.uint64(to)  # unsigned: no check for negative places
    s = 0.0
    for n in range(np.uint64(count)):
        s += a[i + n] * b[j + n]
    return s


@compiled(
    f"void({PATTERN}, int64, int64, {_ENTRIES}, {_ENTRIES}, boolean, int64[::1], {_ENTRIES}, "
    f"{_ENTRIES})"
)
def selected_panels(
    start: Any,
    index: Any,
    panels: Any,
    owner: Any,
    begin: Any,
    finish: Any,
    values: Any,
    z: Any,
    copy: Any,
    near: Any,
    y: Any,
    block: Any,
) -> None:
    """Z in the columns of some panels, from last to first.

    Parameters
    ----------
    start, index, panels, owner : ndarray
        See :class:`.factor_pattern.FactorPattern`.
    begin, finish : int
        Panels.
    values, z : ndarray
        L and Z.
    copy : bool
        Nothing but to write Z[I, I] to `block`, for the rows I below a panel.
    near : ndarray of int64 (h,)
    y : ndarray (w·h₄,)
    block : ndarray (h·h₄,)
        For the loop, with h rows below a panel of w columns and h₄ the next multiple of four;
        `block` is not used for a single column.
    """
    for n in range(finish - 1, begin - 1, -1):
        own, width = panels[n], panels[n + 1] - panels[n]
        top = start[own] + width
        height = start[own + 1] - top
        full = (height + 3) & ~3
        # Y, and zeros where Z[I, J] will be
        for c in range(-1 if copy else width - 1, -1, -1):
            p, at = start[own + c], c * full
            below, inverse = p + width - c, 1.0 / values[p]
            for a in range(height):
                y[at + a] = values[below + a]
                z[below + a] = 0.0
            for d in range(c + 1, width):
                left = values[p + d - c]
                for a in range(height):
                    y[at + a] -= left * y[d * full + a]
            for a in range(height):
                y[at + a] *= inverse
            for a in range(height, full):
                y[at + a] = 0.0
        # −Z[I, I]Y: of one column at once, of several from a copy of Z[I, I]
        first = end = np.int64(0)
        for b in range(height):
            if b == end:
                first, end = group_places(start, index, panels, owner, top, height, b, near)
            base = start[first + near[b]] - near[b]
            if width > 1:
                for i in range(b, height):
                    entry = z[base + near[i]]
                    block[b * height + i] = entry
                    block[i * height + b] = entry
                continue
            left = y[b]
            s = z[base + near[b]] * left
            for i in range(b + 1, height):
                entry = z[base + near[i]]
                s += entry * y[i]
                z[top + i] -= entry * left
            z[top + b] -= s
        if copy:
            continue
        if width > 1:
            for i in range(height * height, height * full):
                block[i] = 0.0
            count = np.uint64(height)  # unsigned: no check for negative places
            for b in range(0, height, 4):
                p = np.uint64(b * height)
                q = p + count
                r = q + count
                t = r + count
                for c in range(width):
                    to, at = np.uint64(start[own + c] + width - c), c * full + b
                    u, v, w, x = y[at], y[at + 1], y[at + 2], y[at + 3]
                    for a in range(count):
                        pair = u * block[p + a] + v * block[q + a]
                        z[to + a] -= pair + (w * block[r + a] + x * block[t + a])
        for c in range(width - 1, -1, -1):
            p = start[own + c]
            below, inverse = p + width - c, 1.0 / values[p]
            for r in range(width - 1, c - 1, -1):  # type: ignore[assignment]
                s = _dot(z, start[own + r] + width - r, values, below, height)
                for d in range(c + 1, width):
                    low, high = min(d, r), max(d, r)
                    s += z[start[own + low] + high - low] * values[p + d - c]
                if r == c:
                    s -= inverse
                z[p + r - c] = -s * inverse
