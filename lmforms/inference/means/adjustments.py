"""Multiplicity adjustments of p-values and confidence limits within one family of functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import chdtrc, chdtri, fdtrc, fdtri

from ...errors import ModelError
from ...support.arrays import FloatArray
from ..degrees_of_freedom.f_statistic import t_p_values, t_quantiles
from ..multiple_tests import adjusted_p_values
from . import studentized_range
from .multivariate_t import LargestT, largest_t
from .quantiles import quantiles

STEPWISE = ("holm", "hochberg", "hommel", "fdr", "by")
"""Adjustments of p-values alone."""

ADJUSTMENTS = ("none", "tukey", "dunnettx", "mvt", "scheffe", "sidak", "bonferroni", *STEPWISE)

LARGEST_MVT = 500
"""Functions of a family up to which ``"mvt"`` is computed: seconds, and 100 MB."""

RANK_TOLERANCE = 1e-8
"""Singular values of a family below this share of the largest are zero."""


@dataclass(frozen=True, eq=False)
class Family:
    """Functions that are tested together; those that are not estimable are left out.

    Attributes
    ----------
    functions : ndarray (r, p)
    covariance : ndarray (p, p)
        Of the fixed effects.
    statistic, df : ndarray (r,)
    means : int
        Number of means that they compare, for Tukey's method.
    """

    functions: FloatArray
    covariance: FloatArray
    statistic: FloatArray
    df: FloatArray
    means: int

    @property
    def size(self) -> int:
        """Number of functions."""
        return len(self.statistic)

    @cached_property
    def rank(self) -> int:
        """Rank of the functions, for Scheffé's method."""
        if not self.functions.size:
            return 0
        values = np.linalg.svd(self.functions, compute_uv=False)
        return int((values > RANK_TOLERANCE * values[0]).sum())

    @cached_property
    def largest(self) -> LargestT:
        """Distribution of the largest statistic."""
        covariance = self.functions @ self.covariance @ self.functions.T
        scale = np.sqrt(np.diagonal(covariance))
        scale = np.where(scale > 0, scale, 1.0)
        return largest_t(covariance / np.outer(scale, scale))

    @cached_property
    def beyond_largest(self) -> tuple[FloatArray, float]:
        """P(largest > |t|) of each statistic, and the standard error of the computation."""
        return self.largest.survival(np.abs(self.statistic), self.df)


def check_family_size(adjust: str, size: int, what: str) -> None:
    """Refuse the multivariate t distribution for large families.

    Raises
    ------
    ModelError
    """
    if adjust == "mvt" and size > LARGEST_MVT:
        raise ModelError(
            f"{what}: adjust='mvt' is for families of at most {LARGEST_MVT} functions, not "
            f"{size:,}: use adjust='sidak' or 'holm', or 'tukey' for pairwise comparisons."
        )


def p_values(family: Family, adjust: str) -> FloatArray:
    """Adjusted two-sided p-values.

    Parameters
    ----------
    family : Family
    adjust : str
        One of :data:`ADJUSTMENTS`.

    Notes
    -----
    ``"dunnettx"`` is emmeans's approximation to Dunnett's distribution for equal correlations
    of one half: with r comparisons, (r − 1)/r times Tukey's p-value for as many means as have r
    pairs and 1/r times Šidák's. ``"mvt"`` is the distribution itself with the correlations of
    the family.
    """
    p = t_p_values(family.statistic, family.df)
    if adjust == "none" or not family.size:
        return p
    if adjust in STEPWISE:
        return adjusted_p_values(p, adjust)
    if adjust == "mvt":
        return family.beyond_largest[0]
    return _survival(family, adjust)(np.abs(family.statistic), family.df)


def critical_values(family: Family, adjust: str, level: float) -> FloatArray:
    """Multiples of the standard errors that make simultaneous limits.

    The stepwise adjustments have none; Bonferroni's are used for them.
    """
    alpha, r = 1.0 - level, family.size
    if adjust == "none" or not r:
        return t_quantiles(family.df, level)
    if adjust == "bonferroni" or adjust in STEPWISE:
        return t_quantiles(family.df, 1.0 - alpha / r)
    if adjust == "sidak":
        return t_quantiles(family.df, level ** (1.0 / r))
    if adjust == "scheffe":
        return np.sqrt(family.rank * _f_quantile(family.rank, family.df, alpha))
    if adjust == "tukey":
        return studentized_range.quantile(level, family.means, family.df) / np.sqrt(2.0)
    if adjust == "mvt":
        return family.largest.quantile(level, family.df)
    return quantiles(_survival(family, adjust), level, family.df)


def _survival(family: Family, adjust: str) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Probability that the largest statistic is beyond t, as a function of t and df (r,)."""
    r = family.size

    def sidak(t: FloatArray, df: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):  # p = 1
            return np.asarray(-np.expm1(r * np.log1p(-t_p_values(t, df))))

    def tukey(t: FloatArray, df: FloatArray, means: float) -> FloatArray:
        return studentized_range.survival(np.sqrt(2.0) * t, means, df)

    if adjust == "tukey":
        return lambda t, df: tukey(t, df, family.means)
    if adjust == "sidak":
        return sidak
    if adjust == "bonferroni":
        return lambda t, df: np.minimum(r * t_p_values(t, df), 1.0)
    if adjust == "scheffe":
        return lambda t, df: _f_survival(family.rank, df, t**2 / family.rank)
    with_as_many_pairs = 0.5 * (1.0 + np.sqrt(1.0 + 8.0 * r))
    return lambda t, df: (r - 1) / r * tukey(t, df, with_as_many_pairs) + sidak(t, df) / r


def _f_survival(rank: int, df: FloatArray, f: FloatArray) -> FloatArray:
    finite = np.isfinite(df) | np.isnan(df)
    return np.where(finite, fdtrc(rank, np.where(finite, df, 1.0), f), chdtrc(rank, rank * f))


def _f_quantile(rank: int, df: FloatArray, alpha: float) -> FloatArray:
    finite = np.isfinite(df) | np.isnan(df)
    f = fdtri(rank, np.where(finite, df, 1.0), 1.0 - alpha)
    return np.where(finite, f, chdtri(rank, alpha) / rank)
