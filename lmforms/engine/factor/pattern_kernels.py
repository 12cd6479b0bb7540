"""The pattern of CC', compiled by numba; imported only for large models.

Twin: products of patterns in SciPy, in :mod:`.pattern`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..linalg.compiled import compiled

_PLACES, _INDEX = "int64[::1]", "int32[::1]"


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
    total = _neighbours(*entries, none, False, np.full(places.m, -1, dtype=np.int32))  # type: ignore[call-arg]
    check(float(total))
    index = np.empty(total, dtype=np.int32)
    _neighbours(*entries, index, True, np.full(places.m, -1, dtype=np.int32))  # type: ignore[call-arg]
    return start, _sorted(start, index)


def _sorted(start: Any, index: Any) -> Any:
    """Rows of every column in ascending order: SciPy has a compiled loop for that."""
    import scipy.sparse as sp

    m = len(start) - 1
    columns = sp.csc_matrix((np.zeros(len(index), dtype=np.int8), index, start), shape=(m, m))
    columns.sort_indices()
    return columns.indices.astype(np.int32, copy=False)
