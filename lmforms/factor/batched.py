"""Many small matrices at once: k×k blocks over the levels of a grouping factor.

Loops run over k, operations over levels: LAPACK called once per 2×2 block costs more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import NumericalError

FloatArray = npt.NDArray[np.float64]

COMPILED_LEVELS = 50_000
"""From this many levels on compiled products repay the import of numba …"""

COMPILED_SIZE = 6
"""… for blocks up to this size: larger ones are BLAS's."""

MIRROR = 128
"""Rows mirrored at a time: blocks that stay in the cache."""


def multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """Blockwise ``a @ b`` for (q, k, k) or (k, k) times (q, k, m)."""
    if a.shape[-1] == 1:
        return a * b
    if len(b) >= COMPILED_LEVELS and a.shape[-1] <= COMPILED_SIZE and b.ndim == 3:
        try:
            from . import batched_kernels
        except ImportError:
            return a @ b
        return np.asarray(batched_kernels.multiply(a, b))
    return a @ b


def transposed(a: FloatArray) -> FloatArray:
    """Blockwise transpose."""
    return a.swapaxes(-1, -2)


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Σ over levels of ``a[l]' b[l]``: (q, k, r) and (q, k, s) to (r, s)."""
    rows = a.shape[0] * a.shape[1]
    return np.asarray(a.reshape(rows, a.shape[-1]).T @ b.reshape(rows, b.shape[-1]))


def outer_sum(a: FloatArray, b: FloatArray) -> FloatArray:
    """Σ over levels of ``a[l] b[l]'``: (q, k, m) and (q, j, m) to (k, j)."""
    return np.tensordot(a, b, axes=([0, 2], [0, 2]))


def mirrored(a: FloatArray, lower: bool = True) -> FloatArray:
    """Fill the other triangle of a symmetric C array, in place, block by block."""
    for start in range(0, len(a), MIRROR):
        stop = min(start + MIRROR, len(a))
        block = a[start:stop, start:stop]
        if lower:
            a[start:stop, stop:] = a[stop:, start:stop].T
            block[:] = np.tril(block) + np.tril(block, -1).T
        else:
            a[stop:, start:stop] = a[start:stop, stop:].T
            block[:] = np.triu(block) + np.triu(block, 1).T
    return a


def inverse_cholesky(a: FloatArray) -> tuple[FloatArray, float]:
    """L⁻¹ for every block ``a[l] = L L'``, and ln|a| summed over blocks.

    Parameters
    ----------
    a : ndarray (q, k, k)
        Symmetric positive definite.

    Raises
    ------
    NumericalError
        A block is not positive definite.
    """
    k = a.shape[-1]
    lower = np.zeros_like(a)
    pivots = np.empty(a.shape[:2])
    for j in range(k):
        row = lower[:, j, :j]
        pivots[:, j] = a[:, j, j] - np.einsum("qi,qi->q", row, row)
        if not (pivots[:, j] > 0).all():
            raise NumericalError("a diagonal block of Λ'Z'ZΛ + I is not positive definite.")
        root = np.sqrt(pivots[:, j])
        lower[:, j, j] = root
        if j + 1 < k:
            below = a[:, j + 1 :, j] - np.einsum("qij,qj->qi", lower[:, j + 1 :, :j], row)
            lower[:, j + 1 :, j] = below / root[:, None]
    inverse = np.zeros_like(a)
    for i in range(k):
        inverse[:, i, i] = 1.0 / lower[:, i, i]
        if i:
            partial = np.einsum("qj,qjm->qm", lower[:, i, :i], inverse[:, :i, :i])
            inverse[:, i, :i] = -partial * inverse[:, i, i, None]
    return inverse, float(np.log(pivots).sum())
