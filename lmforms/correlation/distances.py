"""Distances between the points of a series: shortest, typical and longest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..support.arrays import FloatArray, IndexArray

SAMPLED_PAIRS = 20_000
"""Pairs of points whose median distance is the typical one."""


@dataclass(frozen=True)
class Distances:
    """Positive distances between points of the same series.

    Searches for a range start near the typical distance. A range at which even the closest points
    are uncorrelated, or even the farthest ones fully correlated, is at its bound.

    Examples
    --------
    >>> Distances(1.0, 2.0, 10.0).typical
    2.0
    """

    shortest: float = 1.0
    typical: float = 1.0
    longest: float = 1.0


def distances(
    points: FloatArray, series: IndexArray | None = None, *, city_block: bool = False
) -> Distances:
    """Shortest, typical and longest distance between different points of the same series.

    The typical one is the median of a fixed sample of pairs. The longest one is that across the
    box around a series, at most √d times too long. No matrix of all pairs is formed.

    Parameters
    ----------
    points : ndarray (n, d)
    series : ndarray (n,) of int, optional
        Codes 0, 1, … of the series; by default there is one.
    city_block : bool
        Sums of the differences of coordinates, not Euclidean distances.

    Raises
    ------
    DataError
        If no series has two different points.

    Examples
    --------
    >>> distances(np.array([[0.0], [1.0], [5.0]]))
    Distances(shortest=1.0, typical=4.0, longest=5.0)
    """
    points = np.asarray(points, dtype=np.float64)
    series = np.zeros(len(points), dtype=np.intp) if series is None else np.asarray(series)
    coded = np.unique(np.column_stack([series, points + 0.0]), axis=0)  # sorted, by series
    order, places = coded[:, 0].astype(np.intp), coded[:, 1:]
    firsts = np.flatnonzero(np.diff(order, prepend=-1))
    sizes = np.diff(np.append(firsts, len(order)))
    if not (sizes > 1).any():
        raise DataError("No two points of a series differ, so that no distance can be measured.")
    power = 1 if city_block else 2
    box = np.maximum.reduceat(places, firsts) - np.minimum.reduceat(places, firsts)
    longest = float(np.linalg.norm(box, ord=power, axis=1).max())
    return Distances(
        _shortest(order, places, longest, power),
        _typical(places, firsts[sizes > 1], sizes[sizes > 1], power),
        longest,
    )


def axis_distances(points: FloatArray, series: IndexArray | None = None) -> tuple[Distances, ...]:
    """Distances along each coordinate.

    Examples
    --------
    >>> [d.longest for d in axis_distances(np.array([[0.0, 0.0], [1.0, 5.0]]))]
    [1.0, 5.0]
    """
    points = np.asarray(points, dtype=np.float64)
    return tuple(distances(points[:, [j]], series) for j in range(points.shape[1]))


def _shortest(series: IndexArray, places: FloatArray, longest: float, power: int) -> float:
    """Distance of the closest two points, with the series moved apart from each other."""
    from scipy.spatial import cKDTree

    apart = np.column_stack([series * (3.0 * longest), places])
    nearest = cKDTree(apart).query(apart, k=2, p=power)[0][:, 1]
    return float(nearest.min())


def _typical(places: FloatArray, firsts: IndexArray, sizes: IndexArray, power: int) -> float:
    """Median distance of pairs, every one with the same chance, in few series all pairs."""
    pairs = sizes * (sizes - 1) // 2
    if pairs.sum() <= SAMPLED_PAIRS:
        inside = [np.stack(np.triu_indices(m, 1)) for m in sizes]
        left, right = np.concatenate([f + pair for f, pair in zip(firsts, inside)], axis=1)
    else:
        random = np.random.default_rng(1)
        which = random.choice(len(sizes), SAMPLED_PAIRS, p=pairs / pairs.sum())
        m = sizes[which]
        i = random.integers(m)
        j = (i + 1 + random.integers(m - 1)) % m
        left, right = firsts[which] + i, firsts[which] + j
    return float(np.median(np.linalg.norm(places[left] - places[right], ord=power, axis=1)))
