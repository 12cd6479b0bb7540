"""Drawn sums against the sums of rows, and their covariance against dense C'C."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.data.random_design import random_part
from lmforms.engine.batch.minima import find_minima
from lmforms.engine.replication import refits
from lmforms.engine.replication.draws import Drawer, Draws
from lmforms.engine.replication.refits import inner_point
from lmforms.inference.bootstrap.refitters import batch_refitter
from lmforms.inference.bootstrap.row_sums import RowSums

pytestmark = pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")

N = 48


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    made = pd.DataFrame(
        {"g": np.arange(N) % 8, "h": rng.integers(0, 5, N), "x": rng.normal(size=N)}
    )
    made["w"] = rng.uniform(0.3, 3.0, N)
    made["sub"] = made["g"] * 3 + rng.integers(0, 3, N)
    made["few"] = np.where(made["g"] < 2, 1.0, made["x"])  # no slope in two levels
    effects = rng.normal(size=8)[made["g"]] + 0.6 * rng.normal(size=5)[made["h"]]
    made["y"] = 2.0 + made["x"] + effects + rng.normal(size=N) / np.sqrt(made["w"])
    return made


MODELS = {
    "slopes": ("y ~ x + (x | g)", {}),
    "weights": ("y ~ x + (x | g)", {"weights": "w", "reml": False}),
    "crossed": ("y ~ x + (x | g) + (1 | h)", {"weights": "w"}),
    "nested": ("y ~ x + (1 | g / sub)", {}),
    "a basis of lower rank in some levels": ("y ~ x + (few | g)", {}),
    "one mean": ("y ~ 1 + (1 | g)", {}),
}


@cache
def parts(name):
    formula, options = MODELS[name]
    fit = lf.lmer(formula, data(), **options)
    return fit, batch_refitter(fit.state)


def dense_columns(fit, refitter):
    """Whitened [Z X] in the engine's units, factor by factor, and X last."""
    rows, units = fit.state.design.rows(), refitter.problem.system.cp.scaling.units
    whiten = rows.residual.whiten
    z = [
        f.matrix(whiten(scale(f.basis))).toarray()
        for f, scale in zip(rows.level_factors, units.bases, strict=True)
    ]
    return np.hstack([*z, whiten(units.x(rows.X))])


def flat_sums(refitter, draws, j):
    """C'y and y'y of a response without its pilot effects: those of its noise."""
    cp = draws.single(j, refitter.shared, refitter.problem.system.cp, refitter.pilot)
    zy = [f.zr[..., -1].ravel() for f in cp.factors]
    return np.concatenate([*zy, cp.rr[:-1, -1]]), cp.rr[-1, -1]


@pytest.mark.parametrize("name", MODELS)
def test_root_is_that_of_the_products(name):
    """The sums are a linear map of the normal numbers, whose square is C'C, of the same rank."""
    fit, refitter = parts(name)
    drawer = Drawer(refitter.shared, refitter.lams(), N, np.random.default_rng(0))
    unit = np.eye(drawer.root.width)
    noise = drawer.noise(unit, np.zeros(len(unit)))
    empty = [
        np.zeros((len(unit), len(f.zz), f.zz.shape[-1])) for f in refitter.problem.system.cp.factors
    ]
    draws = Draws(empty, noise)
    made = [flat_sums(refitter, draws, j) for j in range(len(unit))]
    root = np.stack([sums for sums, _ in made])
    C = dense_columns(fit, refitter)
    assert_allclose(root.T @ root, C.T @ C, atol=1e-9 * np.abs(C.T @ C).max())
    rank = np.linalg.matrix_rank(C, tol=1e-8 * np.linalg.norm(C, 2))
    assert drawer.root.free == N - rank
    squares = np.array([square for _, square in made])
    assert_allclose(
        squares, np.append(drawer.root.kept.ravel(), np.ones(len(unit) - drawer.root.kept.size))
    )


@pytest.mark.parametrize("name", MODELS)
def test_sums_of_drawn_effects_and_noise_are_those_of_rows(name):
    fit, refitter = parts(name)
    state, sums, rng = fit.state, RowSums(fit.state, refitter), np.random.default_rng(1)
    design, sigma = state.design, state.estimate.sigma
    noise = rng.normal(size=(N, 3))
    effects = [rng.normal(size=(3, len(g.levels), len(g.columns))) for g in design.groups]
    y = noise + np.stack([random_part(design, [b[j] for b in effects]) for j in range(3)], axis=1)
    bases = refitter.problem.system.cp.scaling.units.bases
    inner = [b @ basis.inverse.T / sigma for b, basis in zip(effects, bases, strict=True)]
    found = Draws(inner, sums.of(noise)).sums(refitter.shared)
    expected = sums.of(y)
    for part in ("rotated", "within", "within_y"):
        size = max(np.abs(getattr(expected, part)).max(), 1.0)
        assert_allclose(getattr(found, part), getattr(expected, part), atol=1e-10 * size)
    C = dense_columns(fit, refitter)
    products, square = flat_sums(refitter, Draws(inner, sums.of(noise)), 1)
    whitened = state.residual.whiten(noise[:, 1] / sigma)
    assert_allclose(products, C.T @ whitened, atol=1e-10 * np.abs(products).max())
    assert_allclose(square, whitened @ whitened)


@pytest.mark.parametrize("name", MODELS)
def test_moments_of_drawn_squares(name):
    """ε'ε is σ²χ²_n and C'ε has mean zero, within 4.5 standard errors."""
    _, refitter = parts(name)
    count = 4000
    draws = Drawer(refitter.shared, refitter.lams(), N, np.random.default_rng(5)).draw(count)
    square = draws.noise.within_y + np.square(draws.noise.rotated).sum(axis=(1, 2))
    assert abs(square.mean() - N) < 4.5 * np.sqrt(2.0 * N / count)
    assert abs(square.var() / (2.0 * N) - 1.0) < 4.5 * np.sqrt(2.0 * (1.0 + 6.0 / N) / count)


@pytest.mark.parametrize("name", ["weights", "crossed", "nested"])
def test_a_single_refit_is_that_of_a_batch(name):
    _, refitter = parts(name)
    draws = Drawer(refitter.shared, refitter.lams(), N, np.random.default_rng(3)).draw(6)
    together = refitter.fit(draws)
    for j in range(6):
        single = refitter._single(draws, j, refitter.start)
        assert_allclose(together.criterion[j], single.criterion, atol=1e-8)
        assert_allclose(together.beta[j], single.beta, atol=1e-5)
        assert_allclose(together.sigma[j], single.sigma, rtol=1e-5)
        for own, lam in zip(together.lams, single.lams, strict=True):
            assert_allclose(own[j] @ own[j].T, lam @ lam.T, atol=1e-4)


def test_a_batch_without_an_accepted_minimum(monkeypatch):
    """All of its responses are refitted one by one."""
    _, refitter = parts("weights")
    draws = Drawer(refitter.shared, refitter.lams(), N, np.random.default_rng(3)).draw(2)
    expected = refitter.fit(draws)

    def none_accepted(*args, **options):
        found = find_minima(*args, **options)
        return replace(found, accepted=np.zeros_like(found.accepted))

    monkeypatch.setattr(refits, "find_minima", none_accepted)
    found = refitter.fit(draws)
    assert not found.failed.any()
    assert_allclose(found.criterion, expected.criterion, atol=1e-8)
    assert_allclose(found.beta, expected.beta, atol=1e-5)


def test_first_draws_do_not_depend_on_how_many_there_are():
    _, refitter = parts("crossed")
    whole = Drawer(refitter.shared, refitter.lams(), N, np.random.default_rng(9)).draw(7)
    drawer = Drawer(refitter.shared, refitter.lams(), N, np.random.default_rng(9))
    first, second = drawer.draw(3), drawer.draw(4)
    for part in ("rotated", "within", "within_y"):
        both = [getattr(d.noise, part) for d in (first, second)]
        assert_allclose(np.concatenate(both), getattr(whole.noise, part), rtol=1e-12)


def test_full_rank_leaves_nothing_to_chi_squared():
    """As many directions as rows: ε'ε is ‖g‖² alone."""
    rng = np.random.default_rng(4)
    made = pd.DataFrame({"g": np.arange(13) // 2 % 6, **{c: rng.normal(size=13) for c in "xyz"}})
    refitter = batch_refitter(lf.lmer("y ~ z + (x | g)", made).state)
    drawer = Drawer(refitter.shared, refitter.lams(), 13, np.random.default_rng(0))
    assert drawer.root.free == 0
    noise = drawer.draw(3).noise
    assert_allclose(
        noise.within_y, np.square(noise.within @ np.linalg.pinv(drawer.root.within).T).sum(axis=1)
    )


def test_searches_begin_inside():
    _, refitter = parts("crossed")
    theta = np.zeros_like(refitter.start)
    for lam in refitter.problem.lams(inner_point(refitter.problem, theta)):
        assert np.linalg.svd(lam, compute_uv=False)[-1] > 0.1
