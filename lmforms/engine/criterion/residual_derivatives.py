"""Derivatives of the criterion with respect to the parameters φ of the residuals.

With N = ΛA⁻¹Λ', E = [X̃ ỹ] − ZB the rows less the predicted effects B of every column, and
ê = y − Xβ̂ − Zb,

    ∂d/∂φ = tr(Z'∂R⁻¹Z N) + [REML] tr(R_X⁻ᵀE_X'∂R⁻¹E_X R_X⁻¹) + ê'∂R⁻¹ê/s² + ∂ln|R|,

since B minimises the penalised sums of squares. All three are contractions of ∂R⁻¹ within series
(:meth:`lmforms.residual.parametric.ParametricResidual.contract`).
"""

from __future__ import annotations

import numpy as np

from ...residual.parametric import ParametricResidual
from ...support.arrays import Blocks, FloatArray
from ..factor import Factorization, JointFactorization
from ..sums.chain_sums import ChainSlopes
from ..sums.residual_sums import ResidualSums
from ..sums.series_moments import MomentSlopes
from .gls import GLSFit


def residual_slopes(
    residual: ParametricResidual,
    sums: ResidualSums,
    factor: Factorization | JointFactorization,
    effects: Blocks,
    gls: GLSFit,
    s2: float,
    reml: bool,
) -> tuple[FloatArray, FloatArray]:
    """∂d/∂φ, and h = −(∂r²/∂φ)/s², (n_phi,) each.

    Parameters
    ----------
    residual : ParametricResidual
        At this φ.
    sums : ResidualSums
    factor : Factorization or JointFactorization
        Of A at this φ.
    effects : sequence of ndarray (q, k, p + 1)
        B.
    gls : GLSFit
    s2 : float
        Residual variance.
    reml : bool
    """
    p = len(gls.beta)
    slopes = sums.slopes(residual, effects)
    r2_slope = slopes.of_squares(gls.to_residual)
    slope = slopes.log_det + r2_slope / s2
    if reml and p:
        fixed = np.vstack([gls.inverse_root_x, np.zeros((1, p))])
        slope = slope + slopes.of_squares(fixed)
    if effects and not isinstance(slopes, MomentSlopes):
        if isinstance(factor, JointFactorization) and not isinstance(slopes, ChainSlopes):
            slope = slope + slopes.of_matrix(factor.conditional_matrix())
        else:
            (blocks,) = factor.level_blocks()
            slope = slope + slopes.of_blocks(blocks)
    return slope, -r2_slope / s2
