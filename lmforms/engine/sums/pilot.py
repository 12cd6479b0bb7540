"""Pilot random effects: least squares on one grouping factor after the other.

They need not be good, any values describe the same model; but where groups lie far apart,
what they leave is small, and sums of squares of small numbers do not cancel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...support.arrays import FloatArray
from ..rows import FactorRows

SWEEPS = 3
"""Rounds over the grouping factors at most."""

ENOUGH = 0.5
"""A round that leaves more than this of every column's sum of squares is the last …"""

NOTHING = 1e-8
"""… where columns of which less than this is left do not count."""

RIDGE = 1e-3
"""Added to a level's moments, relative to their size. A level with too few or nearly dependent
rows would get enormous effects, and with them the cancellation that the pilot is to prevent."""


def random_pilot(
    factors: Sequence[FactorRows], bases: Sequence[FloatArray], right: FloatArray
) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Effects B₀ of each factor with a small rest ``right − Σ Z B₀``.

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
    rest : ndarray (n, r)
    """
    rest = right.copy()
    effects = [np.zeros((f.n_levels, f.k, right.shape[1])) for f in factors]
    order = sorted(range(len(factors)), key=lambda i: -factors[i].n_levels * factors[i].k)
    moments = [
        sums_by_level(f, basis, basis, symmetric=True)
        for f, basis in zip(factors, bases, strict=True)
    ]
    first = size = np.einsum("ij,ij->j", rest, rest)
    for _ in range(SWEEPS):
        for i in order:
            f, basis = factors[i], bases[i]
            step = level_fit(moments[i], sums_by_level(f, basis, rest))
            effects[i] += step
            rest -= row_values(f, basis, step)
        if len(factors) == 1 and factors[0].k == 1:
            break  # least squares in one round; others mend what ridge and overlap left
        before, size = size, np.einsum("ij,ij->j", rest, rest)
        if not ((size < ENOUGH * before) & (size > NOTHING * first)).any():
            break
    return tuple(effects), rest


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
    from ..linalg.batched import (  # the room below imports this one
        inverse_cholesky,
        multiply,
        transposed,
    )

    k = zz.shape[-1]
    size = np.einsum("qii->q", zz) / k
    ridge = RIDGE * np.where(size > 0, size, 1.0)
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
