"""Tests of residuals and random effects that a check of a fit makes beside simulated ones."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from .residual_tests import ResidualTest

MOST_SHAPIRO = 5_000
"""Values up to which SciPy's p-value of Shapiro and Wilk's test holds."""

MOST_BINS = 10
"""Bins of a predictor whose means are compared."""


def spread_by_prediction(residuals: FloatArray, predicted: FloatArray) -> ResidualTest:
    """Spearman's rank correlation of absolute residuals and predictions; NaN if one is constant.

    Examples
    --------
    >>> x = np.arange(1.0, 9.0)
    >>> round(spread_by_prediction(x * np.tile([1, -1], 4), x).statistic, 6)
    1.0
    """
    from scipy.stats import spearmanr

    name = "spread by prediction"
    size = np.abs(residuals)
    if len(size) < 3 or np.ptp(size) == 0 or np.ptp(predicted) == 0:
        return ResidualTest(name, float("nan"), float("nan"))
    found = spearmanr(size, predicted)
    return ResidualTest(name, float(found.statistic), float(found.pvalue))


def means_by_bin(residuals: FloatArray, predictor: FloatArray, name: str) -> ResidualTest:
    """Kruskal and Wallis's test of equal means of residuals in bins of a predictor.

    The statistic is the share of the variance of the ranks that is between bins, which are values
    of the predictor or, of more than `MOST_BINS`, between its quantiles. NaN for fewer than three.

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 100)
    >>> means_by_bin(x**2 - np.mean(x**2), x, "x").p_value < 1e-10
    True
    """
    from scipy.stats import kruskal

    values, bins = np.unique(predictor, return_inverse=True)
    if len(values) > MOST_BINS:
        edges = np.quantile(predictor, np.arange(1, MOST_BINS) / MOST_BINS)
        bins = np.searchsorted(np.unique(edges), predictor)
    groups = [residuals[bins == b] for b in np.unique(bins)]
    if len(groups) < 3 or np.ptp(residuals) == 0:
        return ResidualTest(name, float("nan"), float("nan"))
    found = kruskal(*groups)
    share = float(found.statistic) / (len(residuals) - 1)
    return ResidualTest(name, share, float(found.pvalue))


def normality(values: FloatArray, name: str) -> ResidualTest:
    """Shapiro and Wilk's test, of the first `MOST_SHAPIRO` values; NaN if there are fewer than 3.

    Examples
    --------
    >>> normality(np.array([1.0, 1.0]), "b").p_value
    nan
    """
    from scipy.stats import shapiro

    used = values[:MOST_SHAPIRO]
    if len(used) < 3 or np.ptp(used) == 0:
        return ResidualTest(name, float("nan"), float("nan"))
    found = shapiro(used)
    return ResidualTest(name, float(found.statistic), float(found.pvalue))


def outlying(residuals: FloatArray, level: float) -> IndexArray:
    """Places of standard normal residuals beyond Bonferroni's limit, largest first.

    Examples
    --------
    >>> outlying(np.array([0.1, 5.0, -6.0, 1.0]), 0.05)
    array([2, 1])
    """
    from scipy.stats import norm

    limit = norm.isf(level / (2 * max(len(residuals), 1)))
    order = np.argsort(-np.abs(residuals), kind="stable")
    return np.asarray(order[np.abs(residuals)[order] > limit], dtype=np.intp)
