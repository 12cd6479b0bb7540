"""EMMA against lmer, and against n × n matrices."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize_scalar

import lmforms as lf
from lmforms.errors import ModelError, SingularWarning
from lmforms.relationship import Relationship
from lmforms.varcomp import ComponentModel, component_spectrum, emma

ONE_WAY = {
    "Dyestuff": "Yield ~ 1 + (1 | Batch)",
    "Dyestuff2": "Yield ~ 1 + (1 | Batch)",
    "Rail": "travel ~ 1 + (1 | Rail)",
    "dung": "pr_dung ~ flies + (1 | oven_block)",
}


def dense_criterion(model, ratio, reml):
    """−2 ln L at σ_u²/σ² with σ² profiled out, by n × n matrices."""
    z = model.components[0].Z.toarray()
    w = np.ones(model.n) if model.weights is None else model.weights
    v = ratio * z @ model.components[0].covariance() @ z.T + np.diag(1 / w)
    x, y, inverse = model.X, model.y, np.linalg.inv(v)
    xvx = x.T @ inverse @ x
    r = y - x @ np.linalg.solve(xvx, x.T @ inverse @ y)
    nu = model.n - x.shape[1] if reml else model.n
    out = np.linalg.slogdet(v)[1] + nu * (1 + np.log(2 * np.pi * (r @ inverse @ r) / nu))
    return out + (np.linalg.slogdet(xvx)[1] if reml else 0)


def dense_optimum(model, reml):
    """The best ln ratio: of a grid, then within its neighbours."""
    grid = np.linspace(-12, 12, 97)
    values = [dense_criterion(model, np.exp(t), reml) for t in grid]
    i = int(np.clip(np.argmin(values), 1, 95))
    found = minimize_scalar(
        lambda t: dense_criterion(model, np.exp(t), reml),
        bounds=(grid[i - 1], grid[i + 1]),
        method="bounded",
        options={"xatol": 1e-12},
    )
    # parabola: the minimum of a function is known to the root of its rounding only
    t, h = found.x, 1e-3
    below, at, above = (dense_criterion(model, np.exp(t + k * h), reml) for k in (-1, 0, 1))
    return np.exp(t - 0.5 * h * (above - below) / (above - 2 * at + below))


def genomic(seed, n=60, levels=40, markers=300, repeats=True, weights=None):
    rng = np.random.default_rng(seed)
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, markers), (levels, markers)).astype(float)
    K = lf.relationship.vanraden(counts, labels=range(levels), monomorphic="drop")
    codes = (
        np.r_[np.arange(levels), rng.integers(0, levels, n - levels)]
        if repeats
        else (np.arange(n) % levels)
    )
    z = np.zeros((n, levels))
    z[np.arange(n), codes] = 1
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    root = K.root()
    y = x @ [3, 1] + z @ root @ rng.normal(size=root.shape[1]) * 1.2 + rng.normal(size=n)
    return ComponentModel.of_matrices(y, x, {"line": z}, {"line": K}, weights=weights)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", ONE_WAY)
def test_lmer(name, reml):
    data = lf.datasets.load(name)
    fit = emma(ComponentModel.of_formula(ONE_WAY[name], data), reml=reml)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)  # Dyestuff2
        other = lf.lmer(ONE_WAY[name], data, reml=reml)
    assert fit.converged
    assert fit.criterion == pytest.approx(other.criterion, rel=1e-10)
    ratio = float(np.ravel(other.theta)[0]) ** 2
    assert fit.ratios.iloc[0] == pytest.approx(ratio, rel=1e-6, abs=1e-9)
    assert fit.variances["Residual"] == pytest.approx(other.scale, rel=1e-6)
    np.testing.assert_allclose(fit.params, other.params, rtol=1e-6)


def test_boundary_is_said():
    fit = emma(ComponentModel.of_formula(ONE_WAY["Dyestuff2"], lf.datasets.load("Dyestuff2")))
    assert fit.variances["Batch"] == 0
    assert "zero" in fit.message


def test_trace():
    fit = emma(ComponentModel.of_formula(ONE_WAY["Dyestuff"], lf.datasets.load("Dyestuff")))
    trace = fit.trace
    assert set(trace["step"]) >= {"boundary", "grid", "newton", "optimum"}
    assert trace["criterion"].iloc[-1] == pytest.approx(trace["criterion"].min(), rel=1e-14)
    inner = fit.likelihood.criterion
    assert fit.criterion == pytest.approx(inner, rel=1e-12)
    assert np.abs(fit.likelihood.score[:-1]).max() < 1e-8


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_genomic_singular(seed, reml):
    model = genomic(seed)  # G of the markers' own frequencies has the null vector 1
    assert model.components[0].n_effects < 40
    fit = emma(model, reml=reml)
    assert fit.ratios.iloc[0] == pytest.approx(dense_optimum(model, reml), rel=1e-6)


@pytest.mark.parametrize("reml", [True, False])
def test_genomic_low_rank_and_weights(reml):
    weights = np.random.default_rng(5).uniform(0.5, 3, 60)
    model = genomic(3, markers=12, weights=weights)
    assert model.components[0].n_effects <= 12
    fit = emma(model, reml=reml)
    assert fit.ratios.iloc[0] == pytest.approx(dense_optimum(model, reml), rel=1e-6)
    assert fit.criterion == pytest.approx(
        dense_criterion(model, fit.ratios.iloc[0], reml), rel=1e-10
    )


def pedigree_like(n, q, seed):
    """A sparse precision of q effects, n of which have a record or more."""
    rng = np.random.default_rng(seed)
    a = sp.eye(q, format="lil")
    for i in range(2, q):
        a[i, rng.choice(i, 2, replace=False)] = -0.5
    Q = (a.T @ sp.diags(rng.uniform(1, 2, q)) @ a).toarray()
    z = np.zeros((n, q))
    z[np.arange(n), q - 1 - rng.integers(0, min(q, n) - 5, n)] = 1
    K = Relationship.from_precision(Q, labels=range(q))
    u = np.linalg.solve(np.linalg.cholesky(Q).T, rng.normal(size=q))
    y = 1 + z @ u + 0.7 * rng.normal(size=n)
    return ComponentModel.of_matrices(y, np.ones((n, 1)), {"animal": z}, {"animal": K})


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("n, q", [(60, 30), (40, 70)])
def test_precision(n, q, reml):
    model = pedigree_like(n, q, 4)  # 4: neither variance is zero
    fit = emma(model, reml=reml)
    assert fit.ratios.iloc[0] == pytest.approx(dense_optimum(model, reml), rel=1e-6)
    inner = fit.likelihood.criterion
    assert fit.criterion == pytest.approx(inner, rel=1e-10)


def wide(seed):
    """More effects than rows, of which they explain all: every λ is possible, 0 included."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(25, 40))
    y = z @ rng.normal(size=40) * 0.4 + 2 * rng.normal(size=25)
    return ComponentModel.of_matrices(y, np.empty((25, 0)), {"snp": z})


def test_more_effects_than_rows():
    fit = emma(wide(5))
    assert fit.ratios.iloc[0] == pytest.approx(dense_optimum(wide(5), True), rel=1e-6)


def test_more_effects_than_rows_at_the_boundary():
    assert emma(wide(10)).variances["snp"] == 0
    assert dense_optimum(wide(10), True) < 1e-4


def test_more_effects_than_rows_and_no_residual():
    values = [dense_criterion(wide(2), np.exp(t), True) for t in np.linspace(-12, 16, 57)]
    assert np.argmin(values) == 56
    with pytest.raises(ModelError, match="no residual variance"):
        emma(wide(2))


def test_several_optima():
    # two groups of eigenvalues far apart: the criterion has two minima
    d = np.r_[np.full(12, 1e4), np.full(12, 1.0)]
    eta2 = np.r_[np.full(12, 30.0), np.full(12, 25.0)]
    z = np.vstack([np.diag(np.sqrt(d)), np.zeros((20, 24))])
    y = np.r_[np.sqrt(eta2), np.full(20, 1.0)]
    model = ComponentModel.of_matrices(y, np.empty((44, 0)), {"g": z})
    fit = emma(model)
    grid = np.linspace(-16, 8, 481)
    values = np.array([dense_criterion(model, np.exp(t), True) for t in grid])
    inside = (values[1:-1] < values[:-2]) & (values[1:-1] < values[2:])
    assert inside.sum() == 2
    assert "2 optima" in fit.message
    assert fit.criterion <= values.min() + 1e-12
    assert abs(np.log(fit.ratios.iloc[0]) - grid[np.argmin(values)]) < 0.05


def test_no_residual_left():
    # every row its own effect, all of the signal along the direction of most variance
    d = np.r_[100.0, np.ones(9)]
    y = np.r_[10.0, np.full(9, 1.0)]
    model = ComponentModel.of_matrices(y, np.empty((10, 0)), {"g": np.eye(10)}, {"g": np.diag(d)})
    with pytest.raises(ModelError, match="no residual variance"):
        emma(model)


def test_rows_explained():
    # fewer effects than rows, and the response among what they span: no bound
    z = np.repeat(np.eye(4), 3, axis=0)
    model = ComponentModel.of_matrices(z @ [1.0, 2, 5, 3], np.ones((12, 1)), {"g": z})
    with pytest.raises(ModelError, match="no residual variance"):
        emma(model)


def test_nothing_to_tell():
    rng = np.random.default_rng(0)
    model = ComponentModel.of_matrices(rng.normal(size=9), np.ones((9, 1)), {"g": np.eye(9)})
    with pytest.raises(ModelError, match="do not tell"):
        emma(model)


def test_explained_by_x():
    z = np.repeat(np.eye(3), 4, axis=0)
    y = np.random.default_rng(1).normal(size=12)
    model = ComponentModel.of_matrices(y, z, {"g": z})
    with pytest.raises(ModelError, match="explain all"):
        emma(model)


def test_several_components():
    data = lf.datasets.load("Penicillin")
    model = ComponentModel.of_formula("diameter ~ 1 + (1 | plate) + (1 | sample)", data)
    with pytest.raises(ModelError, match="'ai'"):
        emma(model)


def test_too_large(monkeypatch):
    monkeypatch.setattr(component_spectrum, "MOST_DENSE_SIZE", 5)
    with pytest.raises(ModelError, match="method='ai'"):
        emma(ComponentModel.of_formula(ONE_WAY["Dyestuff"], lf.datasets.load("Dyestuff")))


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("small", [1e-3, 1e-6, 1e-9])
def test_hardly_any_residual(small, reml):
    # balanced, so that the estimates are ANOVA's
    rng = np.random.default_rng(2)
    z = np.repeat(np.eye(6), 5, axis=0)
    y = z @ rng.normal(size=6) + small * rng.normal(size=30)
    fit = emma(ComponentModel.of_matrices(y, np.ones((30, 1)), {"g": z}), reml=reml)
    means = y.reshape(6, 5).mean(axis=1)
    within = ((y.reshape(6, 5) - means[:, None]) ** 2).sum() / 24
    between = ((means - means.mean()) ** 2).sum() / (5 if reml else 6) - within / 5
    np.testing.assert_allclose(fit.variances, [between, within], rtol=1e-6)
