"""Coordinates of the fixed effects in which β̂ has covariance σ²I."""

from __future__ import annotations

import numpy as np

from ...engine.estimate import Estimate
from ...support.arrays import FloatArray


def coefficients_from_coordinates(fit: Estimate) -> FloatArray:
    """T with β = Tγ and Var(γ̂) = σ²I, (p, p)."""
    return np.asarray(fit.scaling.units.x.linear @ fit.optimum.evaluation.gls.inverse_root_x)


def relative_to_fit(found: Estimate, fit: Estimate) -> tuple[FloatArray, FloatArray]:
    """γ₍S₎ − γ̂ (p,) and Var(γ₍S₎)/σ² (p, p) of an estimate from fewer rows."""
    root_x = np.linalg.inv(fit.optimum.evaluation.gls.inverse_root_x)
    inverse = root_x @ fit.scaling.units.x.inverse
    covariance = inverse @ found.cov_beta @ inverse.T / fit.sigma**2
    return inverse @ (found.beta - fit.beta), covariance
