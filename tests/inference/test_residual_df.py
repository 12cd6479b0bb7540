"""Degrees of freedom of models with residual parameters."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from dense_inference import CurvedModel
from numpy.testing import assert_allclose
from references import FOLDER
from residual_cases import CASES, long_trial, trial
from slow_cases import one_in

import lmforms as lf
from lmforms.errors import BoundWarning, ModelError
from lmforms.inference.degrees_of_freedom import connected_rows, observed_information
from lmforms.inference.degrees_of_freedom.methods import df_method
from lmforms.inference.residual_parameters import residual_parameters
from lmforms.relationship import Relationship

pytestmark = pytest.mark.one_in(4)

NAMES = sorted(CASES)


@cache
def fitted(name):
    return CASES[name].fit()


@cache
def dense(name):
    return CASES[name].dense(fitted(name))


@pytest.mark.parametrize("name", NAMES)
def test_twin_is_at_the_optimum_of_the_same_model(name):
    model, fit = dense(name), fitted(name)
    assert not fit.state.estimate.singular, "the case should have an inner optimum"
    assert_allclose(model.beta, fit.state.estimate.beta, rtol=1e-7, atol=1e-9)
    assert_allclose(model.phi, fit.state.estimate.cov_beta, rtol=1e-7, atol=1e-12)
    Py = model.P @ model.y
    slopes = np.einsum("ab,iab->i", model.P - np.outer(Py, Py), model.parts)
    assert_allclose(slopes * np.sqrt(np.diag(model.covariance_of_psi("expected"))), 0, atol=2e-4)


@pytest.mark.parametrize("kind", ["expected", "observed"])
@pytest.mark.parametrize("name", one_in(2, NAMES))
def test_kenward_roger_as_dense_matrices_have_it(name, kind):
    model, fit = dense(name), fitted(name)
    L = np.eye(len(model.beta))
    for method, second_order in (("kenward-roger", True), ("kenward-roger-linear", False)):
        found = df_method(fit.state, method, kind)
        wanted = model.adjusted_covariance(kind, second_order)
        assert_allclose(np.diag(found.covariance), np.diag(wanted), rtol=2e-6)
        size = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
        assert_allclose(found.covariance / size, wanted / size, atol=2e-6)
        assert_allclose(found.df(L), [model.satterthwaite(ell, kind) for ell in L], rtol=1e-6)
        is_linear = found.known.weighted_curvature is None
        assert is_linear == CASES[name].is_linear
        assert ("second derivatives" in found.label) == (second_order and not is_linear)
    statistic, df = model.kenward_roger(L[1:3], kind)
    test = df_method(fit.state, "kenward-roger", kind).joint(L[1:3], fit.state.estimate.beta[1:3])
    assert_allclose([test.statistic, test.den_df], [statistic, df], rtol=5e-6)


@pytest.mark.parametrize("name", NAMES)
def test_satterthwaite_as_dense_matrices_have_it(name):
    model, fit = dense(name), fitted(name)
    L = np.eye(len(model.beta))
    for kind in ("observed", "expected"):
        found = df_method(fit.state, "satterthwaite", kind).df(L)
        assert_allclose(found, [model.satterthwaite(ell, kind) for ell in L], rtol=1e-5)


@pytest.mark.parametrize("name", ["ar1", "us", "hcs", "ar1_intercept"])
def test_satterthwaite_of_ml_fits(name):
    fit = CASES[name].fit(reml=False)
    model = CASES[name].dense(fit)
    L = np.eye(len(model.beta))
    for kind in ("observed", "expected"):
        found = df_method(fit.state, "satterthwaite", kind).df(L)
        assert_allclose(found, [model.satterthwaite(ell, kind) for ell in L], rtol=1e-5)
    with pytest.raises(ModelError, match="REML"):
        df_method(fit.state, "kenward-roger")


@pytest.mark.parametrize("name", ["ar1", "us", "har1", "power"])
def test_information_by_series_is_that_of_the_gradient(name, monkeypatch):
    fit = CASES[name].fit()
    L = np.eye(len(fit.params))
    by_series = df_method(fit.state, "satterthwaite").df(L)
    monkeypatch.setattr(observed_information, "LONGEST_SERIES", 0)
    other = CASES[name].fit()
    assert_allclose(df_method(other.state, "satterthwaite").df(L), by_series, rtol=1e-4)


def test_ar1_with_random_intercepts_of_the_sleep_study():
    stored = json.loads((FOLDER / "observed_kenward_roger.json").read_text(encoding="utf-8"))
    figures = stored["sleep_ar1"]
    sleep = lf.datasets.load("sleepstudy").iloc[:47]
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", sleep, residual="ar1(Days | Subject)")
    for kind in ("observed", "expected"):
        for name, entry in (
            ("kenward-roger", figures[kind]),
            ("kenward-roger-linear", figures[f"{kind}_linear"]),
        ):
            found = df_method(fit.state, name, kind)
            assert_allclose(found.covariance, entry["vcov"], rtol=1e-7)
            assert_allclose(found.df(np.eye(2)), entry["df"], rtol=1e-7)
            test = found.joint(np.eye(2)[1:], fit.state.estimate.beta[1:])
            assert_allclose(test.statistic, entry["joint"][0]["statistic"], rtol=1e-7)
        found = df_method(fit.state, "satterthwaite", kind)
        assert_allclose(found.df(np.eye(2)), figures[kind]["satterthwaite_df"], rtol=1e-6)


# --- the same model written in two ways -------------------------------------------------------


def test_compound_symmetry_is_the_random_intercept():
    of_residuals = fitted("cs")
    of_effects = lf.lmer("y ~ visit * arm + x + (1 | subject)", trial())
    L = np.eye(len(of_effects.params))
    for kind in ("expected", "observed"):
        for name in ("kenward-roger", "satterthwaite"):
            a, b = (df_method(f.state, name, kind) for f in (of_residuals, of_effects))
            assert_allclose(a.df(L), b.df(L), rtol=2e-6)
            assert_allclose(a.covariance, b.covariance, rtol=2e-6, atol=1e-10)


@pytest.mark.parametrize("residual", ["ar1(visit | subject)", "us(visit | subject)"])
def test_constant_weights_change_nothing(residual):
    data = trial().assign(w=3.7)
    formula = "y ~ visit * arm + x"
    plain = lf.lmer(formula, data, residual=residual)
    weighted = lf.lmer(formula, data, residual=residual, weights="w")
    L = np.eye(len(plain.params))
    for name in ("kenward-roger", "kenward-roger-linear", "satterthwaite"):
        a, b = (df_method(f.state, name, "expected") for f in (plain, weighted))
        assert_allclose(a.df(L), b.df(L), rtol=2e-6)
        assert_allclose(a.covariance, b.covariance, rtol=2e-6, atol=1e-10)


def test_units_of_the_response_and_of_time_change_nothing():
    data = trial()
    other = data.assign(y=1e4 * data["y"], place=data["place"] / 60.0, x=1e-3 * data["x"])
    formula = "y ~ arm + x"
    a, b = (lf.lmer(formula, d, residual="exp(place | subject)") for d in (data, other))
    L = np.eye(3)
    first, second = (df_method(f.state, "kenward-roger") for f in (a, b))
    assert_allclose(second.df(L), first.df(L), rtol=1e-5)
    scale = np.array([1e4, 1e4, 1e7])
    sizes = np.sqrt(np.diag(second.covariance)) / np.sqrt(np.diag(first.covariance))
    assert_allclose(sizes, scale, rtol=1e-5)


def test_order_of_rows_changes_nothing():
    data = trial()
    mixed = data.sample(frac=1.0, random_state=3)
    a, b = (lf.lmer(CASES["hcs"].formula, d, residual=CASES["hcs"].residual) for d in (data, mixed))
    L = np.eye(len(a.params))
    first, second = (df_method(f.state, "kenward-roger") for f in (a, b))
    assert_allclose(second.df(L), first.df(L), rtol=1e-6)


def test_known_relationship_joins_all_its_levels():
    data = long_trial()
    K = np.eye(12) + 0.3
    labels = sorted(data["subject"].unique())
    related = Relationship.of(K[: len(labels), : len(labels)], labels=labels)
    fit = lf.lmer(
        "level ~ visit + x + (1 | subject)",
        data,
        residual="ar1(visit | subject)",
        relationship={"subject": related},
    )
    codes = data["subject"].to_numpy()
    shared = related.dense()[np.ix_(codes, codes)]
    case = CASES["ar1"]
    lam = fit.state.estimate.lams[0][0, 0]
    model = CurvedModel.of(
        data["level"],
        fit.state.design.X,
        lambda psi: case.part(data, psi[1:]) + psi[0] * shared,
        [fit.sigma**2 * lam**2, *fit.state.residual.natural, fit.sigma**2],
    )
    found = df_method(fit.state, "kenward-roger")
    L = np.eye(3)
    assert_allclose(found.df(L), [model.satterthwaite(r, "expected") for r in L], rtol=1e-6)
    wanted = np.diag(model.adjusted_covariance("expected"))
    assert_allclose(np.diag(found.covariance), wanted, rtol=1e-6)


# --- limits and bounds ------------------------------------------------------------------------


def test_too_many_dependent_rows_are_refused(monkeypatch):
    fit = CASES["ar1_crossed"].fit()
    monkeypatch.setattr(connected_rows, "MOST_ROWS", 20)
    with pytest.raises(ModelError, match="satterthwaite"):
        df_method(fit.state, "kenward-roger")
    assert np.isfinite(df_method(fit.state, "satterthwaite").df(np.eye(5))).all()


@cache
def at_unit_root():
    """Differences of white noise: the moving average has a root on the unit circle."""
    rng = np.random.default_rng(5)
    shocks = rng.normal(size=(30, 7))
    data = trial().iloc[:0].reindex(range(180))
    data["subject"], data["visit"] = np.repeat(np.arange(30), 6), np.tile(np.arange(6), 30)
    data["y"] = np.diff(shocks, axis=1).ravel()
    data["x"] = rng.normal(size=180)
    with pytest.warns(BoundWarning, match="theta1 is at its bound"):
        return lf.lmer("y ~ x", data, residual="ma(visit | subject, q=1)")


def test_parameters_at_a_bound_count_as_known():
    fit = at_unit_root()
    assert fit.state.residual.at_bound.all()
    method = df_method(fit.state, "kenward-roger")
    assert any("theta1" in remark and "known" in remark for remark in method.remarks)
    # σ² alone is estimated
    assert_allclose(method.df(np.eye(2)), 178.0, rtol=1e-6)


def test_parameters_at_a_bound_have_no_standard_errors():
    found = residual_parameters(at_unit_root().state)
    assert found.names == ("theta1", "sigma")
    assert np.isnan([found.std_error[0], found.lower[0], found.upper[0]]).all()
    assert_allclose(found.std_error[1], found.estimate[1] / np.sqrt(2 * 178), rtol=1e-5)
    assert any("theta1" in note for note in at_unit_root().residual_table().notes)


# --- parameters of the residuals --------------------------------------------------------------


@pytest.mark.parametrize("name", ["ar1", "exp", "ar1_intercept", "ar1_slopes", "power"])
def test_standard_errors_of_parameters(name):
    model, found = dense(name), residual_parameters(fitted(name).state)
    errors = np.sqrt(np.diag(model.covariance_of_psi("observed")))[-2:]
    sigma = fitted(name).sigma
    assert_allclose(found.std_error, [errors[0], errors[1] / (2 * sigma)], rtol=2e-5)
    assert_allclose(found.estimate, [*fitted(name).state.residual.natural, sigma])


def test_standard_errors_of_strata():
    model, found = dense("har1"), residual_parameters(fitted("har1").state)
    assert found.names == (
        "rho", "sd[1]", "sd[2]", "sd[3]", "sigma", "sigma[1]", "sigma[2]", "sigma[3]"
    )  # fmt: skip
    errors = np.sqrt(np.diag(model.covariance_of_psi("observed")))
    sds = found.estimate[4:]
    assert_allclose(sds, np.sqrt(model.psi[1:]), rtol=1e-10)
    assert_allclose(found.std_error[4:], errors[1:] / (2 * sds), rtol=2e-5)
    assert_allclose(found.std_error[0], errors[0], rtol=2e-5)


def test_intervals_are_within_bounds():
    found = residual_parameters(fitted("har1").state, level=0.9)
    z = 1.6448536269514722
    rho, error = found.estimate[0], found.std_error[0]
    middle = np.arctanh(rho)
    half = z * error / (1 - rho**2)
    assert_allclose([found.lower[0], found.upper[0]], np.tanh([middle - half, middle + half]))
    ratio = np.exp(z * found.std_error[1:] / found.estimate[1:])
    assert_allclose(found.lower[1:], found.estimate[1:] / ratio)
    assert_allclose(found.upper[1:], found.estimate[1:] * ratio)
    table = fitted("har1").residual_table(level=0.9)
    assert list(table.columns) == ["name", "estimate", "std_error", "lower", "upper"]
    assert "90 %" in table.notes[0]
    assert_allclose(table["lower"].iloc[0], found.lower[0])


def test_intervals_are_those_of_nlme():
    """R: intervals(gls(Reaction ~ Days, sleepstudy, corAR1(form = ~ Days | Subject)))."""
    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days", sleep, residual="ar1(Days | Subject)")
    found = residual_parameters(fit.state)
    assert_allclose(found.estimate, [0.799953, 49.51497170], rtol=1e-5)
    assert_allclose(found.lower, [0.6995404, 40.59714], rtol=5e-5)
    assert_allclose(found.upper, [0.869387, 60.39176], rtol=5e-5)
