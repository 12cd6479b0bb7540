"""S⁻¹ on the pattern of its Cholesky factor, by Takahashi's recursion.

With Z = S⁻¹, S = LL' (rows and columns already in the fill-reducing order), for columns J
from last to first, where J is one column or several neighbouring ones with one pattern, and
I the rows below J in L,

    Y = L[I, J] L[J, J]⁻¹,   Z[I, J] = −Z[I, I] Y,
    Z[J, J] = L[J, J]⁻ᵀL[J, J]⁻¹ − Y'Z[I, J],

where the pattern of L holds all entries of Z[I, I] that are needed.

References
----------
Takahashi, Fagan, Chin (1973); Erisman, Tinney (1975), *On computing certain elements of the
inverse of a sparse matrix*, Comm. ACM 18(3); Lin et al. (2011), *SelInv*, ACM TOMS 37(4),
for columns taken together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...support.arrays import FloatArray
from .compiled import compiled_kernels
from .factor_pattern import PER_COLUMN, FactorPattern
from .panel_cholesky import panel_arrays, write_panel


def selected_inverse(pattern: FactorPattern, values: FloatArray) -> FloatArray:
    """Z on the pattern of L, from L's numbers.

    Parameters
    ----------
    pattern : FactorPattern
    values : ndarray
        L on it.
    """
    work = max(pattern.work, PER_COLUMN * pattern.m)
    compiled = compiled_kernels("linalg.takahashi_kernels", work)
    if compiled is None:
        return plain_selected_inverse(pattern, values)
    return compiled_selected_inverse(compiled, pattern, values)


def plain_selected_inverse(pattern: FactorPattern, values: FloatArray) -> FloatArray:
    """The recursion, column by column."""
    starts = pattern.indptr[:-1]
    diagonal = values[starts]
    z = np.empty_like(values)
    z[starts] = 1.0 / diagonal**2
    for j in np.flatnonzero(np.diff(pattern.indptr) > 1)[::-1]:
        span = slice(pattern.indptr[j] + 1, pattern.indptr[j + 1])
        rows = pattern.indices[span]
        column = values[span] / diagonal[j]
        low, high = np.minimum.outer(rows, rows), np.maximum.outer(rows, rows)
        where = pattern.places(low.ravel(), high.ravel()).reshape(low.shape)
        z[span] = -(z[where] @ column)
        z[starts[j]] -= column @ z[span]
    return z


def compiled_selected_inverse(
    kernels: Any, pattern: FactorPattern, values: FloatArray
) -> FloatArray:
    """The recursion in compiled loops, with LAPACK for large panels."""
    z = np.empty_like(values)
    where = (pattern.indptr, pattern.indices, pattern.panels, pattern.owner)
    widths, heights = pattern.shapes
    full = heights + 3  # a multiple of four is among the last four
    near = np.empty(int(heights.max(initial=0)), dtype=np.int64)
    y = np.empty(pattern.largest(widths * full))
    block = np.empty(pattern.largest(np.where(widths > 1, heights * full, 0)))
    for begin, end, large in reversed(pattern.runs()):
        if not large:
            kernels.selected_panels(*where, begin, end, values, z, False, near, y, block)
            continue
        square = np.empty(int(heights[begin]) ** 2)
        kernels.selected_panels(*where, begin, end, values, z, True, near, y, square)
        _large_panel(pattern, begin, values, square, z)
    return z


def _large_panel(
    pattern: FactorPattern, n: int, values: FloatArray, square: FloatArray, z: FloatArray
) -> None:
    """Z in the columns of a panel, from Z[I, I] for the rows I below it, (h·h,)."""
    from scipy.linalg import blas, lapack

    own, below = panel_arrays(pattern, n, values)
    h = len(below)
    if h:
        y = blas.dtrsm(1.0, own, below, side=1, lower=1, overwrite_b=1)
        x = blas.dsymm(-1.0, square.reshape(h, h).T, y, lower=1)
        inverse, _ = lapack.dpotri(own, lower=1, overwrite_c=1)
        inverse = blas.dgemm(-1.0, y, x, beta=1.0, c=inverse, trans_a=1, overwrite_c=1)
    else:
        x = below
        inverse, _ = lapack.dpotri(own, lower=1, overwrite_c=1)
    write_panel(pattern, n, inverse, x, z)
