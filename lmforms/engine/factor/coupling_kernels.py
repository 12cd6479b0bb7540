"""Loops over a sparse coupling block C, compiled by numba; imported only for large models.

C = Z₂'Z₁ is stored level by level of the leading factor: the entries of level l are
``rows[indptr[l]:indptr[l+1]]`` (ascending) with k numbers each. Both loops run over pairs of
entries of one level, that is over CC' without ever forming its pattern. They visit the pairs by
rows of CC': the row of the dense array that they meet stays in the nearest cache, and C is read
in runs. Level by level every pair would fetch a number from main memory, which takes two to
three times as long at 3,700 rows. Their NumPy twins are :meth:`SparseCoupling.gram` and
:meth:`SparseCoupling.contracted`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..linalg.compiled import compiled
from ..linalg.threads import in_threads, loop_threads
from .coupling_pattern import ranges

# rows of C are unsigned: no check for negative ones in the innermost loops
_INDEX, _VALUES = "int32[::1]", "float64[:, ::1]"
_ENTRIES = f"{_INDEX}, {_INDEX}, {_INDEX}, uint32[::1], {_VALUES}"


@compiled(f"void(int64, int64, {_ENTRIES}, {_VALUES})")
def _rank_update(
    begin: Any, end: Any, by_row: Any, row_start: Any, first: Any, rows: Any, values: Any, out: Any
) -> None:
    k = values.shape[1]
    for i in range(begin, end):
        row = out[i]
        for n in range(row_start[i], row_start[i + 1]):
            e = by_row[n]
            if k == 1:
                v = values[e, 0]
                for f in range(np.uint64(first[e]), np.uint64(e) + np.uint64(1)):
                    row[rows[f]] -= v * values[f, 0]
                continue
            for f in range(first[e], e + 1):
                s = 0.0
                for a in range(k):
                    s += values[e, a] * values[f, a]
                row[rows[f]] -= s


@compiled(f"void(int64, int64, {_ENTRIES}, {_VALUES}, {_VALUES}, float64[::1])")
def _contract(
    begin: Any,
    end: Any,
    by_row: Any,
    row_start: Any,
    first: Any,
    rows: Any,
    values: Any,
    q: Any,
    total: Any,
    right: Any,
) -> None:
    k = values.shape[1]
    for i in range(begin, end):
        row, half = q[i], 0.5 * q[i, i]
        for n in range(row_start[i], row_start[i + 1]):
            e = by_row[n]
            if k == 1:
                s = half * values[e, 0]
                for f in range(np.uint64(first[e]), np.uint64(e)):
                    s += row[rows[f]] * values[f, 0]
                total[0, 0] += values[e, 0] * s
                continue
            for b in range(k):
                right[b] = half * values[e, b]
            for f in range(first[e], e):
                w = row[rows[f]]
                for b in range(k):
                    right[b] += w * values[f, b]
            for a in range(k):
                for b in range(k):
                    total[a, b] += values[e, a] * right[b]


def rank_update(places: Any, values: Any, out: Any) -> None:
    """Take CC' from the lower triangle of `out`, (m, m)."""
    entries = _by_rows(places)

    def loop(part: int, begin: int, end: int) -> None:
        _rank_update(begin, end, *entries, values, out)

    in_threads(loop, ranges(places.row_work, loop_threads(places.work)))


def dense_contracted_sum(places: Any, values: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l, (k, k), for a symmetric Q of which the lower triangle is read."""
    entries, k = _by_rows(places), values.shape[1]
    threads = loop_threads(places.work)
    parts = np.zeros((threads, k, k))

    def loop(part: int, begin: int, end: int) -> None:
        _contract(begin, end, *entries, values, q, parts[part], np.empty(k))

    in_threads(loop, ranges(places.row_work, threads))
    total = parts.sum(axis=0)
    return total + total.T


def _by_rows(places: Any) -> tuple[Any, ...]:
    """Entries by rows, where each row begins, where each entry's level begins, and their rows."""
    by_row, row_start, _ = places.by_row
    return by_row, row_start, places.first, places.rows.view(np.uint32)
