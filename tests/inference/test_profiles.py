"""Profiles: what they hold, invariances, bounds, what is refused, and restarts."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from kinds_of_fits import trial
from profile_models import DATA, MODELS
from scipy.integrate import trapezoid

import lmforms as lf
from lmforms.errors import ArgumentError, ConvergenceWarning, ModelError
from lmforms.inference.profile import profiled_fit, profiles_of_fit

Z = 1.959963984540054
SLEEP = lf.datasets.load("sleepstudy")
PENICILLIN = "diameter ~ 1 + (1 | plate) + (1 | sample)"
SLOPES = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def sleep():
    return lf.lmer(SLOPES, SLEEP)


@pytest.fixture(scope="module")
def profile(sleep):
    return sleep.profile()


def spread(table):
    return ((table["upper"] - table["lower"]) / (2.0 * Z)).to_numpy()[:, None]


# --- what a profile holds -----------------------------------------------------------------------


def test_points_are_minima(profile, sleep):
    """ζ² is the rise of the criterion, of which the twin of a point is a fit with an offset."""
    table = profile.table
    rows = table.loc[table["parameter"] == "Days"]
    row = rows.iloc[1]
    data = SLEEP.assign(held=row["value"] * SLEEP["Days"])
    held = lf.lmer("Reaction ~ 1 + (Days | Subject)", data, offset="held", reml=False)
    ml = sleep.refit(reml=False)
    assert held.criterion - ml.criterion == pytest.approx(row["zeta"] ** 2, abs=1e-5)
    assert held.sigma == pytest.approx(row["sigma"], rel=1e-3)
    assert held.params["Intercept"] == pytest.approx(row["Intercept"], rel=1e-4)
    wanted = row[list(table.columns[5:])].to_numpy(dtype=float)
    np.testing.assert_allclose(held.vcomp["sdcor"], wanted, rtol=1e-3, atol=1e-3)


def test_estimates_are_those_of_the_ml_fit(profile, sleep):
    ml = sleep.refit(reml=False)
    assert profile.estimates["sigma"] == pytest.approx(ml.sigma, rel=1e-7)
    assert profile.estimates["Days"] == pytest.approx(ml.params["Days"], rel=1e-7)
    assert "ML" in profile.conf_int().notes[0]
    assert "restricted likelihood of the fit" in profile.conf_int().notes[0]


def test_zeta_at_the_limits(profile):
    found = profile.conf_int(0.9)
    for name in profile.names:
        zeta = profile.zeta(name, found.loc[name])
        np.testing.assert_allclose(zeta, [-1.6448536, 1.6448536], atol=5e-3)
        outside = profile.points(name)["value"].iloc[-1] + 1e-3
        assert np.isnan(profile.zeta(name, outside)).all()


def test_density_integrates_to_the_share_of_its_range(profile):
    from scipy.special import ndtr

    for name in ("Days", "sd(Days | Subject)", "sigma"):
        points = profile.points(name)
        values = np.linspace(points["value"].iloc[0], points["value"].iloc[-1], 2001)
        area = trapezoid(profile.density(name, values), values)
        share = np.diff(ndtr(points["zeta"].to_numpy()[[0, -1]]))[0]
        assert area == pytest.approx(share, abs=1e-4)


def test_variances(profile):
    found = profile.variances()
    assert found.names == ["var(Intercept | Subject)", "var(Days | Subject)", "sigma2"]
    deviations = profile.conf_int()
    rows = ["sd(Intercept | Subject)", "sd(Days | Subject)", "sigma"]
    np.testing.assert_allclose(found.conf_int(), deviations.loc[rows] ** 2, rtol=1e-9)
    assert found.zeta("sigma2", 25.0**2) == pytest.approx(float(profile.zeta("sigma", 25.0)))
    trace = found.trace("var(Days | Subject)", "sigma2")
    np.testing.assert_allclose(trace, profile.trace("sd(Days | Subject)", "sigma"), atol=1e-9)
    with pytest.raises(ArgumentError, match="no standard deviation"):
        profile.variances().variances()


def test_conf_int_of_the_fit(sleep, profile):
    found = sleep.conf_int(method="profile", which="all")
    assert list(found.index) == [*sleep.params.index, *profile.names[2:]]
    gap = np.abs(found.to_numpy() - profile.conf_int().to_numpy()) / spread(found)
    assert gap.max() < 1e-5
    assert list(sleep.conf_int(method="profile").index) == ["Intercept", "Days"]
    with pytest.raises(ArgumentError, match="method='wald'"):
        sleep.conf_int(method="profile", ddf="none")
    with pytest.raises(ArgumentError, match="which="):
        sleep.conf_int(which="random")
    with pytest.raises(ArgumentError, match="method="):
        sleep.conf_int(method="exact")


def test_level_beyond_the_points_is_extended(profile):
    wide = profile.conf_int(0.9999)
    usual = profile.conf_int(0.99)
    assert (wide["lower"] < usual["lower"]).all()
    assert (wide["upper"] >= usual["upper"]).all()


# --- invariances --------------------------------------------------------------------------------


def test_units_shifts_and_order_of_rows(profile):
    """Of y and x, and where x is zero."""
    base = profile.conf_int()
    order = np.random.default_rng(0).permutation(len(SLEEP))
    changed = SLEEP.assign(Reaction=1e3 * SLEEP["Reaction"], Days=1e-4 * SLEEP["Days"])
    found = lf.lmer(SLOPES, changed.iloc[order]).profile().conf_int().to_numpy()
    units = np.array([1e3, 1e7, 1e3, 1e7, 1.0, 1e3])[:, None]
    assert (np.abs(found / units - base.to_numpy()) / spread(base)).max() < 1e-5
    shifted = lf.lmer(SLOPES, SLEEP.assign(Days=SLEEP["Days"] + 40.0))
    names = ["Days", "sd(Days | Subject)", "sigma"]
    found = shifted.profile(names).conf_int()
    gap = np.abs(found.to_numpy() - base.loc[names].to_numpy()) / spread(base.loc[names])
    assert gap.max() < 1e-5


@pytest.mark.slow
def test_effects_in_another_order():
    """Three effects: any of them, and any two, come first where they are profiled."""
    data = DATA.assign(u=np.tile([-1.0, 0.0, 1.0], 15))
    formulas = ("y ~ x + (u + x + z | g)", "y ~ x + (z + u + x | g)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [lf.lmer(formula, data, reml=False) for formula in formulas]
    one, other = (fit.conf_int(method="profile", which="all") for fit in fits)
    swapped = {"cor(u, z | g)": "cor(z, u | g)", "cor(x, z | g)": "cor(z, x | g)"}
    other = other.rename(index={new: old for old, new in swapped.items()}).loc[one.index]
    assert (np.abs(one.to_numpy() - other.to_numpy()) / spread(one)).max() < 1e-4


def test_a_constant_weight():
    """It multiplies σ² and changes no other profile."""
    weighted = lf.lmer("y ~ x + (1 | g)", DATA.assign(five=5.0), weights="five").profile()
    plain = lf.lmer("y ~ x + (1 | g)", DATA).profile()
    found = weighted.conf_int()
    found.loc["sigma"] /= np.sqrt(5.0)
    np.testing.assert_allclose(found, plain.conf_int(), rtol=1e-5)


# --- bounds -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_a_variance_estimated_at_zero():
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    profile = fit.profile()
    found = profile.conf_int()
    assert found.loc["sd(Intercept | Batch)", "lower"] == 0.0
    assert profile.at_bound().loc["sd(Intercept | Batch)"].tolist() == [True, False]
    assert any("lower limit is the end" in note for note in found.notes)
    assert profile.estimates["sd(Intercept | Batch)"] == 0.0


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_a_correlation_estimated_at_one():
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(10), 5), np.tile(np.arange(-2.0, 3.0), 10)
    y = rng.normal(size=10)[g] * (1.0 + 0.8 * x) + rng.normal(size=50)
    data = pd.DataFrame({"y": y, "x": x, "g": [f"g{k}" for k in g]})
    fit = lf.lmer("y ~ x + (x | g)", data)
    assert fit.is_singular
    found = fit.profile(reml=True)
    name = "cor(Intercept, x | g)"
    assert found.estimates[name] == pytest.approx(1.0, abs=1e-9)
    assert found.conf_int().loc[name, "upper"] == 1.0
    assert found.at_bound().loc[name].tolist() == [False, True]
    assert 0.8 < found.conf_int().loc[name, "lower"] < 0.99


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_a_correlation_that_is_not_defined():
    """All means of groups are alike, so that there is a slope but no intercept."""
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(12), 4), np.tile([-3.0, -1.0, 1.0, 3.0], 12)
    noise = rng.normal(size=(12, 4))
    noise -= noise.mean(axis=1, keepdims=True)
    y = noise.ravel() + rng.normal(size=12)[g] * x
    data = pd.DataFrame({"y": y, "flat": x, "Subject": [f"s{k}" for k in g]})
    fit = lf.lmer("y ~ flat + (flat | Subject)", data, reml=False)
    assert np.isnan(fit.vcomp["sdcor"].iloc[2])
    name = "cor(Intercept, flat | Subject)"
    found = fit.profile().conf_int()
    assert found.loc[name].isna().all()
    assert any("Not defined" in note for note in found.notes)
    with pytest.raises(ModelError, match="not defined"):
        fit.profile(name)


# --- what is refused ----------------------------------------------------------------------------


def test_refused_fits(sleep):
    with pytest.raises(ModelError, match="profile the fit"):
        sleep.at(sleep.theta).profile()
    penicillin = lf.datasets.load("Penicillin")
    iterative = lf.lmer(PENICILLIN, penicillin, control=lf.Control(factor="cg"))
    with pytest.raises(ModelError, match="conjugate gradients"):
        iterative.profile()
    assert lf.lmer(PENICILLIN, penicillin, control=lf.Control(factor="auto")).profile("sigma").names
    fitted = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, residual="power(fitted)")
    with pytest.raises(ModelError, match="not one likelihood"):
        fitted.profile()
    with pytest.raises(ModelError, match="given θ"):
        sleep.at(sleep.theta).conf_int(which="all")


@pytest.mark.filterwarnings("ignore::lmforms.errors.IdentificationWarning")
def test_what_is_not_identified():
    data = SLEEP.assign(again=SLEEP["Subject"])
    fit = lf.lmer("Reaction ~ Days + (1 | Subject) + (1 | again)", data)
    for refused in (fit.profile, lambda: fit.conf_int(which="all")):
        with pytest.raises(ModelError, match="which='fixed'"):
            refused()
    assert fit.profile("fixed").names == ["Intercept", "Days"]
    one = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP).profile("fixed").conf_int()
    np.testing.assert_allclose(fit.profile(which="fixed").conf_int(), one, rtol=1e-5)


def test_refused_arguments(sleep, profile):
    with pytest.raises(ModelError, match="no fixed effects to profile"):
        sleep.profile("fixed", reml=True)
    with pytest.raises(ModelError, match="no fixed effects to profile"):
        sleep.profile(["Days"], reml=True)
    assert sleep.profile("random", reml=True).names == sleep.profile(reml=True).names
    with pytest.raises(ArgumentError, match=r"Did you mean `sd\(Days \| Subject\)`"):
        sleep.profile("sd(Day | Subject)")
    for bad in (3, [], [1], None):
        with pytest.raises(ArgumentError, match="which="):
            sleep.profile(bad)
    for bad in (0.1, 20.0, "wide", np.nan):
        with pytest.raises(ArgumentError, match="limit="):
            sleep.profile(limit=bad)
    with pytest.raises(ArgumentError, match="Did you mean `sigma`"):
        profile.zeta("sigm", 25.0)
    with pytest.raises(ArgumentError, match="level="):
        profile.conf_int(95)
    with pytest.raises(ModelError, match="no fixed effects"):
        lf.lmer("Reaction ~ 0 + (1 | Subject)", SLEEP).profile("fixed")


# --- restarts, interruption ---------------------------------------------------------------------


def test_a_lower_criterion_is_reported(sleep, profile, monkeypatch):
    """The profiles are those of the lower optimum."""

    def shifted(state, reml):
        found = profiled_fit.profiled_fit(state, reml)
        return replace(found, value=found.value + 1.0)

    monkeypatch.setattr(profiles_of_fit, "profiled_fit", shifted)
    with pytest.warns(ConvergenceWarning, match="lower by"):
        found = sleep.profile(["sd(Days | Subject)"])
    np.testing.assert_allclose(
        found.conf_int(), profile.conf_int().loc[["sd(Days | Subject)"]], rtol=1e-5
    )


def test_a_fit_that_stopped_early():
    data, formula = lf.datasets.load("Machines"), "score ~ Machine + (0 + Machine | Worker)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer(formula, data, reml=False, control=lf.Control(max_evaluations=2))
    with pytest.warns(ConvergenceWarning, match="had not stopped at the lowest"):
        found = fit.profile(["sigma"])
    whole = lf.lmer(formula, data).profile(["sigma"])
    np.testing.assert_allclose(found.conf_int(), whole.conf_int(), rtol=1e-5)


def test_interruption_keeps_what_is_done(sleep, monkeypatch):
    held, seen = profiled_fit.held_parameter, []

    def interrupted(state, parameter):
        seen.append(parameter)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return held(state, parameter)

    monkeypatch.setattr(profiled_fit, "held_parameter", interrupted)
    assert sleep.profile().names == ["Intercept", "Days"]


def test_saved_and_loaded(sleep, profile, tmp_path):
    sleep.save(tmp_path / "fit.lmf")
    found = lf.load(tmp_path / "fit.lmf").profile().conf_int()
    np.testing.assert_allclose(found, profile.conf_int(), rtol=1e-5)


def test_dropped_columns():
    data = SLEEP.assign(again=2.0 * SLEEP["Days"])
    with pytest.warns(lf.errors.RankWarning):
        fit = lf.lmer("Reaction ~ Days + again + (1 | Subject)", data)
    assert fit.profile("fixed").names == ["Intercept", "Days"]


# --- Wald intervals of all parameters -----------------------------------------------------------


def test_wald_intervals_of_all(sleep):
    """Symmetric on the scales of ln sd, atanh ρ and ln σ; fixed effects as without `which`."""
    found = sleep.conf_int(which="all")
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.loc[["Intercept", "Days"]]), pd.DataFrame(sleep.conf_int())
    )
    wide = sleep.conf_int(0.99, which="all")
    assert (wide["lower"] < found["lower"]).all()
    deviations = ["sd(Intercept | Subject)", "sd(Days | Subject)", "sigma"]
    middle = np.sqrt(found.loc[deviations].prod(axis=1))
    wanted = [*sleep.vcomp["sdcor"].iloc[[0, 1]], sleep.sigma]
    np.testing.assert_allclose(middle, wanted, rtol=1e-9)
    assert np.tanh(np.arctanh(found.loc["cor(Intercept, Days | Subject)"]).mean()) == pytest.approx(
        sleep.vcomp["sdcor"].iloc[2], rel=1e-9
    )


def test_wald_standard_errors_are_those_of_the_profile(profile):
    """Near the estimate ζ is linear with slope 1/SE: both say the same there."""
    fit = lf.lmer(SLOPES, SLEEP, reml=False)
    level = 0.01  # ζ = ±0.0125
    narrow = fit.profile().conf_int(level)
    wald = fit.conf_int(level, which="all", ddf="none")
    width = (narrow["upper"] - narrow["lower"]) / (wald["upper"] - wald["lower"])
    np.testing.assert_allclose(width.iloc[2:], 1.0, atol=1e-3)


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_wald_at_a_bound_and_structures():
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    found = fit.conf_int(which="all")
    assert found.loc["sd(Intercept | Batch)"].isna().all()
    assert any("At a bound" in note for note in found.notes)
    ar1 = MODELS["random ar1"].fit
    rows = ar1.conf_int(which="all").loc[["sd(ar1(0 + visit | g))", "rho(ar1(0 + visit | g))"]]
    np.testing.assert_allclose(rows, ar1.random_params[["lower", "upper"]], rtol=1e-6)
    residual = MODELS["residual ar1"].fit
    rows = residual.conf_int(which="all").loc[["rho", "sigma"]]
    np.testing.assert_allclose(
        rows.to_numpy(), residual.residual_table()[["lower", "upper"]].to_numpy(), rtol=1e-9
    )


@pytest.mark.slow
def test_sigma_goes_to_zero_beside_as_many_effects_as_rows():
    """ζ levels off, and is not followed into rounding."""
    data = trial().astype({"t": str})
    profile = lf.lmer("y ~ x + ar1(0 + t | g)", data, reml=False).profile("sigma")
    points = profile.points("sigma")
    assert (np.diff(points["zeta"]) > -1e-4).all()
    assert profile.conf_int().loc["sigma", "lower"] == 0.0
