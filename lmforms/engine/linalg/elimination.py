"""The elimination tree of a sparse symmetric matrix and the pattern of its Cholesky factor.

Patterns are found from the entries left of the diagonal alone, without any numbers: row i of
L holds the paths in the elimination tree from the columns of these entries up to i.

References
----------
Liu (1990), *The role of elimination trees in sparse factorization*, SIAM J. Matrix Anal.
Appl. 11(1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]


def rows_below_diagonal(indptr: IntArray, indices: IntArray, order: IntArray) -> Any:
    """Entries left of the diagonal of the permuted matrix, by rows.

    Parameters
    ----------
    indptr, indices : ndarray of int
        Lower triangle by columns with the whole diagonal.
    order : ndarray of int (m,)

    Returns
    -------
    start : ndarray of int64 (m + 1,)
    index : ndarray of int32
    """
    import scipy.sparse as sp

    m = len(order)
    place = inverse_order(order)
    rows, cols = place[indices], np.repeat(place, np.diff(indptr))
    off = rows != cols
    rows, cols = rows[off], cols[off]
    where = (np.maximum(rows, cols), np.minimum(rows, cols))
    by_row = sp.csr_matrix((np.ones(len(rows), dtype=np.int8), where), shape=(m, m))
    return by_row.indptr.astype(np.int64), by_row.indices.astype(np.int32)


def inverse_order(order: IntArray) -> npt.NDArray[np.int64]:
    """Where each row has gone, (m,)."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def tree_and_counts(start: Any, index: Any, most: Any) -> Any:
    """Parents in the elimination tree, and the entries of every column of L.

    Counting stops soon after `most` entries in all; the parents are then incomplete too.
    """
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
