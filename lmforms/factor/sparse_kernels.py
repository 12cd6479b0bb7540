"""Loops over a sparse Schur complement, compiled by numba; imported only for large models.

C = Z₂'Z₁ is held as in :mod:`.kernels`. Here CC' meets numbers on a pattern (``start``,
``index``: the lower triangle by columns, which by symmetry is the upper one by rows), with one
row spread out at a time. Twins: SciPy's products in :mod:`.coupling` and :mod:`.pattern`,
:meth:`SelectedInverse._plain`.

References
----------
Gustavson (1978), *Two fast algorithms for sparse matrices*, ACM TOMS 4(3).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from .takahashi import _column_counts

PARTS = 2 * numba.get_num_threads()
"""Ranges of rows worked on at a time."""

_INDEX, _VALUES = "int32[::1]", "float64[:, ::1]"
_PLACES, _ENTRIES, _WORK = "int64[::1]", "float64[::1]", "int64[::1]"


@numba.njit(
    [
        f"void({_PLACES}, {_INDEX}, {_ENTRIES}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, "
        f"{_VALUES}, {_WORK})"
    ],
    cache=True,
    parallel=True,
)
def _subtract(
    start: Any,
    index: Any,
    out: Any,
    by_row: Any,
    row_start: Any,
    ends: Any,
    rows: Any,
    values: Any,
    bounds: Any,
) -> None:
    k = values.shape[1]
    for part in numba.prange(len(bounds) - 1):
        spread = np.zeros(len(start) - 1)
        for i in range(bounds[part], bounds[part + 1]):
            for n in range(row_start[i], row_start[i + 1]):
                e = by_row[n]
                if k == 1:
                    v = values[e, 0]
                    for f in range(e, ends[e]):
                        spread[rows[f]] += v * values[f, 0]
                    continue
                for f in range(e, ends[e]):
                    s = 0.0
                    for a in range(k):
                        s += values[e, a] * values[f, a]
                    spread[rows[f]] += s
            for p in range(start[i], start[i + 1]):
                out[p] -= spread[index[p]]
                spread[index[p]] = 0.0


@numba.njit(
    [
        f"void({_PLACES}, {_INDEX}, {_ENTRIES}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, "
        f"{_VALUES}, {_WORK}, {_INDEX}, float64[:, :, ::1])"
    ],
    cache=True,
    parallel=True,
)
def _contract(
    start: Any,
    index: Any,
    q: Any,
    by_row: Any,
    row_start: Any,
    ends: Any,
    rows: Any,
    values: Any,
    bounds: Any,
    level: Any,
    out: Any,
) -> None:
    # `level` is empty: one sum for each part; else one part, and a sum for each level
    k = values.shape[1]
    for part in numba.prange(len(bounds) - 1):
        spread = np.zeros(len(start) - 1)
        right = np.empty(k)
        for i in range(bounds[part], bounds[part + 1]):
            for p in range(start[i], start[i + 1]):
                spread[index[p]] = q[p]
            spread[i] *= 0.5
            for n in range(row_start[i], row_start[i + 1]):
                e = by_row[n]
                at = np.int64(level[e]) if len(level) else np.int64(part)
                if k == 1:
                    s = 0.0
                    for f in range(e, ends[e]):
                        s += spread[rows[f]] * values[f, 0]
                    out[at, 0, 0] += values[e, 0] * s
                    continue
                right[:] = 0.0
                for f in range(e, ends[e]):
                    w = spread[rows[f]]
                    for b in range(k):
                        right[b] += w * values[f, b]
                for a in range(k):
                    for b in range(k):
                        out[at, a, b] += values[e, a] * right[b]


@numba.njit(
    [f"int64({_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_PLACES}, {_INDEX}, boolean)"], cache=True
)
def _neighbours(
    by_row: Any, row_start: Any, ends: Any, rows: Any, start: Any, index: Any, fill: Any
) -> Any:
    m = len(row_start) - 1
    seen = np.full(m, -1, np.int32)
    total = 0
    for i in range(m):
        start[i] = total
        seen[i] = i
        if fill:
            index[total] = i
        total += 1
        for n in range(row_start[i], row_start[i + 1]):
            e = by_row[n]
            for f in range(e + 1, ends[e]):
                j = rows[f]
                if seen[j] != i:
                    seen[j] = i
                    if fill:
                        index[total] = j
                    total += 1
        if fill:
            index[start[i] : total].sort()
    start[m] = total
    return total


def _bounds(places: Any, parts: int) -> Any:
    """Ranges of rows with about as many pairs of entries each."""
    by_row, row_start, ends = places.by_row
    pairs = np.concatenate([[0], np.cumsum(ends[by_row] - by_row, dtype=np.float64)])[row_start]
    inner = np.searchsorted(pairs, np.linspace(0.0, pairs[-1], parts + 1)[1:-1])
    return np.concatenate([[0], inner, [places.m]]).astype(np.int64)


def neighbours(places: Any, check: Any) -> Any:
    """The pattern of PP' + I (lower triangle): counted, checked, then filled."""
    start, none = np.empty(places.m + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    total = _neighbours(*places.by_row, places.rows, start, none, False)  # type: ignore[call-arg]
    check(float(total))
    index = np.empty(total, dtype=np.int32)
    _neighbours(*places.by_row, places.rows, start, index, True)  # type: ignore[call-arg]
    return start, index


def subtract_gram(pattern: Any, out: Any, coupling: Any) -> None:
    """``out −= CC'`` on the pattern."""
    places = coupling.places
    _subtract(  # type: ignore[call-arg]
        pattern.indptr,
        pattern.indices,
        out,
        *places.by_row,
        places.rows,
        coupling.values,
        _bounds(places, PARTS),
    )


def contracted_sum(coupling: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l for Q on a pattern, (k, k)."""
    k = coupling.values.shape[1]
    out = np.zeros((PARTS, k, k))
    _contract_into(out, coupling, q, PARTS, np.empty(0, dtype=np.int32))
    total = out.sum(axis=0)
    return total + total.T


def contracted(coupling: Any, q: Any) -> Any:
    """C_l'Q C_l of every level for Q on a pattern, (q₁, k, k)."""
    places, k = coupling.places, coupling.values.shape[1]
    out = np.zeros((len(places.indptr) - 1, k, k))
    _contract_into(out, coupling, q, 1, places.level)
    return out + out.swapaxes(1, 2)


def _contract_into(out: Any, coupling: Any, q: Any, parts: int, level: Any) -> None:
    places = coupling.places
    _contract(  # type: ignore[call-arg]
        q.pattern.indptr,
        q.pattern.indices,
        q.values,
        *places.by_row,
        places.rows,
        coupling.values,
        _bounds(places, parts),
        level,
        out,
    )


# --- Takahashi's recursion ----------------------------------------------------------------


@numba.njit([f"void({_PLACES}, {_INDEX}, {_ENTRIES}, {_WORK}, {_ENTRIES})"], cache=True)
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
        width = stop - first
        top = start[stop - 1] + 1
        height = start[stop] - top
        if width == 1:
            pivot = values[top - 1]
            z[top - 1] = 1.0 / (pivot * pivot)
            for a in range(height):
                single[a] = values[top + a] / pivot
                z[top + a] = 0.0
            for a in range(height):
                i = index[top + a]
                p = start[i]
                y = single[a]
                s = z[p] * y
                p += 1
                end = start[i + 1]
                search = (end - p) > 8 * (height - a)
                for b in range(a + 1, height):
                    r = index[top + b]
                    if search:
                        low, high = p, end
                        while low < high:
                            middle = (low + high) >> 1
                            if index[middle] < r:
                                low = middle + 1
                            else:
                                high = middle
                        p = low
                    else:
                        while index[p] != r:
                            p += 1
                    s += z[p] * single[b]
                    z[top + b] -= z[p] * y
                z[top + a] -= s
            for a in range(height):
                z[top - 1] -= single[a] * z[top + a]
            continue
        # Z[I, I] as an array
        block = space[: height * height].reshape(height, height)
        for a in range(height):
            i = index[top + a]
            p = start[i]
            block[a, a] = z[p]
            p += 1
            end = start[i + 1]
            search = (end - p) > 8 * (height - a)
            for b in range(a + 1, height):
                r = index[top + b]
                if search:
                    low, high = p, end
                    while low < high:
                        middle = (low + high) >> 1
                        if index[middle] < r:
                            low = middle + 1
                        else:
                            high = middle
                    p = low
                else:
                    while index[p] != r:
                        p += 1
                block[a, b] = z[p]
                block[b, a] = z[p]
        root = np.zeros((width, width))  # L[J, J]⁻¹
        for c in range(width):
            root[c, c] = 1.0 / values[start[first + c]]
            for r in range(c + 1, width):
                s = 0.0
                for d in range(c, r):
                    s += values[start[first + d] + r - d] * root[d, c]
                root[r, c] = -s / values[start[first + r]]
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


def selected_inverse(plan: Any, values: Any) -> Any:
    """S⁻¹ on the pattern of L, from L's numbers."""
    z = np.empty(len(values))
    _selected_inverse(plan.indptr, plan.indices, values, plan.panels, z)
    return z


column_counts = numba.njit([f"int64[::1]({_PLACES}, {_INDEX}, float64)"], cache=True)(
    _column_counts
)
"""Entries of every column of L."""
