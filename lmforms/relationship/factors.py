"""Roots of covariances and factors of sparse matrices, for :mod:`.representations`.

Sparse matrices are factored by SciPy's SuperLU, once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..support.arrays import FloatArray, IndexArray

Sparse = Any  # scipy.sparse matrices carry no types

REGULAR_PIVOT = 1e-8
"""K is regular if its smallest pivot is above this share of the largest variance."""


def zero_below(values: FloatArray) -> float:
    """Eigenvalues (ascending) up to this bound are zero.

    It is the larger of rounding and of the most negative eigenvalue in absolute value: errors of a
    given K change eigenvalues in both directions.
    """
    if not len(values):
        return 0.0
    rounding = len(values) * np.finfo(np.float64).eps * np.abs(values).max()
    return float(max(rounding, -values[0]))


def dense_root(K: FloatArray) -> FloatArray:
    """L (q, r) with LL' = K: Cholesky's if K is regular, else eigenvectors without the null space.

    Examples
    --------
    >>> dense_root(np.ones((3, 3))).round(3).shape
    (3, 1)
    """
    try:
        lower = np.linalg.cholesky(K)
    except np.linalg.LinAlgError:
        lower = None
    if lower is not None and len(K):
        pivots = np.diagonal(lower) ** 2
        if pivots.min() > REGULAR_PIVOT * np.diagonal(K).max():
            return np.asarray(lower)
    values, vectors = np.linalg.eigh(K)
    keep = values > zero_below(values)
    return np.asarray(vectors[:, keep] * np.sqrt(values[keep]))


def sparse_root(K: Sparse) -> Sparse:
    """Sparse L (q, r) with LL' = K, from the eigenvectors of the diagonal blocks of K.

    Blocks of one size (families, say) are decomposed together. A K of one block has a dense root.
    """
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    q = K.shape[0]
    n_blocks, block = connected_components(K, directed=False)
    order = np.argsort(block, kind="stable")
    sizes = np.bincount(block, minlength=n_blocks)
    starts = np.cumsum(sizes) - sizes
    place = np.empty(q, dtype=np.intp)
    place[order] = np.arange(q) - np.repeat(starts, sizes)
    entries = K.tocoo()
    rows, columns, numbers, width = [], [], [], 0
    for size in np.unique(sizes):
        members = np.flatnonzero(sizes == size)
        rank_of = np.full(n_blocks, -1)
        rank_of[members] = np.arange(len(members))
        mine = rank_of[block[entries.row]] >= 0
        i, j = entries.row[mine], entries.col[mine]
        stack = np.zeros((len(members), size, size))
        stack[rank_of[block[i]], place[i], place[j]] = entries.data[mine]
        values, vectors = np.linalg.eigh(stack)
        keep = values > np.array([zero_below(v) for v in values])[:, None]
        roots = vectors * np.sqrt(np.where(keep, values, 0.0))[:, None, :]
        number = width - 1 + np.cumsum(keep).reshape(keep.shape)  # of the columns that are kept
        who = order[starts[members][:, None] + np.arange(size)]  # level of each position
        there = np.broadcast_to(keep[:, None, :], roots.shape) & (roots != 0)
        rows.append(np.broadcast_to(who[:, :, None], roots.shape)[there])
        columns.append(np.broadcast_to(number[:, None, :], roots.shape)[there])
        numbers.append(roots[there])
        width += int(keep.sum())
    where = (np.concatenate(rows), np.concatenate(columns)) if rows else ([], [])
    data = np.concatenate(numbers) if numbers else np.empty(0)
    return sp.csc_matrix((data, where), shape=(q, width))


class Pivoted(NamedTuple):
    """S[order][:, order] = W'DW with W unit lower triangular.

    Attributes
    ----------
    unit : sparse (q, q)
        W.
    pivots : ndarray (q,)
        The diagonal of D: its signs are those of the eigenvalues.
    order : ndarray of int (q,)
    """

    unit: Sparse
    pivots: FloatArray
    order: IndexArray


def sparse_pivots(S: Sparse) -> Pivoted | None:
    """Eliminate a sparse symmetric matrix on its diagonal; None if a pivot is exactly zero."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import splu

    q = S.shape[0]
    try:
        lu = splu(
            S.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:
        return None
    if (lu.perm_r != lu.perm_c).any():
        return None
    # SuperLU's S[p][:, p] = LDL', read from the last row to the first
    lower = lu.L.tocoo()
    where = (q - 1 - lower.col, q - 1 - lower.row)
    unit = sp.csr_matrix((lower.data, where), shape=(q, q))
    order = np.argsort(np.asarray(lu.perm_c, dtype=np.intp))[::-1]
    return Pivoted(unit, np.asarray(lu.U.diagonal(), dtype=np.float64)[::-1], order)


class Triangle:
    """A sparse lower triangular W (q, q), prepared for solves.

    SuperLU eliminates a triangle without fill and, unlike SciPy's own triangular solve, without
    a loop in Python.
    """

    def __init__(self, W: Sparse) -> None:
        from scipy.sparse.linalg import splu

        self._lu = splu(
            W.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )

    def solve(self, b: FloatArray) -> FloatArray:
        """W⁻¹b for b (q, c)."""
        return np.asarray(self._lu.solve(np.ascontiguousarray(b)))

    def solve_transposed(self, b: FloatArray) -> FloatArray:
        """W⁻ᵀb for b (q, c)."""
        return np.asarray(self._lu.solve(np.ascontiguousarray(b), "T"))
