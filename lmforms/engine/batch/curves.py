"""Whether the criterion has other minima along one variance at a time, for many responses.

The curves are those of :mod:`lmforms.engine.optimize.variance_curves`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...covariance import Covariance
from ...support.arrays import BoolArray, FloatArray
from ..optimize.variance_curves import GRID, Curves, grouped_levels, single_levels
from .criterion import Point, effects
from .shared_sums import RandomPart, ResponseSums, SharedSums

CURVE_NUMBERS = 1 << 21
"""Numbers in the largest array of the curves that are computed together."""


def have_other_minima(
    shared: SharedSums, own: ResponseSums, at: Point, covariances: Sequence[Covariance]
) -> BoolArray:
    """Which responses have another minimum on a curve through their point, (c,).

    Parameters
    ----------
    shared : SharedSums
    own : ResponseSums
    at : Point
        With finite values.
    covariances : sequence of Covariance
        Of the grouping factors, as in the problem.
    """
    out = np.zeros(len(own), dtype=bool)
    size = max(part.q * part.k * max(part.q, len(GRID) * part.k) for part in shared.parts)
    step = max(1, CURVE_NUMBERS // size)
    for start in range(0, len(own), step):
        some = slice(start, min(start + step, len(own)))
        where = np.arange(some.start, some.stop)
        for curves in _curves(shared, own.subset(where), at.subset(where), covariances):
            each = len(curves.variances) // len(where)
            for j, _, _ in curves.other_minima():
                out[some.start + j // each] = True
    return out


def _curves(
    shared: SharedSums, own: ResponseSums, at: Point, covariances: Sequence[Covariance]
) -> Iterator[Curves]:
    """Those of each grouping factor: the directions of a response follow one another."""
    m, root = shared.m, effects(shared, at)
    fixed = root.inverse_root[..., m:]
    without = root.inverse_root[..., :m]
    p_y = np.concatenate([fixed, -root.values[..., None]], axis=-1)  # X R_X⁻¹ and y − Xβ̂ of U
    r2 = at.r2

    lead, columns = shared.lead, shared.rotated.reshape(-1, shared.r)
    c, q, k = own.rotated.shape
    weights = shared.by_level(shared.roots.swapaxes(1, 2) @ at.g)  # R'g
    right = (columns @ p_y).reshape(c, q, k, -1)
    right[..., -1] += own.rotated
    u, variances = _directions(lead, covariances[shared.lead_index], at.theta)
    if variances.size:
        s = u.shape[-1]
        along = u.swapaxes(1, 2)[:, None] @ (weights @ right)  # (c, q, s, p + 1)
        moments = along.swapaxes(1, 2).reshape(c * s, q, -1)
        own_blocks = shared.by_level(shared.roots.swapaxes(1, 2) @ at.g @ shared.roots)
        d = np.einsum("cks,cqkl,cls->csq", u, own_blocks, u, optimize=True)
        if not shared.rest:
            found = grouped_levels(d.reshape(c * s, q), moments, variances.ravel())
        else:
            coupled = weights @ (columns @ without).reshape(c, q, k, -1)
            coupled = np.einsum("cks,cqkm->csqm", u, coupled, optimize=True)
            matrices = -(coupled @ coupled.swapaxes(-1, -2))
            matrices[..., np.arange(q), np.arange(q)] += d
            found = _rotated(matrices.reshape(c * s, q, q), moments)
        yield Curves(np.repeat(r2, s), shared.nu, shared.reml, variances.ravel(), *found)

    gram = at.gram[:, :m]
    image = gram @ p_y
    image[..., -1] += at.gram_y[:, :m]
    for i, part in shared.rest:
        u, variances = _directions(part, covariances[i], at.theta)
        if not variances.size:
            continue
        s, (q, k) = u.shape[-1], (part.q, part.k)
        levels = image[:, part.columns].reshape(c, q, k, -1)
        along = (u.swapaxes(1, 2)[:, None] @ levels).swapaxes(1, 2).reshape(c * s, q, -1)
        coupled = gram[:, part.columns] @ without
        block = gram[:, part.columns, part.columns] - coupled @ coupled.swapaxes(1, 2)
        block = block.reshape(c, q, k, q, k)
        matrices = np.einsum("cas,cqarb,cbs->csqr", u, block, u, optimize=True)
        found = _rotated(matrices.reshape(c * s, q, q), along)
        yield Curves(np.repeat(r2, s), shared.nu, shared.reml, variances.ravel(), *found)


def _directions(
    part: RandomPart, covariance: Covariance, theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Directions u (c, k, s) of each response, and the variances (c, s) along them."""
    lams = part.lam(theta)
    if part.k == 1:
        u, _ = covariance.variance_directions(lams[0])
        return np.broadcast_to(u, (len(lams), *u.shape)), np.square(lams[:, 0, : u.shape[1]])
    found = [covariance.variance_directions(lam) for lam in lams]
    return np.stack([u for u, _ in found]), np.stack([v for _, v in found])


def _rotated(
    matrices: FloatArray, moments: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Eigenvalues, and the moments along the eigenvectors."""
    d, vectors = np.linalg.eigh(matrices)
    return single_levels(np.maximum(d, 0.0), vectors.swapaxes(1, 2) @ moments)
