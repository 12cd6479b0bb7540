"""Starting values from moments: a one-way analysis of variance for each grouping factor."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from ..criterion.problem import StructuredProblem
from ..linalg.batched import symmetric_inverses

SMALLEST_START = 0.05
"""Smallest standard deviation of a start, relative to σ: a smaller optimum is near enough."""

LARGEST_START = 1e7
"""The largest one: in a nearly saturated design the residual variance at the start is not
reliable."""

SINGULAR_MOMENTS = 1e-6
"""A level is left out if the smallest eigenvalue of its moments is below this share of the largest
of all levels: it has no information on λ."""

LEAST_RESIDUAL_DF = 0.1
"""Residual degrees of freedom are taken as at least this share of the rows."""

SMALLEST_RESIDUAL_VARIANCE = 1e-14
"""Of the residuals, in the engine's units, so that nothing is divided by zero."""


def moment_start(problem: StructuredProblem) -> FloatArray:
    """θ from the spread of the levels' own least-squares effects.

    With b̂_l the effects of level l fitted alone and s² the residual variance that the
    pilot leaves, E b̂b̂' = σ²λλ' + σ²(Z_l'Z_l)⁻¹ when other factors average out, so

        λλ' ≈ mean(b̂_l b̂_l')/s² − mean((Z_l'Z_l)⁻¹),

    with its eigenvalues kept within bounds.

    Parameters
    ----------
    problem : StructuredProblem

    Returns
    -------
    ndarray (n_theta,)
    """
    system, cp = problem.system, problem.system.cp
    if not cp.factors:
        return np.empty(0)
    with_root = any(L is not None for L in cp.scaling.units.roots)
    sizes = [q * k for q, k, _ in (f.zz.shape for f in cp.factors)]
    columns = cp.p + sum(sizes)
    if cp.own or with_root or max(sizes) >= cp.n or (system.lead < 0 and columns >= cp.n):
        return _equal_shares(problem)
    right = [f.zr[..., cp.p :] for f in cp.factors]
    if any(cp.scaling.pilot.has_effects):
        gram = system.gram_times([b[..., cp.p :] for b in cp.scaling.pilot.effects])
        right = [z + g for z, g in zip(right, gram, strict=True)]
    s2 = max(
        cp.unexplained / max(cp.n - columns, LEAST_RESIDUAL_DF * cp.n), SMALLEST_RESIDUAL_VARIANCE
    )
    parts = []
    for covariance, f, own in zip(problem.covariances, cp.factors, right, strict=True):
        moments = _effect_moments(f.zz, own, s2)
        parts.append(covariance.start() if moments is None else covariance.nearest(moments))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _effect_moments(zz: FloatArray, right: FloatArray, s2: float) -> FloatArray | None:
    """λλ' by moments, or None if fewer than two levels have information on it."""
    least, largest = _extreme_eigenvalues(zz)
    useful = least > SINGULAR_MOMENTS * largest.max()
    count = np.count_nonzero(useful)
    if count < 2:
        return None
    if count < len(zz):
        zz, right = zz[useful], right[useful]
    if zz.shape[-1] == 1:
        inverse = 1.0 / zz[:, 0, 0]
        b = inverse * right[:, 0, 0]
        size = (float(b @ b) / s2 - float(inverse.sum())) / count
        return np.array([[min(max(size, SMALLEST_START**2), LARGEST_START**2)]])
    inverse = symmetric_inverses(zz)
    b = np.einsum("qij,qj->qi", inverse, right[..., 0])
    d, u = np.linalg.eigh((b.T @ b / s2 - inverse.sum(axis=0)) / count)
    return np.asarray((u * np.clip(d, SMALLEST_START**2, LARGEST_START**2)) @ u.T)


def _extreme_eigenvalues(zz: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The least and the largest of every block, (q,) each."""
    if zz.shape[-1] > 2:
        eigen = np.asarray(np.linalg.eigvalsh(zz), dtype=np.float64)
        return eigen[:, 0], eigen[:, -1]
    first, last = zz[:, 0, 0], zz[:, -1, -1]
    half = np.hypot(0.5 * (first - last), zz[:, -1, 0]) if zz.shape[-1] == 2 else 0.0
    middle = 0.5 * (first + last)
    return middle - half, middle + half


def _equal_shares(problem: StructuredProblem) -> FloatArray:
    """θ at which every grouping factor has as much variance as the residuals.

    For levels that meet within a factor, whose own least squares say little, and for levels that
    explain every row: related ones, or one of each row.
    """
    cp, parts = problem.system.cp, []
    for covariance, f in zip(problem.covariances, cp.factors, strict=True):
        k = f.zz.shape[-1]
        size = np.einsum("qii->", f.zz) / (k * cp.n)
        parts.append(covariance.nearest(np.eye(k) / (size if size > 0 else 1.0)))
    return np.concatenate(parts)
