"""Pilot random effects: least squares on one grouping factor after the other.

Any values describe the same model. Where groups lie far apart, good ones leave small residuals,
and sums of squares of small numbers do not cancel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...support.arrays import FloatArray
from ..linalg.batched import inverse_cholesky, multiply, transposed
from ..rows import FactorRows

PILOT_SWEEPS = 3
"""Sweeps over the grouping factors at most."""

SLOW_SWEEP = 0.5
"""A sweep that leaves more than this share of every column's sum of squares is the last."""

NEGLIGIBLE_COLUMN = 1e-8
"""Columns of which less than this share is left do not ask for another sweep."""

RELATIVE_RIDGE = 1e-3
"""Added to a level's moments, relative to their size. A level with too few or nearly dependent
rows would have enormous effects, and cause the cancellation that the pilot is to prevent."""


def random_pilot(
    factors: Sequence[FactorRows], bases: Sequence[FloatArray], right: FloatArray
) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Effects B₀ of each factor with a small remainder ``right − Σ Z B₀``.

    Parameters
    ----------
    factors : sequence of FactorRows
    bases : sequence of ndarray (n, k)
        Whitened bases.
    right : ndarray (n, r)
        Whitened columns.

    Returns
    -------
    effects : tuple of ndarray (q, k, r)
    remainder : ndarray (n, r)
    """
    remainder = right.copy()
    effects = [np.zeros((f.n_levels, f.k, right.shape[1])) for f in factors]
    order = sorted(range(len(factors)), key=lambda i: -factors[i].n_levels * factors[i].k)
    moments = [
        sums_by_level(f, basis, basis, symmetric=True)
        for f, basis in zip(factors, bases, strict=True)
    ]
    first = size = np.einsum("ij,ij->j", remainder, remainder)
    for _ in range(PILOT_SWEEPS):
        for i in order:
            f, basis = factors[i], bases[i]
            step = level_fit(moments[i], sums_by_level(f, basis, remainder))
            effects[i] += step
            remainder -= row_values(f, basis, step)
        if len(factors) == 1 and factors[0].k == 1:
            break  # no ridge and no other factor: one sweep is least squares
        before, size = size, np.einsum("ij,ij->j", remainder, remainder)
        if not ((size < SLOW_SWEEP * before) & (size > NEGLIGIBLE_COLUMN * first)).any():
            break
    return tuple(effects), remainder


def row_values(factor: FactorRows, basis: FloatArray, effects: FloatArray) -> FloatArray:
    """Z times effects (q, k, r), row by row: (n, r)."""
    out = basis[:, :1] * effects[factor.codes, 0]
    for a in range(1, basis.shape[1]):
        out += basis[:, a : a + 1] * effects[factor.codes, a]
    return np.asarray(out)


def level_fit(zz: FloatArray, zr: FloatArray) -> FloatArray:
    """Least squares within every level, (q, k, r), with a ridge against empty directions."""
    if zz.shape[-1] == 1:
        return np.asarray(zr / np.where(zz > 0, zz, 1.0))
    k = zz.shape[-1]
    size = np.einsum("qii->q", zz) / k
    ridge = RELATIVE_RIDGE * np.where(size > 0, size, 1.0)
    root, _ = inverse_cholesky(zz + ridge[:, None, None] * np.eye(k))
    return np.asarray(multiply(transposed(root), multiply(root, zr)))


def sums_by_level(
    factor: FactorRows, left: FloatArray, right: FloatArray, symmetric: bool = False
) -> FloatArray:
    """Σ over the rows of each level of ``left[i]' right[i]``, shape (q, k, m)."""
    out = np.empty((factor.n_levels, left.shape[1], right.shape[1]))
    for i in range(left.shape[1]):
        for j in range(i if symmetric else 0, right.shape[1]):
            product = left[:, i] * right[:, j]
            out[:, i, j] = np.bincount(factor.codes, product, factor.n_levels)
            if symmetric:
                out[:, j, i] = out[:, i, j]
    return out
