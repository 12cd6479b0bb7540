"""Simulated responses: moments by Monte Carlo against V written out, seeds, refits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import lmforms as lf
from lmforms.correlation import Exponential, FirstOrder, Product, UnstructuredCorrelation
from lmforms.errors import ArgumentError
from lmforms.relationship import Pedigree
from lmforms.residual import Independent, Known, Weighted
from lmforms.residual.draws import root_times, root_width
from lmforms.residual.parametric import ParametricResidual

RNG = np.random.default_rng(8)
N, DRAWS = 30, 4000
DATA = pd.DataFrame({"g": [f"g{i % 5}" for i in range(N)], "t": np.arange(N) // 5})
DATA["x"] = RNG.normal(size=N)
DATA["w"] = RNG.uniform(0.4, 3, N)
DATA["h"] = [f"h{i}" for i in RNG.integers(0, 4, N)]
DATA["sex"] = np.where(RNG.random(N) < 0.5, "f", "m")
DATA["y"] = 2 + DATA["x"] + RNG.normal(size=5)[[int(g[1]) for g in DATA["g"]]] + RNG.normal(size=N)
PLOTS = DATA.assign(row=RNG.permutation(36)[:N] // 6)
PLOTS["col"] = PLOTS.groupby("row").cumcount() * 2
DATA.index = [f"row {i}" for i in range(N)]


def at(formula, *, theta=None, data=DATA, **options):
    """A model at parameters that are given, off their optimum."""
    model = lf.MixedModel(formula, data, **options)
    count = sum(g.covariance.n_theta for g in model.design.groups)
    theta = np.linspace(0.9, 0.5, count) if theta is None else theta
    phi = model.design.residual.phi
    if len(phi):
        phi = model.design.residual.starts()[0] + 0.1
    settled = {"reml": True, "control": lf.Control(), "method": "auto", "optimize": False}
    return model._refit(model.design.y, start=theta, phi=phi, **settled)


def related(q, rank):
    root = np.random.default_rng(5).normal(size=(q, rank))
    labels = [f"g{i}" for i in range(q)]
    return pd.DataFrame(root @ root.T, index=labels, columns=labels)


PEDIGREE = Pedigree.of(
    [f"g{i}" for i in range(7)],
    [None, None, "g0", "g0", "g2", "g2", "g3"],
    [None, None, "g1", "g1", "g3", "g1", "g4"],
)
MODELS = {
    "intercepts": lambda: at("y ~ x + (1 | g)"),
    "slopes": lambda: at("y ~ x + (x | g) + (1 | h)"),
    "weights": lambda: at("y ~ x + (1 | g)", weights="w"),
    "offset": lambda: at("y ~ x + offset(3 * t) + (1 | g)", offset=DATA["w"]),
    "no random effects": lambda: at("y ~ x"),
    "related": lambda: at("y ~ x + (x | g)", relationship={"g": related(5, 9)}),
    "precision": lambda: at("y ~ x + (1 | g)", relationship={"g": PEDIGREE}),
    "ar1": lambda: at("y ~ x + (1 | h)", residual="ar1(t | g)"),
    "htoep": lambda: at("y ~ x", residual="htoep(t | g)", weights="w"),
    "nugget": lambda: at("y ~ x + (1 | h)", residual="exp(t | g) + units"),
    "variances": lambda: at("y ~ x", residual="ar1(t | g) * idh(sex)"),
    "grid": lambda: at("y ~ x", data=PLOTS, residual="ar1(row):ar1(col)"),
    "structured effects": lambda: at("y ~ x + ar1(0 + factor(t) | g)"),
    "strata": lambda: at("y ~ x + (1 | g)", residual="idh(sex)"),
}


@pytest.mark.parametrize("name", MODELS)
def test_means_and_covariances(name):
    """All N(N + 1)/2 covariances within 5 standard errors, and nearly as many as expected in 2."""
    fit = MODELS[name]()
    V, mean = fit.matrices.V, fit.predict(random="none").to_numpy()
    y = fit.simulate(DRAWS, seed=4).to_numpy()
    z = (y.mean(axis=1) - mean) / np.sqrt(np.diag(V) / DRAWS)
    assert np.abs(z).max() < 4.5
    centred = y - mean[:, None]
    found = centred @ centred.T / DRAWS
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / DRAWS)
    z = (found - V) / error
    assert np.abs(z).max() < 5
    assert 0.7 < z[np.tril_indices(N)].std() < 1.3


def test_singular_relationship():
    """K of rank 2, which has no inverse for `fit.matrices`."""
    K = related(5, 2)
    fit = at("y ~ x + (1 | g)", relationship={"g": K})
    Z = fit.design(random="all").Z.toarray()
    lam = fit.theta[0]
    V = fit.scale * (lam**2 * Z @ K.to_numpy() @ Z.T + np.eye(N))
    y = fit.simulate(DRAWS, seed=4).to_numpy()
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / DRAWS)
    assert (np.abs(np.cov(y) - V) < 5 * error).all()


@pytest.mark.parametrize("name", ["slopes", "related", "ar1"])
def test_fitted_random_effects(name):
    fit = MODELS[name]()
    y = fit.simulate(DRAWS, seed=2, random="fitted").to_numpy()
    V = fit.scale * fit.matrices.R.toarray()
    z = (y.mean(axis=1) - fit.fittedvalues) / np.sqrt(np.diag(V) / DRAWS)
    assert np.abs(z).max() < 4.5
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / DRAWS)
    assert (np.abs(np.cov(y) - V) < 5 * error).all()


@pytest.mark.parametrize("name", ["related", "htoep", "ar1"])
def test_seeds(name, monkeypatch):
    fit = MODELS[name]()
    once = fit.simulate(5, seed=1)
    pd.testing.assert_frame_equal(once, fit.simulate(5, seed=1))
    assert_allclose(once.iloc[:, :2], fit.simulate(2, seed=1), rtol=1e-12)
    assert (once != fit.simulate(5, seed=2)).all().all()
    random = np.random.default_rng(1)
    assert_array_equal(once, fit.simulate(5, seed=random))
    assert (once != fit.simulate(5, seed=random)).all().all()
    monkeypatch.setattr("lmforms.results.simulate.MOST_NUMBERS", 2 * N)
    assert_allclose(once, fit.simulate(5, seed=1), rtol=1e-12)


def test_labels():
    draws = MODELS["intercepts"]().simulate(2)
    assert list(draws.columns) == ["sim_1", "sim_2"]
    assert_array_equal(draws.index, DATA.index)


def test_only_the_rows_used():
    gaps = DATA.assign(x=DATA["x"].where(np.arange(N) != 4))
    with pytest.warns(lf.errors.MissingDataWarning):
        fit = lf.lmer("y ~ x + (1 | g)", gaps)
    draws = fit.simulate(seed=1)
    assert draws.index.equals(gaps.index.delete(4))
    assert fit.refit(draws["sim_1"]).nobs == N - 1


def test_refits_find_the_parameters():
    """Means of estimates over draws within 4 standard errors of what was simulated."""
    growth = lf.datasets.load("Orthodont")
    fit = lf.lmer("distance ~ age*Sex", growth, residual="ar1(age | Subject)")
    draws = fit.simulate(25, seed=3)
    found = [fit.refit(draws[name]) for name in draws]
    rho = np.array([f.state.residual.natural[0] for f in found])
    true = fit.state.residual.natural[0]
    assert abs(rho.mean() - true) < 4 * rho.std() / 5
    beta = np.array([f.params for f in found])
    assert (np.abs(beta.mean(axis=0) - fit.params) < 4 * beta.std(axis=0) / 5).all()


def test_bad_arguments():
    fit = MODELS["intercepts"]()
    for n in (0, -1, 1.5, True, "3"):
        with pytest.raises(ArgumentError, match=r"n=.*whole number of at least 1"):
            fit.simulate(n)
    with pytest.raises(ArgumentError, match="random='all': use one of 'new', 'fitted'"):
        fit.simulate(random="all")
    with pytest.raises(ArgumentError, match="seed='a'"):
        fit.simulate(seed="a")
    with pytest.raises(ArgumentError, match="no argument `nsim`"):
        fit.simulate(nsim=3)


# --- roots of R ---------------------------------------------------------------------------------

SERIES = np.array([2, 0, 0, 1, 0, 2, 2, 1])
TIMES = np.array([[0.0], [3.0], [1.0], [0.0], [0.0], [2.0], [1.0], [2.0]])
RESIDUALS = {
    "iid": Independent(),
    "weights": Weighted(np.linspace(0.5, 2, 8)),
    "known": Known(np.eye(8) + 0.5 * np.diag(np.ones(7), 1) + 0.5 * np.diag(np.ones(7), -1)),
    "chain": ParametricResidual(FirstOrder(), TIMES, SERIES, weights=np.linspace(0.5, 2, 8)),
    "time": ParametricResidual(Exponential(), TIMES, SERIES),
    "patterns": ParametricResidual(UnstructuredCorrelation(4), TIMES, SERIES),
    "field": ParametricResidual(
        Product(FirstOrder(), FirstOrder(), 1),
        np.column_stack([np.arange(8.0) // 3, np.arange(8.0) % 3]),
        np.zeros(8, dtype=int),
    ),
    "two fields": ParametricResidual(
        Product(FirstOrder(), Exponential(), 1),
        np.array([[0, 0], [0, 1.5], [2, 0], [0, 0], [1, 1], [1, 0], [2, 2], [2, 1]]) * 1.0,
        np.array([1, 1, 1, 0, 0, 0, 0, 0]),
        weights=np.linspace(0.5, 2, 8),
    ),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_roots_give_back_the_covariance(name):
    residual = RESIDUALS[name]
    identity = np.eye(root_width(residual, 8))
    root = root_times(residual, identity)
    assert root.shape == (8, len(identity))
    assert_allclose(root @ root.T, residual.matrix(8).toarray(), rtol=1e-12, atol=1e-12)
    assert_allclose(identity, np.eye(len(identity)))


def test_cells_without_a_row_are_drawn_too():
    assert root_width(RESIDUALS["field"], 8) == 9
    assert root_width(RESIDUALS["two fields"], 8) > 8
