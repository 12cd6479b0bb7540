"""Cross-products of rows that belong to several levels of a grouping factor.

Any Z as a sparse matrix, and residuals whose covariance R connects rows of different levels: Z'R⁻¹Z
is then not block-diagonal over the levels of a factor. The blocks between two levels of one factor
are in ``CrossProducts.own``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...support.arrays import FloatArray
from ..exact_fit import effect_root
from ..rows import ModelRows
from .cross_products import CrossProducts, finite_squares
from .moments import FactorMoments, PairMoments, symmetric_matrix
from .units import Scaling


def matrix_cross_products(rows: ModelRows, scaling: Scaling) -> CrossProducts:
    """Sum up `rows` of any Z and R in the units of `scaling`.

    Raises
    ------
    NumericalError
        A sum is not finite.
    """
    right, Z = scaling.whitened_right(rows), scaling.whitened_matrices(rows)
    for z, effects in zip(Z, scaling.pilot.effects, strict=True):
        if effects.any():
            right -= z @ effects.reshape(z.shape[1], -1)
    rr = finite_squares(right)
    ks = [f.k for f in rows.factors]
    moments, own, pairs = [], {}, {}
    for a, (z, k) in enumerate(zip(Z, ks, strict=True)):
        zz, below = own_blocks(z.T @ z, k)
        moments.append(FactorMoments(zz, np.asarray(z.T @ right).reshape(*zz.shape[:2], -1)))
        if below is not None:
            own[a] = below
        for b in range(a + 1, len(Z)):
            pairs[a, b] = blocks_of(z.T @ Z[b], k, ks[b])
    return CrossProducts(
        scaling=scaling,
        n=rows.n,
        log_det_residual=rows.residual.log_determinant(),
        rr=rr,
        factors=tuple(moments),
        pairs=pairs,
        own=own,
    )


def projected(cp: CrossProducts, roots: list[Any]) -> CrossProducts:
    """The cross-products of ZL, for levels whose covariance is K = LL'.

    Parameters
    ----------
    cp : CrossProducts
        Without pilot effects.
    roots : list of (ndarray or sparse (q, r)) or None
        L of each grouping factor; None leaves a factor as it is.
    """
    moments, own, pairs = [], {}, {}
    wide = _wide_roots(cp, roots)
    for i, (f, L) in enumerate(zip(cp.factors, wide, strict=True)):
        below = cp.own.get(i)
        if L is not None:
            zz, below = own_blocks(L.T @ (symmetric_matrix(f.zz, below) @ L), f.zz.shape[-1])
            f = FactorMoments(zz, _projected_right(f, L))
        moments.append(f)
        if below is not None:
            own[i] = below
    for (a, b), pair in cp.pairs.items():
        pairs[a, b] = pair
        if wide[a] is not None or wide[b] is not None:
            (qa, ka), (qb, kb) = (cp.factors[i].zz.shape[:2] for i in (a, b))
            between = pair.matrix(qa, qb).tocsr()
            between = between if wide[a] is None else wide[a].T @ between
            pairs[a, b] = blocks_of(between if wide[b] is None else between @ wide[b], ka, kb)
    pilot = tuple(np.zeros_like(f.zr) for f in moments)
    scaling = cp.scaling.projected(roots, pilot)
    return replace(cp, scaling=scaling, factors=tuple(moments), pairs=pairs, own=own)


def in_principal_directions(cp: CrossProducts) -> CrossProducts:
    """:func:`projected` sums of single effects on one grouping factor, without pairs of levels.

    With Z'R⁻¹Z = WDW' of the columns of ZL, LW is as good a root of K as L, and Z'R⁻¹Z is diagonal
    in its coordinates: after one eigendecomposition θ costs no more than with independent levels.
    Other sums, and those with a sparse root, are returned as they are.
    """
    if len(cp.factors) != 1 or not cp.own:
        return cp
    (f,), (L,) = cp.factors, cp.scaling.units.roots
    r, k, width = f.zr.shape
    if k != 1 or not isinstance(L, np.ndarray):
        return cp
    gram = np.zeros((r, r))
    below = cp.own[0]
    gram[below.rows, below.cols] = below.blocks[:, 0, 0]
    sizes = np.sqrt(f.zz[:, 0, 0])
    if (np.abs(gram) <= r * np.finfo(float).eps * np.outer(sizes, sizes)).all():
        return replace(cp, own={})  # the columns of L are eigenvectors, and no level counts more
    gram[np.diag_indices(r)] = f.zz[:, 0, 0]
    d, W = np.linalg.eigh(gram)  # of the lower triangle
    zz = np.maximum(d, 0.0)[:, None, None]
    moments = FactorMoments(zz, (W.T @ f.zr.reshape(r, width))[:, None])
    scaling = cp.scaling.projected([L @ W], (np.zeros_like(f.zr),))
    return replace(cp, scaling=scaling, factors=(moments,), own={})


def with_projected_pilot(
    before: CrossProducts, again: CrossProducts, effects: list[FloatArray]
) -> CrossProducts:
    """:func:`projected` sums, with the right-hand sides of sums that have pilot effects.

    Parameters
    ----------
    before : CrossProducts
        Projected, without pilot effects.
    again : CrossProducts
        Not projected; its pilot effects are L times `effects`.
    effects : list of ndarray (r, k, p + 1)
    """
    roots = before.scaling.units.roots
    factors = tuple(
        FactorMoments(old.zz, f.zr if L is None else _projected_right(f, L))
        for old, f, L in zip(before.factors, again.factors, _wide_roots(again, roots), strict=True)
    )
    scaling = again.scaling.projected(roots, tuple(effects))
    return replace(before, scaling=scaling, rr=again.rr, factors=factors)


def _wide_roots(cp: CrossProducts, roots: Sequence[Any]) -> list[Any]:
    """L ⊗ I of each grouping factor."""
    return [
        None if L is None else effect_root(L, f.zz.shape[-1])
        for L, f in zip(roots, cp.factors, strict=True)
    ]


def _projected_right(f: FactorMoments, L: Any) -> FloatArray:
    q, k, r = f.zr.shape
    return np.asarray(L.T @ f.zr.reshape(q * k, r)).reshape(-1, k, r)


def own_blocks(gram: Any, k: int) -> tuple[FloatArray, PairMoments | None]:
    """The diagonal blocks (q, k, k) of Z'Z, and those below them, if any."""
    found = blocks_of(gram, k, k)
    zz = np.zeros((gram.shape[0] // k, k, k))
    same, below = found.rows == found.cols, found.rows > found.cols
    zz[found.rows[same]] = found.blocks[same]
    if not below.any():
        return zz, None
    return zz, PairMoments(found.rows[below], found.cols[below], found.blocks[below])


def blocks_of(product: Any, k_left: int, k_right: int) -> PairMoments:
    """A matrix by its blocks: all of a dense one, and those that are not empty of a sparse one."""
    if isinstance(product, np.ndarray):
        count, width = product.shape[0] // k_left, product.shape[1] // k_right
        blocks = product.reshape(count, k_left, width, k_right).swapaxes(1, 2)
        rows, cols = np.indices((count, width)).reshape(2, -1)
        return PairMoments(rows, cols, blocks.reshape(-1, k_left, k_right))
    import scipy.sparse as sp

    found = sp.csr_matrix(product).tobsr(blocksize=(k_left, k_right))
    found.sort_indices()
    rows = np.repeat(np.arange(len(found.indptr) - 1), np.diff(found.indptr))
    return PairMoments(rows, found.indices.astype(np.intp), np.asarray(found.data))
