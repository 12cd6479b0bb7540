"""Sums over the rows of each level of a grouping factor, and least squares within levels."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from ..linalg.batched import MOST_LAPACK_BLOCKS, inverse_cholesky, multiply, transposed
from ..rows import FactorRows

RELATIVE_RIDGE = 1e-3
"""Added to a level's moments, relative to their size. A level with too few or nearly dependent
rows would have enormous effects, and cause the cancellation that pilot effects are to prevent."""


def sums_by_level(
    factor: FactorRows, left: FloatArray, right: FloatArray, symmetric: bool = False
) -> FloatArray:
    """Σ over the rows of each level of ``left[i]' right[i]``, shape (q, k, m)."""
    out = np.empty((factor.n_levels, left.shape[1], right.shape[1]))
    for i in range(left.shape[1]):
        for j in range(i if symmetric else 0, right.shape[1]):
            product = left[:, i] * right[:, j]
            out[:, i, j] = np.bincount(factor.codes, product, factor.n_levels)
            if symmetric and j > i:
                out[:, j, i] = out[:, i, j]
    return out


def row_values(factor: FactorRows, basis: FloatArray, effects: FloatArray) -> FloatArray:
    """Z times effects (q, k, r), row by row: (n, r)."""
    n, k = basis.shape
    out = np.empty((effects.shape[2], n)).T  # loops run along the columns
    for c in range(effects.shape[2]):
        column = out[:, c]
        np.multiply(basis[:, 0], effects[:, 0, c][factor.codes], out=column)
        for a in range(1, k):
            column += basis[:, a] * effects[:, a, c][factor.codes]
    return out


def level_fit(zz: FloatArray, zr: FloatArray) -> FloatArray:
    """Least squares within every level, (q, k, r), with a ridge against empty directions."""
    if zz.shape[-1] == 1:
        return np.asarray(zr / np.where(zz > 0, zz, 1.0))
    k = zz.shape[-1]
    size = np.einsum("qii->q", zz) / k
    ridge = RELATIVE_RIDGE * np.where(size > 0, size, 1.0)
    regular = zz + ridge[:, None, None] * np.eye(k)
    if len(zz) < MOST_LAPACK_BLOCKS:
        return np.linalg.solve(regular, zr)
    root, _ = inverse_cholesky(regular)
    return np.asarray(multiply(transposed(root), multiply(root, zr)))
