"""Starting values from moments: a one-way analysis of variance for each grouping factor."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from ..criterion.problem import StructuredProblem
from ..linalg.batched import inverse_cholesky, outer_sum, transposed
from ..sums.cross_products import CrossProducts
from ..sums.level_sums import level_fit

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
"""In the engine's units, so that nothing is divided by zero."""


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
    of_rows = any(f.zz.shape[0] * f.zz.shape[1] >= cp.n for f in cp.factors)
    if cp.own or with_root or of_rows or (system.lead < 0 and _columns(cp) >= cp.n):
        return _equal_shares(problem)
    y = slice(cp.p, cp.p + 1)
    right = [f.zr[..., y] for f in cp.factors]
    if any(cp.scaling.pilot.has_effects):
        gram = system.gram_times([b[..., y] for b in cp.scaling.pilot.effects])
        right = [z + g for z, g in zip(right, gram, strict=True)]
    s2 = _residual_variance(problem)
    parts = []
    for covariance, f, own in zip(problem.covariances, cp.factors, right, strict=True):
        zz, k = f.zz, f.zz.shape[-1]
        least, largest = _extreme_eigenvalues(zz)
        useful = least > SINGULAR_MOMENTS * largest.max()
        if useful.sum() < 2:
            parts.append(covariance.start())
            continue
        if not useful.all():
            zz, own = zz[useful], own[useful]
        b = level_fit(zz, own)[..., 0]
        root, _ = inverse_cholesky(zz)
        noise = outer_sum(transposed(root), transposed(root)) / len(zz)
        d, u = np.linalg.eigh(b.T @ b / len(b) / s2 - noise)
        d = np.clip(d, SMALLEST_START**2, LARGEST_START**2)
        parts.append(covariance.nearest((u * d) @ u.T if k > 1 else np.diag(d)))
    return np.concatenate(parts)


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


def _columns(cp: CrossProducts) -> int:
    """Columns of X and Z."""
    return cp.p + sum(f.zz.shape[0] * f.zz.shape[1] for f in cp.factors)


def _residual_variance(problem: StructuredProblem) -> float:
    """Of what fixed and random effects leave, per degree of freedom."""
    cp = problem.system.cp
    s2 = cp.unexplained / max(cp.n - _columns(cp), LEAST_RESIDUAL_DF * cp.n)
    return max(s2, SMALLEST_RESIDUAL_VARIANCE)
