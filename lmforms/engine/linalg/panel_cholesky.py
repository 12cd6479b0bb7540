"""Compiled Cholesky factorisation on a known pattern, with LAPACK for its large panels."""

from __future__ import annotations

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
    from . import cholesky_kernels as kernels

    for begin, end, large in pattern.runs():
        if large:
            bad = _large_panel(kernels, pattern, begin, values, least)
        else:
            bad = kernels.factor_panels(
                pattern.indptr,
                pattern.indices,
                pattern.panels,
                pattern.owner,
                begin,
                end,
                least,
                values,
            )
        if bad >= 0:
            return int(bad)
    return -1


def panel_arrays(kernels: Any, pattern: FactorPattern, n: int, values: FloatArray) -> Any:
    """The diagonal block (w, w) of a panel and what is below (h, w), in Fortran's order.

    Above its diagonal the block holds nothing of meaning.
    """
    first = int(pattern.panels[n])
    w = int(pattern.panels[n + 1]) - first
    h = int(pattern.indptr[first + 1] - pattern.indptr[first]) - w
    own, below = np.empty(w * w), np.empty(h * w)
    kernels.copy_panel(pattern.indptr, values, first, w, own, below, False)
    return own.reshape(w, w).T, below.reshape(w, h).T


def write_panel(
    kernels: Any,
    pattern: FactorPattern,
    n: int,
    own: FloatArray,
    below: FloatArray,
    values: FloatArray,
) -> None:
    """Put the arrays of a panel back."""
    first, w = int(pattern.panels[n]), own.shape[0]
    flat = (np.ascontiguousarray(x.T).reshape(-1) for x in (own, below))
    kernels.copy_panel(pattern.indptr, values, first, w, *flat, True)


def _large_panel(
    kernels: Any, pattern: FactorPattern, n: int, values: FloatArray, least: float
) -> int:
    from scipy.linalg import blas, lapack

    first = int(pattern.panels[n])
    own, below = panel_arrays(kernels, pattern, n, values)
    own, info = lapack.dpotrf(own, lower=1, overwrite_a=1, clean=0)
    if info > 0:
        return first + int(info) - 1
    pivots = np.diagonal(own) ** 2
    if not (pivots > least).all():
        return first + int(np.argmin(pivots > least))
    if not len(below):
        write_panel(kernels, pattern, n, own, below, values)
        return -1
    below = blas.dtrsm(1.0, own, below, side=1, lower=1, trans_a=1, overwrite_b=1)
    write_panel(kernels, pattern, n, own, below, values)
    square = blas.dsyrk(1.0, below, lower=1)
    kernels.subtract_below(
        pattern.indptr,
        pattern.indices,
        pattern.panels,
        pattern.owner,
        n,
        square.T.reshape(-1),
        values,
    )
    return -1
