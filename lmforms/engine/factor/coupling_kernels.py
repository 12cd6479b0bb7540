"""Loops over a sparse coupling block C, compiled by numba; imported only for large models.

C = Z₂'Z₁ is stored level by level of the leading factor: the entries of level l are
``rows[indptr[l]:indptr[l+1]]`` (ascending) with k numbers each. The loops run over pairs of
entries of one level, that is over CC' without ever forming its pattern. They visit the pairs by
rows of CC': the row of the dense array that they meet stays in the nearest cache, and C is read
in runs. Level by level every pair would fetch a number from main memory, which takes two to
three times as long at 3,700 rows.

A row of CC' meets a row of a dense array, of which the lower triangle counts, or one on a pattern
(``start``, ``index``: the lower triangle by columns, which by symmetry is the upper one by rows),
which is spread out. In the first case an entry meets those of its level up to itself, in the
second those from itself on.

Twins: products in NumPy and SciPy, in :mod:`.coupling` and :mod:`.pattern`.

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

# rows of C are unsigned: no check for negative ones in the innermost loops
_PLACES, _INDEX, _NUMBERS = "int64[::1]", "int32[::1]", "float64[::1]"
_ROWS = f"int64, int64, {_INDEX}, {_INDEX}, {_INDEX}, uint32[::1], float64[:, ::1]"
_PATTERN = f"{_PLACES}, {_INDEX}, {_NUMBERS}, {_NUMBERS}"

_NO_LEVELS, _NOT_DENSE = np.empty(0, dtype=np.int32), np.empty((0, 0))
_NO_PATTERN = (np.empty(0, dtype=np.int64), _NO_LEVELS, np.empty(0), np.empty(0))


@compiled(f"void({_ROWS}, {_PATTERN}, float64[:, ::1])")
def _subtract(
    begin: Any,
    end: Any,
    by_row: Any,
    row_start: Any,
    other: Any,
    rows: Any,
    values: Any,
    start: Any,
    index: Any,
    out: Any,
    spread: Any,
    dense: Any,
) -> None:
    k = values.shape[1]
    for i in range(begin, end):
        row = dense[i] if len(dense) else spread
        for n in range(row_start[i], row_start[i + 1]):
            e = by_row[n]
            low, high = np.uint64(min(other[e], e)), np.uint64(max(other[e], e + 1))
            if k == 1:
                v = values[e, 0]
                for f in range(low, high):
                    row[rows[f]] -= v * values[f, 0]
                continue
            for f in range(low, high):
                s = 0.0
                for a in range(k):
                    s += values[e, a] * values[f, a]
                row[rows[f]] -= s
        if len(start):
            for p in range(start[i], start[i + 1]):
                out[p] += spread[index[p]]
                spread[index[p]] = 0.0


@compiled(f"void({_ROWS}, {_PATTERN}, float64[:, ::1], {_NUMBERS}, {_INDEX}, float64[:, :, ::1])")
def _contract(
    begin: Any,
    end: Any,
    by_row: Any,
    row_start: Any,
    other: Any,
    rows: Any,
    values: Any,
    start: Any,
    index: Any,
    q: Any,
    spread: Any,
    dense: Any,
    right: Any,
    level: Any,
    out: Any,
) -> None:
    # `level` is empty: one sum; else a sum for each level
    k = values.shape[1]
    at = np.int64(0)
    for i in range(begin, end):
        if len(start):
            for p in range(start[i], start[i + 1]):
                spread[index[p]] = q[p]
        row = dense[i] if len(dense) else spread
        half = 0.5 * row[i]  # an entry meets itself, of which half counts
        for n in range(row_start[i], row_start[i + 1]):
            e = by_row[n]
            low, high = np.uint64(min(other[e], e)), np.uint64(max(other[e], e + 1))
            if len(level):
                at = np.int64(level[e])
            if k == 1:
                s = -half * values[e, 0]
                for f in range(low, high):
                    s += row[rows[f]] * values[f, 0]
                out[at, 0, 0] += values[e, 0] * s
                continue
            for b in range(k):
                right[b] = -half * values[e, b]
            for f in range(low, high):
                w = row[rows[f]]
                for b in range(k):
                    right[b] += w * values[f, b]
            for a in range(k):
                for b in range(k):
                    out[at, a, b] += values[e, a] * right[b]


def rank_update(places: Any, values: Any, out: Any) -> None:
    """Take CC' from the lower triangle of `out`, (m, m)."""
    entries = _by_rows(places, places.first, values)

    def loop(part: int, begin: int, end: int) -> None:
        _subtract(begin, end, *entries, *_NO_PATTERN, out)  # type: ignore[call-arg]

    in_threads(loop, ranges(places.row_work, loop_threads(places.work)))


def subtract_gram(pattern: Any, out: Any, coupling: Any) -> None:
    """``out −= CC'`` on the pattern."""
    places = coupling.places
    entries = _by_rows(places, places.by_row[2], coupling.values)

    def loop(part: int, begin: int, end: int) -> None:
        where = (pattern.indptr, pattern.indices, out, np.zeros(pattern.m))
        _subtract(begin, end, *entries, *where, _NOT_DENSE)  # type: ignore[call-arg]

    in_threads(loop, ranges(places.column_work, loop_threads(places.work)))


def dense_contracted_sum(places: Any, values: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l, (k, k), for a symmetric Q of which the lower triangle is read."""
    entries, k = _by_rows(places, places.first, values), values.shape[1]
    bounds = ranges(places.row_work, loop_threads(places.work))
    out = np.zeros((len(bounds) - 1, 1, k, k))

    def loop(part: int, begin: int, end: int) -> None:
        _contract(begin, end, *entries, *_NO_PATTERN, q, np.empty(k), _NO_LEVELS, out[part])  # type: ignore[call-arg]

    in_threads(loop, bounds)
    total = out.sum(axis=(0, 1))
    return total + total.T


def contracted_sum(coupling: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l for Q on a pattern, (k, k)."""
    threads = loop_threads(coupling.places.work)
    total = _contracted(coupling, q, threads, 1, _NO_LEVELS).sum(axis=(0, 1))
    return np.asarray(total + total.T)


def contracted(coupling: Any, q: Any) -> Any:
    """C_l'Q C_l of every level for Q on a pattern, (q₁, k, k)."""
    places = coupling.places
    # in one thread: rows add to the same levels
    out = _contracted(coupling, q, 1, len(places.indptr) - 1, places.level)[0]
    return out + out.swapaxes(1, 2)


def _contracted(coupling: Any, q: Any, threads: int, sums: int, level: Any) -> Any:
    """What each thread has added up, (threads, sums, k, k)."""
    places, pattern, k = coupling.places, q.pattern, coupling.values.shape[1]
    entries = _by_rows(places, places.by_row[2], coupling.values)
    out = np.zeros((threads, sums, k, k))

    def loop(part: int, begin: int, end: int) -> None:
        where = (pattern.indptr, pattern.indices, q.values, np.zeros(pattern.m))
        _contract(begin, end, *entries, *where, _NOT_DENSE, np.empty(k), level, out[part])  # type: ignore[call-arg]

    in_threads(loop, ranges(places.column_work, threads))
    return out


def _by_rows(places: Any, other: Any, values: Any) -> tuple[Any, ...]:
    """C as the loops take it.

    Entries by rows, where each row begins, where each entry's level begins or ends, the rows of
    entries, and their numbers.
    """
    return *places.by_row[:2], other, places.rows.view(np.uint32), values
