r"""Limits of intervals from replicates.

With t* the n replicates of one parameter, t̂ its estimate and α = (1 − level)/2,

- percentile: the quantiles α and 1 − α of t*;
- basic: 2t̂ less the quantiles 1 − α and α;
- BCa: the quantiles Φ(z₀ + (z₀ ± z)/(1 − a(z₀ ± z))) with z = Φ⁻¹(1 − α),
  z₀ = Φ⁻¹(share of t* below t̂) and the acceleration a = Σd³/(6(Σd²)^{3/2}), d the mean of the
  estimates without one group less each of them.

A quantile p lies at the place (n + 1)p among the sorted replicates, and between two of them is
interpolated on the scale of normal quantiles. R's ``boot.ci`` does the same, but takes d from the
estimate of all groups instead of their mean; SciPy takes the mean, as Efron does.

References
----------
Davison, Hinkley (1997), *Bootstrap Methods and their Application*, sections 5.2 and 5.3.

Efron (1987), *Better Bootstrap Confidence Intervals*, JASA 82(397).
"""

from __future__ import annotations

from math import ceil

import numpy as np

from ...support.arrays import FloatArray


def fewest_replicates(level: float) -> int:
    """So many that the quantiles of an interval lie among them.

    Examples
    --------
    >>> fewest_replicates(0.95), fewest_replicates(0.9)
    (39, 19)
    """
    return ceil(2.0 / (1.0 - level) - 1e-9) - 1


def quantiles(values: FloatArray, shares: FloatArray) -> FloatArray:
    """Quantiles of n values at shares (s,), NaN where they lie beyond the values.

    Examples
    --------
    >>> quantiles(np.arange(1.0, 20.0), np.array([0.05, 0.5, 0.99]))
    array([ 1., 10., nan])
    """
    from scipy.special import ndtri

    ordered, n = np.sort(values), len(values)
    place = (n + 1) * np.asarray(shares, dtype=np.float64)
    nearest = np.round(place)
    place = np.where(np.abs(place - nearest) < 1e-9 * (n + 1), nearest, place)
    inside = (place >= 1) & (place <= n)  # not where it is NaN
    below = np.where(inside, np.floor(np.where(inside, place, 1.0)), 1.0).astype(np.intp)
    above = np.minimum(below + 1, n)
    z = ndtri(np.where(inside, place, 1.0) / (n + 1))
    low, high = ndtri(below / (n + 1)), ndtri(above / (n + 1))
    gap = np.where(above > below, high - low, 1.0)
    first, second = ordered[below - 1], ordered[above - 1]
    return np.where(inside, first + (z - low) / gap * (second - first), np.nan)


def percentile_limits(values: FloatArray, level: float) -> FloatArray:
    """Lower and upper limit, (2,)."""
    alpha = 0.5 * (1.0 - level)
    return quantiles(values, np.array([alpha, 1.0 - alpha]))


def basic_limits(values: FloatArray, level: float, estimate: float) -> FloatArray:
    """Lower and upper limit, (2,)."""
    return 2.0 * estimate - percentile_limits(values, level)[::-1]


def bca_limits(
    values: FloatArray, level: float, estimate: float, acceleration: float
) -> FloatArray:
    """Lower and upper limit, (2,); NaN where they lie beyond the replicates."""
    from scipy.special import ndtr, ndtri

    shift = ndtri(np.mean(values < estimate))
    z = shift + ndtri(np.array([0.5 * (1.0 - level), 0.5 * (1.0 + level)]))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = ndtr(shift + z / (1.0 - acceleration * z))
    return quantiles(values, shares)


def acceleration(without_each: FloatArray) -> FloatArray:
    """The acceleration of each parameter from the estimates without one group, (g, m).

    Examples
    --------
    >>> acceleration(np.array([[1.0], [1.0], [1.0], [3.0]])).round(4)
    array([-0.0962])
    """
    d = without_each.mean(axis=0) - without_each
    square = np.square(d).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((d**3).sum(axis=0) / (6.0 * square**1.5))
