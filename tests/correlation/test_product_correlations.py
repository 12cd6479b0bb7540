"""Products against Kronecker products."""

from __future__ import annotations

import numpy as np
from correlations import GRID

from lmforms.correlation import (
    CompoundSymmetry,
    Exponential,
    FirstOrder,
    Matern,
    MovingAverage,
    Product,
    UnstructuredCorrelation,
)


def test_kronecker_product_on_a_grid():
    rows, columns = np.arange(3.0)[:, None], np.arange(4.0)[:, None]
    for left, right in [
        (FirstOrder(), FirstOrder()),
        (UnstructuredCorrelation(3), MovingAverage(2)),
        (CompoundSymmetry(3), Exponential()),
        (CompoundSymmetry(3), Exponential(nugget=True)),
    ]:
        both = Product(left, right, 1)
        a = np.random.default_rng(1).normal(size=left.n_parameters)
        b = np.random.default_rng(2).normal(size=right.n_parameters)
        np.testing.assert_allclose(
            both.matrix(np.concatenate([a, b]), GRID),
            np.kron(left.matrix(a, rows), right.matrix(b, columns)),
            rtol=1e-13,
        )
        slopes = both.derivative(np.concatenate([a, b]), GRID)
        np.testing.assert_allclose(
            slopes[0], np.kron(left.derivative(a, rows)[0], right.matrix(b, columns)), atol=1e-14
        )
        np.testing.assert_allclose(
            slopes[-1], np.kron(left.matrix(a, rows), right.derivative(b, columns)[-1]), atol=1e-14
        )


def test_missing_cells_and_any_order():
    both = Product(CompoundSymmetry(3), FirstOrder(), 1)
    phi = np.array([0.4, 0.3])
    kept = [7, 2, 11, 0, 5]
    np.testing.assert_allclose(
        both.matrix(phi, GRID[kept]), both.matrix(phi, GRID)[np.ix_(kept, kept)]
    )


def test_several_coordinates_of_a_factor():
    both = Product(Matern(("x", "y"), nu=1.5), FirstOrder(), 2, ("place", "time"))
    assert both.names == ("range[place]", "rho[time]")
    points = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 3.0], [3.0, 4.0, 3.0]])
    found = both.matrix(both.parameters(np.array([2.0, 0.5])), points)
    far = (1.0 + 2.5) * np.exp(-2.5)
    np.testing.assert_allclose(found[0], [1.0, 0.25, 0.25 * far], rtol=1e-12)
    np.testing.assert_allclose(found[1, 2], far, rtol=1e-12)


def test_names_and_bounds():
    both = Product(UnstructuredCorrelation(2), FirstOrder(), 1, ("trait", ""))
    assert both.names == ("rho[trait,1,2]", "rho")
    low, high = both.bounds()
    np.testing.assert_array_equal([low, high], [[-1.0, -1.0], [1.0, 1.0]])
    grid = Product(FirstOrder(), FirstOrder(), 1)
    assert grid.at_bound(np.array([0.2, -np.pi / 2])).tolist() == [False, True]


def test_starts_combine_those_of_the_factors():
    left, right = CompoundSymmetry(3), FirstOrder()
    starts = Product(left, right, 1).starts()
    assert len(starts) == 6
    np.testing.assert_array_equal(starts[0], np.concatenate([left.starts()[0], right.starts()[0]]))
    singles = [np.concatenate([a, b]).tolist() for a in left.starts() for b in right.starts()]
    assert all(start.tolist() in singles for start in starts)
