"""Shortest, typical and longest distances against all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from lmforms.correlation import Exponential, Gaussian, Spherical, axis_distances, distances
from lmforms.errors import DataError, ModelError


@pytest.mark.parametrize("city_block", [False, True])
def test_against_all_pairs(city_block):
    random = np.random.default_rng(3)
    points = random.normal(size=(60, 2)).round(1)
    series = random.integers(0, 7, size=60)
    points[5], series[5] = points[4], series[4]  # a pair in the same place does not count
    metric = "cityblock" if city_block else "euclidean"
    unique = [np.unique(points[series == g], axis=0) for g in range(7)]
    pairs = np.concatenate([pdist(places, metric) for places in unique])
    found = distances(points, series, city_block=city_block)
    assert found.shortest == pytest.approx(pairs.min())
    assert found.typical == pytest.approx(np.median(pairs))
    assert pairs.max() <= found.longest <= np.sqrt(2.0) * pairs.max()


def test_order_of_rows_is_of_no_consequence():
    random = np.random.default_rng(4)
    points, series = random.normal(size=(900, 2)), random.integers(0, 3, size=900)
    order = random.permutation(900)
    assert distances(points, series) == distances(points[order], series[order])


def test_many_points_are_sampled():
    points = np.random.default_rng(5).uniform(size=(20_000, 2))
    found = distances(points)
    some = points[:1500]
    assert found.typical == pytest.approx(np.median(cdist(some, some)), rel=0.03)
    assert found.shortest < 1e-3
    assert 1.3 < found.longest < np.sqrt(2.0)


def test_series_far_apart_and_short():
    """Series of one point have no distances; others keep theirs, wherever they are."""
    points = np.array([[0.0], [1e-3], [5.0], [1e6], [1e6 + 2.0]])
    found = distances(points, np.array([0, 0, 1, 2, 2]))
    assert (found.shortest, found.longest) == (pytest.approx(1e-3), 2.0)


def test_along_axes():
    grid = np.array([[i, 10.0 * j] for i in range(3) for j in range(4)], dtype=float)
    assert [d.shortest for d in axis_distances(grid)] == [1.0, 10.0]
    assert [d.longest for d in axis_distances(grid)] == [2.0, 30.0]


@pytest.mark.parametrize("points", [[[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]]])
def test_no_two_different_points(points):
    with pytest.raises(DataError, match="No two points of a series differ"):
        distances(np.array(points))


def test_of_points_measures_the_scale():
    grid = np.array([[i, 10.0 * j] for i in range(5) for j in range(4)], dtype=float)
    one = Gaussian.of_points(grid, axes=("row", "column"), nugget=True)
    assert one.scale == (distances(grid),)
    two = Exponential.of_points(grid, axes=("row", "column"), per_axis=True, metric="l1")
    assert two.scale == axis_distances(grid)
    assert two.names == ("range[row]", "range[column]")
    block = Exponential.of_points(grid, axes=("row", "column"), metric="l1")
    assert block.scale[0].longest == 34.0
    for kernel in (one, two, block, Spherical.of_points(grid, axes=("a", "b"))):
        for start in kernel.starts():
            assert not kernel.at_bound(start).any()


def test_one_scale_for_each_range():
    with pytest.raises(ModelError, match="2 ranges, but the distances of 1"):
        Gaussian(("x", "y"), per_axis=True)
