"""The likelihood of each function, maximised from its own starts, against nlme and figures given.

Dense: the covariance of all rows at once. Gradients come from the derivatives of the classes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import block_diag, cho_factor, cho_solve
from scipy.optimize import minimize

from lmforms.correlation import (
    ARMA,
    CompoundSymmetry,
    Exponential,
    FirstOrder,
    Gaussian,
    Matern,
    MovingAverage,
    Product,
    Spherical,
    Toeplitz,
    UnstructuredCorrelation,
)

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "correlations.json").read_text())
FITS = REFERENCE["fits"]


def dummies(codes):
    codes = np.asarray(codes)
    return (codes[:, None] == np.unique(codes)).astype(float)


def growth():
    data = {key: np.array(value, dtype=float) for key, value in REFERENCE["data"]["growth"].items()}
    age, female = data["age"], data["female"]
    X = np.column_stack([np.ones(108), age, female, age * female])
    return data["y"], X, data["visit"][:, None] - 1.0, data["series"]


def rats():
    data = {key: np.array(value, dtype=float) for key, value in REFERENCE["data"]["rats"].items()}
    D = dummies(data["diet"])
    D[:, 0] = 1.0
    return (
        data["y"],
        np.hstack([D, D * data["time"][:, None]]),
        data["time"][:, None],
        data["series"],
    )


def field():
    data = {key: np.array(value, dtype=float) for key, value in REFERENCE["data"]["field"].items()}
    D = dummies(data["variety"])
    D[:, 0] = 1.0
    places = np.column_stack([data["latitude"], data["longitude"]])
    return data["y"], D, places, np.zeros(224)


def criterion(correlation, y, X, points, series, reml=True):
    """−log-likelihood profiled over β and σ², with its gradient, as a function of φ."""
    rows = [np.flatnonzero(series == g) for g in np.unique(series)]
    order = np.concatenate(rows)
    y, X = y[order], X[order]
    stack = np.stack([points[r] for r in rows])  # series are equally long here
    df = len(y) - X.shape[1] if reml else len(y)

    def value(phi):
        R = block_diag(*correlation.matrix(phi, stack))
        try:
            factor = cho_factor(R, lower=True)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros(len(phi))
        RX = cho_solve(factor, X)
        M = X.T @ RX
        e = y - X @ np.linalg.solve(M, RX.T @ y)
        Re = cho_solve(factor, e)
        rss = e @ Re
        P = cho_solve(factor, np.eye(len(y)))
        total = df * (np.log(2.0 * np.pi * rss / df) + 1.0)
        total += 2.0 * np.log(np.diagonal(factor[0])).sum()
        if reml:
            total += np.linalg.slogdet(M)[1]  # as lme4: without ln|X'X|
            P -= RX @ np.linalg.solve(M, RX.T)
        gradient = [
            np.sum(P * (dR := block_diag(*slope))) - df / rss * (Re @ dR @ Re)
            for slope in correlation.derivative(phi, stack)
        ]
        return 0.5 * total, 0.5 * np.array(gradient)

    return value


def fit(correlation, problem, reml=True, most=None):
    value = criterion(correlation, *problem, reml=reml)
    found = [minimize(value, s, jac=True, method="BFGS") for s in correlation.starts()[:most]]
    best = min(found, key=lambda result: result.fun)
    return -best.fun, best.x


def check(correlation, problem, name):
    loglik, phi = fit(correlation, problem, reml=not name.endswith("_ml"))
    assert loglik == pytest.approx(FITS[name]["loglik"], abs=1e-6)
    np.testing.assert_allclose(correlation.natural(phi), FITS[name]["natural"], rtol=1e-3)
    assert not correlation.at_bound(phi).any()


@pytest.mark.parametrize(
    "name, correlation",
    [
        ("ar1", FirstOrder()),
        ("ma1", MovingAverage(1)),
        ("ma1_ml", MovingAverage(1)),
        ("arma11", ARMA(1, 1, span=3)),
        ("ar2", ARMA(2, 0, span=3)),
    ],
)
def test_growth(name, correlation):
    check(correlation, growth(), name)


def test_growth_figures_given():
    """REML log-likelihoods and estimates of issue 15."""
    loglik, phi = fit(CompoundSymmetry(4), growth())
    assert loglik == pytest.approx(-216.8786246, abs=1e-6)
    assert CompoundSymmetry(4).natural(phi) == pytest.approx([0.6318389], abs=1e-5)
    loglik, phi = fit(Toeplitz(4), growth())
    assert loglik == pytest.approx(-214.6957694, abs=1e-6)
    assert Toeplitz(4).natural(phi) == pytest.approx([0.6371798, 0.6966964, 0.478658], abs=1e-4)
    assert fit(Toeplitz(4), growth(), reml=False)[0] == pytest.approx(-212.3215305, abs=1e-6)
    loglik, _ = fit(UnstructuredCorrelation(4), growth())
    assert loglik == pytest.approx(-213.0853168, abs=1e-6)


def test_growth_unit_root():
    """The moving average of order two is at its bound; nlme stops short of it."""
    ma = MovingAverage(2)
    loglik, phi = fit(ma, growth())
    assert loglik == pytest.approx(-219.4105037, abs=1e-6)
    assert ma.at_bound(phi).all()
    assert np.abs(np.roots([1.0, *ma.natural(phi)])) == pytest.approx([1.0, 1.0], abs=1e-4)


@pytest.mark.parametrize("name", ["exp_time", "exp_time_ml", "exp_time_nugget"])
def test_continuous_time(name):
    problem = rats()
    kernel = Exponential.of_points(
        problem[2], problem[3].astype(int) - 1, axes=("time",), nugget=name.endswith("nugget")
    )
    check(kernel, problem, name)


@pytest.mark.parametrize(
    "name, kernel, options", [("exp_l1", Exponential, {"metric": "l1"}), ("gau", Gaussian, {})]
)
def test_field(name, kernel, options):
    problem = field()
    kernel = kernel.of_points(problem[2], axes=("x", "y"), nugget=True, **options)
    check(kernel, problem, name)


@pytest.mark.parametrize("name, kernel", [("exp", Exponential), ("sph", Spherical)])
def test_field_with_a_range_without_end(name, kernel):
    """The range of nlme runs off to 3e6 and 2e5: only differences of plots are determined."""
    problem = field()
    one = kernel.of_points(problem[2], axes=("x", "y"), nugget=True)
    phi = one.parameters(np.array(FITS[name]["natural"]))
    value = criterion(one, *problem)
    loglik, gradient = value(phi)
    assert -loglik == pytest.approx(FITS[name]["loglik"], abs=1e-6)
    assert np.abs(gradient[0]) < 1e-3
    assert one.at_bound(phi)[0]


def test_smoothness_of_a_field():
    """The exponential at ν = 1/2, and the derivative in ν."""
    problem = field()
    free = criterion(Matern.of_points(problem[2], axes=("x", "y"), nugget=True), *problem)
    kernel = Matern()
    phi = np.array([3.0, kernel.parameters(np.array([1.0, 0.5]))[1], -0.5])
    exponential = criterion(Exponential(("x", "y"), nugget=True), *problem)
    assert free(phi)[0] == pytest.approx(exponential(phi[[0, 2]])[0], rel=1e-12)
    step = np.array([0.0, 1e-4, 0.0])
    slope = (free(phi + step)[0] - free(phi - step)[0]) / 2e-4
    assert free(phi)[1][1] == pytest.approx(slope, rel=1e-5)


# --- a field of 8 rows and 6 columns, of issue 15 -------------------------------------------------

VARIETIES = "CDEFBA FBACDE DCFBEA BCFDEA DFBCEA FEACDB EDCAFB FADBEC".replace(" ", "")
YIELDS = """
51.56 49.59 49.95 53.28 51.21 50.86 53.09 53.93 49.72 53.95 49.25 49.66
50.99 53.89 52.32 49.93 46.68 48.84 50.33 53.53 55.46 49.33 46.95 49.38
49.82 54.02 52.54 54.19 51.02 51.73 52.10 50.48 51.56 53.25 48.39 50.55
48.95 47.60 51.72 51.94 51.94 51.75 52.74 49.63 47.81 51.09 52.33 53.58
"""


def grid(without=()):
    kept = np.setdiff1d(np.arange(48), without)
    D = dummies(list(VARIETIES))
    D[:, 0] = 1.0
    plots = np.array([[i, j] for i in range(8) for j in range(6)], dtype=float)
    y = np.array(YIELDS.split(), dtype=float)
    return y[kept], D[kept], plots[kept], np.zeros(len(kept))


@pytest.mark.parametrize(
    "factor, without, loglik, lags",
    [
        (FirstOrder(), (), -75.8103407, (0.180110, 0.312424)),
        (MovingAverage(1), (), -74.9566266, (0.435728, 0.309472)),
        (FirstOrder(), (7, 20, 21, 40), -63.4219747, (0.311176, 0.524631)),
    ],
)
def test_separable_grid(factor, without, loglik, lags):
    both = Product(factor, factor, 1, ("row", "column"))
    found, phi = fit(both, grid(without))
    assert found == pytest.approx(loglik, abs=1e-6)
    assert both.matrix(phi, np.array([[0.0, 0], [1, 0]]))[0, 1] == pytest.approx(lags[0], abs=1e-4)
    assert both.matrix(phi, np.array([[0.0, 0], [0, 1]]))[0, 1] == pytest.approx(lags[1], abs=1e-4)
