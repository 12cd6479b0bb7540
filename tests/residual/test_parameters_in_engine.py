"""The criterion with parameters of the residuals against dense algebra, and its derivatives."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from dense import dense_fit
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms import Control
from lmforms.correlation import (
    Antedependence,
    CompoundSymmetry,
    Exponential,
    FirstOrder,
    MovingAverage,
    Toeplitz,
    UnstructuredCorrelation,
)
from lmforms.covariance import Stacked, Unstructured
from lmforms.engine.criterion.evaluate import differentiate, evaluate, gradient_at
from lmforms.engine.criterion.residual_problem import residual_problem
from lmforms.engine.estimate import estimate
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.chain_sums import ChainSums
from lmforms.engine.sums.residual_sums import RowSums, residual_sums
from lmforms.engine.sums.series_moments import MomentSums
from lmforms.engine.sums.sums_of_rows import sums_of_rows
from lmforms.residual import Known
from lmforms.residual.parametric import ParametricResidual
from lmforms.residual.variance_functions import VarianceFunction

pytestmark = pytest.mark.one_in(4)

VISITS = 4
CORRELATIONS = {
    "ar1": FirstOrder(),
    "cs": CompoundSymmetry(VISITS),
    "corsymm": UnstructuredCorrelation(VISITS),
    "toep": Toeplitz(VISITS),
    "ma": MovingAverage(2),
    "exp": "exp",
    "ante": Antedependence(VISITS),
}
RANDOM = ["none", "intercept", "slopes", "crossed", "both", "within levels"]


class Power(VarianceFunction):
    """ln sd = δ z, as small as a variance function can be."""

    names = ("power",)

    def __init__(self, z):
        self.z = z

    def log_sd(self, phi):
        return np.asarray(phi)[0] * self.z

    def natural(self, phi):
        return np.asarray(phi)

    def parameters(self, natural):
        return np.asarray(natural, dtype=float)

    def bounds(self):
        return np.array([-np.inf]), np.array([np.inf])

    def starts(self):
        return [np.zeros(1)]

    def at_bound(self, phi):
        return np.zeros(1, dtype=bool)

    def row_constants(self):
        return self.z[:, None]

    def subset(self, rows):
        return Power(self.z[rows])


def make_rows(seed, kind, random, *, variance=False, weights=False, n_series=9):
    """Series of up to four visits, some of them missing, in any order."""
    rng = np.random.default_rng(seed)
    visit = np.tile(np.arange(VISITS), n_series)
    series = np.repeat(np.arange(n_series), VISITS)
    kept = rng.permutation(np.flatnonzero(rng.random(len(visit)) < 0.85))
    visit, series = visit[kept], series[kept]
    n = len(visit)
    points = visit[:, None].astype(float)
    correlation = CORRELATIONS[kind]
    if kind == "exp":
        points = points + 0.3 * rng.random((n, 1))
        correlation = Exponential.of_points(points, series, axes=("t",))
    X = np.column_stack([np.ones(n), visit + 0.1 * rng.normal(size=n)])
    y = 3.0 + visit + rng.normal(size=n_series)[series] + rng.normal(size=n)
    ones = np.ones((n, 1))
    factors = {
        "none": [],
        "intercept": [FactorRows(series, n_series, ones)],
        "slopes": [FactorRows(series, n_series, X)],
        "ten series": [FactorRows(series // 10, (n_series + 9) // 10, ones)],
        "slopes of fifty series": [FactorRows(series // 50, (n_series + 49) // 50, X)],
        "crossed": [FactorRows(rng.integers(0, 5, n), 5, ones)],
        "both": [
            FactorRows(series, n_series, ones),
            FactorRows(rng.integers(0, 5, n), 5, ones),
        ],
        "within levels": [
            FactorRows(series, n_series, ones),
            FactorRows(series // 3, 3, ones),
        ],
    }[random]
    residual = ParametricResidual(
        correlation,
        points,
        series,
        Power(0.1 * rng.normal(size=n)) if variance else None,
        rng.uniform(0.5, 2.0, n) if weights else None,
    )
    rows = ModelRows(y, X, tuple(factors), residual)
    return rows, tuple(Stacked.of([Unstructured(f.k)]) for f in factors)


def problem_of(rows, covariances, reml, *, by_rows=False):
    cp = sums_of_rows(rows, covariances, rotate=False)
    sums = residual_sums(rows, cp.scaling, by_rows=by_rows)
    return residual_problem(sums, rows.residual, covariances, reml, Control())


def differences(function, at, step=1e-4):
    """Central differences, extrapolated once."""
    out = []
    for e in np.eye(len(at)):
        near, far = (
            (function(at + h * e) - function(at - h * e)) / (2 * h) for h in (step, 2 * step)
        )
        out.append((4 * near - far) / 3)
    return np.array(out)


@pytest.mark.parametrize("random", RANDOM)
@pytest.mark.parametrize("kind", CORRELATIONS)
def test_value_and_gradient(kind, random):
    rng = np.random.default_rng(5)
    reml = kind in ("ar1", "corsymm", "exp")
    rows, covariances = make_rows(
        11, kind, random, variance=kind in ("ar1", "toep"), weights=kind in ("cs", "exp")
    )
    phi = rows.residual.phi + 0.2 * rng.normal(size=len(rows.residual.phi))
    theta = [rng.normal(size=c.n_theta) for c in covariances]
    rows = replace(rows, residual=rows.residual.at(phi))
    found = estimate(rows, covariances, reml=reml, control=Control(), at=theta)
    known = Known(rows.residual.matrix(rows.n))
    if covariances:
        twin = dense_fit(replace(rows, residual=known), covariances, np.concatenate(theta), reml)
        assert found.criterion == pytest.approx(twin.value, rel=1e-9)
        np.testing.assert_allclose(found.beta, twin.beta, rtol=1e-8)
        np.testing.assert_allclose(np.concatenate([b.ravel() for b in found.b]), twin.b, atol=1e-8)
    else:
        R = rows.residual.matrix(rows.n).toarray()
        Ri, (n, p) = np.linalg.inv(R), rows.X.shape
        S = rows.X.T @ Ri @ rows.X
        e = rows.y - rows.X @ np.linalg.solve(S, rows.X.T @ Ri @ rows.y)
        nu = n - p if reml else n
        value = np.linalg.slogdet(R)[1] + nu * (1 + np.log(2 * np.pi * (e @ Ri @ e) / nu))
        value += np.linalg.slogdet(S)[1] if reml else 0.0
        assert found.criterion == pytest.approx(value, rel=1e-9)
    at = found.optimum.evaluation
    gradient = differences(lambda x: evaluate(at.problem, x).value, at.theta)
    np.testing.assert_allclose(at.gradient, gradient, rtol=1e-6, atol=1e-6)
    h = differences(lambda x: np.array(-evaluate(at.problem, x).parts.r2), at.theta)
    np.testing.assert_allclose(at.mixed, h / at.sigma2, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("random", ["none", "slopes", "both"])
def test_hessian(random):
    rows, covariances = make_rows(3, "ar1", random)
    problem = problem_of(rows, covariances, True)
    x = np.append(np.full(problem.n_theta, 0.7), 0.4)
    H = differences(lambda z: gradient_at(problem, z), x)
    found = differentiate(evaluate(problem, x), hessian=True)
    np.testing.assert_allclose(found.information, H, rtol=1e-5, atol=1e-5)
    rough = differentiate(evaluate(problem, x)).information  # θ by the average information
    np.testing.assert_allclose(rough[-1], H[-1], rtol=1e-3, atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(sorted(CORRELATIONS)))
def test_moments_of_series_are_the_rows(seed, kind):
    rows, covariances = make_rows(seed, kind, "none", variance=kind == "ar1", n_series=40)
    problems = [problem_of(rows, covariances, True, by_rows=b) for b in (True, False)]
    assert isinstance(problems[0].sums, RowSums)
    x = rows.residual.phi + 0.1
    first, second = (differentiate(evaluate(p, x)) for p in problems)
    assert first.value == pytest.approx(second.value, rel=1e-11)
    np.testing.assert_allclose(first.gradient, second.gradient, rtol=1e-8, atol=1e-8)


def test_balanced_series_are_summed_once():
    rows, covariances = make_rows(1, "corsymm", "none", n_series=200)
    assert isinstance(problem_of(rows, covariances, True).sums, MomentSums)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**16))
def test_order_of_rows_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    rows, covariances = make_rows(seed, "ar1", "intercept")
    first = estimate(rows, covariances, reml=True, control=Control())
    order = rng.permutation(rows.n)
    second = estimate(rows.subset(order), covariances, reml=True, control=Control())
    assert first.criterion == pytest.approx(second.criterion, abs=1e-6)


@pytest.mark.parametrize("rho", [0.9999, 1 - 1e-8, -0.9999])
def test_no_cancellation_near_one(rho):
    """Against 40-digit arithmetic of the three-term form."""
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(0)
    m, ar1 = 30, FirstOrder()
    y = 100.0 + np.cumsum(rng.normal(size=m)) * 1e-3
    points = np.arange(m, dtype=float)[:, None]
    residual = ParametricResidual(ar1, points, np.zeros(m, dtype=int)).at(ar1.parameters([rho]))
    with mpmath.workdps(40):
        r = mpmath.mpf(float(residual.natural[0]))
        total = mpmath.mpf(float(y[0])) ** 2
        for a, b in pairwise(y):
            total += (mpmath.mpf(float(b)) - r * mpmath.mpf(float(a))) ** 2 / (1 - r**2)
        log_det = float((m - 1) * mpmath.log(1 - r**2))
    whitened = residual.whiten(y)
    # ρ is stored to a digit of 1 − ρ that grows as ρ nears one: both sides use 1 − ρ² of φ
    exact = np.cos(residual.phi[0]) ** 2
    scale = (1 - float(r) ** 2) / exact
    assert whitened @ whitened == pytest.approx(float(total), rel=1e-6 + abs(scale - 1))
    assert residual.log_determinant() == pytest.approx(log_det, abs=1e-6 * m + 30 * abs(scale - 1))


def test_negative_correlation_is_found():
    rng = np.random.default_rng(2)
    n_series, m = 60, 5
    e = rng.normal(size=(n_series, m))
    for t in range(1, m):
        e[:, t] = -0.6 * e[:, t - 1] + 0.8 * e[:, t]
    series, visit = np.repeat(np.arange(n_series), m), np.tile(np.arange(m), n_series)
    residual = ParametricResidual(FirstOrder(), visit[:, None].astype(float), series)
    rows = ModelRows(e.ravel(), np.ones((n_series * m, 1)), (), residual)
    found = estimate(rows, (), reml=True, control=Control())
    assert found.converged
    assert found.residual.natural[0] == pytest.approx(-0.6, abs=0.1)


@pytest.mark.parametrize("random", ["none", "ten series", "slopes of fifty series"])
@pytest.mark.parametrize("kind", ["ar1", "exp", "ante"])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_neighbours_are_the_rows(kind, random, sign):
    rows, covariances = make_rows(4, kind, random, weights=sign > 0, n_series=200)
    if kind == "exp":  # times on a grid, so that there are few gaps
        points = np.round(rows.residual.points * 2) / 2
        order = np.lexsort((points[:, 0], rows.residual.series))
        ties = (np.diff(points[order, 0]) == 0) & (np.diff(rows.residual.series[order]) == 0)
        assert not ties.any()
        rows = replace(rows, residual=replace(rows.residual, points=points, order=None))
    problems = [problem_of(rows, covariances, True, by_rows=b) for b in (True, False)]
    assert isinstance(problems[1].sums, ChainSums)
    x = np.append(np.full(problems[0].n_theta, 0.6), sign * (np.abs(rows.residual.phi) + 0.3))
    first, second = (differentiate(evaluate(p, x)) for p in problems)
    assert first.value == pytest.approx(second.value, rel=1e-11)
    np.testing.assert_allclose(first.gradient, second.gradient, rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(first.mixed, second.mixed, rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize("distance", [1e-4, 1e-8, 1e-12])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_neighbours_near_one(distance, sign):
    """Sums free of n keep their digits as ρ nears ±1."""
    rng = np.random.default_rng(1)
    n_series, m = 20, 15
    walk = np.cumsum(rng.normal(size=(n_series, m)), axis=1) * 1e-2
    y = (walk + 5.0 * rng.normal(size=(n_series, 1))) * sign ** np.arange(m)
    series, visit = np.repeat(np.arange(n_series), m), np.tile(np.arange(m), n_series)
    residual = ParametricResidual(FirstOrder(), visit[:, None].astype(float), series)
    rows = ModelRows(y.ravel(), np.column_stack([np.ones(n_series * m), visit]), (), residual)
    phi = np.array([sign * (np.pi / 2 - np.sqrt(2 * distance))])
    problems = [problem_of(rows, (), True, by_rows=b) for b in (True, False)]
    assert isinstance(problems[1].sums, ChainSums)
    first, second = (differentiate(evaluate(p, phi)) for p in problems)
    assert first.value == pytest.approx(second.value, rel=1e-10)
    np.testing.assert_allclose(first.gradient, second.gradient, rtol=1e-6)
