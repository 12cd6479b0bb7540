"""Bootstraps against lme4's bootMer, pbkrtest's PBmodcomp and boot's boot.ci."""

from __future__ import annotations

import json
from functools import cache
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.inference.bootstrap.intervals import (
    acceleration,
    basic_limits,
    bca_limits,
    percentile_limits,
)
from lmforms.inference.bootstrap.likelihood_ratios import drawn_statistics
from lmforms.inference.model_comparison.fits_compared import compared_fits

pytestmark = pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")

REFERENCE = Path(__file__).parents[1] / "reference" / "bootstrap.json"


@cache
def reference():
    return json.loads(REFERENCE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", [0, 1])
def test_limits_are_those_of_boot_ci(place):
    given = reference()["intervals"]
    values, estimate = np.array(given["replicates"]), given["estimate"]
    # boot takes differences from the estimate, Efron and SciPy from their mean
    d = estimate - np.array(given["without_each"])
    a = (d**3).sum() / (6.0 * (d**2).sum() ** 1.5)
    expected = given["limits"][place]
    level = expected["level"]
    assert_allclose(percentile_limits(values, level), expected["percentile"], rtol=1e-12)
    assert_allclose(basic_limits(values, level, estimate), expected["basic"], rtol=1e-12)
    assert_allclose(bca_limits(values, level, estimate, a), expected["bca"], rtol=1e-9)


def test_bca_is_near_that_of_scipy():
    """SciPy takes the nearest replicates without an interpolation on the normal scale."""
    stats = pytest.importorskip("scipy.stats")
    given = reference()["intervals"]
    x = lf.datasets.load("sleepstudy")["Reaction"].to_numpy()[:25]

    def ratio(sample, axis=-1):
        return sample.mean(axis=axis) / sample.std(axis=axis, ddof=1)

    options = {"n_resamples": 4999, "confidence_level": 0.9, "method": "BCa"}
    generator = "rng" if "rng" in signature(stats.bootstrap).parameters else "random_state"
    found = stats.bootstrap((x,), ratio, **options, **{generator: np.random.default_rng(1)})
    without = np.array([ratio(np.delete(x, j)) for j in range(len(x))])
    assert_allclose(without, given["without_each"], rtol=1e-9)
    a = acceleration(without[:, None])[0]
    own = bca_limits(found.bootstrap_distribution, 0.9, ratio(x), a)
    assert_allclose(own, found.confidence_interval, rtol=2e-3)


MODELS = {
    "sleepstudy": ("Reaction ~ Days + (Days | Subject)", "sleepstudy", True, [0, 1, 2, 4, 3, 5]),
    "penicillin": ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", False, [0, 1, 2, 3]),
}
"""Formula, data, REML, and our columns in the order of lme4's: a correlation between its sds."""


@pytest.mark.parametrize("name", MODELS)
def test_replicates_are_those_of_bootmer(name):
    """Means, deviations and quantiles within 4.5 standard errors of two simulations."""
    formula, table, reml, order = MODELS[name]
    expected, n = reference()["replicates"][name], 2000
    found = lf.lmer(formula, lf.datasets.load(table), reml=reml).bootstrap(n, seed=5).table
    values, sd = found.to_numpy()[:, order], np.array(expected["sd"])
    error = np.sqrt(1.0 / n + 1.0 / expected["nsim"])
    assert_allclose((np.nanmean(values, axis=0) - expected["mean"]) / (sd * error), 0, atol=4.5)
    assert_allclose((np.nanstd(values, axis=0) / sd - 1.0) / error, 0, atol=4.5)
    for p, own in zip(expected["probs"], expected["quantiles"], strict=True):
        below = np.nanmean(values <= own, axis=0)
        assert_allclose((below - p) / (np.sqrt(p * (1.0 - p)) * error), 0, atol=4.5)


def fits_of(name):
    if name == "sleepstudy":
        data = lf.datasets.load("sleepstudy").iloc[:47]
        large, small = "Reaction ~ Days + (Days | Subject)", "Reaction ~ 1 + (Days | Subject)"
    else:
        data = lf.datasets.load("cake")
        large = "angle ~ recipe + temp + (1 | recipe:replicate)"
        small = "angle ~ temp + (1 | recipe:replicate)"
    return [lf.lmer(formula, data, reml=False) for formula in (small, large)]


@pytest.mark.parametrize("name", ["sleepstudy", "cake"])
def test_tests_are_those_of_pbmodcomp(name):
    """p-values and the means of the drawn statistics, within 4.5 standard errors."""
    fits, expected, n = fits_of(name), reference()["tests"][name], 400
    table = lf.anova(*fits, bootstrap=n, seed=2)
    row = table.iloc[1]
    assert_allclose(row["statistic"], expected["statistic"], atol=1e-4)
    assert_allclose(row["p_value"], expected["chi_squared"], rtol=1e-3)
    p = expected["p_value"]
    error = np.sqrt(p * (1.0 - p) * (1.0 / n + 1.0 / expected["nsim"]))
    assert abs(row["p_value_bootstrap"] - p) < 4.5 * error + 1.0 / n
    drawn = drawn_statistics(*compared_fits("anova", fits, {}, None), n, np.random.default_rng(3))
    spread = drawn.std() * np.sqrt(1.0 / n + 1.0 / expected["nsim"])
    assert abs(drawn.mean() - expected["mean"]) < 4.5 * spread
