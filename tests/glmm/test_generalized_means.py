"""Means, contrasts, averages and tests of terms of generalised fits, beside emmeans and car."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from reference_fits import REFERENCE, table

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.inference.means.link_scale import link_scale
from lmforms.inference.means.response_scale import ResponseScale

STORED: dict[str, Any] = json.loads((REFERENCE / "glmm_means.json").read_text())
HERD = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
FEW = ["GP", "DM", "DES-L"]


@cache
def fit_of(name: str) -> lf.GeneralizedResults:
    if name.startswith("cbpp"):
        link = name.removeprefix("cbpp_")
        return lf.glmer(HERD, lf.datasets.load("cbpp"), family="binomial", link=link)
    if name == "cake_gamma":
        cake = lf.datasets.load("cake")
        cake["warmth"] = (cake["temp"] - 200) / 10
        formula = "angle ~ recipe * warmth + (1 | recipe:replicate)"
        return lf.glmer(formula, cake, family="gamma", link="log")
    data = table("glmm_salamanders.csv")
    if name == "salamanders":
        return lf.glmer("count ~ spp + mined * cover + (1 | site)", data, family="poisson")
    data = data[data["spp"].isin(FEW)]
    return lf.glmer("count ~ mined * spp + DOY + (1 | site)", data, family="poisson")


SPECS = {
    "cbpp_logit": "period",
    "cbpp_cloglog": "period",
    "salamanders": "mined",
    "few_salamanders": "spp",
    "cake_gamma": "recipe",
}


def agrees(found: Any, expected: dict[str, Any], *, ordinary: float = 1e-5) -> None:
    """Columns agree, to shares of the standard error where there is one."""
    size = np.asarray(expected["std_error"])
    for name, values in expected.items():
        own, other = np.asarray(found[name], dtype=float), np.asarray(values, dtype=float)
        if name in ("estimate", "lower", "upper"):
            assert (np.abs(own - other) <= ordinary * size * 10).all(), name
        elif name == "p_value":
            np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-6)
        else:
            np.testing.assert_allclose(own, other, rtol=ordinary, err_msg=name)


@pytest.mark.parametrize("name", SPECS)
def test_means_are_those_of_emmeans(name):
    fit, expected = fit_of(name), STORED[name]
    assert fit.llf == pytest.approx(expected["loglik"], rel=1e-9)
    agrees(fit.emmeans(SPECS[name]), expected["link"])
    found = fit.emmeans(SPECS[name], kind="response")
    agrees(found, expected["response"])
    assert np.isinf(found["df"]).all()
    assert any("Random effects are zero" in note for note in found.notes)


@pytest.mark.parametrize("name", SPECS)
def test_contrasts_are_those_of_emmeans(name):
    fit, expected = fit_of(name), STORED[name]
    agrees(fit.emmeans(SPECS[name], contrast="pairwise"), expected["pairs_link"])
    found = fit.emmeans(SPECS[name], contrast="pairwise", kind="response")
    agrees(found, expected["pairs_response"])


def test_names_of_ratios():
    title = {
        name: fit_of(name).emmeans(spec, contrast="pairwise", kind="response").title
        for name, spec in SPECS.items()
    }
    assert title["cbpp_logit"] == "Odds ratios (pairwise) of marginal means of period"
    assert title["salamanders"].startswith("Rate ratios")
    assert title["cake_gamma"].startswith("Ratios")
    assert title["cbpp_cloglog"].startswith("Contrasts")
    found = fit_of("cbpp_cloglog").emmeans("period", contrast="pairwise", kind="response")
    assert "Contrasts are on the scale of the cloglog link." in found.notes
    assert found["contrast"].iloc[0] == "period1 - period2"


@pytest.mark.parametrize("name", ["cbpp_logit", "cbpp_cloglog", "salamanders"])
def test_bias_adjustment_is_that_of_emmeans(name):
    expected = STORED[name]
    found = fit_of(name).emmeans(SPECS[name], kind="response", bias_adjust=expected["sigma"])
    agrees(found, expected["adjusted"])


def test_bias_adjustment_takes_the_random_effects():
    """The engine's σ of 1 is none of the model."""
    fit = fit_of("salamanders")
    sd = float(fit.vcomp["sdcor"].iloc[0])
    own = fit.emmeans("mined", kind="response", bias_adjust=True)
    given = fit.emmeans("mined", kind="response", bias_adjust=sd)
    np.testing.assert_allclose(own["estimate"], given["estimate"], rtol=1e-12)
    # of a logarithm the exact factor is exp(σ²/2)
    plain = fit.emmeans("mined", kind="response")
    np.testing.assert_allclose(own["estimate"] / plain["estimate"], 1 + sd**2 / 2, rtol=1e-12)


@pytest.mark.parametrize(("name", "var"), [("salamanders", "cover"), ("cake_gamma", "warmth")])
def test_trends_are_those_of_emmeans(name, var):
    fit, expected = fit_of(name), STORED[name]
    agrees(fit.emtrends(SPECS[name], var), expected["trends"])
    found = fit.emtrends(SPECS[name], var, contrast="pairwise")
    agrees(found, expected["trend_pairs"])


def test_joint_tests_are_those_of_emmeans():
    """Which rounds its F to three places."""
    found = fit_of("few_salamanders").joint_tests().set_index("term")
    expected = STORED["few_salamanders"]["joint"]
    own = found.loc[["mined", "spp", "mined:spp"]]
    np.testing.assert_allclose(own["statistic"], expected["statistic"], atol=6e-4)
    assert own["num_df"].tolist() == expected["num_df"]
    assert np.isinf(own["den_df"]).all()


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("type", [2, 3])
def test_tests_of_terms_are_those_of_car(name, type):
    found, expected = fit_of(name).anova(type=type), STORED[name][f"type{type}"]
    assert list(found.index) == expected["term"]
    assert list(found.columns) == ["statistic", "df", "p_value"]
    assert found["df"].tolist() == expected["df"]
    # the smallest are χ² of differences of nearly equal coefficients
    np.testing.assert_allclose(found["statistic"], expected["statistic"], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found["p_value"], expected["p_value"], rtol=1e-3)


def test_tests_of_terms_one_after_the_other():
    """Type I adds up to the test of all terms, and ends as Type II does."""
    fit = fit_of("few_salamanders")
    first, second = fit.anova(type=1), fit.anova(type=2)
    names = list(fit.params.index[1:])
    joint = fit.contrast(names, joint=True)
    whole = float(joint["statistic"].iloc[0]) * int(joint["num_df"].iloc[0])
    assert first["statistic"].sum() == pytest.approx(whole, rel=1e-10)
    assert first["statistic"].iloc[-1] == pytest.approx(second["statistic"].iloc[-1], rel=1e-10)


def test_type_two_does_not_depend_on_the_coding():
    fit = fit_of("few_salamanders")
    other = fit.update(contrasts={"spp": "contr.sum", "mined": "contr.helmert"})
    for type in (1, 2, 3):
        a, b = fit.anova(type=type), other.anova(type=type)
        np.testing.assert_allclose(a["statistic"], b["statistic"], rtol=1e-6)


@pytest.mark.filterwarnings("ignore::lmforms.errors.RankWarning")
def test_dependent_columns_stand_for_others():
    """A term all of whose columns another one has is not tested, whichever was dropped."""
    data = lf.datasets.load("cbpp")
    data["late"] = (data["period"].astype(str) == "4").astype(float)
    formula = "cbind(incidence, size - incidence) ~ {} + (1 | herd)"
    fits = [
        lf.glmer(formula.format(fixed), data, family="binomial")
        for fixed in ("late + period", "period + late")
    ]
    assert [len(fit.dropped) for fit in fits] == [1, 1]
    for fit in fits:
        found = fit.anova(type=2)
        assert found.loc["late", "df"] == 0
        assert found.loc["period", "df"] == 2
    a, b = (fit.anova(type=2).loc["period", "statistic"] for fit in fits)
    assert a == pytest.approx(b, rel=1e-6)


# --- averages ---------------------------------------------------------------------------------

AVERAGES = [
    ("cbpp_logit", "predictions", {}),
    ("cbpp_logit", "period", {"comparison": {"period": ("1", "3")}}),
    ("cbpp_cloglog", "predictions", {}),
    ("cbpp_cloglog", "period", {"comparison": {"period": ("1", "3")}}),
    ("salamanders", "predictions", {}),
    ("salamanders", "cover", {"slope": "cover"}),
    ("salamanders", "mined", {"comparison": {"mined": ("yes", "no")}}),
    ("few_salamanders", "mined", {"comparison": {"mined": ("yes", "no")}}),
    ("cake_gamma", "warmth", {"slope": "warmth"}),
    ("cake_gamma", "recipe", {"comparison": {"recipe": ("A", "C")}}),
]


@pytest.mark.parametrize(("name", "what", "arguments"), AVERAGES)
def test_averages_over_rows(name, what, arguments):
    expected = STORED[name]["averages"][what]
    found = fit_of(name).average(**arguments)
    assert found["estimate"].iloc[0] == pytest.approx(expected["estimate"], rel=1e-5)
    assert found["std_error"].iloc[0] == pytest.approx(expected["std_error"], rel=1e-5)


def test_averages_are_those_of_predictions():
    fit = fit_of("salamanders")
    data = table("glmm_salamanders.csv")
    means = fit.predict(data, random="none")
    found = fit.average("mined")
    by_group = means.groupby(data["mined"], observed=True).mean()
    np.testing.assert_allclose(found["estimate"], by_group[found["mined"]], rtol=1e-10)
    at = fit.average(at={"mined": ["yes", "no"]}, data=data[:20])
    for level, estimate in zip(at["mined"], at["estimate"], strict=True):
        changed = data[:20].assign(mined=level)
        assert estimate == pytest.approx(fit.predict(changed, random="none").mean(), rel=1e-10)


def test_averages_of_the_linear_predictor():
    fit = fit_of("salamanders")
    eta = fit.predict(random="none", kind="link")
    assert fit.average(kind="link")["estimate"].iloc[0] == pytest.approx(eta.mean(), rel=1e-10)


def test_averages_have_the_offset_of_each_row():
    data = table("glmm_salamanders.csv")
    data["effort"] = np.linspace(-1.0, 1.0, len(data))
    formula = "count ~ mined + cover + offset(effort) + (1 | site)"
    fit = lf.glmer(formula, data, family="poisson")
    means = fit.predict(data, random="none")
    assert fit.average()["estimate"].iloc[0] == pytest.approx(means.mean(), rel=1e-10)
    slope = fit.average(slope="cover")["estimate"].iloc[0]
    assert slope == pytest.approx(means.mean() * fit.params["cover"], rel=1e-8)
    with pytest.raises(ModelError, match="`effort` is in an offset"):
        fit.average(at={"effort": [0.0, 1.0]})


# --- what is not offered ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["emmeans", "joint_tests", "average", "anova"])
def test_there_are_no_degrees_of_freedom(method):
    arguments = ["period"] if method == "emmeans" else []
    with pytest.raises(ArgumentError, match="ddf"):
        getattr(fit_of("cbpp_logit"), method)(*arguments, ddf="satterthwaite")


def test_expected_responses_with_added_zeros():
    data = table("glmm_salamanders.csv")
    fit = lf.glmer("count ~ mined + (1 | site)", data, family="poisson", zero_inflation="~ 1")
    with pytest.raises(ModelError, match="depend on its zeros"):
        fit.average()
    found = fit.emmeans("mined", kind="response")
    assert any("before its zeros are added" in note for note in found.notes)
    np.testing.assert_allclose(found["estimate"], np.exp(fit.emmeans("mined")["estimate"]))
    # an average over rows of the linear predictor is there
    assert np.isfinite(fit.average(kind="link")["estimate"]).all()


# --- the scale of the response ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "link", "ends"),
    [
        ("binomial", "logit", (-np.inf, np.inf)),
        ("binomial", "probit", (-np.inf, np.inf)),
        ("binomial", "cloglog", (-np.inf, np.inf)),
        ("binomial", "cauchit", (-np.inf, np.inf)),
        ("poisson", "log", (-np.inf, np.inf)),
        ("poisson", "sqrt", (0.0, np.inf)),
        ("gamma", "inverse", (0.0, np.inf)),
        ("gamma", "identity", (0.0, np.inf)),
    ],
)
def test_range_of_links(family, link, ends):
    scale = scale_of(family, link)
    assert (scale.least, scale.most) == ends
    eta = np.linspace(0.3, 0.9, 4)
    h, first, second, third = scale.inverse(eta)
    step = 1e-4
    up, down = scale.inverse(eta + step), scale.inverse(eta - step)
    for k, derivative in enumerate((first, second, third)):
        np.testing.assert_allclose((up[k] - down[k]) / (2 * step), derivative, rtol=1e-5, atol=1e-7)
    assert (h > 0).all()


@cache
def scale_of(family: str, link: str) -> ResponseScale:
    if family == "binomial":
        fit = lf.glmer(HERD, lf.datasets.load("cbpp"), family=family, link=link)
    elif family == "poisson":
        data = table("glmm_epilepsy.csv")
        fit = lf.glmer("y ~ lbase + (1 | subject)", data, family=family, link=link)
    else:
        cake = lf.datasets.load("cake")
        fit = lf.glmer("angle ~ recipe + (1 | replicate)", cake, family=family, link=link)
    return link_scale(fit.state)


def test_limits_beyond_the_range_are_at_its_end():
    scale = scale_of("gamma", "inverse")
    lower, upper = scale.limits(np.array([-0.1]), np.array([0.5]), None)
    assert lower[0] == pytest.approx(2.0)
    assert np.isinf(upper[0])
