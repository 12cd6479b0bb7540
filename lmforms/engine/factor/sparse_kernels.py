"""Loops over a sparse Schur complement, compiled by numba; imported only for large models.

C = Z₂'Z₁ is held as in :mod:`.coupling_kernels`. Here CC' meets numbers on a pattern (``start``,
``index``: the lower triangle by columns, which by symmetry is the upper one by rows), with one
row spread out at a time. Twins: SciPy's products in :mod:`.coupling` and :mod:`.pattern`.

References
----------
Gustavson (1978), *Two fast algorithms for sparse matrices*, ACM TOMS 4(3).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ..linalg.compiled import compiled
from ..linalg.threads import loop_threads
from .coupling_pattern import ranges

_INDEX, _VALUES = "int32[::1]", "float64[:, ::1]"
_PLACES, _ENTRIES = "int64[::1]", "float64[::1]"


@compiled(
    f"void({_PLACES}, {_INDEX}, {_ENTRIES}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, "
    f"{_VALUES}, {_PLACES})",
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


@compiled(
    f"void({_PLACES}, {_INDEX}, {_ENTRIES}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, "
    f"{_VALUES}, {_PLACES}, {_INDEX}, float64[:, :, ::1])",
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


@compiled(f"int64({_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_PLACES}, {_INDEX}, boolean)")
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
    with loop_threads(coupling.places.work) as parts:
        _subtract(pattern.indptr, pattern.indices, out, *_by_rows(coupling, parts))


def contracted_sum(coupling: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l for Q on a pattern, (k, k)."""
    k = coupling.values.shape[1]
    with loop_threads(coupling.places.work) as parts:
        out = np.zeros((parts, k, k))
        _contract_into(out, coupling, q, parts, np.empty(0, dtype=np.int32))
    total = out.sum(axis=0)
    return total + total.T


def contracted(coupling: Any, q: Any) -> Any:
    """C_l'Q C_l of every level for Q on a pattern, (q₁, k, k)."""
    places, k = coupling.places, coupling.values.shape[1]
    out = np.zeros((len(places.indptr) - 1, k, k))
    with loop_threads(0.0):  # rows add to the same levels
        _contract_into(out, coupling, q, 1, places.level)
    return out + out.swapaxes(1, 2)


def _contract_into(out: Any, coupling: Any, q: Any, parts: int, level: Any) -> None:
    pattern, entries = q.pattern, _by_rows(coupling, parts)
    _contract(pattern.indptr, pattern.indices, q.values, *entries, level, out)  # type: ignore[call-arg]


def _by_rows(coupling: Any, parts: int) -> tuple[Any, ...]:
    """C as the loops take it: its entries by rows, and the ranges of rows."""
    places = coupling.places
    return *places.by_row, places.rows, coupling.values, ranges(places.column_work, parts)
