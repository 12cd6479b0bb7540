"""F statistics of several linear functions, and p-values that take infinite degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray

INDEPENDENT = 1e-8
"""Eigenvalues of LΦL' below this are zero, with the diagonal scaled to 1."""


@dataclass(frozen=True)
class JointTest:
    """An F test.

    Attributes
    ----------
    statistic : float
    num_df : int
        Number of independent hypotheses.
    den_df : float
        Infinite where the statistic times `num_df` is taken as χ².
    p_value : float
    """

    statistic: float
    num_df: int
    den_df: float
    p_value: float


def principal_rows(
    L: FloatArray, estimate: FloatArray, covariance: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The space of L's rows by rows whose estimates are uncorrelated with variance 1.

    Parameters
    ----------
    L : ndarray (s, p)
    estimate : ndarray (s,)
        Lβ̂, less what it should be.
    covariance : ndarray (p, p)
        Φ.

    Returns
    -------
    rows : ndarray (r, p)
    values : ndarray (r,)
        Their estimates: Σ values² = (Lβ̂)'(LΦL')⁻(Lβ̂).
    independent : ndarray (r, p)
        Orthonormal combinations of the scaled rows of L with the same span.
    """
    variances = np.einsum("rp,pq,rq->r", L, covariance, L)
    used = variances > 0
    L, estimate = L[used], estimate[used]
    scale = 1.0 / np.sqrt(variances[used])
    scaled = scale[:, None] * L
    values, vectors = np.linalg.eigh(scaled @ covariance @ scaled.T)
    kept = values > INDEPENDENT
    axes = vectors[:, kept]
    independent = axes.T @ scaled
    roots = np.sqrt(values[kept])
    return independent / roots[:, None], (axes.T @ (scale * estimate)) / roots, independent


def principal_axes(L: FloatArray, covariance: FloatArray, r: int) -> FloatArray:
    """Rows that span those of L and are the principal axes of LΦL', (r, p).

    The axes depend on the units of the rows of L, as in SAS and lmerTest: :func:`principal_rows`
    has rows for the statistic, which do not.

    Parameters
    ----------
    L : ndarray (s, p)
    covariance : ndarray (p, p)
        Φ.
    r : int
        Rank of L.
    """
    _, vectors = np.linalg.eigh(L @ covariance @ L.T)
    return np.asarray(vectors[:, len(L) - r :].T @ L)


def f_test(values: FloatArray, den_df: float, scale: float = 1.0) -> JointTest:
    """The F test of independent standardised estimates (r,), F multiplied by `scale`."""
    r = len(values)
    if r == 0:
        return JointTest(np.nan, 0, np.nan, np.nan)
    statistic = scale * float(values @ values) / r
    return JointTest(statistic, r, den_df, f_p_value(statistic, r, den_df))


def f_p_value(statistic: float, num_df: int, den_df: float) -> float:
    """P(F > statistic)."""
    from scipy.special import chdtrc, fdtrc

    if np.isinf(den_df):
        return float(chdtrc(num_df, num_df * statistic))
    return float(fdtrc(num_df, den_df, statistic))


def t_p_values(statistic: FloatArray, df: FloatArray) -> FloatArray:
    """P(|t| > |statistic|), two-sided."""
    from scipy.special import ndtr, stdtr

    size = -np.abs(statistic)
    finite = np.where(np.isinf(df), 1.0, df)
    return np.asarray(2.0 * np.where(np.isinf(df), ndtr(size), stdtr(finite, size)))


def t_quantiles(df: FloatArray, level: float) -> FloatArray:
    """Upper quantiles of two-sided intervals, of the normal distribution where df is infinite."""
    from scipy.special import ndtri, stdtrit

    upper = 0.5 + 0.5 * level
    finite = np.where(np.isinf(df), 1.0, df)
    return np.asarray(np.where(np.isinf(df), ndtri(upper), stdtrit(finite, upper)))
