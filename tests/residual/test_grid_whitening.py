"""Separable grids against n×n matrices, with missing cells, gaps and several fields."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_cases import slow
from test_parameters_in_engine import differences, problem_of

from lmforms import Control, lmer
from lmforms.correlation import Exponential, FirstOrder, Product
from lmforms.covariance import Stacked, Unstructured
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.estimate import estimate
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums import grid_sums
from lmforms.residual.grid_whitening import GridWhitening
from lmforms.residual.parametric import ParametricResidual

pytestmark = pytest.mark.one_in(4)


def field(seed, *, missing=0.15, fields=2, correlation=None):
    """Two fields of 6 × 5 plots without one row and one column, in any order."""
    rng = np.random.default_rng(seed)
    rows, columns = [0.0, 1, 2, 4, 5, 6], [0.0, 1, 3, 4, 5]
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    points, series = np.tile(grid, (fields, 1)), np.repeat(np.arange(fields), len(grid))
    kept = rng.permutation(np.flatnonzero(rng.random(len(points)) > missing))
    correlation = correlation or Product(FirstOrder(), FirstOrder(), 1)
    weights = rng.uniform(0.5, 2.0, len(kept))
    return ParametricResidual(correlation, points[kept], series[kept], None, weights)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.floats(-1.2, 1.2), st.floats(-1.2, 1.2))
def test_against_dense(seed, first, second):
    residual = field(seed).at(np.array([first, second]))
    assert isinstance(residual.whitening, GridWhitening)
    n = len(residual.series)
    R = residual.matrix(n).toarray()
    Ri = np.linalg.inv(R)
    F = np.random.default_rng(seed).normal(size=(n, 3))
    W = residual.whiten(F)
    scale = np.abs(F.T @ Ri @ F).max()
    np.testing.assert_allclose(W.T @ W, F.T @ Ri @ F, atol=1e-9 * scale)
    np.testing.assert_allclose(residual.solve(F), Ri @ F, atol=1e-9 * np.abs(Ri).max())
    np.testing.assert_allclose(residual.whitening.matrix() @ residual.scaled(F), W, atol=1e-9)
    assert residual.log_determinant() == pytest.approx(np.linalg.slogdet(R)[1], abs=1e-8)
    slope = differences(lambda p: residual.at(p).log_determinant(), residual.phi)
    np.testing.assert_allclose(residual.log_det_slope(), slope, rtol=1e-6, atol=1e-6)

    def trace(phi):
        other = residual.at(phi).whiten(F)
        return np.square(other).sum()

    slope = differences(trace, residual.phi)
    np.testing.assert_allclose(residual.contract(F, W), slope, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("random", ["none", "crossed"])
def test_criterion_and_gradient(missing, random):
    residual = field(3, missing=missing).at(np.array([0.4, -0.3]))
    rng = np.random.default_rng(1)
    n = len(residual.series)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    factors = [] if random == "none" else [FactorRows(rng.integers(0, 7, n), 7, np.ones((n, 1)))]
    rows = ModelRows(rng.normal(size=n) + X[:, 1], X, tuple(factors), residual)
    covariances = tuple(Stacked.of([Unstructured(1)]) for _ in factors)
    theta = [np.array([0.8]) for _ in factors]
    found = estimate(rows, covariances, reml=True, control=Control(), at=theta)
    V = residual.matrix(n).toarray()
    for f in factors:
        Z = f.matrix().toarray()
        V = V + 0.64 * Z @ Z.T
    Vi = np.linalg.inv(V)
    S = X.T @ Vi @ X
    e = rows.y - X @ np.linalg.solve(S, X.T @ Vi @ rows.y)
    nu = n - 2
    value = nu * (1 + np.log(2 * np.pi * (e @ Vi @ e) / nu))
    value += np.linalg.slogdet(V)[1] + np.linalg.slogdet(S)[1]
    assert found.criterion == pytest.approx(value, rel=1e-10)
    at = found.optimum.evaluation
    slope = differences(lambda x: evaluate(at.problem, x).value, at.theta)
    np.testing.assert_allclose(at.gradient, slope, rtol=1e-6, atol=1e-6)


def test_levels_meet_at_every_phi():
    """Uncorrelated at the start: the analysis must hold the blocks of other φ."""
    residual = field(5, fields=1)
    n = len(residual.series)
    codes = np.arange(n) % 6
    y = np.random.default_rng(0).normal(size=n)
    factor = FactorRows(codes, 6, np.ones((n, 1)))
    rows = ModelRows(y, np.ones((n, 1)), (factor,), residual.at(np.zeros(2)))
    problem = problem_of(rows, (Stacked.of([Unstructured(1)]),), True)
    x = np.array([0.5, 0.6, 0.2])
    slope = differences(lambda z: evaluate(problem, z).value, x)
    found = differentiate(evaluate(problem, x)).gradient
    np.testing.assert_allclose(found, slope, rtol=1e-6, atol=1e-6)


def test_other_products_are_dense():
    two = Exponential.of_points(np.array([[0.0], [1.0]]), np.zeros(2, int), axes=("x",))
    correlation = Product(two, FirstOrder(), 1)
    residual = field(1, correlation=correlation)
    assert isinstance(residual.whitening, GridWhitening)
    sparse = ParametricResidual(
        correlation, np.random.default_rng(0).normal(size=(30, 2)), np.zeros(30, dtype=int)
    )
    assert not isinstance(sparse.whitening, GridWhitening)


def test_rows_in_any_order():
    rng = np.random.default_rng(0)
    r, c = np.meshgrid(np.arange(8), np.arange(7), indexing="ij")
    data = pd.DataFrame({"row": r.ravel(), "col": c.ravel(), "y": rng.normal(size=56)})
    data["y"] += 0.5 * np.roll(data.y, 1)
    data = data.sample(frac=0.9, random_state=1)
    first = lmer("y ~ 1", data, residual="ar1(row):ar1(col)")
    second = lmer("y ~ 1", data.sample(frac=1.0, random_state=2), residual="ar1(row):ar1(col)")
    assert first.llf == pytest.approx(second.llf, abs=1e-7)


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("random", ["none", "varieties", "varieties and blocks", "slopes"])
@pytest.mark.parametrize("many_columns", [slow(False), True])
def test_sums_over_grids_are_the_rows(missing, random, many_columns, monkeypatch):
    """Free of n, with latent cells, two fields, weights and random effects."""
    rng = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(np.arange(7.0), np.arange(5.0), indexing="ij"), axis=-1)
    points, series = np.tile(grid.reshape(-1, 2), (2, 1)), np.repeat([0, 1], 35)
    kept = rng.permutation(np.flatnonzero(rng.random(70) >= missing))
    residual = ParametricResidual(
        Product(FirstOrder(), FirstOrder(), 1),
        points[kept],
        series[kept],
        None,
        rng.uniform(0.5, 2.0, len(kept)),
    )
    n = len(kept)
    treatment = rng.integers(0, 8, n)
    X = np.column_stack([np.ones(n), treatment[:, None] == np.arange(1, 8)]).astype(float)
    if many_columns:
        monkeypatch.setattr(grid_sums, "MOST_DENSE_COLUMNS", 2)
        monkeypatch.setattr(grid_sums, "SPARSE_SHARE", 0.5)
    varieties = FactorRows(rng.integers(0, 6, n), 6, np.ones((n, 1)))
    blocks = FactorRows(series[kept], 2, np.ones((n, 1)))
    slopes = FactorRows(varieties.codes, 6, np.column_stack([np.ones(n), rng.normal(size=n)]))
    factors = {
        "none": (),
        "varieties": (varieties,),
        "varieties and blocks": (varieties, blocks),
        "slopes": (slopes,),
    }[random]
    covariances = tuple(Stacked.of([Unstructured(f.k)]) for f in factors)
    rows = ModelRows(3.0 + rng.normal(size=n), X, factors, residual)
    problems = [problem_of(rows, covariances, True, by_rows=b) for b in (True, False)]
    assert isinstance(problems[1].sums, grid_sums.GridSums)
    for phi in ([0.4, -0.5], [-0.8, 1.2], [0.0, 0.3]):
        x = np.append(np.full(problems[0].n_theta, 0.7), phi)
        first, second = (differentiate(evaluate(p, x)) for p in problems)
        assert first.value == pytest.approx(second.value, rel=1e-11)
        np.testing.assert_allclose(first.gradient, second.gradient, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(first.mixed, second.mixed, rtol=1e-8, atol=1e-8)


def test_a_shifted_covariate_among_many_columns_fits_alike(monkeypatch):
    """Sums of squares of a column far from zero do not cancel where X is taken as sparse."""
    monkeypatch.setattr(grid_sums, "MOST_DENSE_COLUMNS", 2)
    monkeypatch.setattr(grid_sums, "SPARSE_SHARE", 0.5)
    rng = np.random.default_rng(3)
    r, c = np.meshgrid(np.arange(12), np.arange(10), indexing="ij")
    data = pd.DataFrame({"row": r.ravel(), "col": c.ravel(), "v": rng.permutation(120) % 20})
    data["x"] = rng.normal(size=120)
    data["y"] = data.x + np.cumsum(rng.normal(size=120)) * 0.2
    plain = lmer("y ~ x + factor(v)", data, residual="ar1(row):ar1(col)")
    assert isinstance(plain.state.estimate.problem.sums, grid_sums.GridSums)
    for shift in (1e4, 1e7):
        moved = lmer(
            "y ~ x + factor(v)", data.assign(x=data.x + shift), residual="ar1(row):ar1(col)"
        )
        assert moved.llf == pytest.approx(plain.llf, abs=1e-6)
        assert moved.params["x"] == pytest.approx(plain.params["x"], rel=1e-6)


def test_many_small_grids_take_one_pass():
    """Thousands of series: rows are sorted once, not searched for every series."""
    n_series = 3_000
    points = np.tile(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), (n_series, 1))
    series = np.repeat(np.arange(n_series), 4)
    order = np.random.default_rng(0).permutation(len(series))
    residual = ParametricResidual(
        Product(FirstOrder(), FirstOrder(), 1), points[order], series[order]
    ).at(np.array([0.4, -0.2]))
    one = ParametricResidual(residual.correlation, points[:4], series[:4]).at(residual.phi)
    assert residual.log_determinant() == pytest.approx(n_series * one.log_determinant())
