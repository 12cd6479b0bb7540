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

import numba
import numpy as np

from ..linalg.compiled import compiled
from ..linalg.threads import loop_threads
from .coupling_pattern import ranges

# rows of C and, in the innermost loops, its entries are unsigned: no check for negative ones
_INDEX, _VALUES, _BOUNDS = "int32[::1]", "float64[:, ::1]", "int64[::1]"
_ENTRIES = f"{_INDEX}, {_INDEX}, {_INDEX}, uint32[::1], {_VALUES}"
_RUN = "float64[::1], uint32[::1], float64[:, ::1], uint64, uint64"


@compiled(f"void({_RUN}, float64)")
def _subtract_run(row: Any, rows: Any, values: Any, start: Any, stop: Any, v: Any) -> None:
    for f in range(start, stop):
        row[rows[f]] -= v * values[f, 0]


@compiled(f"float64({_RUN})")
def _run_product(row: Any, rows: Any, values: Any, start: Any, stop: Any) -> Any:
    s = 0.0
    for f in range(start, stop):
        s += row[rows[f]] * values[f, 0]
    return s


@compiled(f"void({_ENTRIES}, {_VALUES}, {_BOUNDS})", parallel=True)
def _rank_update(
    by_row: Any, row_start: Any, first: Any, rows: Any, values: Any, out: Any, bounds: Any
) -> None:
    k = values.shape[1]
    for part in numba.prange(len(bounds) - 1):
        for i in range(bounds[part], bounds[part + 1]):
            row = out[i]
            for n in range(row_start[i], row_start[i + 1]):
                e = by_row[n]
                if k == 1:
                    _subtract_run(row, rows, values, first[e], e + 1, values[e, 0])
                    continue
                for f in range(first[e], e + 1):
                    s = 0.0
                    for a in range(k):
                        s += values[e, a] * values[f, a]
                    row[rows[f]] -= s


@compiled(f"float64[:, :, ::1]({_ENTRIES}, {_VALUES}, {_BOUNDS})", parallel=True)
def _dense_contracted_sum(
    by_row: Any, row_start: Any, first: Any, rows: Any, values: Any, q: Any, bounds: Any
) -> Any:
    k = values.shape[1]
    total = np.zeros((len(bounds) - 1, k, k))
    for part in numba.prange(len(bounds) - 1):
        right = np.empty(k)
        for i in range(bounds[part], bounds[part + 1]):
            row, half = q[i], 0.5 * q[i, i]
            for n in range(row_start[i], row_start[i + 1]):
                e = by_row[n]
                if k == 1:
                    s = _run_product(row, rows, values, first[e], e) + half * values[e, 0]
                    total[part, 0, 0] += values[e, 0] * s
                    continue
                for b in range(k):
                    right[b] = half * values[e, b]
                for f in range(first[e], e):
                    w = row[rows[f]]
                    for b in range(k):
                        right[b] += w * values[f, b]
                for a in range(k):
                    for b in range(k):
                        total[part, a, b] += values[e, a] * right[b]
    return total


def rank_update(places: Any, values: Any, out: Any) -> None:
    """Take CC' from the lower triangle of `out`, (m, m)."""
    with loop_threads(places.work) as threads:
        _rank_update(*_by_rows(places), values, out, ranges(places.row_work, threads))  # type: ignore[call-arg]


def dense_contracted_sum(places: Any, values: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l, (k, k), for a symmetric Q of which the lower triangle is read."""
    with loop_threads(places.work) as threads:
        bounds = ranges(places.row_work, threads)
        parts = _dense_contracted_sum(*_by_rows(places), values, q, bounds)  # type: ignore[call-arg]
    total = parts.sum(axis=0)
    return total + total.T


def _by_rows(places: Any) -> tuple[Any, ...]:
    """Entries by rows, where each row begins, where each entry's level begins, and their rows."""
    by_row, row_start, _ = places.by_row
    return by_row, row_start, places.first, places.rows.view(np.uint32)
