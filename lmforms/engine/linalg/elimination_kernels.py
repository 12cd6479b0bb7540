"""The elimination tree and the pattern of L, compiled; for large models only.

Twin: :func:`.elimination.plain_elimination`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled

_PLACES, _INDEX = "int64[::1]", "int32[::1]"


@compiled(f"void({_PLACES}, {_INDEX}, float64, {_PLACES}, {_PLACES}, {_PLACES})")
def tree_and_counts(
    start: Any, index: Any, most: Any, parent: Any, counts: Any, seen: Any
) -> None:
    """Parents in the elimination tree, and the entries of every column of L.

    Parameters
    ----------
    start, index : ndarray of int64 (m + 1,), ndarray of int32
        Entries left of the diagonal, by rows.
    most : float
        Counting stops soon after so many entries.
    parent, counts : ndarray of int64 (m,)
        Written. All −1, and all 1.
    seen : ndarray of int64 (m,)
        For the loop. All −1.
    """
    total = len(parent)
    for i in range(len(parent)):
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


@compiled(f"void({_PLACES}, {_INDEX}, {_PLACES}, {_PLACES}, {_INDEX}, {_PLACES})")
def factor_rows(start: Any, index: Any, parent: Any, free: Any, rows: Any, seen: Any) -> None:
    """Rows of every column of L, ascending.

    Parameters
    ----------
    start, index, parent, seen : ndarray
        See :func:`tree_and_counts`.
    free : ndarray of int64 (m,)
        Where columns start; where they end, afterwards.
    rows : ndarray of int32
        Written.
    """
    for i in range(len(parent)):
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
