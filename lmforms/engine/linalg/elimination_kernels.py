"""The elimination tree and the pattern of L, compiled; for large models only.

Twin: :func:`.elimination.plain_elimination`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled

_PLACES, _INDEX = "int64[::1]", "int32[::1]"


@compiled(f"Tuple(({_PLACES}, {_PLACES}))({_PLACES}, {_INDEX}, float64)")
def tree_and_counts(start: Any, index: Any, most: Any) -> Any:
    """Parents in the elimination tree, and the entries of every column of L."""
    m = len(start) - 1
    parent = np.full(m, -1, np.int64)
    counts = np.ones(m, np.int64)
    seen = np.full(m, -1, np.int64)
    total = m
    for i in range(m):
        seen[i] = i
        for p in range(start[i], start[i + 1]):
            k = np.int64(index[p])
            while seen[k] != i:
                if parent[k] < 0:
                    parent[k] = i
                counts[k] += 1
                total += 1
                seen[k] = i
                k = parent[k]
        if total > most:
            break
    return parent, counts


@compiled(f"{_INDEX}({_PLACES}, {_INDEX}, {_PLACES}, {_PLACES})")
def factor_rows(start: Any, index: Any, parent: Any, ends: Any) -> Any:
    """Rows of every column of L, ascending, whose columns start at `ends`."""
    m = len(start) - 1
    free = ends[:-1].copy()
    rows = np.empty(ends[m], np.int32)
    seen = np.full(m, -1, np.int64)
    for i in range(m):
        seen[i] = i
        rows[free[i]] = i
        free[i] += 1
        for p in range(start[i], start[i + 1]):
            k = np.int64(index[p])
            while seen[k] != i:
                rows[free[k]] = i
                free[k] += 1
                seen[k] = i
                k = parent[k]
    return rows


@compiled(f"{_PLACES}({_PLACES}, {_PLACES})")
def tree_postorder(parent: Any, by_count: Any) -> Any:
    """Columns with every subtree in one piece, its children in the order of `by_count`.

    Parameters
    ----------
    parent : ndarray of int64 (m,)
    by_count : ndarray of int64 (m,)
        All columns, those with few entries first: the child with most entries then comes
        immediately before its parent, and can be taken together with it.
    """
    m = len(parent)
    child = np.full(m + 1, -1, np.int64)
    sibling = np.full(m, -1, np.int64)
    for n in range(m - 1, -1, -1):
        j = by_count[n]
        above = parent[j] if parent[j] >= 0 else m
        sibling[j] = child[above]
        child[above] = j
    order = np.empty(m, np.int64)
    stack = np.empty(m + 1, np.int64)
    depth, done = 0, 0
    j = child[m]
    while True:
        while j >= 0:
            stack[depth] = j
            depth += 1
            j = child[j]
        if depth == 0:
            break
        depth -= 1
        j = stack[depth]
        order[done] = j
        done += 1
        j = sibling[j]
    return order


@compiled(f"void({_PLACES}, {_PLACES}, {_PLACES}, {_INDEX})")
def by_rows(rows: Any, cols: Any, free: Any, out: Any) -> None:
    """Columns of the entries off the diagonal, row by row; row i starts at free[i]."""
    for p in range(len(rows)):
        i = rows[p]
        if cols[p] != i:
            out[free[i]] = cols[p]
            free[i] += 1
