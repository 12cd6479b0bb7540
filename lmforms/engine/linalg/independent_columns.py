"""Columns of a matrix that do not depend linearly on earlier ones."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from .stable_columns import (
    SAFE_MEAN_SQUARES,
    by_column,
    constant_columns,
    means,
    root_mean_squares,
    root_of_moments,
    sums_of_products,
    triangular_root,
)

RANK_TOLERANCE = 1e-7
"""A column whose part outside the earlier ones is smaller than this share is dropped (as R)."""

ROUNDING_TOLERANCE = 1e-12
"""A column whose part outside the earlier ones is smaller than this share of its size before
centring is dropped too: that part is rounding."""

BLOCK = 64
"""Columns that are projected at a time: few enough to stay in a processor's cache."""

CANCELLATION = 0.1
"""A column of which less than this is left after a projection is projected again."""


def independent_columns(X: FloatArray) -> IndexArray:
    """Columns of X that do not depend linearly on earlier ones.

    Elimination in column order on the R factor of X, so the earlier of two dependent columns
    stays. Columns are centred first when one of them is constant, so a
    shifted predictor (a year, a time stamp) is not mistaken for an intercept.

    Parameters
    ----------
    X : ndarray (n, p)

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> independent_columns(np.array([[1.0, 2, 4, 1], [1, 3, 6, 2], [1, 5, 10, 9]]))
    array([0, 1, 3])
    """
    n, p = X.shape
    if p <= n and _are_independent(X):
        return np.arange(p)
    sizes = root_mean_squares(X)
    flat = constant_columns(X)
    work = by_column(np.divide, X, np.where(sizes > 0, sizes, 1.0))
    if flat.any():
        keep = int(np.flatnonzero(flat)[0])
        center = means(work)
        center[: keep + 1] = 0.0  # columns before the constant cannot be centred by it
        work = by_column(np.subtract, work, center)
    return _of_root(triangular_root(work), n)


def independent_by_root(
    root: FloatArray, sizes: FloatArray, center: FloatArray, constant: int | None, n: int
) -> IndexArray:
    """The same of the columns of X, of which only a root of their products is known.

    Parameters
    ----------
    root : ndarray (r, p)
        R with R'R = X̃'X̃, where column j of X̃ is that of X less center[j], over sizes[j].
    sizes, center : ndarray (p,)
    constant : int or None
        Column of ones, whose size is one and whose centre is zero.
    n : int
        Number of rows of X.
    """
    p = root.shape[1]
    work = root * sizes
    whole = work if constant is None else work + np.outer(work[:, constant], center)
    if constant is not None:  # columns before it cannot be centred by it
        ones = work[:, constant]
        later = slice(constant + 1, p)
        work[:, : constant + 1] = whole[:, : constant + 1]
        work[:, later] -= np.outer(ones, ones @ work[:, later] / (ones @ ones))
    rms = np.sqrt(np.einsum("ij,ij->j", whole, whole) / n)
    return _of_root(triangular_root(work / np.where(rms > 0, rms, 1.0)), n)


def _of_root(r: FloatArray, n: int) -> IndexArray:
    """Independent columns of (n, p) by the root of their products, centred and of size one."""
    p = r.shape[1]
    norms = np.sqrt(np.einsum("ij,ij->j", r, r))
    pivots = np.abs(np.diagonal(r))
    least = np.maximum(RANK_TOLERANCE * norms, ROUNDING_TOLERANCE * np.sqrt(n))
    if len(pivots) == p and (pivots > least).all():
        return np.arange(p)
    return _columns_above(r, least)


def _are_independent(X: FloatArray) -> bool:
    """Whether a share of each column lies outside the earlier ones that moments can show.

    It is larger than both tolerances then, however the columns are centred. False says nothing.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        moments = sums_of_products(X)
    low, high = SAFE_MEAN_SQUARES
    safe = all(low < size < high for size in moments.diagonal().tolist())
    return safe and root_of_moments(moments) is not None


def _columns_above(r: FloatArray, least: FloatArray) -> IndexArray:
    """Columns of which more than `least` lies outside the span of the earlier ones.

    Gram-Schmidt with reorthogonalisation, by blocks of columns: a block is projected off the
    earlier ones by matrix products, and column by column within itself.

    References
    ----------
    Daniel, Gragg, Kaufman, Stewart (1976), *Reorthogonalization and Stable Algorithms for
    Updating the Gram-Schmidt QR Factorization*, Mathematics of Computation 30.
    """
    m, p = r.shape
    basis = np.empty((m, min(m, p)), order="F")
    kept: list[int] = []
    for start in range(0, p, BLOCK):
        earlier = basis[:, : len(kept)]
        block = _outside(r[:, start : start + BLOCK], earlier)
        own = len(kept)
        for j in range(block.shape[1]):
            column = _outside(block[:, j], basis[:, own : len(kept)])
            size = float(np.linalg.norm(column))
            if size < CANCELLATION * float(np.linalg.norm(block[:, j])):
                column = _outside(column, earlier)  # its rounding is no longer small beside it
                size = float(np.linalg.norm(column))
            if size > least[start + j] and len(kept) < m:
                basis[:, len(kept)] = column / size
                kept.append(start + j)
    return np.asarray(kept, dtype=np.intp)


def _outside(columns: FloatArray, basis: FloatArray) -> FloatArray:
    """The part of columns outside the span of an orthonormal basis, taken off twice."""
    columns = columns - basis @ (basis.T @ columns)
    return np.asarray(columns - basis @ (basis.T @ columns))
