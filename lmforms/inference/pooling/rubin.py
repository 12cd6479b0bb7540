"""Rubin's rules: one estimate and its uncertainty from the fits of m imputed data sets.

With estimates q_i and their covariances U_i, q̄ = Σq_i/m is the pooled estimate, Ū = ΣU_i/m the
variance within, B = Σ(q_i − q̄)(q_i − q̄)'/(m − 1) the variance between, and T = Ū + (1 + 1/m)B the
total variance. For one function, with r = (1 + 1/m)B/Ū and λ = (1 + 1/m)B/T,

    1/ν = λ²/(m − 1) + 1/ν_obs,  ν_obs = (1 − λ) ν_com (ν_com + 1)/(ν_com + 3)

are the degrees of freedom (Barnard and Rubin 1999), ν_com those that complete data would have. For
infinite ν_com they are Rubin's (1987). The fraction of missing information is
(r + 2/(ν + 3))/(r + 1).

For k functions D₁ = q̄'Ū⁻¹q̄/(k(1 + r)), r = (1 + 1/m)tr(BŪ⁻¹)/k, has an F distribution with k and
ν degrees of freedom. With t = k(m − 1) > 4, a = rt/(t − 2) and ν* = ν_com(ν_com + 1)/(ν_com + 3),

    1/(ν − 4) = 1/c₄ + {a²c₂/((1+a)²c₄) + 8a²c₂/((1+a)c₄²) + 4a²/((1+a)c₄) + 4a²/(c₂c₄)
                        + 16a²c₂/c₄³ + 8a²/c₄²}/(t − 4),    c_j = ν* − j(1 + a)

(Reiter 2007), and for infinite ν_com ν = 4 + (t − 4)(1 + (1 − 2/t)/r)² (Li, Raghunathan and Rubin
1991). For t ≤ 4 theirs is ½(k + 1) times Rubin's degrees of freedom with λ = r/(1 + r). For finite
ν_com those of Barnard and Rubin stand in their place here, and at most ν_com: an extension of ours,
since Reiter's formula is 4 for any data where t = 4 and may be negative where t < 4.

References
----------
Rubin (1987), *Multiple Imputation for Nonresponse in Surveys*, section 3.3; Li, Raghunathan, Rubin
(1991), *Large-sample significance levels from multiply imputed data using moment-based statistics
and an F reference distribution*, JASA 86(416); Barnard, Rubin (1999), *Small-sample degrees of
freedom with multiple imputation*, Biometrika 86(4); Reiter (2007), *Small-sample degrees of freedom
for multi-component significance tests for multiple imputation for missing data*, Biometrika 94(2).
"""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray


def pooled_df(share: FloatArray, m: int, complete: FloatArray) -> FloatArray:
    """Degrees of freedom of functions by Barnard and Rubin.

    Parameters
    ----------
    share : ndarray (r,)
        λ, the share of the total variance that is due to missing data.
    m : int
        Number of fits.
    complete : ndarray (r,)
        ν_com, infinite for large samples.
    """
    finite = np.isfinite(complete)
    known = np.where(finite, complete, 1.0)
    observed = (1.0 - share) * known * (known + 1.0) / (known + 3.0)
    with np.errstate(divide="ignore"):
        df = 1.0 / (share**2 / (m - 1) + np.where(finite, 1.0 / observed, 0.0))
    return np.where(np.isnan(complete), np.nan, df)


def fraction_missing(increase: FloatArray, df: FloatArray) -> FloatArray:
    """Fraction of missing information, from the relative increase r and ν."""
    return np.asarray((increase + 2.0 / (df + 3.0)) / (increase + 1.0))


def joint_df(increase: float, k: int, m: int, complete: float) -> float:
    """Denominator degrees of freedom of D₁ for k functions.

    Parameters
    ----------
    increase : float
        r.
    k, m : int
    complete : float
        ν_com, infinite for large samples.

    Returns
    -------
    float
        NaN if Reiter's approximation does not exist, which needs ν* > 4(1 + a).
    """
    t = float(k * (m - 1))
    if t <= 4.0:
        share = np.array([increase / (1.0 + increase)])
        single = float(pooled_df(share, m, np.array([complete]))[0])
        return min(0.5 * (k + 1.0) * single, complete)
    if np.isinf(complete):
        if increase == 0:
            return np.inf
        return 4.0 + (t - 4.0) * (1.0 + (1.0 - 2.0 / t) / increase) ** 2
    a = increase * t / (t - 2.0)
    least = complete * (complete + 1.0) / (complete + 3.0)
    c2, c4 = least - 2.0 * (1.0 + a), least - 4.0 * (1.0 + a)
    if c4 <= 0:
        return np.nan
    terms = (
        a**2 * c2 / ((1.0 + a) ** 2 * c4)
        + 8.0 * a**2 * c2 / ((1.0 + a) * c4**2)
        + 4.0 * a**2 / ((1.0 + a) * c4)
        + 4.0 * a**2 / (c2 * c4)
        + 16.0 * a**2 * c2 / c4**3
        + 8.0 * a**2 / c4**2
    )
    return 4.0 + 1.0 / (1.0 / c4 + terms / (t - 4.0))
