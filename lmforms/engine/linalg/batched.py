"""Many small matrices at once: k×k blocks over the levels of a grouping factor.

Loops run over k, operations over levels: LAPACK called once per 2×2 block costs more,
unless the blocks are few.
"""

from __future__ import annotations

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray

COMPILED_LEVELS = 50_000
"""From this many levels on compiled products are worth the import of numba."""

COMPILED_SIZE = 6
"""Blocks above this size are multiplied by BLAS, which is faster for them."""

MANY_BLOCKS = 500
"""From so many blocks on, a few operations over all of them cost less than a product for each."""

MIRRORED_ROWS = 128
"""Rows mirrored at a time, so that blocks stay in the cache."""

MOST_LAPACK_BLOCKS = 100
"""For fewer blocks a LAPACK call for each costs less than NumPy's operations over levels."""

INDEFINITE = "a diagonal block of Λ'Z'ZΛ + I is not positive definite."


def multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """Blockwise ``a @ b`` for (q, k, k) or (k, k) times (q, k, m) or (k, m)."""
    if a.shape[-1] == 1:
        return a * b
    if a.ndim == 2 and b.ndim == 3 and (b.shape[2] == 1 or len(b) >= MANY_BLOCKS):
        columns = b.swapaxes(1, 2).reshape(-1, b.shape[1])  # one product instead of many
        return np.asarray((columns @ a.T).reshape(len(b), -1, len(a)).swapaxes(1, 2))
    if b.ndim == 2 and a.ndim == 3:
        return np.asarray((a.reshape(-1, len(b)) @ b).reshape(*a.shape[:2], -1))
    if a.shape[-2:] == (2, 2) and b.shape[2] == 1 and len(b) >= MANY_BLOCKS:
        first, second = b[:, 0], b[:, 1]
        return a[:, :, 0, None] * first[:, None] + a[:, :, 1, None] * second[:, None]
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
    left = a.swapaxes(0, 1).reshape(a.shape[1], -1)
    right = left if b is a else b.swapaxes(0, 1).reshape(b.shape[1], -1)
    return left @ right.T


def mirrored(a: FloatArray, lower: bool = True) -> FloatArray:
    """Fill the other triangle of a symmetric C array, in place, block by block."""
    for start in range(0, len(a), MIRRORED_ROWS):
        stop = min(start + MIRRORED_ROWS, len(a))
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
    inverse, pivots = inverse_roots(a)
    return inverse, float(np.log(pivots).sum())


def inverse_roots(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """L⁻¹ for every block ``a[l] = L L'``, and the squared diagonals of L, (k, q).

    The logarithms of the latter add up to ln|a[l]|. See :func:`inverse_cholesky`.
    """
    q, k, _ = a.shape
    if k > 2 and q < MOST_LAPACK_BLOCKS:
        return _by_block(a)
    # entry by entry: root[i][j] and inverse[i][j] hold one number for every level
    root: list[list[FloatArray]] = [[] for _ in range(k)]
    inverse: list[list[FloatArray]] = [[] for _ in range(k)]
    pivots = np.empty((k, q))
    for i in range(k):
        for j in range(i):
            entry = a[:, i, j]
            for m in range(j):
                entry = entry - root[i][m] * root[j][m]
            root[i].append(entry * inverse[j][j])
        pivots[i] = a[:, i, i]
        for m in range(i):
            pivots[i] -= root[i][m] ** 2
        if not pivots[i].min() > 0:
            raise NumericalError(INDEFINITE)
        diagonal = np.sqrt(pivots[i])
        root[i].append(diagonal)
        reciprocal = 1.0 / diagonal
        for j in range(i):
            entry = root[i][j] * inverse[j][j]
            for m in range(j + 1, i):
                entry = entry + root[i][m] * inverse[m][j]
            inverse[i].append(-entry * reciprocal)
        inverse[i].append(reciprocal)
    out = np.zeros_like(a)
    for i in range(k):
        for j in range(i + 1):
            out[:, i, j] = inverse[i][j]
    return out, pivots


def symmetric_inverses(a: FloatArray) -> FloatArray:
    """The inverse of every block (q, k, k) of symmetric positive definite ones.

    For starting values: of many blocks of two by two it loses twice the digits of a factor.
    """
    if len(a) < MOST_LAPACK_BLOCKS:
        return np.asarray(np.linalg.inv(a), dtype=np.float64)
    if a.shape[1] == 2:
        out = np.empty_like(a)
        first, other, last = a[:, 0, 0], a[:, 1, 0], a[:, 1, 1]
        scale = 1.0 / (first * last - other * other)
        out[:, 0, 0], out[:, 1, 1] = last * scale, first * scale
        out[:, 0, 1] = out[:, 1, 0] = -other * scale
        return out
    root, _ = inverse_roots(a)
    return multiply(transposed(root), root)


def _by_block(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same by one LAPACK call per block, for few and larger blocks."""
    try:
        root = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        raise NumericalError(INDEFINITE) from None
    return np.tril(np.linalg.inv(root)), np.square(np.einsum("qii->iq", root))
