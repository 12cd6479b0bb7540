"""Compiled Cholesky factorisation on a known pattern, with LAPACK for its large panels."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...support.arrays import FloatArray
from .factor_pattern import FactorPattern


def factor_in_place(pattern: FactorPattern, values: FloatArray, least: float) -> int:
    """Overwrite the numbers of S on the pattern of L by those of L.

    Parameters
    ----------
    pattern : FactorPattern
    values : ndarray
        0 where S has no entry.
    least : float
        Pivots must be above this.

    Returns
    -------
    int
        −1, or the first column whose pivot was not; what is written is then of no use.
    """
    from .cholesky_kernels import factor_panels

    widths, heights = pattern.shapes
    near = np.empty(int(heights.max(initial=0)), dtype=np.int64)
    line = np.empty(int((widths + heights).max(initial=0)))
    where = (pattern.indptr, pattern.indices, pattern.panels, pattern.owner)
    for begin, end, large in pattern.runs():
        products = np.empty(0)
        if large:
            bad, products = _large_panel(pattern, begin, values, least)
            if bad >= 0:
                return bad
            if not len(products):
                continue
        bad = factor_panels(*where, begin, end, least, values, products, near, line)
        if bad >= 0:
            return int(bad)
    return -1


def panel_arrays(pattern: FactorPattern, n: int, values: FloatArray) -> Any:
    """The diagonal block (w, w) of a panel and what is below (h, w), in Fortran's order.

    Above its diagonal the block holds nothing of meaning.
    """
    w, h, columns = _columns(pattern, n)
    own, below = np.empty((w, w)), np.empty((w, h))
    for c, (start, middle, end) in enumerate(columns):
        own[c, c:] = values[start:middle]
        below[c] = values[middle:end]
    return own.T, below.T


def write_panel(
    pattern: FactorPattern, n: int, own: FloatArray, below: FloatArray, values: FloatArray
) -> None:
    """Put the arrays of a panel back."""
    for c, (start, middle, end) in enumerate(_columns(pattern, n)[2]):
        values[start:middle] = own[c:, c]
        values[middle:end] = below[:, c]


def _columns(pattern: FactorPattern, n: int) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Columns of a panel, rows below its diagonal block, and where each column is stored.

    The latter is where it starts, where the rows below begin, and where it ends.
    """
    first, last = int(pattern.panels[n]), int(pattern.panels[n + 1])
    bounds = pattern.indptr[first : last + 1].tolist()
    h = bounds[1] - bounds[0] - (last - first)
    return last - first, h, [(a, b - h, b) for a, b in pairwise(bounds)]


def _large_panel(
    pattern: FactorPattern, n: int, values: FloatArray, least: float
) -> tuple[int, FloatArray]:
    """Factor a panel: −1 or the bad column, and the products of its numbers below, (h·h,)."""
    from scipy.linalg import blas, lapack

    first, none = int(pattern.panels[n]), np.empty(0)
    own, below = panel_arrays(pattern, n, values)
    own, info = lapack.dpotrf(own, lower=1, overwrite_a=1, clean=0)
    if info > 0:
        return first + int(info) - 1, none
    pivots = np.diagonal(own) ** 2
    if not (pivots > least).all():
        return first + int(np.argmin(pivots > least)), none
    if not len(below):
        write_panel(pattern, n, own, below, values)
        return -1, none
    below = blas.dtrsm(1.0, own, below, side=1, lower=1, trans_a=1, overwrite_b=1)
    write_panel(pattern, n, own, below, values)
    return -1, blas.dsyrk(1.0, below, lower=1).T.reshape(-1)
