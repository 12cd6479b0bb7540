"""The largest of several correlated t statistics: probabilities by radial integration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import chdtrc, fdtrc

from ...support.arrays import FloatArray
from .quantiles import quantiles

WORK = 1e8
"""Multiplications in each replicate, which bound its number of directions."""

POWERS = (13, 16)
"""Least and largest number of directions, as powers of two."""

REPLICATES = 16
"""Independently scrambled point sets: their spread gives the standard error."""

SHELLS = 256
"""Groups of directions of nearly equal reach, taken together: the error is far below the others."""

RANK_TOLERANCE = 1e-9
"""Eigenvalues of a correlation matrix below this share of the largest are zero."""

SAME_DIGITS = 12
"""Decimals in which equal correlations agree."""

SEED = 20240214
"""Of the scrambling: results are repeatable."""


@dataclass(frozen=True, eq=False)
class LargestT:
    """Distribution of max |T_j| for a multivariate t vector T with a given correlation.

    T = R u with the direction u uniform on the sphere of the rank's dimension and R²/rank of
    Fisher's F. So P(max |T_j| > t) is the mean over u of P(R > t / m(u)), with m(u) the largest
    of the components of the rotated u: one dimension is integrated exactly, and the integrand is
    smooth.

    Attributes
    ----------
    rank : int
        Of the correlation matrix.
    reach : ndarray (replicates, shells)
        m(u), in groups of equal weight.

    References
    ----------
    Somerville (1998), *Numerical Computation of Multivariate Normal and Multivariate-t
    Probabilities over Convex Regions*, Journal of Computational and Graphical Statistics 7.
    """

    rank: int
    reach: FloatArray

    def survival(self, t: FloatArray, df: FloatArray) -> tuple[FloatArray, float]:
        """P(max |T_j| > t) for each t at its degrees of freedom, and the largest standard error."""
        out = np.full(len(t), np.nan)
        error = 0.0
        for i in np.flatnonzero(~np.isnan(t) & ~np.isnan(df)):
            by_replicate = self._beyond(float(t[i]), float(df[i])).mean(axis=1)
            out[i] = by_replicate.mean()
            error = max(error, float(by_replicate.std(ddof=1)) / np.sqrt(len(by_replicate)))
        return out, error

    def quantile(self, p: float, df: FloatArray) -> FloatArray:
        """t with P(max |T_j| ≤ t) = p, for each of the degrees of freedom."""
        return quantiles(lambda t, nu: self.survival(t, nu)[0], p, df)

    def _beyond(self, t: float, df: float) -> FloatArray:
        squared = (t / self.reach) ** 2
        if np.isinf(df):
            return np.asarray(chdtrc(self.rank, squared))
        return np.asarray(fdtrc(self.rank, df, squared / self.rank))


def largest_t(correlation: FloatArray) -> LargestT:
    """The distribution of the largest of statistics with a correlation matrix (m, m).

    The last ones are kept, since groups of a balanced design have the same.
    """
    rounded = np.round(correlation, SAME_DIGITS) + 0.0
    return _largest_t(rounded.tobytes(), len(rounded))


@lru_cache(maxsize=8)
def _largest_t(correlation_bytes: bytes, m: int) -> LargestT:
    from scipy.special import ndtri
    from scipy.stats import qmc

    correlation = np.frombuffer(correlation_bytes).reshape(m, m)
    values, vectors = np.linalg.eigh(correlation)
    values, vectors = values[::-1], vectors[:, ::-1]  # the first points of a sequence are the best
    used = values > RANK_TOLERANCE * values.max()
    root = vectors[:, used] * np.sqrt(values[used])
    rank = root.shape[1]
    if rank == 1:
        return LargestT(1, np.ones((REPLICATES, 1)))
    reach = np.empty((REPLICATES, SHELLS))
    count = 2 ** int(np.clip(np.log2(WORK / root.size), *POWERS))
    seeds = np.random.SeedSequence(SEED).spawn(REPLICATES)
    for i, seed in enumerate(seeds):
        points = qmc.Sobol(rank, scramble=True, seed=np.random.default_rng(seed)).random(count)
        normal = ndtri(np.clip(points, 1e-15, 1.0 - 1e-15))
        directions = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        largest = np.abs(directions @ root.T).max(axis=1)
        reach[i] = np.sort(largest).reshape(SHELLS, -1).mean(axis=1)
    return LargestT(rank, reach)
