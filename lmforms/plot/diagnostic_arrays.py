"""Arrays that pictures of simulated residuals and of random effects show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUARTILES = (0.25, 0.5, 0.75)

ROWS_PER_BIN, MOST_BINS = 20, 20
"""Least number of rows whose quartiles are a point of a line, and most points."""

FEWEST_AT_PLACE = 8
"""Rows at one place that make quartiles of their own."""

LEAST_APART = 0.1
"""Of an axis: points nearer to each other cannot both be named."""

BAND = 0.95
"""Share of independent uniform order statistics that lie in their band."""


@dataclass(frozen=True, eq=False)
class UniformQuantiles:
    """Ordered residuals beside what is expected.

    Attributes
    ----------
    expected, observed, lower, upper : ndarray (n,)
        The limits hold for each residual, if all are independent.
    """

    expected: np.ndarray
    observed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def uniform_quantiles(scaled: np.ndarray) -> UniformQuantiles:
    """Order statistics of n uniform numbers: the i-th is distributed as Beta(i, n + 1 − i).

    Examples
    --------
    >>> found = uniform_quantiles(np.array([0.9, 0.2, 0.4]))
    >>> found.expected, found.observed
    (array([0.25, 0.5 , 0.75]), array([0.2, 0.4, 0.9]))
    """
    from scipy.stats import beta

    n = len(scaled)
    i = np.arange(1, n + 1)
    low, high = beta.ppf([[(1 - BAND) / 2], [(1 + BAND) / 2]], i, n + 1 - i)
    return UniformQuantiles(i / (n + 1), np.sort(scaled), low, high)


def rank_places(predicted: np.ndarray) -> np.ndarray:
    """Ranks of predictions, with equal ones at their mean, from 0 to 1.

    Examples
    --------
    >>> rank_places(np.array([5.0, 1.0, 9.0, 9.0]))
    array([0.375, 0.125, 0.75 , 0.75 ])
    """
    from scipy.stats import rankdata

    return np.asarray((rankdata(predicted) - 0.5) / len(predicted))


def binned_quartiles(places: np.ndarray, scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean places and quartiles of residuals in bins of about as many rows each.

    Rows at one place stay together, and are a bin of their own where there are few places.

    Returns
    -------
    centres : ndarray (bins,)
    quartiles : ndarray (3, bins)

    Examples
    --------
    >>> x = np.arange(40.0)
    >>> centres, quartiles = binned_quartiles(x, 2 * x)
    >>> centres, quartiles[1]
    (array([ 9.5, 29.5]), array([19., 59.]))
    """
    bins = np.unique(places, return_inverse=True)[1]
    sizes = np.bincount(bins)
    if len(sizes) > MOST_BINS or sizes.min() < FEWEST_AT_PLACE:
        bins = bin_codes(places, int(np.clip(len(places) // ROWS_PER_BIN, 1, MOST_BINS)))
    used = np.unique(bins)
    centres = np.array([places[bins == b].mean() for b in used])
    quartiles = np.array([np.quantile(scaled[bins == b], QUARTILES) for b in used]).T
    return centres, quartiles


def bin_codes(x: np.ndarray, count: int) -> np.ndarray:
    """Bins of about as many rows each, by the middle of the ranks of equal values.

    Equal values are in one bin, so that there can be fewer.

    Examples
    --------
    >>> bin_codes(np.array([5.0, 1.0, 1.0, 3.0]), 2)
    array([1, 0, 0, 1])
    >>> bin_codes(np.array([2.0, 2.0, 2.0]), 2)
    array([0, 0, 0])
    """
    which = np.unique(x, return_inverse=True)[1]
    sizes = np.bincount(which)
    middle = (np.cumsum(sizes) - 0.5 * sizes) / len(x)
    bins = np.minimum((middle * count).astype(np.intp), count - 1)
    return np.asarray(np.unique(bins, return_inverse=True)[1][which])


def normal_quantiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Normal quantiles (n,), the order of the values, and the line through their quartiles.

    Examples
    --------
    >>> x, order, (level, slope) = normal_quantiles(np.array([3.0, 1.0, 2.0]))
    >>> x.round(3), order, round(level, 3)
    (array([-0.869,  0.   ,  0.869]), array([1, 2, 0]), 2.0)
    """
    from scipy.stats import norm

    n = len(values)
    order = np.argsort(values, kind="stable")
    a = 0.375 if n <= 10 else 0.5  # as R's ppoints
    x = norm.ppf((np.arange(1, n + 1) - a) / (n + 1 - 2 * a))
    low, high = np.quantile(values, [0.25, 0.75])
    slope = (high - low) / (norm.ppf(0.75) - norm.ppf(0.25))
    return np.asarray(x), order, (float(low - slope * norm.ppf(0.25)), float(slope))


def farthest_points(x: np.ndarray, y: np.ndarray, line: np.ndarray, most: int) -> list[int]:
    """Points farthest from a line, farthest first, whose names do not lie on each other.

    Examples
    --------
    >>> x, y = np.array([0.0, 0.01, 5.0, 10.0]), np.array([9.0, 9.01, 5.0, 3.0])
    >>> farthest_points(x, y, x, 2)
    [0, 3]
    """
    distance = np.abs(y - line)
    places = np.column_stack([x / (np.ptp(x) or 1.0), y / (np.ptp(y) or 1.0)])
    found: list[int] = []
    for i in np.argsort(-distance, kind="stable"):
        if len(found) == most or distance[i] == 0:
            break
        if all(np.abs(places[i] - places[j]).max() > LEAST_APART for j in found):
            found.append(int(i))
    return found
