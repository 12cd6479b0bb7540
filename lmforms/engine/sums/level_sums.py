"""Sums over the rows of each level of a grouping factor, and least squares within levels."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from ..linalg.batched import MOST_LAPACK_BLOCKS

RELATIVE_RIDGE = 1e-3
"""Added to a level's moments, relative to their size. A level with too few or nearly dependent
rows would have enormous effects, and cause the cancellation that pilot effects are to prevent."""

FEW_PRODUCTS = 1 << 15
"""Up to so many products are added up by one call of NumPy, else each pair of columns by its own:
what is large should not be written down twice."""


def add_by_level(codes: IndexArray, left: FloatArray, right: FloatArray, out: FloatArray) -> None:
    """Add Σ over the rows of each level of products to `out` (q, k, m).

    Of every column of `left` (k, n) and of `right` (m, n).
    """
    levels, k, m = out.shape
    if k * m > 2 and codes.shape[0] * k * m <= FEW_PRODUCTS:
        keys = codes + (levels * np.arange(k * m))[:, None]
        products = left[:, None] * right
        sums = np.bincount(keys.ravel(), products.ravel(), levels * k * m)
        out += sums.reshape(k, m, levels).transpose(2, 0, 1)
        return
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            if right is left and j < i:
                out[:, i, j] = out[:, j, i]
            else:
                out[:, i, j] += np.bincount(codes, x * y, levels)


def row_values(codes: IndexArray, basis: FloatArray, effects: FloatArray) -> FloatArray:
    """Z times effects (q, k, r), row by row: (n, r)."""
    n, k = basis.shape
    out = np.empty((effects.shape[2], n)).T  # loops run along the columns
    for c in range(effects.shape[2]):
        column = out[:, c]
        np.multiply(basis[:, 0], effects[:, 0, c][codes], out=column)
        for a in range(1, k):
            column += basis[:, a] * effects[:, a, c][codes]
    return out


class LevelFits:
    """Least squares within every level, with a ridge against empty directions.

    Levels come last, so that operations run along them.

    Parameters
    ----------
    zz : ndarray (q, k, k)
    """

    def __init__(self, zz: FloatArray) -> None:
        q, k, _ = zz.shape
        moments = zz.T.copy()
        self._inverse: FloatArray | None = None
        if k == 1:
            empty = ~(moments[0] > 0)
            self._ridge = empty.astype(np.float64)  # all that is there remains
            self._root = [[1.0 / np.sqrt(np.where(empty, 1.0, moments[0, 0]))]]
            return
        size = moments.trace()
        self._ridge = np.where(size > 0, RELATIVE_RIDGE / k * size, 1.0)
        for i in range(k):
            moments[i, i] += self._ridge
        if k > 2 and q < MOST_LAPACK_BLOCKS:
            inverse = np.linalg.inv(moments.T)
            self._inverse = np.asarray(inverse, dtype=np.float64)
        else:
            self._root = _cholesky(moments)

    def fit(self, zr: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Effects b, and what they leave of zr: zr − zz b, which is the ridge times b.

        All are (r, k, q).
        """
        if self._inverse is not None:
            x = (self._inverse @ zr.T).T.copy()
            return x, self._ridge * x
        x, root, k = zr.copy(), self._root, zr.shape[1]
        for i in range(k):
            for j in range(i):
                x[:, i] -= root[i][j] * x[:, j]
            x[:, i] *= root[i][i]
        for i in reversed(range(k)):
            for j in range(i + 1, k):
                x[:, i] -= root[j][i] * x[:, j]
            x[:, i] *= root[i][i]
        return x, self._ridge * x


def _cholesky(a: FloatArray) -> list[list[FloatArray]]:
    """L of positive definite blocks (k, k, q), a = LL', but with the inverse diagonal."""
    root: list[list[FloatArray]] = [[] for _ in range(len(a))]
    for i, own in enumerate(root):
        for j in range(i + 1):
            entry = a[i, j]
            for m in range(j):
                entry = entry - own[m] * root[j][m]
            own.append(1.0 / np.sqrt(entry) if i == j else entry * root[j][j])
    return root
