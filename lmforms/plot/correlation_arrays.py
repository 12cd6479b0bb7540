"""Numbers that pictures of residual correlations show: by lag, by distance, between places."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..correlation import Correlation
from ..support.arrays import FloatArray, IndexArray

MOST_PAIRS = 1_000_000
"""Of more pairs of rows than this a sample is taken."""

FEW_DISTANCES = 20
"""Up to so many different distances are a bin each."""

SAME = 1e-9
"""Distances whose ratio differs from one by less are the same."""


@dataclass(frozen=True, eq=False)
class Autocorrelation:
    """Correlations of rows of a series by their distance in time.

    Attributes
    ----------
    lags : ndarray (L,)
        0, 1, …, in steps of time.
    values : ndarray (L,)
        NaN where no two rows are so far apart.
    pairs : ndarray of int (L,)
    fitted : ndarray (L,)
        Mean correlation of the pairs by the model.
    """

    lags: FloatArray
    values: FloatArray
    pairs: IndexArray
    fitted: FloatArray


def autocorrelations(
    residuals: FloatArray,
    times: FloatArray,
    series: IndexArray,
    most: int,
    model: tuple[Correlation, FloatArray, FloatArray] | None = None,
) -> Autocorrelation:
    """Autocorrelations Σ r_i r_j / N(lag) over Σ r_i² / N(0), over the pairs of all series.

    Parameters
    ----------
    residuals : ndarray (n,)
    times : ndarray (n,)
        Whole numbers, none twice in a series.
    series : ndarray of int (n,)
    most : int
        Longest lag.
    model : tuple, optional
        Correlation, its φ and the points (n, d) of the rows.

    References
    ----------
    Pinheiro, Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 5.3.1.

    Examples
    --------
    >>> made = autocorrelations(
    ...     np.array([1.0, 1.0, -1.0, -1.0]), np.arange(4.0), np.zeros(4, dtype=int), 2
    ... )
    >>> made.values.round(3), made.pairs
    (array([ 1.   ,  0.333, -1.   ]), array([4, 3, 2]))
    """
    order = np.lexsort((times, series))
    r, codes = residuals[order], np.unique(series[order], return_inverse=True)[1].ravel()
    whole = (times[order] - times.min()).astype(np.int64)
    width = int(whole.max(initial=0)) + most + 1
    keys = codes * width + whole
    variance = float(np.mean(np.square(r)))
    values = np.full(most + 1, np.nan)
    fitted = np.full(most + 1, np.nan)
    pairs = np.zeros(most + 1, dtype=np.intp)
    values[0], fitted[0], pairs[0] = 1.0, 1.0, len(r)
    for lag in range(1, most + 1):
        place = np.minimum(np.searchsorted(keys, keys + lag), len(keys) - 1)
        first = np.flatnonzero(keys[place] == keys + lag)
        second = place[first]
        pairs[lag] = len(first)
        if not len(first):
            continue
        values[lag] = np.mean(r[first] * r[second]) / variance if variance > 0 else np.nan
        if model is not None:
            correlation, phi, points = model
            both = points[order[first]], points[order[second]]
            fitted[lag] = np.mean(correlation.between(phi, *both))
    return Autocorrelation(np.arange(most + 1.0), values, pairs, fitted)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of rows of the same series.

    Attributes
    ----------
    left, right : ndarray of int (m,)
    distances : ndarray (m,)
    sampled : bool
        Whether they are a sample of all pairs.
    """

    left: IndexArray
    right: IndexArray
    distances: FloatArray
    sampled: bool = False


def pairs_of_rows(points: FloatArray, series: IndexArray) -> Pairs:
    """All pairs of rows of the same series, or a fixed sample of them, with their distances.

    Examples
    --------
    >>> found = pairs_of_rows(np.array([[0.0], [3.0], [1.0]]), np.array([0, 0, 0]))
    >>> found.distances
    array([3., 1., 2.])
    """
    order = np.argsort(series, kind="stable")
    sizes = np.unique(series[order], return_counts=True)[1].astype(np.int64)
    firsts = np.cumsum(sizes) - sizes
    counts = sizes * (sizes - 1) // 2
    sampled = bool(counts.sum() > MOST_PAIRS)
    if sampled:
        random = np.random.default_rng(1)
        which = random.choice(len(sizes), MOST_PAIRS, p=counts / counts.sum())
        i = random.integers(sizes[which])
        j = (i + 1 + random.integers(sizes[which] - 1)) % sizes[which]
        left, right = firsts[which] + i, firsts[which] + j
    else:
        inside = [np.stack(np.triu_indices(m, 1)) + f for m, f in zip(sizes, firsts, strict=True)]
        left, right = np.concatenate([np.empty((2, 0), dtype=np.intp), *inside], axis=1)
    left, right = order[left], order[right]
    apart = np.sqrt(np.square(points[left] - points[right]).sum(axis=1))
    return Pairs(left, right, apart, sampled)


@dataclass(frozen=True, eq=False)
class Semivariogram:
    """Half the mean squared differences of rows by their distance.

    Attributes
    ----------
    distances, values : ndarray (bins,)
        Means of the pairs in each bin.
    pairs : ndarray of int (bins,)
    fitted : ndarray (bins,)
        Mean of the model over the pairs; NaN without one.
    sampled : bool
    """

    distances: FloatArray
    values: FloatArray
    pairs: IndexArray
    fitted: FloatArray
    sampled: bool = field(default=False)


def semivariances(
    residuals: FloatArray,
    pairs: Pairs,
    *,
    bins: int,
    farthest: float,
    robust: bool = False,
    model: FloatArray | None = None,
) -> Semivariogram:
    """Empirical semivariogram of residuals.

    Parameters
    ----------
    residuals : ndarray (n,)
    pairs : Pairs
    bins : int
        Number of bins of equal numbers of pairs. Where there are up to 20 different distances,
        each of them is a bin.
    farthest : float
        Pairs beyond this distance are left out.
    robust : bool
        The estimate by fourth powers of mean square roots, which outliers move less.
    model : ndarray (m,), optional
        Semivariance of each pair by the model.

    References
    ----------
    Cressie, Hawkins (1980), *Robust estimation of the variogram I*, Mathematical Geology 12(2).

    Examples
    --------
    >>> pairs = pairs_of_rows(np.array([[0.0], [1.0], [2.0]]), np.zeros(3, dtype=int))
    >>> made = semivariances(np.array([0.0, 1.0, 3.0]), pairs, bins=10, farthest=5.0)
    >>> made.distances, made.values
    (array([1., 2.]), array([1.25, 4.5 ]))
    """
    near = np.flatnonzero(pairs.distances <= farthest * (1.0 + SAME))
    near = near[np.argsort(pairs.distances[near], kind="stable")]
    apart = pairs.distances[near]
    jumps = np.diff(apart) > SAME * apart[1:] if len(apart) else np.empty(0, dtype=bool)
    if jumps.sum() < FEW_DISTANCES:
        ends = np.append(np.flatnonzero(jumps) + 1, len(apart))
    else:
        ends = np.unique(np.round(np.arange(1, bins + 1) * len(apart) / bins).astype(np.intp))
        steps = np.append(np.flatnonzero(jumps) + 1, len(apart))
        ends = np.unique(steps[np.minimum(np.searchsorted(steps, ends), len(steps) - 1)])
    starts = np.append(0, ends[:-1])
    differences = np.abs(residuals[pairs.left[near]] - residuals[pairs.right[near]])
    counts = ends - starts

    def means(values: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values, starts) / counts)

    if not len(near):
        empty = np.empty(0)
        return Semivariogram(empty, empty, np.empty(0, dtype=np.intp), empty, pairs.sampled)
    if robust:
        values = 0.5 * means(np.sqrt(differences)) ** 4 / (0.457 + 0.494 / counts)
    else:
        values = 0.5 * means(np.square(differences))
    fitted = np.full(len(ends), np.nan) if model is None else means(model[near])
    return Semivariogram(means(apart), values, counts, fitted, pairs.sampled)
