"""β and σ profiled out of the criterion, once [X y]'V₀⁻¹[X y] is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np

from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..kernel_choice import FitKernels
from ..linalg.batched import cross
from .criterion_parts import CriterionParts
from .given import Constraint

MOST_COMPILED = 30
"""Fixed columns up to which a compiled loop is faster than calls of LAPACK."""

INDEFINITE_X = "X'V₀⁻¹X is not positive definite at this θ."


@dataclass(frozen=True, eq=False)
class GLSFit:
    """The least-squares fit under V₀.

    Attributes
    ----------
    beta : ndarray (p,)
    r2 : float
        Penalised residual sum of squares.
    nu : int
        n or n − p.
    inverse_root_x : ndarray (p, p)
        R_X⁻¹ with upper triangular R_X, R_X'R_X = X'V₀⁻¹X.
    log_det_x : float
        ln|X'V₀⁻¹X|.
    """

    beta: FloatArray
    r2: float
    nu: int
    inverse_root_x: FloatArray
    log_det_x: float

    @cached_property
    def to_residual(self) -> FloatArray:
        """(p + 1, 1): [X y] times it is y − Xβ̂."""
        out = np.empty((len(self.beta) + 1, 1))
        out[:-1, 0] = -self.beta
        out[-1] = 1.0
        return out

    def parts(self, log_det: float, log_det_residual: float, reml: bool) -> CriterionParts:
        """The terms of the criterion, given ln|A| and ln|R|."""
        return CriterionParts(log_det, self.log_det_x, log_det_residual, self.r2, self.nu, reml)

    def constrained(self, constraint: Constraint) -> ConstrainedFit:
        """The fit with c'β = d.

        With h = R_X⁻ᵀc and N an orthonormal basis of what is orthogonal to h,

        β = β̂ − R_X⁻¹h(c'β̂ − d)/h'h,    r² + (c'β̂ − d)²/h'h,    R_X⁻¹N in the place of R_X⁻¹.
        """
        h = constraint.row @ self.inverse_root_x
        size = float(h @ h)
        miss = float(constraint.row @ self.beta - constraint.value)
        left = np.linalg.qr(h[:, None], mode="complete")[0][:, 1:]
        along = self.inverse_root_x @ h / size
        return ConstrainedFit(
            beta=self.beta - along * miss,
            r2=self.r2 + miss**2 / size,
            nu=self.nu,
            inverse_root_x=self.inverse_root_x @ left,
            log_det_x=self.log_det_x,
            slope=-2.0 * miss / size,
            bend=2.0 / size,
            along=along,
        )


@dataclass(frozen=True, eq=False)
class ConstrainedFit(GLSFit):
    """The least-squares fit under V₀ with one linear function of β given.

    Attributes
    ----------
    inverse_root_x : ndarray (p, p − 1)
        W with WW' the covariance of β relative to σ².
    slope, bend : float
        Derivatives of r² with respect to the given value, first and second.
    along : ndarray (p,)
        Derivative of β.
    """

    slope: float
    bend: float
    along: FloatArray


def gls_fit(moments: FloatArray, nu: int, kernels: FitKernels | None = None) -> GLSFit:
    """Least squares from [X y]'V₀⁻¹[X y].

    Parameters
    ----------
    moments : ndarray (p + 1, p + 1)
    nu : int
    kernels : FitKernels, optional
        Compiled loops, where they are loaded.

    Raises
    ------
    NumericalError
        X'V₀⁻¹X is not positive definite, or nothing is left of y.
    """
    p = len(moments) - 1
    if kernels is not None and p <= MOST_COMPILED:
        beta, root_x = np.empty(p), np.zeros((p, p))
        r2, log_det_x = kernels.levels.least_squares(moments, beta, root_x)
        return gls_of(nu, beta, root_x, r2, log_det_x)
    try:
        lower = np.linalg.cholesky(moments[:p, :p])
    except np.linalg.LinAlgError:
        raise NumericalError(INDEFINITE_X) from None
    root_x = np.asarray(np.linalg.inv(lower), dtype=np.float64).T
    half = moments[p, :p] @ root_x
    log_det_x = -2.0 * float(np.log(root_x.diagonal()).sum())
    return gls_of(nu, root_x @ half, root_x, float(moments[p, p] - half @ half), log_det_x)


def gls_of(nu: int, beta: FloatArray, root_x: FloatArray, r2: float, log_det_x: float) -> GLSFit:
    """The fit that these numbers are.

    Raises
    ------
    NumericalError
        X'V₀⁻¹X is not positive definite (r² is NaN), or nothing is left of y.
    """
    if not 0.0 < r2 < inf:
        nothing = "the penalised residual sum of squares is not positive."
        raise NumericalError(INDEFINITE_X if r2 != r2 else nothing)
    return GLSFit(beta, r2, nu, root_x, log_det_x)


def marginal_moments(
    rr: FloatArray, zr: Blocks, v: Blocks, marginal: Blocks, u: Blocks, qu: Blocks
) -> FloatArray:
    """R'V₀⁻¹R = E'E + U'QU with E = R* − Zv and QU = Λ'Z'E: sums of squares, no difference.

    It is least for the exact U, so that an error in U counts squared.

    Parameters
    ----------
    rr : ndarray (r, r)
        R*'R*.
    zr, v, marginal : sequence of ndarray (q, k, r)
        Z'R*, v, and Z'E = Z'V₀⁻¹R.
    u, qu : sequence of ndarray (q, k, r)
    """
    total = rr.copy()
    for z, x, e, y, w in zip(zr, v, marginal, u, qu, strict=True):
        total += cross(y, w) - cross(z, x) - cross(x, e)
    return np.asarray(0.5 * (total + total.T))
