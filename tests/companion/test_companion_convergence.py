"""The companion of ordinary designed experiments converges at once, to what algebra gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.latent import LinearMixedForm

EXPERIMENTS = [
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    ("sleepstudy", "Reaction ~ scale(Days) + (scale(Days) | Subject)"),
    ("sleepstudy", "Reaction ~ 1 + (1 | Subject)"),
    ("cake", "angle ~ recipe * temperature + (1 | recipe:replicate)"),
    ("cake", "angle ~ recipe + temp + (1 | recipe:replicate)"),
    ("cake", "angle ~ recipe * temperature + (1 | replicate) + (1 | recipe:replicate)"),
    ("cake", "angle ~ recipe * temperature + (1 | replicate)"),
    ("Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)"),
    ("Machines", "score ~ Machine + (0 + Machine | Worker)"),
    ("Oats", "yield ~ C(nitro) * Variety + (1 | Block / Variety)"),
    ("Oats", "yield ~ C(nitro) * Variety + (1 | Block)"),
    ("Pastes", "strength ~ 1 + (1 | batch / cask)"),
    ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    ("dung", "pr_dung ~ flies + (1 | oven_block)"),
    ("Orthodont", "distance ~ scale(age) * Sex + (scale(age) | Subject)"),
    ("Dyestuff", "Yield ~ 1 + (1 | Batch)"),
    ("Dyestuff2", "Yield ~ 1 + (1 | Batch)"),
]
FEW_SWEEPS = 100
"""Mostly two to five; where a direction is nearly tied, rounding decides between 5 and 40."""


@pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")
@pytest.mark.parametrize(("name", "formula"), EXPERIMENTS)
def test_it_converges_in_few_sweeps(name, formula):
    fit = lf.lmer(formula, lf.datasets.load(name))
    status = fit.forms().form.status_
    assert status.converged
    assert status.n_iter <= FEW_SWEEPS


def exact_parts(fit):
    """Xγ and the projection of y on H, where K spans X and H the leading directions of Z and y."""
    X, Z, y = (np.asarray(fit.matrices.X), fit.matrices.Z.toarray(), np.asarray(fit.matrices.y))
    fixed = X @ np.linalg.lstsq(X, y, rcond=None)[0]
    Z = Z - X @ np.linalg.lstsq(X, Z, rcond=None)[0]
    rest = y - fixed
    beside = np.column_stack([Z / np.linalg.norm(Z), 0.1 * rest / np.linalg.norm(y)])
    H = np.linalg.svd(beside, full_matrices=False)[0][:, : X.shape[1]]
    return fixed, H @ (H.T @ rest)


@pytest.mark.parametrize(("name", "formula"), EXPERIMENTS[3:6] + EXPERIMENTS[-4:-2])
def test_it_is_what_one_decomposition_gives(name, formula):
    fit = lf.lmer(formula, lf.datasets.load(name))
    frame, (fixed, random) = fit.forms().frame, exact_parts(fit)
    size = frame["y"].std()
    np.testing.assert_allclose(frame["fixed_form"], fixed, atol=2e-4 * size)
    np.testing.assert_allclose(frame["random_form"], random, atol=2e-4 * size)


def test_coding_and_units_of_x_do_not_matter():
    cake = lf.datasets.load("cake")
    tables = [
        lf.lmer(f"angle ~ {fixed} + (1 | recipe:replicate)", cake).forms().table
        for fixed in ("recipe * temp", "0 + recipe + recipe:scale(temp)", "recipe * I(temp / 1000)")
    ]
    for other in tables[1:]:
        np.testing.assert_allclose(other, tables[0], rtol=1e-3, atol=1e-3)


def test_equal_weights_have_a_minimum_too():
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", lf.datasets.load("sleepstudy"))
    found = [fit.forms(weights=None, tol=tol, max_iter=2000) for tol in (1e-9, 1e-14)]
    assert all(forms.form.status_.converged for forms in found)
    np.testing.assert_allclose(found[1].table, found[0].table, rtol=0.01, atol=1e-3)


@pytest.mark.filterwarnings("ignore::lmforms.errors.MissingDataWarning")
def test_many_responses_converge():
    sleep = lf.datasets.load("sleepstudy")
    rng = np.random.default_rng(0)
    subjects = pd.get_dummies(sleep["Subject"]).to_numpy(float)
    Y = subjects @ rng.normal(size=(18, 6)) + rng.normal(size=(180, 6))
    gaps = np.where(rng.random(Y.shape) < 0.1, np.nan, Y)
    for responses, missing in ((Y, "raise"), (gaps, "drop")):
        many = lf.lmer_many("~ Days + (Days | Subject)", sleep, responses, missing=missing)
        assert many.forms().form.status_.converged


def test_the_regression_start_finds_y_among_equal_directions_of_a_large_z():
    rng = np.random.default_rng(0)
    levels = np.repeat(np.arange(400), 5)
    Z = (levels[:, None] == np.arange(400)).astype(float)
    Z -= Z.mean(axis=0)
    y = Z @ rng.normal(size=400) + 0.1 * rng.normal(size=2000)
    X = np.ones((2000, 1)) + 0.01 * rng.normal(size=(2000, 1))
    weights = {"Y": 0.01 / np.sum(y**2), "X": 1e6 / np.sum(X**2), "Z": 1 / np.sum(Z**2)}
    form = LinearMixedForm(1, weights=weights, start="regression", tol=1e-12).fit(y, X, Z)
    assert form.status_.n_iter <= FEW_SWEEPS
    assert form.explained_["Y"] > 0.98
