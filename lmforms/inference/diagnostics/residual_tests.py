"""Tests of quantile residuals: uniformity, dispersion, outliers, and levels of a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from .quantile_residuals import QuantileResiduals


@dataclass(frozen=True)
class ResidualTest:
    """One test.

    Attributes
    ----------
    name : str
    statistic, p_value : float
        NaN where there is nothing to test.
    """

    name: str
    statistic: float
    p_value: float


def residual_tests(residuals: QuantileResiduals) -> list[ResidualTest]:
    """Tests of uniformity, dispersion and outliers."""
    return [
        uniformity(residuals.scaled, "uniformity"),
        dispersion(residuals.dispersion, residuals.simulated_dispersion),
        outliers(int(residuals.outside.sum()), len(residuals.outside), residuals.draws),
    ]


def uniformity(scaled: FloatArray, name: str) -> ResidualTest:
    """Kolmogorov and Smirnov's test that residuals are uniform on (0, 1).

    Examples
    --------
    >>> uniformity(np.arange(0.5, 10) / 10, "uniformity").p_value > 0.99
    True
    """
    from scipy.stats import kstest

    found = kstest(scaled, "uniform")
    return ResidualTest(name, float(found.statistic), float(found.pvalue))


def dispersion(observed: float, simulated: FloatArray) -> ResidualTest:
    """Monte-Carlo test of the dispersion, two-sided; the statistic is its ratio to the mean.

    Examples
    --------
    >>> dispersion(3.0, np.array([1.0, 2.0, 1.5, 1.5])).p_value
    0.4
    """
    n = len(simulated)
    below = (1 + np.count_nonzero(simulated <= observed)) / (n + 1)
    above = (1 + np.count_nonzero(simulated >= observed)) / (n + 1)
    ratio = observed / float(simulated.mean())
    return ResidualTest("dispersion", ratio, float(min(1.0, 2 * min(below, above))))


def outliers(count: int, rows: int, draws: int) -> ResidualTest:
    """Binomial test of the number of responses outside all simulated ones.

    Under the model each row is outside with probability 2/(draws + 1).

    Examples
    --------
    >>> round(outliers(5, 100, 199).p_value, 4)
    0.0034
    """
    from scipy.stats import binomtest

    p_value = binomtest(count, rows, 2 / (draws + 1)).pvalue
    return ResidualTest("outliers", float(count), float(p_value))


def uniformity_by_level(
    scaled: FloatArray, codes: IndexArray, names: Sequence[str]
) -> tuple[list[ResidualTest], IndexArray, ResidualTest]:
    """Uniformity within each level of a factor, and equality of their variances.

    Parameters
    ----------
    scaled : ndarray (n,)
    codes : ndarray of int (n,)
    names : sequence of str
        Of the levels, each of which has a row.

    Returns
    -------
    tests : list of ResidualTest
        For each level, with p-values adjusted by Holm's method.
    counts : ndarray of int
        Rows of each level.
    spread : ResidualTest
        Levene's test with medians, of levels with two rows or more; see :func:`equal_spread`.
    """
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(names))
    groups = np.split(scaled[order], np.cumsum(counts)[:-1])
    found = [uniformity(own, name) for own, name in zip(groups, names, strict=True)]
    p_values = holm(np.array([test.p_value for test in found]))
    tests = [
        ResidualTest(test.name, test.statistic, float(p))
        for test, p in zip(found, p_values, strict=True)
    ]
    return tests, counts, equal_spread(groups)


def holm(p_values: FloatArray) -> FloatArray:
    """p-values adjusted by Holm's method; missing ones stay missing and do not count.

    As :func:`lmforms.inference.multiple_tests.adjusted_p_values`, whose library function collects
    garbage at each call, which takes longer than everything else here.

    Examples
    --------
    >>> holm(np.array([0.01, np.nan, 0.04, 0.03]))
    array([0.03,  nan, 0.06, 0.06])
    """
    out = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    ascending = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(known), 0, -1)
    out[ascending] = np.minimum(np.maximum.accumulate(factors * p_values[ascending]), 1.0)
    return out


def equal_spread(groups: Sequence[FloatArray]) -> ResidualTest:
    """Levene's test, with medians (Brown and Forsythe 1974), that groups have one variance.

    Groups of one value are left out. There is no test (NaN) of fewer than two groups, or if no
    value differs from the median of its group.

    Examples
    --------
    >>> equal_spread([np.zeros(3), np.zeros(4)]).p_value
    nan
    """
    from scipy.stats import levene

    name = "equal variances (Levene)"
    used = [own for own in groups if len(own) > 1]
    deviations = [np.abs(own - np.median(own)) for own in used]
    varied = any(np.ptp(own) > 0 for own in deviations)
    if len(used) < 2 or not varied or sum(map(len, used)) <= len(used):
        return ResidualTest(name, float("nan"), float("nan"))
    found = levene(*used, center="median")
    return ResidualTest(name, float(found.statistic), float(found.pvalue))
