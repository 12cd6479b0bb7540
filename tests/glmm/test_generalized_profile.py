"""Profile-likelihood and Wald intervals of generalised fits, against R and by refits."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import lmforms as lf
from lmforms.errors import ArgumentError, ConvergenceWarning, ModelError
from tests.slow_cases import slow

REFERENCE = Path(__file__).parents[1] / "reference"
STORED = json.loads((REFERENCE / "glmm_profiles.json").read_text())
HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
Z = 1.959963984540054


@cache
def herds(nagq: int = 1) -> lf.GeneralizedResults:
    return lf.glmer(HERDS, lf.datasets.load("cbpp"), family="binomial", nagq=nagq)


@cache
def seizures() -> lf.GeneralizedResults:
    data = pd.read_csv(REFERENCE / "glmm_epilepsy.csv")
    return lf.glmer("y ~ lbase * trt + (V4 | subject)", data, family="poisson")


@cache
def salamanders() -> lf.GeneralizedResults:
    data = pd.read_csv(REFERENCE / "glmm_salamanders.csv")
    data["mined"] = pd.Categorical(data["mined"], ["yes", "no"])
    return lf.glmer(
        "count ~ mined + (1 | site)", data, family="negative_binomial", zero_inflation="~1"
    )


FITS = {
    "cbpp": herds,
    "cbpp_nodes": lambda: herds(11),
    "epilepsy": seizures,
    "salamanders": salamanders,
}


@cache
def profiled(name: str):
    return FITS[name]().profile()


@pytest.mark.parametrize("name", FITS)
def test_roots_of_other_likelihoods(name):
    """Limits are those of glmmTMB's likelihood, or of lme4's with nodes.

    An end of the profile is infinite there, too.
    """
    found, tolerance = profiled(name).conf_int(), 1e-6 if name != "cbpp_nodes" else 1e-5
    for parameter, limits in STORED[name]["limits"].items():
        assert np.allclose(found.loc[parameter], limits, rtol=0, atol=tolerance), parameter


@pytest.mark.parametrize("name", ["cbpp", "epilepsy"])
def test_uniroot_of_glmmtmb(name):
    found = profiled(name).conf_int()
    for parameter, limits in STORED[name]["tmb_uniroot"].items():
        given = np.array(limits, dtype=float)
        there = np.isfinite(given)
        assert there.any()
        assert np.allclose(found.loc[parameter].to_numpy()[there], given[there], atol=1e-4)


def test_profile_of_lme4():
    """Its limits are interpolated."""
    found = profiled("cbpp").conf_int()
    for parameter, limits in STORED["cbpp"]["lme4_profile"].items():
        assert np.allclose(found.loc[parameter], limits, atol=1e-2)


def test_held_coefficient_by_refits():
    """A coefficient is held by an offset, in a fit of its own."""
    data = lf.datasets.load("cbpp")
    dummies = pd.get_dummies(data["period"], prefix="p").astype(float)
    data = pd.concat([data, dummies], axis=1)
    formula = "cbind(incidence, size - incidence) ~ p_3 + p_4 + (1 | herd)"
    lowest = herds().criterion
    for limit in profiled("cbpp").conf_int().loc["period[T.2]"]:
        offset = limit * data["p_2"].to_numpy()
        held = lf.glmer(formula, data, family="binomial", offset=offset)
        assert held.criterion - lowest == pytest.approx(Z**2, abs=2e-6)


def test_held_threshold_by_refits():
    """A threshold moved by a constant is an offset of the others: the first is held so."""
    wine = pd.read_csv(REFERENCE / "glmm_wine.csv")
    for name in ("rating", "temp", "contact", "judge"):
        wine[name] = pd.Categorical(wine[name].astype(str))
    wine["rating"] = wine["rating"].cat.as_ordered()
    fit = lf.glmer("rating ~ temp + contact + (1 | judge)", wine, family="cumulative")
    profile = fit.profile("temp[T.warm]")
    held = [
        lf.glmer(
            "rating ~ contact + (1 | judge)",
            wine,
            family="cumulative",
            offset=limit * (wine["temp"] == "warm").to_numpy(float),
        )
        for limit in profile.conf_int().loc["temp[T.warm]"]
    ]
    assert [h.criterion - fit.criterion for h in held] == pytest.approx([Z**2] * 2, abs=2e-6)
    thresholds = fit.family_params["parameter"].tolist()
    found = fit.conf_int(method="profile", which="all").loc[thresholds]
    wald = fit.conf_int(which="all").loc[thresholds]
    assert np.allclose(found, wald, rtol=0.35)


@pytest.mark.parametrize("name", ["cbpp", "epilepsy", "salamanders"])
def test_parameters_along_a_profile(name):
    """The table's parameters have the likelihood that ζ says: found again from the outside."""
    from dataclasses import replace

    from lmforms.inference.model_parameters import model_parameters, parameter_values

    fit, profile = FITS[name](), profiled(name)
    names = [p.name for p in model_parameters(fit.state)]
    assert profile.names == names
    assert np.allclose(profile.estimates, parameter_values(fit.state), rtol=1e-4, atol=1e-4)
    for parameter in names:
        rows = profile.table[profile.table["parameter"] == parameter]
        assert np.allclose(rows["value"], rows[parameter], rtol=1e-9, atol=1e-12)
        curve = profile._profiles[parameter].curve
        for point in (curve.points[0], curve.points[-1]):
            psi = profile._fit.problem.canonical(point.x, curve.held.problem)
            estimate = fit.state.estimate
            there = replace(estimate, optimum=replace(estimate.optimum, psi=psi))
            again = profile._fit.objective(there.problem, psi, estimate.optimum.mode)
            assert again.value - fit.criterion == pytest.approx(point.zeta**2, abs=1e-6)


def test_zeta_at_a_limit_by_a_search_of_its_own():
    """The standard deviation is held, and β found by another optimiser."""
    from scipy.optimize import minimize

    from lmforms.glmm.problem import laplace_point

    fit = herds()
    estimate = fit.state.estimate
    unit = fit.vcomp["sdcor"].iloc[0] / abs(estimate.optimum.psi[0])

    def rise(sd: float) -> float:
        def value(beta):
            psi = np.append(sd / unit, beta)
            found = laplace_point(estimate.problem, psi, estimate.optimum.mode)
            return found.value, found.gradient[1:]

        best = minimize(value, estimate.optimum.psi[1:], jac=True, method="BFGS", tol=1e-8)
        return best.fun - fit.criterion - Z**2

    limits = [brentq(rise, 0.2, 0.6, xtol=1e-9), brentq(rise, 0.7, 1.5, xtol=1e-9)]
    assert np.allclose(profiled("cbpp").conf_int().loc["sd(Intercept | herd)"], limits, atol=1e-6)


def test_standard_deviation_of_zero():
    """The profile ends at zero, and the limit is this end."""
    data = pd.read_csv(REFERENCE / "glmm_salamanders.csv")
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.glmer("count ~ mined + (1 | sample)", data, family="negative_binomial")
    profile = fit.profile("sd(Intercept | sample)")
    lower, upper = profile.conf_int().loc["sd(Intercept | sample)"]
    assert lower == 0.0
    assert 0.0 < upper < 1.0
    assert profile.at_bound().loc["sd(Intercept | sample)"].tolist() == [True, False]


def test_singular_fit_leaves_zero_along_a_profile():
    """A variance that is zero at the estimate becomes positive where another one is held small."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(20), 6)
    h = g * 2 + np.tile([0, 0, 0, 1, 1, 1], 20)
    y = rng.poisson(np.exp(0.5 + rng.normal(0, 0.7, 20)[g]))
    data = {"y": y, "g": g.astype(str), "h": h.astype(str)}
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.glmer("y ~ 1 + (1 | g) + (1 | h)", data, family="poisson")
    assert fit.singular_terms == ["1 | h"]
    profile = fit.profile("sd(Intercept | g)", limit=8.0)
    rows = profile.table
    assert rows["sd(Intercept | h)"].iloc[0] > 0.3
    assert rows["sd(Intercept | h)"].iloc[-1] == pytest.approx(0.0, abs=1e-3)


def test_data_set_no_upper_limit():
    """Counts without overdispersion: the size of a negative binomial may be any large number."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(25), 8)
    data = {"y": rng.poisson(np.exp(1 + rng.normal(0, 0.5, 25)[g])), "g": g.astype(str)}
    with pytest.warns(lf.errors.BoundWarning):
        fit = lf.glmer("y ~ 1 + (1 | g)", data, family="negative_binomial")
    wald = fit.conf_int(which="all")
    assert wald.loc["size"].isna().all()
    assert any("without a standard error: size" in note for note in wald.notes)
    found = fit.conf_int(method="profile", which="all")
    assert found.loc["size", "upper"] == np.inf
    assert 1.0 < found.loc["size", "lower"] < 1000.0
    assert any("no upper limit: size" in note for note in found.notes)


def test_known_covariance():
    """With four times the identity as covariance of the levels, deviations are half as large."""
    cbpp = lf.datasets.load("cbpp")
    levels = sorted(set(cbpp["herd"].astype(str)))
    known = pd.DataFrame(4.0 * np.eye(len(levels)), levels, levels)
    cbpp["herd"] = cbpp["herd"].astype(str)
    fit = lf.glmer(HERDS, cbpp, family="binomial", relationship={"herd": known})
    for method in ("profile", "wald"):
        halves = fit.conf_int(method=method, which="all").loc["sd(Intercept | herd)"]
        own = herds().conf_int(method=method, which="all").loc["sd(Intercept | herd)"]
        assert np.allclose(2 * halves, own, rtol=1e-5)
    replicates = fit.bootstrap(5, seed=1).table, herds().bootstrap(5, seed=1).table
    assert replicates[0]["Intercept"].std() > 0.05


def test_without_random_effects():
    """confint() of a glm of R, whose limits are interpolated."""
    formula = "cbind(incidence, size - incidence) ~ period"
    fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
    expected = [
        [-1.56115876, -0.992026553],
        [-1.76953663, -0.620479541],
        [-1.95088311, -0.715727096],
        [-2.68065936, -1.037551811],
    ]
    assert np.allclose(fit.conf_int(method="profile", which="all"), expected, atol=2e-4)


def test_which_and_order():
    fit = herds()
    fixed = fit.conf_int(method="profile")
    assert list(fixed.index) == list(fit.params.index)
    assert fit.profile("random").names == ["sd(Intercept | herd)"]
    assert fit.profile(["period[T.4]", "Intercept"]).names == ["Intercept", "period[T.4]"]
    with pytest.raises(ArgumentError, match="sd\\(Intercept"):
        fit.profile("sd(herd)")


def test_squares_are_variances():
    own = profiled("cbpp").conf_int().loc["sd(Intercept | herd)"]
    squares = profiled("cbpp").variances().conf_int().loc["var(Intercept | herd)"]
    assert np.allclose(squares, own**2)


def test_refused():
    fast = lf.glmer(HERDS, lf.datasets.load("cbpp"), family="binomial", nagq=0)
    with pytest.raises(ModelError, match="nagq=0"):
        fast.profile()
    with pytest.raises(ModelError, match="nagq=0"):
        fast.conf_int(method="profile")
    with pytest.raises(ArgumentError, match="bootstrap"):
        herds().conf_int(n=100)
    with pytest.raises(ArgumentError, match="method"):
        herds().conf_int(method="boot")


def test_likelihood_that_cannot_be_evaluated(monkeypatch):
    """The place where a profile breaks off is not taken for its end."""
    from lmforms.errors import NumericalError
    from lmforms.inference.profile.generalized_minimum import HeldSearch

    minimum = HeldSearch.minimum

    def broken(self, held, tau, start, tolerance):
        if tau > -0.5:
            raise NumericalError("not here")
        return minimum(self, held, tau, start, tolerance)

    monkeypatch.setattr(HeldSearch, "minimum", broken)
    with pytest.raises(ModelError, match=r"profile of period\[T.2\].*limit="):
        herds().profile("period[T.2]")
    found = herds().profile("period[T.2]", limit=1.3).conf_int(0.8)
    assert found.loc["period[T.2]", "upper"] < -0.5


def test_lower_optimum_is_reported():
    """A fit that stopped early: the profiles are of the minimum, and a warning says so."""
    fit = herds()
    estimate = fit.state.estimate
    from dataclasses import replace

    from lmforms.glmm.problem import laplace_point

    psi = estimate.optimum.psi * np.array([1.2, 1.0, 1.0, 1.0, 1.0])
    point = laplace_point(estimate.problem, psi, estimate.optimum.mode)
    early = replace(estimate.optimum, psi=psi, value=point.value, mode=point.state)
    state = replace(fit.state, estimate=replace(estimate, optimum=early))
    stopped = type(fit)(fit.model, state)
    with pytest.warns(ConvergenceWarning, match="lower"):
        profile = stopped.profile("period[T.2]")
    expected = profiled("cbpp").conf_int().loc["period[T.2]"]
    assert np.allclose(profile.conf_int().loc["period[T.2]"], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["cbpp", "epilepsy", "salamanders"])
def test_wald_by_differences(name):
    """Standard errors of all parameters by the delta method, with numerical derivatives."""
    from dataclasses import replace

    from lmforms.inference.model_parameters import model_parameters, parameter_values

    fit = FITS[name]()
    state, estimate = fit.state, fit.state.estimate
    psi, names = estimate.optimum.psi, [p.name for p in model_parameters(state)]

    def unbounded(at):
        moved = replace(estimate, optimum=replace(estimate.optimum, psi=at))
        values = pd.Series(parameter_values(replace(state, estimate=moved)), names)
        for parameter in names:
            if parameter.startswith("sd(") or parameter == "size":
                values[parameter] = np.log(values[parameter])
            elif parameter.startswith("cor("):
                values[parameter] = np.arctanh(values[parameter])
        return values

    steps = 1e-6 * np.eye(len(psi))
    J = np.array([(unbounded(psi + h) - unbounded(psi - h)) / 2e-6 for h in steps]).T
    errors = np.sqrt(np.diag(J @ estimate.joint_covariance @ J.T))
    found, centre = fit.conf_int(which="all"), unbounded(psi)
    for i, parameter in enumerate(names):
        limits = centre.iloc[i] + Z * errors[i] * np.array([-1, 1])
        if parameter.startswith("sd(") or parameter == "size":
            limits = np.exp(limits)
        elif parameter.startswith("cor("):
            limits = np.tanh(limits)
        assert np.allclose(found.loc[parameter], limits, rtol=1e-5), parameter


def test_wald_of_glmmtmb():
    """confint() of glmmTMB 1.1.5, printed with nine digits."""
    found = herds().conf_int(which="all").to_numpy()
    expected = [
        [-1.85416931, -0.94289562],
        [-1.59334054, -0.39132405],
        [-1.76886964, -0.48847296],
        [-2.41807402, -0.74255335],
        [0.37244322, 1.10755154],
    ]
    assert np.allclose(found, expected, atol=2e-5)


def test_zero_inflation_on_its_own_scale():
    """Numbers are natural, coefficients of formulas on the logit."""
    limits = salamanders().conf_int(which="all")
    assert list(limits.index[-2:]) == ["size", "zero_inflation[Intercept]"]
    assert 0 < limits.loc["size", "lower"] < limits.loc["size", "upper"]


def test_plots():
    import matplotlib as mpl

    mpl.use("Agg")
    profile = profiled("cbpp")
    assert len(lf.plot.profile_zeta(profile)) == 5
    lf.plot.profile_density(profile, "sd(Intercept | herd)")
    lf.plot.profile_pairs(profile, ["Intercept", "sd(Intercept | herd)"])


STRUCTURES = ["ar1(0 + visit | subject)", "cs(0 + visit | subject)", "diag(1 + V4 | subject)"]


@pytest.mark.parametrize("term", [STRUCTURES[0], *map(slow, STRUCTURES[1:])])
def test_structures(term):
    data = pd.read_csv(REFERENCE / "glmm_epilepsy.csv")
    data["visit"] = data.groupby("subject").cumcount().add(1).astype(str)
    fit = lf.glmer(f"y ~ lbase + {term}", data, family="poisson")
    profile = fit.profile("random")
    limits, wald = profile.conf_int(), fit.conf_int(which="all").loc[profile.names]
    inside = profile.estimates
    assert ((limits["lower"] < inside) & (inside < limits["upper"])).all()
    assert np.allclose(limits["upper"], wald["upper"], rtol=0.25)
