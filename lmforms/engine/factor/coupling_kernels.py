"""Loops over a sparse coupling block C, compiled by numba; imported only for large models.

C = Z₂'Z₁ is stored level by level of the leading factor: the entries of level l are
``rows[indptr[l]:indptr[l+1]]`` (ascending) with k numbers each. Both loops run over pairs of
entries of one level, that is over CC' without ever forming its pattern. Their NumPy twins
are :meth:`SparseCoupling.gram` and :meth:`SparseCoupling.contracted`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ..linalg.compiled import compiled
from ..linalg.threads import loop_threads
from .coupling_pattern import ranges

LEAST_ROW_RANGES = 4
"""The rows of the result are done in at least so many ranges, so that each stays in the cache: at
1,000 rows this halves the time even of one thread."""

_INDEX, _VALUES, _BOUNDS = "int32[::1]", "float64[:, ::1]", "int64[::1]"


@compiled(f"void({_INDEX}, {_INDEX}, {_VALUES}, {_VALUES}, {_BOUNDS})", parallel=True)
def _rank_update(indptr: Any, rows: Any, values: Any, out: Any, bounds: Any) -> None:
    k = values.shape[1]
    for part in numba.prange(len(bounds) - 1):
        low, high = bounds[part], bounds[part + 1]
        for level in range(len(indptr) - 1):
            start, stop = indptr[level], indptr[level + 1]
            for e in range(start, stop):
                i = rows[e]
                if i < low:
                    continue
                if i >= high:
                    break
                if k == 1:
                    v = values[e, 0]
                    for f in range(start, e + 1):
                        out[i, rows[f]] -= v * values[f, 0]
                else:
                    for f in range(start, e + 1):
                        s = 0.0
                        for a in range(k):
                            s += values[e, a] * values[f, a]
                        out[i, rows[f]] -= s


@compiled(f"float64[:, :, ::1]({_INDEX}, {_INDEX}, {_VALUES}, {_VALUES}, int64)", parallel=True)
def _dense_contracted_sum(indptr: Any, rows: Any, values: Any, q: Any, parts: Any) -> Any:
    k = values.shape[1]
    levels = len(indptr) - 1
    total = np.zeros((parts, k, k))
    for part in numba.prange(parts):
        for level in range(part, levels, parts):
            start, stop = indptr[level], indptr[level + 1]
            if k == 1:
                for e in range(start, stop):
                    i, s = rows[e], 0.0
                    for f in range(start, e):
                        s += q[i, rows[f]] * values[f, 0]
                    s += 0.5 * q[i, i] * values[e, 0]
                    total[part, 0, 0] += values[e, 0] * s
                continue
            for e in range(start, stop):
                i = rows[e]
                for f in range(start, e + 1):
                    w = q[i, rows[f]]
                    if f == e:
                        w *= 0.5
                    for a in range(k):
                        for b in range(k):
                            total[part, a, b] += values[e, a] * w * values[f, b]
    return total


def rank_update(places: Any, values: Any, out: Any) -> None:
    """Take CC' from the lower triangle of `out`, (m, m)."""
    with loop_threads(places.work) as threads:
        bounds = ranges(places.row_work, max(LEAST_ROW_RANGES, threads))
        _rank_update(places.indptr, places.rows, values, out, bounds)


def dense_contracted_sum(places: Any, values: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l, (k, k), for a symmetric Q of which the lower triangle is read."""
    with loop_threads(places.work) as threads:
        total = _dense_contracted_sum(places.indptr, places.rows, values, q, threads).sum(axis=0)
    return total + total.T
