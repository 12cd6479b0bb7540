"""Normal equations: one symmetric system with many right-hand sides, or many small systems."""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from ..support.arrays import BoolArray, FloatArray
from ..support.row_chunks import row_chunks
from .modalities import CHUNK_ENTRIES

SINGULAR_PIVOT = 1e-14
"""A pivot or eigenvalue below this share of the largest is rounding, not information."""


def solve_symmetric(A: FloatArray, B: FloatArray) -> FloatArray:
    """x with A x = B for A positive semi-definite; the shortest x where A is singular.

    Examples
    --------
    >>> solve_symmetric(np.diag([2.0, 0.0]), np.array([[4.0], [0.0]])).ravel()
    array([2., 0.])
    """
    try:
        factor = sla.cholesky(A, lower=True, check_finite=False)
        pivots = np.diag(factor) ** 2 / np.maximum(np.diag(A), np.finfo(float).tiny)
        if pivots.min(initial=1.0) > SINGULAR_PIVOT:
            return sla.cho_solve((factor, True), B, check_finite=False)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(A)
    return vectors @ (_inverted(values)[:, None] * (vectors.T @ B))


def solve_each(A: FloatArray, B: FloatArray) -> FloatArray:
    """x_i with A_i x_i = b_i for a stack of semi-definite A_i (r, k, k) and b_i (r, k).

    Examples
    --------
    >>> solve_each(np.array([[[2.0]], [[4.0]]]), np.array([[1.0], [1.0]])).ravel()
    array([0.5 , 0.25])
    """
    try:
        pivots = np.diagonal(np.linalg.cholesky(A), axis1=1, axis2=2) ** 2
        if (pivots > SINGULAR_PIVOT * np.diagonal(A, axis1=1, axis2=2)).all():
            return np.linalg.solve(A, B[..., None])[..., 0].astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(A)
    rotated = np.einsum("ikj,ik->ij", vectors, B)
    return np.einsum("ikj,ij->ik", vectors, _inverted(values) * rotated)


def masked_gram(code: FloatArray, seen: BoolArray) -> FloatArray:
    """Σ_i seen_ij c_i c_i' for each column j of `seen` (n, c): an array (c, k, k).

    Examples
    --------
    >>> masked_gram(np.array([[1.0], [2.0]]), np.array([[True, False], [True, True]])).ravel()
    array([5., 4.])
    """
    n, k = code.shape
    total = np.zeros((seen.shape[1], k * k))
    for part in row_chunks(n, max(k * k, seen.shape[1]), CHUNK_ENTRIES):
        outer = (code[part, :, None] * code[part, None, :]).reshape(-1, k * k)
        total += seen[part].T.astype(np.float64) @ outer
    return total.reshape(-1, k, k)


def _inverted(values: FloatArray) -> FloatArray:
    """Reciprocals of eigenvalues, zero for those that are rounding."""
    cut = SINGULAR_PIVOT * np.abs(values).max(axis=-1, keepdims=True, initial=0.0)
    kept = values > cut
    return np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
