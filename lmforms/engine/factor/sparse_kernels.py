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

import numpy as np

from ..linalg.compiled import compiled
from ..linalg.threads import in_threads, loop_threads
from .coupling_pattern import ranges

_INDEX, _VALUES = "int32[::1]", "float64[:, ::1]"
_PLACES, _ENTRIES = "int64[::1]", "float64[::1]"
_COUPLING = f"{_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_VALUES}"


@compiled(f"void(int64, int64, {_COUPLING}, {_PLACES}, {_INDEX}, {_ENTRIES}, {_ENTRIES})")
def _subtract(
    begin: Any,
    end: Any,
    by_row: Any,
    row_start: Any,
    ends: Any,
    rows: Any,
    values: Any,
    start: Any,
    index: Any,
    out: Any,
    spread: Any,
) -> None:
    k = values.shape[1]
    for i in range(begin, end):
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
    f"void(int64, int64, {_COUPLING}, {_PLACES}, {_INDEX}, {_ENTRIES}, {_ENTRIES}, "
    f"{_ENTRIES}, {_INDEX}, float64[:, :, ::1])"
)
def _contract(
    begin: Any,
    end: Any,
    by_row: Any,
    row_start: Any,
    ends: Any,
    rows: Any,
    values: Any,
    start: Any,
    index: Any,
    q: Any,
    spread: Any,
    right: Any,
    level: Any,
    out: Any,
) -> None:
    # `level` is empty: one sum; else a sum for each level
    k = values.shape[1]
    at = np.int64(0)
    for i in range(begin, end):
        for p in range(start[i], start[i + 1]):
            spread[index[p]] = q[p]
        spread[i] *= 0.5
        for n in range(row_start[i], row_start[i + 1]):
            e = by_row[n]
            if len(level):
                at = np.int64(level[e])
            if k == 1:
                s = 0.0
                for f in range(e, ends[e]):
                    s += spread[rows[f]] * values[f, 0]
                out[at, 0, 0] += values[e, 0] * s
                continue
            for b in range(k):
                right[b] = 0.0
            for f in range(e, ends[e]):
                w = spread[rows[f]]
                for b in range(k):
                    right[b] += w * values[f, b]
            for a in range(k):
                for b in range(k):
                    out[at, a, b] += values[e, a] * right[b]


@compiled(f"int64({_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_PLACES}, {_INDEX}, boolean, {_INDEX})")
def _neighbours(
    by_row: Any,
    row_start: Any,
    ends: Any,
    rows: Any,
    start: Any,
    index: Any,
    fill: Any,
    seen: Any,
) -> Any:
    total = 0
    for i in range(len(seen)):
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
    start[len(seen)] = total
    return total


def neighbours(places: Any, check: Any) -> Any:
    """The pattern of PP' + I (lower triangle): counted, checked, then filled."""
    start, none = np.empty(places.m + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    entries = (*places.by_row, places.rows, start)
    total = _neighbours(*entries, none, False, np.full(places.m, -1, dtype=np.int32))
    check(float(total))
    index = np.empty(total, dtype=np.int32)
    _neighbours(*entries, index, True, np.full(places.m, -1, dtype=np.int32))
    return start, _sorted(start, index)


def _sorted(start: Any, index: Any) -> Any:
    """Rows of every column in ascending order: SciPy has a compiled loop for that."""
    import scipy.sparse as sp

    m = len(start) - 1
    columns = sp.csc_matrix((np.zeros(len(index), dtype=np.int8), index, start), shape=(m, m))
    columns.sort_indices()
    return columns.indices.astype(np.int32, copy=False)


def subtract_gram(pattern: Any, out: Any, coupling: Any) -> None:
    """``out −= CC'`` on the pattern."""
    entries, m = (*_entries(coupling), pattern.indptr, pattern.indices, out), pattern.m

    def loop(part: int, begin: int, end: int) -> None:
        _subtract(begin, end, *entries, np.zeros(m))

    _by_columns(coupling, loop_threads(coupling.places.work), loop)


def contracted_sum(coupling: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l for Q on a pattern, (k, k)."""
    k, threads = coupling.values.shape[1], loop_threads(coupling.places.work)
    out = np.zeros((threads, 1, k, k))
    _contract_into(out, coupling, q, np.empty(0, dtype=np.int32))
    total = out.sum(axis=(0, 1))
    return total + total.T


def contracted(coupling: Any, q: Any) -> Any:
    """C_l'Q C_l of every level for Q on a pattern, (q₁, k, k)."""
    places, k = coupling.places, coupling.values.shape[1]
    # one thread: rows add to the same levels
    out = np.zeros((1, len(places.indptr) - 1, k, k))
    _contract_into(out, coupling, q, places.level)
    return out[0] + out[0].swapaxes(1, 2)


def _contract_into(out: Any, coupling: Any, q: Any, level: Any) -> None:
    entries, m, k = _entries(coupling), q.pattern.m, out.shape[-1]
    pattern = (q.pattern.indptr, q.pattern.indices, q.values)

    def loop(part: int, begin: int, end: int) -> None:
        _contract(begin, end, *entries, *pattern, np.zeros(m), np.empty(k), level, out[part])

    _by_columns(coupling, len(out), loop)


def _entries(coupling: Any) -> tuple[Any, ...]:
    """C as the loops take it: its entries by rows."""
    return *coupling.places.by_row, coupling.places.rows, coupling.values


def _by_columns(coupling: Any, threads: int, loop: Any) -> None:
    in_threads(loop, ranges(coupling.places.column_work, threads))
