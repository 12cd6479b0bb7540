"""Gradient and average information of the criterion, for the exact and the iterative engine.

The formulas are in :mod:`lmforms.engine.criterion.evaluate`. Costs are small: sums over levels
have been taken, or are taken once, and θ has few entries.

References
----------
Gilmour, Thompson, Cullis (1995), *Average information REML*, Biometrics 51(4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import cross, outer_sum


@dataclass(frozen=True, eq=False)
class LocalDerivatives:
    """Derivatives of the criterion at one θ.

    Attributes
    ----------
    gradient, information : ndarray (m,), (m, m)
        First derivative, and the curvature H of :mod:`lmforms.engine.criterion.evaluate`.
    curvature_scale : ndarray (m,)
        √(2⟨T ∂λ_i, ∂λ_i⟩) with T the part of G that comes from ln|A|. It is what √H_ii would be
        without data, and the scale on which a curvature counts as zero.
    covariance_gradients : tuple of ndarray (k, k)
        G for each grouping factor.
    mixed : ndarray (m,)
        h = −(∂r²/∂θ)/s²: derivative in θ and ln σ² where σ is not profiled out, at σ² = s².
    is_observed : bool
        Whether `information` is the Hessian ∂²d itself, not the average information.
    fixed : sequence of ndarray (q, k, p)
        V = Z'V₀⁻¹X R_X⁻¹.
    """

    gradient: FloatArray
    information: FloatArray
    curvature_scale: FloatArray
    covariance_gradients: tuple[FloatArray, ...]
    mixed: FloatArray
    is_observed: bool
    fixed: Blocks


def joint_information(at: LocalDerivatives, nu: int) -> FloatArray:
    """The information of (θ, ln σ²): that of the criterion in which σ is not profiled out.

    At σ² = s² = r²/ν. From the profiled one, H,

        [ H + hh'/ν   h ]
        [ h'          ν ]

    which is the Hessian where H is (``at.is_observed``), else the average information.

    Parameters
    ----------
    at : LocalDerivatives
        For the Hessian, ``differentiate(…, hessian=True)``.
    nu : int
        n or n − p.

    Returns
    -------
    ndarray (m + 1, m + 1)
        Of −2 × (restricted) log-likelihood: twice the inverse is the asymptotic covariance of
        the estimates at an optimum.
    """
    return with_scale(at.information, at.mixed, nu)


def with_scale(information: FloatArray, mixed: FloatArray, nu: int) -> FloatArray:
    """The joint information from H (…, m, m) and h (…, m), of one fit or of many."""
    m = mixed.shape[-1]
    out = np.empty((*mixed.shape[:-1], m + 1, m + 1))
    out[..., :m, :m] = information + mixed[..., :, None] * mixed[..., None, :] / nu
    out[..., :m, m] = out[..., m, :m] = mixed
    out[..., m, m] = nu
    return out


@dataclass(frozen=True, eq=False)
class GradientSums:
    """Sums over levels for the gradient, (k, k) for each grouping factor.

    Attributes
    ----------
    traces : sequence of ndarray
        The part of Z'V₀⁻¹Z in ∂d/∂(λλ').
    squares, fixed_squares : sequence of ndarray
        Σ t(Kt)' and Σ V(KV)'.
    """

    traces: Blocks
    squares: Blocks
    fixed_squares: Blocks

    @classmethod
    def of(cls, traces: Blocks, t: tuple[Blocks, Blocks], v: tuple[Blocks, Blocks]) -> GradientSums:
        """From t and (K ⊗ I)t, (q, k, 1) each, and V and (K ⊗ I)V, (q, k, p)."""
        squares, fixed = (
            [outer_sum(x, kx) for x, kx in zip(*pair, strict=True)] for pair in (t, v)
        )
        return cls(traces, squares, fixed)


@dataclass(frozen=True, eq=False)
class DirectionSums:
    """Products of the directions c_i of :func:`directions`, for the information.

    Attributes
    ----------
    quadratic : ndarray (n_theta, n_theta)
        c'Z'V₀⁻¹Zc.
    fixed : ndarray (p, n_theta)
        V'c.
    along : ndarray (n_theta, 1)
        c't.
    """

    quadratic: FloatArray
    fixed: FloatArray
    along: FloatArray

    @classmethod
    def of(cls, c: Blocks, marginal_c: Blocks, v: Blocks, t: Blocks) -> DirectionSums:
        """From c and Z'V₀⁻¹Zc, (q, k, n_theta) each, V and t."""
        if not c:
            return cls(np.empty((0, 0)), np.empty((0, 0)), np.empty((0, 1)))
        return cls(inner(c, marginal_c), inner(v, c), inner(c, t))


def covariance_gradients(sums: GradientSums, weight: float, reml: bool) -> list[FloatArray]:
    """G = Σ over pairs of levels of K_lm M_lm, (k, k) for each grouping factor.

    With independent levels, K = I, the sum of M's diagonal blocks.

    Parameters
    ----------
    sums : GradientSums
    weight : float
        ν/r².
    reml : bool
    """
    out = []
    for trace, square, fixed in zip(sums.traces, sums.squares, sums.fixed_squares, strict=True):
        g = trace - weight * square
        out.append(g - fixed if reml else g)
    return out


def gradient(
    gradients: Blocks, traces: Blocks, lams: Blocks, derivatives: Blocks
) -> tuple[FloatArray, FloatArray]:
    """∂d/∂θ_i = 2⟨Gλ, ∂λ_i⟩, and the curvature scale √(2⟨T ∂λ_i, ∂λ_i⟩) with T the traces."""
    slopes, scales = [np.empty(0)], [np.empty(0)]
    for g, trace, lam, d in zip(gradients, traces, lams, derivatives, strict=True):
        flat = d.reshape(len(d), lam.size)
        slopes.append(2.0 * (flat @ (g @ lam).ravel()))
        sizes = (flat * (trace @ d).reshape(flat.shape)).sum(axis=1)
        scales.append(np.sqrt(2.0 * np.abs(sizes)))
    return np.concatenate(slopes), np.concatenate(scales)


def root_changes(lams: Blocks, derivatives: Blocks) -> list[FloatArray]:
    """D_i = ∂(λλ')/∂θ_i of each grouping factor, (n_theta, k, k)."""
    pairs = zip(lams, derivatives, strict=True)
    return [d @ lam.T + lam @ d.swapaxes(1, 2) for lam, d in pairs]


def directions(kt: Blocks, changes: Blocks) -> list[FloatArray]:
    """c_i = D_iKt of :func:`root_changes`, in the columns of arrays (q, k, n_theta)."""
    size = sum(len(d) for d in changes)
    out, start = [], 0
    for t_i, d in zip(kt, changes, strict=True):
        c = np.zeros((*t_i.shape[:2], size))
        across = d.transpose(1, 2, 0).reshape(d.shape[1], -1)  # symmetric: either index
        c[..., start : start + len(d)] = (t_i[..., 0] @ across).reshape(*t_i.shape[:2], -1)
        start += len(d)
        out.append(c)
    return out


def information(
    sums: DirectionSums,
    curvatures: Blocks,
    s2: float,
    nu: int | None,
    pairs: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """H of :mod:`lmforms.engine.criterion.evaluate`, and h = c't/s² (see `LocalDerivatives`).

    H is the average information and ⟨G, ∂²(λλ')/∂θ_i∂θ_j⟩. With the traces T of
    :mod:`lmforms.engine.criterion.curvature` as `pairs`, it is the Hessian.

    Parameters
    ----------
    sums : DirectionSums
    curvatures : sequence of ndarray (n_theta, n_theta)
        ⟨G, ∂²(λλ')⟩ of each grouping factor; 2⟨G ∂λ_i, ∂λ_j⟩ where λ is linear in θ.
    s2 : float
        Residual variance.
    nu : int or None
        n or n − p; None if σ² is given, not profiled out.
    """
    if not len(sums.along):
        return np.empty((0, 0)), np.empty(0)
    H = (sums.quadratic - sums.fixed.T @ sums.fixed) / s2
    if pairs is not None:
        H = 2.0 * H - pairs
    mixed = sums.along / s2
    if nu is not None:
        H -= (mixed @ mixed.T) / nu
    start = 0
    for own in curvatures:
        s = slice(start, start + len(own))
        H[s, s] += own
        start = s.stop
    return np.asarray(0.5 * (H + H.T)), mixed[:, 0]


def inner(a: Blocks, b: Blocks) -> FloatArray:
    """a'b for matrices of random effects, (r, s)."""
    return reduce(np.add, (cross(x, y) for x, y in zip(a, b, strict=True)))
