"""One step of each estimator, from the likelihood at the present variances.

EM (cheat sheet, section 7, first form) in one line for every variance, with q_e = n:

    v_i ← [u_i'K_i⁻¹u_i + σ² tr(K_i⁻¹C^ii)] / q_i = v_i + (2v_i²/q_i) ∂l/∂v_i,

so it stays in the parameter space and never lowers the likelihood. The second form,

    v_i ← u_i'K_i⁻¹u_i / (q_i − λ_i tr(K_i⁻¹C^ii)),    σ² ← y'P₀y / (n − r),

is another fixed-point iteration for the same equations, but not EM: it may overshoot. Henderson's
form, with the σ² of the present equations in the trace,

    v_i ← [u_i'K_i⁻¹u_i + σ² tr(K_i⁻¹C^ii)] / q_i,    σ² ← (y'y − b'X'y − u'Z'y) / (n − r),

is EM for the components; its σ² is exact at the present ratios, y'P₀y/(n − r). The others are
v ← v + I⁻¹s with the score s and one of three informations I, computed in (γ, ln σ²).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..support.arrays import BoolArray, FloatArray
from .likelihood import Likelihood

Information = Callable[[Likelihood], FloatArray]

INFORMATIONS: dict[str, Information] = {
    "ai": lambda at: at.average,
    "newton": lambda at: at.observed,
    "fisher": lambda at: at.expected,
}
"""The information that each Newton-like method uses."""

BOUNDARY_VARIANCE = 1e-5
"""A variance below this share of σ² with a negative score is at the boundary."""

SINGULAR_PIVOT = 1e-5
"""If a pivot of the Cholesky factor of the scaled information is below this, variances are not
identified and a step would be arbitrary. Rounding leaves pivots of 1e-7."""


def em(at: Likelihood) -> FloatArray:
    """EM's first form."""
    counts = np.append(at.problem.counts, at.problem.n)
    return np.asarray(at.variances + 2.0 * at.variances**2 / counts * at.score)


def em_fixed_point(at: Likelihood) -> FloatArray:
    """EM's second form."""
    own = at.ratios * at.squares / at.traces
    return np.append(own, at.profiled_scale)


def em_henderson(at: Likelihood) -> FloatArray:
    """Henderson's form."""
    return np.append(em(at)[:-1], at.profiled_scale)


def free(at: Likelihood) -> BoolArray:
    """Which variances are not at the boundary, zero."""
    small = at.variances[:-1] <= BOUNDARY_VARIANCE * at.scale
    return np.append(~(small & (at.score[:-1] <= 0)), True)


def newton(at: Likelihood, information: Information) -> FloatArray | None:
    """I⁻¹s over the free variances; None if I is not safely positive definite."""
    chosen = free(at)
    inner, score, scale = _scaled(at, information, chosen)
    try:
        root = np.linalg.cholesky(inner)
    except np.linalg.LinAlgError:
        return None
    if np.diag(root).min() < SINGULAR_PIVOT:
        return None
    half = np.linalg.solve(root, score)
    step = np.zeros(len(chosen))
    step[chosen] = np.linalg.solve(root.T, half) / scale
    return at.to_variances(step)


def decrement(at: Likelihood) -> float:
    """½ s'AI⁻¹s: the increase of l that a Newton step predicts."""
    inner, score, _ = _scaled(at, INFORMATIONS["ai"], free(at))
    return float(0.5 * score @ np.linalg.pinv(inner, hermitian=True) @ score)


def _scaled(
    at: Likelihood, information: Information, chosen: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """An information with a unit diagonal and the score in its units, which are the third."""
    inner = information(at)[np.ix_(chosen, chosen)]
    scale = np.sqrt(np.abs(np.diag(inner)))
    scale[scale == 0] = 1.0
    return inner / np.outer(scale, scale), at.ratio_score[chosen] / scale, scale
