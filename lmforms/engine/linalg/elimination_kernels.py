"""The elimination tree and the pattern of L, compiled; for large models only.

Twin: :func:`.elimination.plain_elimination`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled

_PLACES, _INDEX = "int64[::1]", "int32[::1]"


@compiled(f"void({_PLACES}, {_INDEX}, float64, {_PLACES}, {_PLACES}, {_INDEX}, {_PLACES})")
def eliminate(
    start: Any, index: Any, most: Any, parent: Any, free: Any, rows: Any, seen: Any
) -> None:
    """The elimination tree and the size of every column of L, or its rows.

    Parameters
    ----------
    start, index : ndarray of int64 (m + 1,), ndarray of int32
        Entries left of the diagonal, by rows.
    most : float
        Counting stops soon after so many entries.
    parent : ndarray of int64 (m,)
        −1 where it is to be found.
    free : ndarray of int64 (m,)
        Where the columns of `rows` start, or all 1: then the sizes of the columns, afterwards.
    rows : ndarray of int32
        Empty, or the rows of L, ascending in every column, from `free` on.
    seen : ndarray of int64 (m,)
        For the loop: all −1.
    """
    total = len(parent)
    for i in range(len(parent)):
        seen[i] = i
        if len(rows):
            rows[free[i]] = i
            free[i] += 1
        for p in range(start[i], start[i + 1]):
            k = np.int64(index[p])
            while seen[k] != i:
                if len(rows):
                    rows[free[k]] = i
                elif parent[k] < 0:
                    parent[k] = i
                free[k] += 1
                total += 1
                seen[k] = i
                k = parent[k]
        if total > most:
            break


@compiled(f"void({_PLACES}, {_PLACES}, {_PLACES}, {_PLACES}, {_PLACES}, {_PLACES})")
def tree_postorder(
    parent: Any, by_count: Any, child: Any, sibling: Any, stack: Any, order: Any
) -> None:
    """Columns with every subtree in one piece, its children in the order of `by_count`.

    Parameters
    ----------
    parent : ndarray of int64 (m,)
    by_count : ndarray of int64 (m,)
        All columns, those with few entries first: the child with most entries then comes
        immediately before its parent, and can be taken together with it.
    child, sibling, stack : ndarray of int64 (m + 1,)
        For the loop. `child` is all −1.
    order : ndarray of int64 (m,)
        Written.
    """
    m = len(parent)
    for n in range(m - 1, -1, -1):
        j = by_count[n]
        above = parent[j] if parent[j] >= 0 else m
        sibling[j] = child[above]
        child[above] = j
    depth, done = 0, 0
    j = child[m]
    while done < m:
        while j >= 0:
            stack[depth] = j
            depth += 1
            j = child[j]
        depth -= 1
        j = stack[depth]
        order[done] = j
        done += 1
        j = sibling[j]


@compiled(f"void({_PLACES}, {_PLACES}, {_PLACES}, {_INDEX})")
def by_rows(rows: Any, cols: Any, free: Any, out: Any) -> None:
    """Columns of the entries off the diagonal, row by row; row i starts at free[i]."""
    for p in range(len(rows)):
        i = rows[p]
        if cols[p] != i:
            out[free[i]] = cols[p]
            free[i] += 1
