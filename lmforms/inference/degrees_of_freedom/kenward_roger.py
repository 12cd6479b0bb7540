"""Kenward and Roger's covariance of β̂, scaled F statistic and degrees of freedom.

Φ = cov(β̂) is too small, since V is estimated. With derivatives V_i and V_ij of V in the variance
parameters,

    Φ_A = Φ + 2Φ{Σ W_ij (Q_ij − P_iΦP_j − ¼R_ij)}Φ,
    P_i = −X'V⁻¹V_iV⁻¹X,  Q_ij = X'V⁻¹V_iV⁻¹V_jV⁻¹X,  R_ij = X'V⁻¹V_ijV⁻¹X,

where R_ij = 0 if V is linear in its parameters, and otherwise depends on what these are (here
those of :mod:`lmforms.residual.absolute`, as in SAS). The test of Lβ = 0, r rows, is λF with
F = (Lβ̂)'(LΦ_AL')⁻¹Lβ̂/r. λ and the denominator degrees of freedom m match the mean and the
variance of F to second order:

    A₁ = Σ W_ij tr(ΘΦP_iΦ)tr(ΘΦP_jΦ),  A₂ = Σ W_ij tr(ΘΦP_iΦ ΘΦP_jΦ),  Θ = L'(LΦL')⁻¹L,
    B = (A₁ + 6A₂)/2r,  g = [(r+1)A₁ − (r+4)A₂]/[(r+2)A₂],  d = 3r + 2(1 − g),
    E* = 1/(1 − A₂/r),  V* = (2/r)(1 + c₁B)/[(1 − c₂B)²(1 − c₃B)],
    c₁ = g/d,  c₂ = (r − g)/d,  c₃ = (r + 2 − g)/d,
    ρ = V*/2E*²,  m = 4 + (r + 2)/(rρ − 1),  λ = m/[E*(m − 2)].

References
----------
Kenward, Roger (1997), *Small sample inference for fixed effects from restricted maximum
likelihood*, Biometrics 53(3), sections 2 and 3; Halekoh, Højsgaard (2014), *A Kenward-Roger
approximation and parametric bootstrap methods for tests in linear mixed models*, J. Stat.
Software 59(9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray
from .variance_information import LinearInformation, VarianceInformation

VANISHING = 1e-10
"""A factor of V* or E* below this is zero, as it is in balanced designs."""


def adjusted_covariance(known: LinearInformation, second_order: bool = True) -> FloatArray:
    """Φ_A, (p, p), with or without the second derivatives R_ij."""
    W, changes = known.covariance, known.changes
    products = (changes @ np.tensordot(W, changes, axes=1)).sum(axis=0)
    terms = known.weighted_square - products
    if second_order and known.weighted_curvature is not None:
        terms = terms - 0.25 * known.weighted_curvature
    inner = np.eye(len(known.half)) + 2.0 * terms
    adjusted = known.half @ inner @ known.half.T
    return np.asarray(0.5 * (adjusted + adjusted.T))


@dataclass(frozen=True)
class ScaledF:
    """Distribution of λF.

    Attributes
    ----------
    scale : float
        λ.
    den_df : float
        m. At most 2, or NaN, if the approximation fails: the data are too few.
    """

    scale: float
    den_df: float


def scaled_f(L: FloatArray, known: VarianceInformation) -> ScaledF:
    """λ and m for r linearly independent rows L (r, p)."""
    r = len(L)
    half = L @ known.half
    solved = np.linalg.solve(half @ half.T, half)
    products = solved @ known.changes @ half.T  # (m, r, r)
    single = np.einsum("iaa->i", products)
    a1 = float(single @ known.covariance @ single)
    weighted = np.tensordot(known.covariance, products, axes=1)
    a2 = float((products * weighted.swapaxes(1, 2)).sum())
    if r == 1:  # what the formulas below come to: Satterthwaite's, and no scale
        return ScaledF(1.0, 2.0 / a2 if a2 > 0 else np.inf)
    if a2 <= 0:
        return ScaledF(1.0, np.inf)
    b = (a1 + 6.0 * a2) / (2.0 * r)
    g = ((r + 1) * a1 - (r + 4) * a2) / ((r + 2) * a2)
    d = 3.0 * r + 2.0 * (1.0 - g)
    mean_inverse = 1.0 - a2 / r
    above = _without_rounding(1.0 + g / d * b)
    first = _without_rounding(1.0 - (r - g) / d * b)
    second = _without_rounding(1.0 - (r + 2 - g) / d * b)
    # ρ = (1 + c₁B)(E*(1 − c₂B))⁻²/(r(1 − c₃B)); numerator and denominator may both vanish
    ratio = _quotient(mean_inverse, first)
    rho = _quotient(ratio**2 * above, second) / r
    m = 4.0 + _quotient(r + 2.0, r * rho - 1.0)
    scale = m * mean_inverse / (m - 2.0) if np.isfinite(m) and m != 2.0 else mean_inverse
    return ScaledF(float(scale), float(m))


def _without_rounding(x: float) -> float:
    return 0.0 if abs(x) < VANISHING else x


def _quotient(a: float, b: float) -> float:
    """a/b, 1 for 0/0."""
    if abs(a) < VANISHING and abs(b) < VANISHING:
        return 1.0
    return a / b if b != 0 else float(np.copysign(np.inf, a))
