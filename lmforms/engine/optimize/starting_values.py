"""Starting values from moments: a one-way analysis of variance for each grouping factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...support.arrays import FloatArray
from ..criterion.evaluate import Problem
from ..sums.pilot import level_fit

if TYPE_CHECKING:
    from ..iterative import IterativeProblem


SMALLEST = 0.05
"""Start no standard deviation below this share of σ: the way down from there is short."""

LARGEST = 1e7
"""Nor above: the residual variance of a saturated start is not to be believed."""

INFORMATIVE = 1e-6
"""A level whose moments are closer to singular than this says nothing about λ."""


def moment_start(problem: Problem | IterativeProblem) -> FloatArray:
    """θ from the spread of the levels' own least-squares effects.

    With b̂_l the effects of level l fitted alone and s² the residual variance that the
    pilot leaves, E b̂b̂' = σ²λλ' + σ²(Z_l'Z_l)⁻¹ when other factors average out, so

        λλ' ≈ mean(b̂_l b̂_l')/s² − mean((Z_l'Z_l)⁻¹),

    with its eigenvalues kept within bounds.

    Parameters
    ----------
    problem : Problem or IterativeProblem

    Returns
    -------
    ndarray (n_theta,)
    """
    system, cp = problem.system, problem.system.cp
    if not cp.factors:
        return np.empty(0)
    y = slice(cp.p, cp.p + 1)
    pilot = [b[..., y] for b in cp.scaling.b_pilot]
    gram = system.gram_times(pilot)
    s2 = _residual_variance(problem)
    parts = []
    for covariance, f, g in zip(problem.covariances, cp.factors, gram, strict=True):
        k = f.zz.shape[-1]
        eigen = np.linalg.eigvalsh(f.zz)
        useful = eigen[:, 0] > INFORMATIVE * eigen[:, -1].max()
        if useful.sum() < 2:
            parts.append(covariance.start())
            continue
        zz = f.zz[useful]
        b = level_fit(zz, f.zr[useful][..., y] + g[useful])[..., 0]
        spread = b.T @ b / len(b)
        noise = np.linalg.inv(zz).mean(axis=0)
        d, u = np.linalg.eigh(spread / s2 - noise)
        d = np.clip(d, SMALLEST**2, LARGEST**2)
        parts.append(covariance.nearest((u * d) @ u.T if k > 1 else np.diag(d)))
    return np.concatenate(parts)


def _residual_variance(problem: Problem | IterativeProblem) -> float:
    """Of what fixed and random effects leave, per degree of freedom."""
    cp = problem.system.cp
    used = cp.p + sum(f.zz.shape[0] * f.zz.shape[1] for f in cp.factors)
    s2 = cp.unexplained / max(cp.n - used, 0.1 * cp.n)
    return max(s2, 1e-14)
