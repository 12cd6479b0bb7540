"""Roots of covariances and factors of sparse matrices, for :mod:`.representations`.

A sparse matrix is factored once, when it is given.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

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


def sparse_triangle(S: Sparse, least: float = 0.0) -> tuple[Sparse, IndexArray]:
    """Factor a sparse symmetric matrix.

    Parameters
    ----------
    S : sparse (q, q)
    least : float
        All pivots must be above this.

    Returns
    -------
    W : sparse (q, q)
        Lower triangular, by rows, with S[order][:, order] = W'W.
    order : ndarray of int (q,)

    Raises
    ------
    NotPositiveDefiniteError
        A pivot is not above `least`.
    """
    import scipy.sparse as sp

    from ..engine.linalg.sparse_cholesky import cholesky_of

    q = S.shape[0]
    cholesky, factored = cholesky_of(S, least)
    # LL' is read from the last row to the first
    lower = factored.pattern
    by_row = (factored.values[::-1], q - 1 - lower.indices[::-1], lower.nnz - lower.indptr[::-1])
    return sp.csr_matrix(by_row, shape=(q, q)), cholesky.order[::-1].astype(np.intp)


class Triangle:
    """A sparse lower triangular W (q, q), prepared for solves.

    SuperLU eliminates a triangle without fill and, unlike SciPy's own triangular solve, without
    a loop in Python.
    """

    def __init__(self, W: Sparse) -> None:
        self._W = W

    @cached_property
    def _lu(self) -> Any:
        from scipy.sparse.linalg import splu

        return splu(
            self._W.tocsc(),
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, which cannot copy SuperLU's own."""
        return {"_W": self._W}

    def solve(self, b: FloatArray) -> FloatArray:
        """W⁻¹b for b (q, c)."""
        return np.asarray(self._lu.solve(np.ascontiguousarray(b)))

    def solve_transposed(self, b: FloatArray) -> FloatArray:
        """W⁻ᵀb for b (q, c)."""
        return np.asarray(self._lu.solve(np.ascontiguousarray(b), "T"))
