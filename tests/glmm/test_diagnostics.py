"""Shares of variance, simulated residuals and reports of generalised fits."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference_fits import table
from scipy.special import polygamma

import lmforms as lf
from lmforms.control import Control
from lmforms.errors import ArgumentError, LmformsWarning, ModelError
from lmforms.inference.diagnostics.laplace_accuracy import laplace_accuracy
from lmforms.inference.diagnostics.residual_tests import uniformity
from lmforms.results.generalized.checks import compared
from lmforms.results.generalized.rows import estimate_of

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "glmm_predictions.json").read_text()
)
HERD = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@cache
def herds(link: str = "logit") -> Any:
    control = Control(tolerance=1e-10)
    return lf.glmer(HERD, lf.datasets.load("cbpp"), family="binomial", link=link, control=control)


@cache
def counts(family: str = "poisson") -> Any:
    data = table("glmm_salamanders.csv")
    formula = "count ~ mined + cover + (1 | site) + (1 | spp)"
    return lf.glmer(formula, data, family=family, control=Control(tolerance=1e-10))


# --- shares of variance ---------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_latent_shares_are_those_of_performance(link):
    known = REFERENCE[f"shares_{link}"]
    found, correlation = herds(link).r2(), herds(link).icc().loc["all"]
    assert found["marginal"] == pytest.approx(known["marginal"], rel=1e-6)
    assert found["conditional"] == pytest.approx(known["conditional"], rel=1e-6)
    assert correlation["adjusted"] == pytest.approx(known["adjusted"], rel=1e-6)
    assert correlation["unadjusted"] == pytest.approx(known["unadjusted"], rel=1e-6)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "negative_binomial1"])
def test_latent_variance_of_counts_is_a_trigamma_function(family):
    fit = counts(family)
    usual = float(fit.predict(random="none", average=True).mean())
    own = {} if family == "poisson" else fit.family_params.set_index("parameter")["estimate"]
    excess = {
        "poisson": lambda: 1.0 / usual,
        "negative_binomial": lambda: 1.0 / usual + 1.0 / own["size"],
        "negative_binomial1": lambda: (1.0 + own["dispersion"]) / usual,
    }[family]()
    random = fit.vcomp["variance"].sum()
    found = fit.icc()
    assert found.loc["all", "variance"] == pytest.approx(random, rel=1e-12)
    wanted = random / (random + polygamma(1, 1.0 / excess))
    assert found.loc["all", "adjusted"] == pytest.approx(wanted, rel=1e-9)
    assert "trigamma" in fit.r2().attrs["distribution"]
    assert any("trigamma" in note for note in found.notes)


def test_shares_of_observed_counts_have_closed_forms():
    """With log-normal means."""
    fit = counts()
    m = fit.predict(random="none", average=True)
    site, spp = fit.vcomp["variance"]
    found = fit.icc("observation")
    square = float((m**2).mean())
    np.testing.assert_allclose(
        found["variance"], square * np.expm1([site, spp, site + spp]), rtol=1e-9
    )
    random, fixed = square * np.expm1(site + spp), float(m.var(ddof=1))
    total = fixed + random + float(m.mean())
    r2 = fit.r2("observation")
    assert r2["marginal"] == pytest.approx(fixed / total, rel=1e-9)
    assert r2["conditional"] == pytest.approx((fixed + random) / total, rel=1e-9)


def test_shares_of_observed_successes_by_simulation():
    fit = herds()
    eta = fit.predict(random="none", kind="link").to_numpy()
    b = np.sqrt(fit.vcomp["variance"][0]) * np.random.default_rng(1).normal(size=40_000)
    p = 1.0 / (1.0 + np.exp(-eta[:, None] - b))
    found = fit.icc("observation").loc["herd"]
    assert found["variance"] == pytest.approx(p.var(axis=1).mean(), rel=0.03)
    within = (p * (1.0 - p)).mean()
    wanted = found["variance"] / (found["variance"] + within)
    assert found["adjusted"] == pytest.approx(wanted, rel=0.01)


def test_effects_of_single_rows_count_as_residuals():
    data = lf.datasets.load("cbpp").assign(row=np.arange(56))
    fit = lf.glmer(HERD + " + (1 | row)", data, family="binomial")
    variance = fit.vcomp.set_index("group")["variance"]
    found = fit.icc()
    assert list(found.index) == ["herd", "all"]
    within = np.pi**2 / 3.0 + variance["row"]
    assert found.loc["all", "adjusted"] == pytest.approx(
        variance["herd"] / (variance["herd"] + within), rel=1e-12
    )
    observed = fit.icc("observation")
    assert observed.loc["herd", "adjusted"] < found.loc["herd", "adjusted"]
    alone = lf.glmer(HERD.replace("herd", "row"), data, family="binomial")
    with pytest.raises(ModelError, match="icc"):
        alone.icc()


def test_random_slopes_count_by_their_mean_variance():
    data = table("glmm_epilepsy.csv")
    fit = lf.glmer("y ~ Base * trt + Visit + (Visit | subject)", data, family="poisson")
    z = np.column_stack([np.ones(len(data)), data["Visit"]])
    lam = fit.state.estimate.lams[0]
    wanted = np.square(z @ lam).sum(axis=1).mean()
    assert fit.icc().loc["subject", "variance"] == pytest.approx(wanted, rel=1e-12)


def test_shares_that_are_not_defined_are_refused():
    data = table("glmm_salamanders.csv")
    fit = lf.glmer("count ~ mined + (1 | site)", data, family="poisson", zero_inflation="~ 1")
    with pytest.raises(ModelError, match="scale='observation'"):
        fit.r2()
    assert 0.0 < fit.r2("observation")["marginal"] < 1.0
    with pytest.raises(ModelError, match="cauchit"):
        herds("cauchit").icc()
    with pytest.raises(ArgumentError):
        herds().r2("link")


# --- simulated residuals -----------------------------------------------------------------------


@pytest.mark.parametrize("random", ["new", "fitted"])
def test_simulated_residuals_of_whole_numbers_are_uniform(random):
    fit = counts("negative_binomial")
    y = fit.simulate(1, seed=4)["sim_1"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        again = fit.refit(y)
    found = again.simulated_residuals(n=199, seed=1, random=random)
    assert uniformity(found.scaled.to_numpy(), "u").p_value > 0.01
    expected = 2 * len(y) / 200
    assert abs(found.outside.sum() - expected) < 5.0 * np.sqrt(expected)
    assert found.scaled.equals(again.simulated_residuals(n=199, seed=1, random=random).scaled)


def test_simulated_residuals_see_a_wrong_family():
    found = counts().simulated_residuals(n=199, seed=1)
    assert found.tests.loc["uniformity", "p_value"] < 0.01
    assert list(found.level_tests("mined").index[:2]) == ["yes", "no"]


# --- reports --------------------------------------------------------------------------------------


def test_a_report_of_a_good_fit():
    report = herds().check(n=60)
    assert report.ok
    assert {"convergence", "separation", "family", "dispersion", "zeros"} <= set(report.table.index)
    assert report.table["status"].isin(["ok", "fact"]).all()
    assert report.table.equals(herds().check(n=60).table)


def test_a_report_of_overdispersed_counts():
    report = counts().check(n=60)
    assert "negative_binomial" in report.table.loc["dispersion", "advice"]
    assert report.table.loc["dispersion", "status"] == "problem"
    better = counts("negative_binomial").check(n=60)
    assert better.table.loc["dispersion", "status"] == "ok"


def test_overdispersion_is_calibrated():
    """p-values of simulated responses of a right model are spread over (0, 1)."""
    fit, values = herds(), []
    for y in fit.simulate(12, seed=2).to_numpy().T:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LmformsWarning)
            own = fit.refit(y)
        finding = own.check(n=60, seed=1).table.loc["dispersion", "finding"]
        values.append(float(finding.split("(p ")[1].strip("=< ).")))
    assert 0.2 < np.mean(values) < 0.8
    assert min(values) > 1e-3


def test_a_report_of_too_many_zeros():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(25), 12)
    y = rng.poisson(np.exp(1.2 + 0.4 * rng.normal(size=25)[g])) * (rng.random(300) > 0.3)
    fit = lf.glmer("y ~ 1 + (1 | g)", {"y": y, "g": g}, family="poisson")
    found = fit.check(n=60).table.loc["zeros"]
    assert found["status"] == "note"
    assert "zero_inflation" in found["advice"]
    mixed = fit.update(zero_inflation="~ 1")
    assert mixed.check(n=60).table.loc["zeros", "status"] == "ok"


@pytest.mark.filterwarnings("ignore::lmforms.errors.BoundWarning")
def test_a_report_of_parameters_at_their_bounds():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(20), 15)
    mean = np.exp(1.0 + 0.5 * rng.normal(size=20)[g])
    y = np.maximum(rng.binomial(40, mean / 40.0), 0)  # less variance than Poisson counts
    frame = {"y": y, "g": g}
    for family, said in (("negative_binomial", "Poisson"), ("negative_binomial1", "Poisson")):
        fit = lf.glmer("y ~ 1 + (1 | g)", frame, family=family)
        found = fit.check(n=20).table.loc["family"]
        assert found["status"] == "note"
        assert said in found["finding"]


def test_a_report_of_a_doubtful_laplace_approximation():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(150), 3)
    x = rng.normal(size=450)
    eta = 0.5 + x + 3.0 * rng.normal(size=150)[g]
    data = {"y": (rng.random(450) < 1.0 / (1.0 + np.exp(-eta))).astype(int), "x": x, "g": g}
    fit = lf.glmer("y ~ x + (1 | g)", data, family="binomial")
    found = fit.check(n=20).table.loc["Laplace approximation"]
    assert found["status"] in ("note", "problem")
    assert "3 rows per level of g" in found["finding"]
    assert "nagq=11" in found["advice"]
    fine = fit.refit(nagq=11)
    assert fine.check(n=20).table.loc["Laplace approximation", "status"] == "ok"
    # where the estimates really go
    accuracy = laplace_accuracy(estimate_of(fit.state))
    assert accuracy is not None
    moved = (fine.params - fit.params) / fit.bse
    assert np.sign(accuracy.beta).tolist() == np.sign(moved).tolist()


def test_a_report_of_several_grouping_factors_and_of_a_profile():
    several = counts().check(n=20).table.loc["Laplace approximation"]
    assert several["status"] == "ok"
    assert "one grouping factor" in several["finding"]
    rough = herds().refit(nagq=0).check(n=20).table.loc["Laplace approximation"]
    assert rough["status"] == "note"


def test_single_trials_are_not_tested_for_dispersion():
    data = table("glmm_bacteria.csv")
    fit = lf.glmer("y ~ trt + (1 | ID)", data, family="binomial")
    report = fit.check(n=60)
    assert "single trials" in report.table.loc["dispersion", "finding"]
    # modes of few binary responses are not normal, under the model either
    assert report.table.loc["distribution of random effects", "status"] == "ok"


def test_p_values_among_few_and_many_simulated_numbers():
    rng = np.random.default_rng(1)
    few, many = rng.normal(size=30), rng.normal(size=999)
    assert compared(0.0, few) > 0.5
    assert compared(6.0, few) < 1e-4
    assert compared(6.0, many) == pytest.approx(0.002)
    assert compared(2.0, np.full(30, 2.0)) == 1.0


def test_variance_inflation():
    frame = pd.DataFrame(herds().vif())
    assert frame.loc["period", "df"] == 3


def test_ordered_classes():
    data = table("glmm_wine.csv")
    data = data.assign(rating=data["rating"].astype(int))
    fit = lf.glmer("rating ~ temp + contact + (1 | judge)", data, family="ordinal")
    variance = fit.vcomp["variance"][0]
    assert fit.icc().loc["judge", "adjusted"] == pytest.approx(variance / (variance + np.pi**2 / 3))
    assert fit.check(n=20).table.loc["dispersion", "status"] == "ok"
    assert fit.predict(kind="link", interval="confidence").notna().all(axis=None)
    for refused in (
        lambda: fit.r2("observation"),
        lambda: fit.predict(interval="confidence"),
        lambda: fit.predict(interval="prediction"),
        lambda: fit.predict(average=True),
    ):
        with pytest.raises(ModelError, match="ordered classes"):
            refused()


def test_a_fit_warns_of_a_parameter_at_its_bound():
    salamanders = lf.datasets.load("Salamanders")
    with pytest.warns(lf.errors.BoundWarning, match="zero inflation as good as 0 in 380 of 644"):
        fit = lf.glmer(
            "count ~ spp + mined + (1 | site)",
            salamanders,
            family="nbinom2",
            zero_inflation="~ spp + mined",
        )
    assert fit.bse.isna().all()
    assert "no standard errors" in str(fit)
