"""Satterthwaite's degrees of freedom.

For one linear function ℓ'β, ν = 2f²/(g'Wg) with f = ℓ'Φℓ and its gradient g in the variance
parameters, whose estimates have the covariance W. For several, LΦL' is brought to its principal
axes, each axis has its own ν_i, and the F statistic, a mean of squared t statistics, has the mean
of an F distribution with den_df = 2E/(E − r) where E = Σ ν_i/(ν_i − 2).

References
----------
Satterthwaite (1946), *An approximate distribution of estimates of variance components*,
Biometrics Bulletin 2(6); Fai, Cornelius (1996), *Approximate F-tests of multiple degree of freedom
hypotheses in generalized least squares analyses of unbalanced split-plot experiments*, J. Stat.
Computation and Simulation 54(4).
"""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from .variance_information import VarianceInformation

EQUAL_DF = 1e-8
"""Degrees of freedom that differ by less, relatively, are the same."""


def degrees_of_freedom(L: FloatArray, known: VarianceInformation) -> FloatArray:
    """ν of each row of L (r, p) by itself, (r,).

    NaN for a row of zeros; infinite where the variance of a row does not depend on anything
    estimated.
    """
    half = L @ known.half
    largest = np.abs(half).max(axis=1, keepdims=True, initial=0.0)
    half = half / np.where(largest > 0, largest, 1.0)  # else powers of units overflow
    f = np.square(half).sum(axis=1)
    g = ((half @ known.changes) * half).sum(axis=2)  # (m, r)
    spread = ((known.covariance @ g) * g).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.0 * f**2 / spread)


def degrees_of_freedom_of_many(changes: FloatArray, covariance: FloatArray) -> FloatArray:
    """ν of functions of many fits, each of which has a W of its own.

    Parameters
    ----------
    changes : ndarray (c, r, m)
        g/f, derivatives of ln f.
    covariance : ndarray (c, m, m)
        W.

    Returns
    -------
    ndarray (c, r)
    """
    spread = ((changes @ covariance) * changes).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.0 / spread)


def joint_degrees_of_freedom(axes: FloatArray, known: VarianceInformation) -> float:
    """Denominator degrees of freedom of an F statistic.

    Parameters
    ----------
    axes : ndarray (r, p)
        Rows whose estimates are uncorrelated.
    known : VarianceInformation

    Returns
    -------
    float
        2 where an axis has at most 2: the F statistic has no mean there.
    """
    nu = degrees_of_freedom(axes, known)
    if np.ptp(nu) <= EQUAL_DF * nu.max():
        return float(nu.mean())
    if nu.min() <= 2.0:
        return 2.0
    mean = float((nu / (nu - 2.0)).sum())
    return 2.0 * mean / (mean - len(nu))
