"""Inner loops that NumPy cannot express, compiled by numba; imported only for large models.

C = Z₂'Z₁ is held level by level of the leading factor: the entries of level l are
``rows[indptr[l]:indptr[l+1]]`` (ascending) with k numbers each. Both loops run over pairs of
entries of one level, that is over CC' without ever forming its pattern. Their NumPy twins
are :meth:`SparseCoupling.gram` and :meth:`SparseCoupling.contracted`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

PARTS = 2 * numba.get_num_threads()
"""Row ranges worked on at a time: each writes rows of its own."""

THREADED_WORK = 1e8
"""Pairs of entries from which a second thread pays: OpenMP's threads go on spinning for some
milliseconds, in the way of the LAPACK call that follows."""

_INDEX, _VALUES = "int32[::1]", "float64[:, ::1]"


@numba.njit(
    [f"void({_INDEX}, {_INDEX}, {_VALUES}, {_VALUES}, {_INDEX})"], cache=True, parallel=True
)
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


@numba.njit(
    [f"float64[:, :, ::1]({_INDEX}, {_INDEX}, {_VALUES}, {_VALUES}, int64)"],
    cache=True,
    parallel=True,
)
def _gather(indptr: Any, rows: Any, values: Any, q: Any, parts: Any) -> Any:
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
    # as many pairs of entries in every range of rows
    shares = np.cumsum(places.row_work) / max(places.work, 1.0)
    bounds = np.searchsorted(shares, np.linspace(0.0, 1.0, PARTS + 1)[1:-1]) + 1
    bounds = np.concatenate([[0], bounds, [places.m]]).astype(np.int32)
    with _threads(places.work):
        _rank_update(places.indptr, places.rows, values, out, bounds)


def gather(places: Any, values: Any, q: Any) -> Any:
    """Σ over levels of C_l'Q C_l, (k, k), for a symmetric Q of which the lower triangle is read."""
    with _threads(places.work):
        total = _gather(places.indptr, places.rows, values, q, PARTS).sum(axis=0)
    return total + total.T


@contextmanager
def _threads(work: float) -> Iterator[None]:
    """One thread for little work."""
    before = numba.get_num_threads()
    numba.set_num_threads(before if work >= THREADED_WORK else 1)
    try:
        yield
    finally:
        numba.set_num_threads(before)
