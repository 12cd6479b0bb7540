"""Sums over the rows of each level of a grouping factor, and least squares within levels."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from ..linalg.batched import MOST_LAPACK_BLOCKS
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
    return levels_first(fit_and_rest(levels_last(zz), levels_last(zr))[0])


def levels_last(blocks: FloatArray) -> FloatArray:
    """(q, a, b) as (a, b, q): operations then run along the levels."""
    return np.ascontiguousarray(blocks.transpose(1, 2, 0))


def levels_first(blocks: FloatArray) -> FloatArray:
    """(a, b, q) as (q, a, b)."""
    return blocks.transpose(2, 0, 1)


def fit_and_rest(zz: FloatArray, zr: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least squares b within every level and what they leave, zr − zz b: the ridge times b.

    Parameters
    ----------
    zz : ndarray (k, k, q)
    zr : ndarray (k, r, q)

    Returns
    -------
    b, rest : ndarray (k, r, q)
    """
    k, q = len(zz), zz.shape[-1]
    if k == 1:
        empty = ~(zz[0] > 0)
        return zr / np.where(empty, 1.0, zz[0]), zr * empty
    size = np.einsum("iiq->q", zz) / k
    ridge = RELATIVE_RIDGE * np.where(size > 0, size, 1.0)
    regular = zz.copy()
    for i in range(k):
        regular[i, i] += ridge
    if k > 2 and q < MOST_LAPACK_BLOCKS:
        solved = np.linalg.solve(levels_first(regular), levels_first(zr))
        fit = solved.transpose(1, 2, 0)
    else:
        fit = _solved(regular, zr)
    return fit, ridge * fit


def _solved(a: FloatArray, b: FloatArray) -> FloatArray:
    """a⁻¹b of positive definite blocks (k, k, q) and (k, r, q), by loops over k alone."""
    k, x = len(a), b.copy()
    root: list[list[FloatArray]] = [[] for _ in range(k)]  # L with a = LL', but 1/L_ii
    for i in range(k):
        for j in range(i + 1):
            entry = a[i, j]
            for m in range(j):
                entry = entry - root[i][m] * root[j][m]
            root[i].append(1.0 / np.sqrt(entry) if i == j else entry * root[j][j])
    for i in range(k):
        for j in range(i):
            x[i] -= root[i][j] * x[j]
        x[i] *= root[i][i]
    for i in reversed(range(k)):
        for j in range(i + 1, k):
            x[i] -= root[j][i] * x[j]
        x[i] *= root[i][i]
    return x
