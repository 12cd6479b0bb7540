"""Predictions of generalised fits: errors against glmmTMB, averages, quantiles."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference_fits import table
from scipy import stats
from scipy.integrate import trapezoid

import lmforms as lf
from lmforms.control import Control
from lmforms.errors import ArgumentError, DataError, ModelError
from lmforms.glmm.families.counts import Poisson
from lmforms.glmm.families.links import LINKS
from lmforms.glmm.population import MeanFunction
from lmforms.glmm.predictive import predictive_quantiles
from lmforms.glmm.problem import mode_near
from lmforms.inference.predictions.predictor_errors import changes_of_modes
from lmforms.results.generalized.rows import estimate_of

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "glmm_predictions.json").read_text()
)
HERD = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
TIGHT = Control(tolerance=1e-10)
MODELS: dict[str, dict[str, Any]] = {
    "cbpp": {"formula": HERD, "family": "binomial"},
    "salamanders_poisson": {"formula": "count ~ spp * mined + (1 | site)", "family": "poisson"},
    "salamanders_zip": {
        "formula": "count ~ mined + (1 | site)",
        "family": "poisson",
        "zero_inflation": "~ mined",
    },
    "owls_zinb2": {
        "formula": "SiblingNegotiation ~ FoodTreatment * SexParent + (1 | Nest)",
        "family": "negative_binomial",
        "zero_inflation": "~ 1",
    },
    "salamanders_crossed": {
        "formula": "count ~ mined + (1 | site) + (mined | spp)",
        "family": "negative_binomial",
    },
}


def data_of(name: str) -> pd.DataFrame:
    source = name.partition("_")[0]
    return table("cbpp" if source == "cbpp" else f"glmm_{source}.csv")


@cache
def fit_of(name: str) -> Any:
    return lf.glmer(data=data_of(name), control=TIGHT, **MODELS[name])


# --- against glmmTMB --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "part"),
    [("cbpp", "new_level"), *((name, part) for name in MODELS for part in ("rows", "middle"))],
)
def test_errors_are_those_of_glmmtmb(name, part):
    known = REFERENCE[name]
    fit, data = fit_of(name), data_of(name)
    at = known.get("at", range(len(data)))
    arguments: dict[str, Any] = {}
    if part == "middle":
        new = pd.DataFrame({"period": list("1234")}) if name == "cbpp" else data.iloc[at]
        arguments = {"data": new, "random": "none"}
    if part == "new_level":
        new = pd.DataFrame({"period": list("1234"), "herd": "new"})
        arguments = {"data": new, "new_levels": "zero"}
    assert fit.llf == pytest.approx(known["loglik"], abs=1e-7)
    link = fit.predict(kind="link", interval="confidence", **arguments)
    response = fit.predict(interval="confidence", **arguments)
    if part == "rows":
        link, response = link.iloc[at], response.iloc[at]
    most = 1e-5  # glmmTMB's Hessian is by finite differences
    np.testing.assert_allclose(link["estimate"], known[part]["eta"], rtol=2e-6, atol=1e-7)
    np.testing.assert_allclose(link["std_error"], known[part]["eta_se"], rtol=most)
    np.testing.assert_allclose(response["estimate"], known[part]["mean"], rtol=1e-6)
    np.testing.assert_allclose(response["std_error"], known[part]["mean_se"], rtol=most)


# --- errors by other ways -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cbpp", "salamanders_zip", "salamanders_crossed"])
def test_changes_of_modes_by_differences(name):
    estimate = estimate_of(fit_of(name).state)
    problem, psi, mode = estimate.problem, estimate.optimum.psi, estimate.optimum.mode
    for i, change in enumerate(changes_of_modes(estimate)):
        step = 1e-5 * np.eye(len(psi))[i]
        up, down = (mode_near(problem, psi + s, mode).b for s in (step, -step))
        for own, a, b in zip(change, up, down, strict=True):
            np.testing.assert_allclose(own, (a - b) / 2e-5, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("kind", ["link", "response"])
def test_own_rows_and_the_same_rows_as_new_ones(name, kind):
    own = fit_of(name).predict(kind=kind, interval="confidence")
    new = fit_of(name).predict(data_of(name), kind=kind, interval="confidence")
    np.testing.assert_allclose(own, new, rtol=1e-8)


def test_conditional_part_of_crossed_factors_is_dense_algebra():
    estimate = estimate_of(fit_of("salamanders_crossed").state)
    rows, mode = estimate.problem.model.rows, estimate.optimum.mode
    parts = [f.matrix().toarray() for f in rows.factors]
    scaled = [
        z @ np.kron(np.eye(f.n_levels), lam)
        for z, f, lam in zip(parts, rows.factors, mode.lams, strict=True)
    ]
    whole = np.hstack(scaled)
    A = whole.T @ (mode.weights[:, None] * whole) + np.eye(whole.shape[1])
    found = rows.leverages(mode.factor)
    np.testing.assert_allclose(found, np.diag(whole @ np.linalg.solve(A, whole.T)), rtol=1e-9)


def test_some_of_the_random_terms():
    fit = fit_of("salamanders_crossed")
    found = fit.predict(random=["site"], kind="link", interval="confidence")
    assert (found["std_error"] < fit.predict(kind="link", interval="confidence")["std_error"]).any()
    assert found["std_error"].notna().all()


def test_limits_are_made_on_the_link():
    fit = fit_of("cbpp")
    link = fit.predict(kind="link", interval="confidence", level=0.9)
    response = fit.predict(interval="confidence", level=0.9)
    z = stats.norm.ppf(0.95)
    np.testing.assert_allclose(link["lower"], link["estimate"] - z * link["std_error"])
    for side in ("lower", "upper"):
        np.testing.assert_allclose(response[side], 1.0 / (1.0 + np.exp(-link[side])))


def test_known_parameters_without_quadrature_nodes():
    """With nagq=0 θ counts as known, and errors are smaller for it."""
    rough = fit_of("cbpp").refit(nagq=0)
    found = rough.predict(random="none", kind="link", interval="confidence")
    X = rough.state.design.X
    wanted = np.sqrt(np.einsum("ij,jk,ik->i", X, rough.cov_params().to_numpy(), X))
    np.testing.assert_allclose(found["std_error"], wanted, rtol=1e-9)


def test_limits_of_decreasing_links_and_at_the_ends_of_the_range():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 4)
    y = rng.gamma(2.0, 1.0 / (2.0 * (0.5 + 0.05 * rng.normal(size=12)[g])))
    fit = lf.glmer("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="gamma")
    assert fit.link == "inverse"
    found = fit.predict(random="none", interval="confidence", level=0.95)
    assert (found["lower"] < found["estimate"]).all()
    assert (found["estimate"] < found["upper"]).all()
    wide = fit.predict(random="none", interval="confidence", level=1.0 - 1e-16)
    assert (wide["lower"] >= 0.0).all()
    assert (wide["upper"] == np.inf).all()


def test_errors_of_means_whatever_the_size_of_predictors():
    """Predictors of the link 1/μ are near 0.003 here."""
    data = table("glmm_simulated.csv")
    wait = 300.0 * data["wait"] / data["wait"].mean()
    fit = lf.glmer("wait ~ x + (1 | group)", data.assign(wait=wait), family="gamma")
    eta = fit.predict(random="none", kind="link", interval="confidence")
    mean = fit.predict(random="none", interval="confidence")
    assert eta["estimate"].max() < 0.01
    np.testing.assert_allclose(
        mean["std_error"], eta["std_error"] / eta["estimate"] ** 2, rtol=1e-8
    )


# --- averages over the random effects -----------------------------------------------------------


def test_average_of_a_logarithmic_link_is_its_closed_form():
    fit = fit_of("salamanders_poisson")
    sd2 = fit.vcomp["variance"][0]
    middle = fit.predict(random="none")
    found = fit.predict(random="none", average=True)
    np.testing.assert_allclose(found, middle * np.exp(0.5 * sd2), rtol=1e-12)


def test_average_with_slopes_is_its_closed_form():
    data = data_of("salamanders_crossed")
    fit, n = fit_of("salamanders_crossed"), len(data)
    z = np.column_stack([np.ones(n), data["mined"] == "no"])
    lam = fit.state.estimate.lams
    variance = lam[0][0, 0] ** 2 + np.square(z @ lam[1]).sum(axis=1)
    found = fit.predict(random="none", average=True)
    np.testing.assert_allclose(
        found, fit.predict(random="none") * np.exp(0.5 * variance), rtol=1e-11
    )


def test_error_of_an_average_by_its_closed_form():
    """ln m = x'β + s²/2, so that its gradient in (θ, β) is (s²/θ, x)."""
    fit = fit_of("salamanders_poisson")
    estimate = estimate_of(fit.state)
    sd2, theta = fit.vcomp["variance"][0], estimate.optimum.psi[0]
    X = estimate.problem.model.rows.X
    g = np.column_stack([np.full(len(X), sd2 / theta), X])
    wanted = np.sqrt(np.einsum("ij,jk,ik->i", g, estimate.joint_covariance, g))
    found = fit.predict(random="none", average=True, interval="confidence")
    np.testing.assert_allclose(found["std_error"], found["estimate"] * wanted, rtol=1e-6)
    z = stats.norm.ppf(0.975)
    np.testing.assert_allclose(found["upper"], found["estimate"] * np.exp(z * wanted), rtol=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
def test_averages_of_probabilities(link):
    """Against quadrature by SciPy; for the probit link also in closed form."""
    from lmforms.glmm.families.binomial import Binomial

    mean, eta, sd = MeanFunction(Binomial(), LINKS[link]), np.array([-2.0, 0.3]), 1.7
    found = mean.averaged(eta, np.full(2, sd**2), [])
    z = np.linspace(-10.0, 10.0, 20001)
    for own, e in zip(found, eta, strict=True):
        values = LINKS[link].mean(e + sd * z) * stats.norm.pdf(z)
        assert own == pytest.approx(trapezoid(values, z), rel=1e-9)
    if link == "probit":
        np.testing.assert_allclose(found, stats.norm.cdf(eta / np.sqrt(1.0 + sd**2)), rtol=1e-12)


def test_new_levels_are_averaged_and_old_ones_kept():
    fit = fit_of("cbpp")
    new = {"period": ["1", "1"], "herd": ["1", "zz"]}
    found = fit.predict(new, new_levels="zero", average=True)
    assert found[0] == pytest.approx(fit.predict(new, new_levels="zero")[0])
    assert found[1] == pytest.approx(fit.predict({"period": ["1"]}, random="none", average=True)[0])


def test_a_population_without_a_mean_is_refused():
    mean = MeanFunction(Poisson(), LINKS["inverse"])
    with pytest.raises(ModelError, match="inverse link"):
        mean.averaged(np.ones(1), np.ones(1), [])


# --- new responses ------------------------------------------------------------------------------


def test_quantiles_without_uncertainty_are_those_of_the_family():
    mean = MeanFunction(Poisson(), LINKS["log"])
    eta = np.log([0.02, 3.0, 250.0])
    for p in (0.025, 0.5, 0.975):
        found = predictive_quantiles(mean, eta, np.zeros(3), [], None, p)
        np.testing.assert_array_equal(found, stats.poisson.ppf(p, np.exp(eta)))


def test_quantiles_of_a_gaussian_family_are_normal_ones():
    from lmforms.glmm.families.gaussian import Gaussian

    mean, eta = MeanFunction(Gaussian(), LINKS["identity"]), np.array([-3.0, 5.0])
    for own in (0.05, 1.0, 30.0):
        found = predictive_quantiles(mean, eta, np.full(2, 4.0), [np.log([own**2])], None, 0.975)
        wanted = eta + stats.norm.ppf(0.975) * np.sqrt(4.0 + own**2)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["cbpp", "owls_zinb2"])
def test_prediction_intervals_by_simulation(name):
    fit, at, count = fit_of(name), [0, 9, 30], 200_000
    found = fit.predict(random="none", interval="prediction").iloc[at]
    link = fit.predict(random="none", kind="link", interval="confidence").iloc[at]
    variance = link["std_error"] ** 2 + fit.vcomp["variance"][0]
    estimate, rng = estimate_of(fit.state), np.random.default_rng(1)
    likelihood = estimate.likelihood
    for i in range(len(at)):
        eta = rng.normal(link["estimate"].iloc[i], np.sqrt(variance.iloc[i]), count)
        trials = likelihood.response.trials
        m = None if trials is None else np.full(count, trials[at[i]])
        omega = [np.resize(o[:1], count) for o in likelihood.omega(estimate.coefficients)]
        y = estimate.family.simulate(rng, likelihood.link.mean(eta), omega, m)
        y = y if m is None else y / m
        row = found.iloc[i]
        assert row["std_error"] == pytest.approx(y.std(), rel=0.02)
        for side, p in (("lower", 0.025), ("upper", 0.975)):
            assert (y < row[side] - 1e-9).mean() <= p + 0.002
            assert (y <= row[side] + 1e-9).mean() >= p - 0.002


def test_trials_of_new_proportions():
    fit, new = fit_of("cbpp"), {"period": ["1", "4"]}
    few = fit.predict(new, random="none", interval="prediction", trials=5)
    many = fit.predict(new, random="none", interval="prediction", trials=[500, 500])
    assert (few["upper"] > many["upper"]).all()
    with pytest.raises(ArgumentError, match="trials="):
        fit.predict(new, random="none", interval="prediction")
    with pytest.raises(DataError, match="whole numbers"):
        fit.predict(new, random="none", interval="prediction", trials=2.5)
    with pytest.raises(DataError, match="2 new rows"):
        fit.predict(new, random="none", interval="prediction", trials=[1, 2, 3])
    with pytest.raises(ArgumentError, match="trials"):
        fit.predict(new, random="none", trials=3)


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"level": 0.9},
        {"kind": "link", "interval": "prediction"},
        {"kind": "link", "average": True},
        {"interval": "tolerance"},
        {"average": "population"},
    ],
)
def test_arguments_without_a_meaning_are_refused(arguments):
    with pytest.raises(ArgumentError):
        fit_of("cbpp").predict(**arguments)


def test_missing_values_are_missing():
    new = {"period": ["1", None], "herd": ["1", "1"]}
    for interval in ("confidence", "prediction"):
        trials = 4 if interval == "prediction" else None
        found = fit_of("cbpp").predict(new, interval=interval, trials=trials)
        assert found.iloc[0].notna().all()
        assert found.iloc[1].isna().all()


def test_columns_of_the_dispersion_are_not_needed_for_means():
    data = data_of("salamanders_zip")
    fit = lf.glmer(
        "count ~ mined + (1 | site)", data, family="negative_binomial", dispersion="~ cover"
    )
    new = {"mined": ["yes", "no"]}
    assert fit.predict(new, random="none", interval="confidence").notna().all(axis=None)
    with pytest.raises(DataError, match="cover"):
        fit.predict(new, random="none", interval="prediction")


def test_relatives_and_new_levels():
    """A new level has the mean variance of the related ones."""
    rng = np.random.default_rng(5)
    names = [f"a{i}" for i in range(20)]
    K = pd.DataFrame(2.0 * (0.5 * np.eye(20) + 0.5), index=names, columns=names)
    who = np.repeat(names, 10)
    y = rng.poisson(np.exp(0.5 + 0.5 * rng.normal(size=20)[np.repeat(np.arange(20), 10)]))
    data = pd.DataFrame({"y": y, "who": who})
    fit = lf.glmer("y ~ 1 + (1 | who)", data, family="poisson", relationship={"who": K})
    own = fit.predict(interval="confidence", kind="link")
    new = fit.predict(data, interval="confidence", kind="link")
    np.testing.assert_allclose(own, new, rtol=1e-8)
    other = fit.predict({"who": ["zz"]}, new_levels="zero", interval="confidence", kind="link")
    alone = fit.predict(random="none", interval="confidence", kind="link").iloc[0]
    added = other["std_error"][0] ** 2 - alone["std_error"] ** 2
    assert added == pytest.approx(2.0 * fit.vcomp["variance"][0], rel=1e-8)
