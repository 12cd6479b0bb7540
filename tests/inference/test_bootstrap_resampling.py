"""Bootstraps of residuals and of cases."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from bootstrap_models import NAMES, data, drawn, fitted
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.inference.bootstrap.case_resampling import CasePlan
from lmforms.inference.bootstrap.refitters import RowRefitter
from lmforms.inference.bootstrap.replicate_sources import (
    MatchingCasesSource,
    RowsSource,
    resampled_cases,
)
from lmforms.inference.bootstrap.residual_resampling import inflated_effects, inflated_residuals
from lmforms.inference.bootstrap.run import replicate_source

pytestmark = pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")

# --- residual bootstrap -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["slopes", "weights, ML", "crossed", "nested"])
def test_effects_and_residuals_have_their_estimated_covariance(name):
    state = fitted(name).state
    for g, lam in enumerate(state.estimate.lams):
        effects = inflated_effects(state, g)
        assert_allclose(effects.mean(axis=0), 0.0, atol=1e-10)
        expected = state.estimate.sigma**2 * lam @ lam.T
        assert_allclose(effects.T @ effects / len(effects), expected, atol=1e-9)
    rows = inflated_residuals(state)
    assert_allclose([rows.mean(), np.mean(rows**2)], [0.0, state.estimate.sigma**2], atol=1e-10)


def test_effects_without_variance_are_zero():
    state = fitted("singular").state
    assert_allclose(inflated_effects(state, 0), 0.0, atol=1e-12)


def test_effects_are_transformed_by_cholesky_factors():
    """As Carpenter, Goldstein and Rasbash write it, with roots from NumPy."""
    state = fitted("slopes").state
    b, lam = state.estimate.b[0], state.estimate.lams[0]
    centred = b - b.mean(axis=0)
    own = np.linalg.cholesky(centred.T @ centred / len(b))
    target = np.linalg.cholesky(state.estimate.sigma**2 * lam @ lam.T)
    expected = centred @ (target @ np.linalg.inv(own)).T
    assert_allclose(inflated_effects(state, 0), expected, atol=1e-9)


def test_too_few_levels_for_their_covariance():
    few = data()[data()["g"].isin(NAMES[:3])].assign(s=lambda d: d["t"] % 3)
    fit = lf.lmer("y ~ 1 + diag(0 + factor(s) | g)", few).at([1.0, 1.0, 1.0])
    with pytest.raises(lf.errors.ModelError, match="too few levels"):
        inflated_effects(fit.state, 0)


# --- case bootstrap ---------------------------------------------------------------------------


def test_every_level_once_is_the_fit():
    for name in ("weights, ML", "nested", "offset", "ar1", "strata"):
        fit = fitted(name)
        by = {"ar1": "h"}.get(name)
        if by is not None:
            with pytest.raises(lf.errors.ModelError, match="correlated across levels"):
                CasePlan.of(fit.state, by)
            continue
        plan = CasePlan.of(fit.state, by)
        design = plan.design(np.arange(plan.n_levels)[::-1])
        found = RowRefitter(fit.state).estimate(design.y, design)
        assert_allclose(found.criterion, fit.criterion, atol=1e-6)
        assert_allclose(found.beta, fit.params, atol=1e-5)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("y ~ x + (x | g)", {"weights": "w"}),
        ("y ~ x + (1 | g) + (1 | sub)", {}),
        ("y ~ x + (1 | g / sub)", {"reml": False}),
        ("y ~ x + (1 | g) + (1 | h)", {}),
        pytest.param("y ~ x + (1 | g)", {"residual": "ar1(t | g)"}, marks=pytest.mark.slow),
        ("y ~ x + (1 | g)", {"residual": "idh(sex)"}),
    ],
)
def test_drawn_levels_are_new_levels(formula, options):
    fit = lf.lmer(formula, data(), **options)
    plan = CasePlan.of(fit.state, "g")
    levels = np.array([0, 0, 3, 1, 7, 7, 7, 5, 2, 9])
    design = plan.design(levels)
    found = RowRefitter(fit.state).estimate(design.y, design)
    frame = drawn(data(), [NAMES[i] for i in levels])
    expected = lf.lmer(formula, frame, **options)
    assert_allclose(found.criterion, expected.criterion, atol=1e-5)
    assert_allclose(found.beta, expected.params, atol=1e-4)


def test_acceleration_is_from_deletion_of_levels():
    fit = fitted("slopes")
    found = fit.bootstrap(19, seed=1, kind="case", statistic=lambda f: f.params)
    without = np.array([fit.update(data=data()[data()["g"] != level]).params for level in NAMES])
    d = without.mean(axis=0) - without
    expected = (d**3).sum(axis=0) / (6.0 * (d**2).sum(axis=0) ** 1.5)
    assert_allclose(found.acceleration, expected, atol=1e-6)
    assert found.conf_int(0.9, kind="bca").shape == (2, 2)
    assert found.by == "g"


@cache
def alike(reml=True):
    """Levels that differ in the response and an offset alone, with rows in any order."""
    frame = data().assign(w=1.0 + data()["t"] % 3).sample(frac=1, random_state=1)
    formula = "y ~ t + offset(2 * x) + (t | g)"
    return lf.lmer(formula, frame.reset_index(drop=True), weights="w", reml=reml)


@pytest.mark.parametrize("reml", [True, False])
def test_levels_of_one_design_are_refitted_side_by_side(reml):
    """To the same minima as resampled rows one by one."""
    state, n = alike(reml).state, 20
    plan = CasePlan.of(state, None)
    source = replicate_source(state, "case", n, np.random.default_rng(3), plan)
    assert isinstance(source, MatchingCasesSource)
    cases = resampled_cases(plan, np.random.default_rng(3))
    found, expected = source.next(n), RowsSource(cases, RowRefitter(state)).next(n)
    assert_allclose(found.criterion, expected.criterion, atol=1e-8)
    assert_allclose(found.beta, expected.beta, atol=1e-8)
    assert_allclose(found.sigma, expected.sigma, rtol=1e-5)
    assert (found.failed == expected.failed).all()


def test_levels_of_other_designs_are_drawn_as_rows():
    """Other values of x, other weights, or fewer rows in one level."""
    unequal = lf.lmer("y ~ t + (1 | g)", data().iloc[:-1])
    for fit in (fitted("slopes"), lf.lmer("y ~ t + (1 | g)", data(), weights="w"), unequal):
        assert CasePlan.of(fit.state, None).matching_rows() is None


def mean_of_response(fit):
    return {"mean": fit.state.response.mean()}


@pytest.mark.parametrize("statistic", [None, mean_of_response])
def test_case_bootstraps_are_pickled_with_what_bca_needs(statistic):
    found = fitted("weights").bootstrap(20, seed=1, kind="case", statistic=statistic)
    again = pickle.loads(pickle.dumps(found))
    expected = found.conf_int(0.9, kind="bca")
    pd.testing.assert_frame_equal(again.conf_int(0.9, kind="bca"), expected, rtol=1e-6)


def test_labels_that_are_numbers_and_statistics_that_fail_without_a_level():
    """Messages name the level as it is written, not a replicate or NumPy's type."""
    frame = data().assign(g=data()["g"].str[1:].astype(int) * 10)
    fit = lf.lmer("y ~ x + (1 | g)", frame)

    def statistic(fit):
        return fit.params if len(fit.state.response) == len(frame) else fit.params.iloc[:1]

    found = fit.bootstrap(20, seed=1, kind="case", statistic=statistic)
    with pytest.raises(lf.errors.ArgumentError, match="for the fit without level 0 of `g`"):
        found.conf_int(0.9, kind="bca")


def test_a_resample_without_a_column_fails_and_is_counted():
    """`arm` differs in one level of three: drawn without it, X loses a column."""
    frame = data()[data()["g"].isin(NAMES[:3])]
    frame = frame.assign(arm=(frame["g"] == "g0").astype(float))
    fit = lf.lmer("y ~ arm + (1 | g)", frame)
    found = fit.bootstrap(30, seed=1, kind="case")
    assert 3 < found.n_failed < 20
    assert found.table[found.failed].isna().all(axis=None)
    assert "Refits that failed" in str(found)
    with pytest.raises(lf.errors.ModelError, match="without level 'g0' of `g`"):
        found.conf_int(kind="bca", level=0.8)


def test_outermost_factor_is_the_default():
    assert CasePlan.of(fitted("nested").state, None).by == "g"
    with pytest.raises(lf.errors.ArgumentError, match="crossed") as caught:
        fitted("crossed").bootstrap(2, kind="case")
    assert "by='g'" in str(caught.value)
    assert fitted("crossed").bootstrap(2, seed=1, kind="case", by="g").by == "g"
