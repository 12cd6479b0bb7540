"""The elimination tree of a sparse symmetric matrix, and the pattern of its Cholesky factor.

Both are found without any numbers, from the entries left of the diagonal: row i of L holds the
paths in the elimination tree from the columns of these entries up to i.

References
----------
Liu (1990), *The role of elimination trees in sparse factorization*, SIAM J. Matrix Anal.
Appl. 11(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ...support.arrays import IntArray
from .compiled import compiled_kernels
from .factor_pattern import PER_COLUMN, FactorPattern


@dataclass(frozen=True, eq=False)
class EliminationTree:
    """The columns of L as a tree.

    Attributes
    ----------
    parent : ndarray of int64 (m,)
        The row of the first entry below the diagonal, −1 for none.
    counts : ndarray of int64 (m,)
        Entries of every column.
    complete : bool
        Whether all were counted.
    """

    parent: IntArray
    counts: IntArray
    complete: bool = True

    @property
    def nnz(self) -> int:
        return int(self.counts.sum())

    def permuted(self, order: IntArray) -> EliminationTree:
        """The tree when columns are taken in another order that puts children first."""
        above, place = self.parent[order], inverse_order(order)
        return EliminationTree(np.where(above >= 0, place[above], -1), self.counts[order])


def inverse_order(order: IntArray) -> IntArray:
    """Where each row has gone, (m,)."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def permuted_entries(
    indptr: IntArray, indices: IntArray, order: IntArray
) -> tuple[IntArray, IntArray]:
    """Columns and rows, in this order of elimination, of a lower triangle's entries."""
    place = inverse_order(order)
    rows, cols = place[indices], np.repeat(place, np.diff(indptr))
    return np.minimum(rows, cols), np.maximum(rows, cols)


def elimination_tree(
    indptr: IntArray, indices: IntArray, order: IntArray, most: float = np.inf
) -> EliminationTree:
    """Parents of the columns of L, and how many entries they have.

    Parameters
    ----------
    indptr, indices : ndarray of int64 (m + 1,), ndarray of int32
        Lower triangle by columns with the whole diagonal.
    order : ndarray of int (m,)
        Rows in the order of elimination.
    most : float
        Counting stops soon after so many entries.
    """
    start, index = left_of_diagonal(indptr, indices, order)
    kernels = _kernels(indices)
    if kernels is None:
        parent, columns = plain_elimination(start, index, most)
        counts = np.array([len(c) for c in columns], dtype=np.int64)
    else:
        m = len(order)
        parent, seen = np.full((2, m), -1, dtype=np.int64)
        counts = np.ones(m, dtype=np.int64)
        kernels.eliminate(start, index, most, parent, counts, np.empty(0, np.int32), seen)
    return EliminationTree(parent, counts, bool(counts.sum() <= most))


def pattern_of_factor(
    indptr: IntArray, indices: IntArray, order: IntArray, tree: EliminationTree
) -> FactorPattern:
    """The pattern of L, from its complete tree.

    Parameters
    ----------
    indptr, indices, order
        See :func:`elimination_tree`.
    tree : EliminationTree
    """
    ends = np.concatenate([[0], np.cumsum(tree.counts)]).astype(np.int64)
    start, index = left_of_diagonal(indptr, indices, order)
    kernels = _kernels(indices)
    if kernels is None:
        columns = plain_elimination(start, index, np.inf)[1]
        return FactorPattern(ends, np.fromiter(chain(*columns), np.int32, ends[-1]))
    rows, seen = np.empty(ends[-1], dtype=np.int32), np.full(len(order), -1, dtype=np.int64)
    kernels.eliminate(start, index, np.inf, tree.parent, ends[:-1].copy(), rows, seen)
    return FactorPattern(ends, rows)


def tree_postorder(tree: EliminationTree) -> IntArray:
    """Columns with every subtree in one piece, and of children that with most entries last."""
    from . import elimination_kernels

    m = len(tree.parent)
    order = np.empty(m, dtype=np.int64)
    child, sibling, stack = np.full((3, m + 1), -1, dtype=np.int64)
    by_count = np.argsort(tree.counts, kind="stable")
    elimination_kernels.tree_postorder(tree.parent, by_count, child, sibling, stack, order)
    return order


def left_of_diagonal(
    indptr: IntArray, indices: IntArray, order: IntArray
) -> tuple[IntArray, IntArray]:
    """Entries left of the diagonal of the permuted matrix, by rows: (start, columns)."""
    m = len(order)
    cols, rows = permuted_entries(indptr, indices, order)
    counts = np.bincount(rows, minlength=m) - 1  # without the diagonal
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    kernels = _kernels(indices)
    if kernels is None:
        off = rows != cols
        rows, cols = rows[off], cols[off]
        return start, cols[np.argsort(rows, kind="stable")].astype(np.int32)
    index = np.empty(start[-1], dtype=np.int32)
    kernels.by_rows(rows, cols, start[:-1].copy(), index)
    return start, index


def plain_elimination(
    start: IntArray, index: IntArray, most: float
) -> tuple[IntArray, list[list[int]]]:
    """The parents and the rows of every column, in Python: for small patterns, and for tests."""
    m = len(start) - 1
    ends, entries = start.tolist(), index.tolist()
    parent, seen = [-1] * m, [-1] * m
    columns = [[j] for j in range(m)]
    total = m
    for i in range(m):
        seen[i] = i
        for k in entries[ends[i] : ends[i + 1]]:
            while seen[k] != i:
                if parent[k] < 0:
                    parent[k] = i
                columns[k].append(i)
                total += 1
                seen[k] = i
                k = parent[k]
        if total > most:
            break
    return np.array(parent, dtype=np.int64), columns


def _kernels(entries: IntArray) -> Any:
    return compiled_kernels("linalg.elimination_kernels", PER_COLUMN * len(entries))
