"""Other minima of the criterion along one variance at a time, for many responses.

The curves are those of :mod:`lmforms.engine.optimize.variance_curves`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...covariance import Covariance
from ...support.arrays import FloatArray, IndexArray
from ..optimize.variance_curves import GRID, Curves, grouped_levels
from .criterion import Point, effects
from .shared_sums import RandomPart, ResponseSums, SharedSums

CURVE_NUMBERS = 1 << 18
"""Numbers in the largest array of the curves that are computed together."""

REDUCTION_BLOCK = 32
"""Columns that LAPACK reduces together."""


def starts_on_curves(
    shared: SharedSums, own: ResponseSums, at: Point, covariances: Sequence[Covariance]
) -> tuple[IndexArray, FloatArray]:
    """Other minima on the curves through the points of c responses.

    Parameters
    ----------
    shared : SharedSums
    own : ResponseSums
    at : Point
        With finite values.
    covariances : sequence of Covariance
        Of the grouping factors, as in the problem.

    Returns
    -------
    which : ndarray of int (s,)
        The response of each minimum.
    theta : ndarray (s, n_theta)
    """
    which, thetas = [np.empty(0, dtype=np.intp)], [np.empty((0, shared.n_theta))]
    by_factor = dict(shared.by_factor())
    size = max(part.q * part.k * max(part.q, len(GRID) * part.k) for part in shared.parts)
    step = max(1, CURVE_NUMBERS // size)
    for start in range(0, len(own), step):
        where = np.arange(start, min(start + step, len(own)))
        some = at.subset(where)
        for i, u, curves in response_curves(shared, own.subset(where), some, covariances):
            entries, directions = by_factor[i].theta, u.shape[-1]
            for j, variance, _ in curves.other_minima():
                c, along = divmod(j, directions)
                more = variance - curves.variances[j]
                theta = some.theta[c].copy()
                theta[entries] = covariances[i].with_variance(theta[entries], u[c, :, along], more)
                which.append(where[c : c + 1])
                thetas.append(theta[None])
    return np.concatenate(which), np.concatenate(thetas)


def response_curves(
    shared: SharedSums, own: ResponseSums, at: Point, covariances: Sequence[Covariance]
) -> Iterator[tuple[int, FloatArray, Curves]]:
    """Of each grouping factor: its index, directions u (c, k, s), curves response by response."""
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
            flat = variances.ravel()
            curves = Curves(np.repeat(r2, s), shared.nu, shared.reml, flat, *found)
        else:
            coupled = weights @ (columns @ without).reshape(c, q, k, -1)
            coupled = np.einsum("cks,cqkm->csqm", u, coupled, optimize=True)
            matrices = -(coupled @ coupled.swapaxes(-1, -2))
            matrices[..., np.arange(q), np.arange(q)] += d
            matrices = matrices.reshape(c * s, q, q)
            curves = TridiagonalCurves.of(
                matrices, moments, np.repeat(r2, s), variances.ravel(), shared
            )
        yield shared.lead_index, u, curves

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
        matrices = matrices.reshape(c * s, q, q)
        curves = TridiagonalCurves.of(matrices, along, np.repeat(r2, s), variances.ravel(), shared)
        yield i, u, curves


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


@dataclass(frozen=True, eq=False)
class TridiagonalCurves(Curves):
    """Curves from the tridiagonal form of Z_u'V₀⁻¹Z_u, which takes less time than eigenvectors.

    Attributes
    ----------
    d : ndarray (s, 2)
        The smallest and the largest eigenvalue.
    diagonal, beside : ndarray (s, q), (s, q − 1)
        T = Q'Z_u'V₀⁻¹Z_uQ, with an orthogonal Q.
    moments : ndarray (s, q, r)
        Q'c.
    """

    diagonal: FloatArray
    beside: FloatArray
    moments: FloatArray

    @classmethod
    def of(
        cls,
        matrices: FloatArray,
        moments: FloatArray,
        r2: FloatArray,
        variances: FloatArray,
        shared: SharedSums,
    ) -> TridiagonalCurves:
        """From Z_u'V₀⁻¹Z_u (s, q, q) and Z_u'V₀⁻¹[XR_X⁻¹, y − Xβ̂] (s, q, r)."""
        from scipy.linalg import lapack

        s, q, r = moments.shape
        d, diagonal, beside = np.empty((s, 2)), np.empty((s, q)), np.zeros((s, q - 1))
        turned = moments.copy()
        for i, matrix in enumerate(matrices):
            reflectors, diagonal[i], off, tau, _ = lapack.dsytrd(
                matrix.T, lower=1, lwork=REDUCTION_BLOCK * q
            )
            beside[i] = off[: q - 1]
            if q > 1:
                turned[i, 1:], _, _ = lapack.dormqr(
                    "L", "T", reflectors[1:, :-1], tau[: q - 1], moments[i, 1:], r
                )
            for end, which in enumerate((1, q)):
                found = lapack.dstebz(diagonal[i], off, 2, 0.0, 0.0, which, which, 0.0, "E")
                d[i, end] = found[1][0]
        return cls(
            r2=r2,
            nu=shared.nu,
            reml=shared.reml,
            variances=variances,
            d=np.maximum(d, 0.0),
            squares=np.empty((s, 0, 0, 0)),
            counts=np.empty((s, 0)),
            diagonal=diagonal,
            beside=beside,
            moments=turned,
        )

    def sums(self, delta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """ln|I + δT| and δc'(I + δT)⁻¹c for δ (s, points), by the factor LDL' of I + δT."""
        (s, q, r), points = self.moments.shape, delta.shape[1]
        pivots, rows = np.empty((q, s, points)), np.empty((q, s, points, r))  # D and L⁻¹c
        for i in range(q):
            np.multiply(delta, self.diagonal[:, i, None], out=pivots[i])
            pivots[i] += 1.0
            rows[i] = self.moments[:, i, None]
            if i:
                lower = delta * self.beside[:, i - 1, None]
                share = lower / pivots[i - 1]
                pivots[i] -= share * lower
                rows[i] -= share[..., None] * rows[i - 1]
        taken = np.empty((s, r, r, points))
        weighted = rows / pivots[..., None]
        for a in range(r):
            for b in range(a + 1):
                both = np.einsum("isp,isp->sp", rows[..., a], weighted[..., b])
                taken[:, a, b] = taken[:, b, a] = delta * both
        return np.log(pivots).sum(axis=0), taken
