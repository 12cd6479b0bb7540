"""The report on a fit: what each check finds, and that whoever does what it says gets further."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from diagnosed_fits import CROSSED, GROWTH, MODELS, SLEEP, fit_of

import lmforms as lf
from lmforms.errors import ArgumentError, LmformsWarning
from lmforms.results.fit_report import label_text
from lmforms.results.random_effect_checks import effects_by_group


def quiet(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        return lf.lmer(*args, **options)


def checked(fit, topic: str) -> pd.Series:
    return fit.check(60).table.loc[topic]


def residual_advised(advice: str) -> str:
    return re.search(r'residual="(.*?)"', advice)[1]


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_has_a_report(name):
    fit = fit_of(name)
    report = fit.check(20)
    table = report.table
    assert table.index.is_unique
    assert set(table["status"]) <= {"ok", "note", "problem", "fact"}
    assert (table["advice"] == "").equals(table["status"].isin(["ok", "fact"]))
    assert report.ok
    assert len(report.notes) == (table["status"] == "note").sum()
    text, html = str(report), report._repr_html_()
    for topic in table.index:
        assert f"] {topic}: " in text
        assert topic in html
    assert max(map(len, text.splitlines()[3:])) <= 80


def test_negative_numbers_have_minus_signs():
    assert "7 (−4.0)" in checked(fit_of("slopes"), "outliers")["finding"]


def test_a_good_fit_has_nothing_to_say():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(30), 8)
    x = rng.normal(size=240)
    data = pd.DataFrame({"g": g, "x": x, "y": x + rng.normal(size=30)[g] + rng.normal(size=240)})
    report = lf.lmer("y ~ x + (1 | g)", data).check()
    assert report.table["status"].isin(["ok", "fact"]).all(), str(report)
    assert "no problems, no notes" in str(report)
    assert lf.lmer("y ~ x + (1 | g)", data).check().table.equals(report.table)


def test_a_stopped_search():
    fit = quiet(*MODELS["slopes"][:2], start=[9, 0, 9], control=lf.Control(max_evaluations=2))
    found = checked(fit, "convergence")
    assert found["status"] == "problem"
    assert not fit.check(20).ok
    assert fit.check(20).problems[0].topic == "convergence"
    assert "raise Control(max_evaluations=…)" in found["finding"]
    assert "fit.all_fit()" in found["advice"]
    again = fit.update(control=lf.Control(max_evaluations=300))
    assert checked(again, "convergence")["status"] == "ok"


def test_given_parameters():
    at = fit_of("slopes").at(fit_of("slopes").theta)
    found = checked(at, "convergence")
    assert found["status"] == "note"
    assert "fit.refit()" in found["advice"]
    assert checked(at.refit(), "convergence")["status"] == "ok"


def test_a_singular_fit():
    found = checked(fit_of("singular"), "random effects")
    assert found["advice"] == "To remove the redundancy, drop (1 | Batch)."
    assert "`Intercept` is 0" in found["finding"]
    smaller = lf.lmer("Yield ~ 1", lf.datasets.load("Dyestuff2"))
    assert checked(smaller, "random effects")["finding"] == "there are none."


def test_residual_parameters_at_a_bound():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"s": np.repeat(np.arange(12), 6), "t": np.tile(np.arange(6), 12)})
    data["y"] = rng.normal(size=72)
    fit = quiet("y ~ 1", data, residual="exp(t | s) + units")
    assert fit.parameters_at_bound
    found = checked(fit, "residual parameters")
    assert found["status"] == "note"
    assert found["finding"] == fit.bound_message
    simpler = lf.lmer("y ~ 1", data)
    assert checked(simpler, "residual parameters")["status"] == "ok"
    assert lf.anova(simpler, fit)["p_value"].iloc[-1] > 0.1


def test_variances_that_cannot_be_told():
    data = CROSSED.assign(same=CROSSED["g"])
    fit = quiet("y ~ x + (1 | g) + (1 | same)", data)
    found = checked(fit, "identification")
    assert found["status"] == "problem"
    term = re.search(r"Leave (\(.*?\)) out", found["advice"])[1]
    assert checked(fit.update(f". ~ . - {term}"), "identification")["status"] == "ok"


def test_dropped_columns():
    found = checked(fit_of("dropped"), "rank of the fixed effects")
    assert "twice" in found["finding"]
    assert "Write a formula without them" in found["advice"]
    without = fit_of("dropped").update(". ~ . - twice")
    assert checked(without, "rank of the fixed effects")["status"] == "ok"


def test_collinear_predictors():
    rng = np.random.default_rng(1)
    data = CROSSED.assign(near=CROSSED["x"] + 0.01 * rng.normal(size=96))
    fit = lf.lmer("y ~ x + near + (1 | g)", data)
    found = checked(fit, "collinearity")
    assert "x (" in found["finding"]
    assert "near (" in found["finding"]
    assert found["advice"].startswith("Leave one of them out")
    assert checked(fit.update(". ~ . - near"), "collinearity")["status"] == "ok"
    assert fit.contrast("x, near", joint=True)["p_value"].iloc[0] < 0.01


def test_collinear_products():
    data = CROSSED.assign(x=CROSSED["x"] + 20, z=CROSSED["w"] + 20)
    found = checked(lf.lmer("y ~ x * z + (1 | g)", data), "collinearity")
    assert "center(x)" in found["advice"]
    assert checked(lf.lmer("y ~ center(x) * center(z) + (1 | g)", data), "collinearity")[
        "status"
    ] == ("ok")


def test_few_levels():
    data = CROSSED[CROSSED["g"] < 4]
    for reml in (True, False):
        fit = quiet("y ~ x + (1 | g)", data, reml=reml)
        found = checked(fit, "levels")
        assert "g (4)" in found["finding"]
        call = re.search(
            r"fit(\.refit\(reml=True\))?\.summary\(ddf=\"kenward-roger\"\)", found["advice"]
        )
        assert (call[1] is None) == reml
        tested = fit if reml else fit.refit(reml=True)
        assert np.isfinite(tested.summary(ddf="kenward-roger").tables["fixed"]["df"]).all()
    rough = quiet("y ~ x + (1 | g) + (1 | h)", data, control=lf.Control(factor="cg"))
    assert 'fit.summary(ddf="satterthwaite")' in checked(rough, "levels")["advice"]
    assert np.isfinite(rough.summary(ddf="satterthwaite").tables["fixed"]["df"]).all()


def test_outliers_by_label():
    data = SLEEP.copy()
    data.index = [f"row {i}" for i in range(180)]
    data.loc["row 77", "Reaction"] += 400
    fit = lf.lmer(MODELS["slopes"][0], data)
    found = checked(fit, "outliers")
    assert "'row 77'" in found["finding"]
    call = re.search(r"data\.drop\(index=(\[.*?\])\)", found["advice"])[1]
    rows = [text.strip("'") for text in call[1:-1].split(", ")]
    assert "row 77" in rows
    without = fit.update(data=data.drop(index=rows))
    assert without.nobs == 180 - len(rows)
    numbered = data.set_axis(3 * np.arange(180))
    found = checked(lf.lmer(MODELS["slopes"][0], numbered), "outliers")
    assert "data.drop(index=[231" in found["advice"]
    weighted = lf.lmer(MODELS["slopes"][0], data, weights=np.linspace(1.0, 1.1, 180))
    assert "data.drop" not in checked(weighted, "outliers")["advice"]
    repeated = data.set_axis(["a"] * 180)
    found = checked(lf.lmer(MODELS["slopes"][0], repeated), "outliers")
    assert "data.drop" not in found["advice"]


@pytest.fixture(scope="module")
def multiplied() -> pd.DataFrame:
    """Responses whose errors multiply, with two levels of f."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(25), 10)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=250), "f": np.tile(["a", "b"], 125)})
    size = 2.0 + data["x"] + 0.4 * rng.normal(size=25)[g] + 0.7 * rng.normal(size=250)
    return data.assign(y=np.exp(size))


def test_a_logarithm(multiplied):
    fit = lf.lmer("y ~ x + (1 | g)", multiplied)
    found = checked(fit, "simulated residuals")
    assert found["status"] == "note"
    assert "uniformity" in found["finding"]
    assert "np.log" in found["advice"]
    assert "lf.plot.simulated_residuals(fit.simulated_residuals(rotate=True))" in found["advice"]
    better = lf.lmer("np.log(y) ~ x + (1 | g)", multiplied)
    assert checked(better, "simulated residuals")["status"] == "ok"
    shifted = multiplied.assign(y=multiplied["y"] - 50)
    found = checked(lf.lmer("y ~ x + (1 | g)", shifted), "simulated residuals")
    assert "another response scale" in found["advice"]


def test_a_curve_that_is_missing():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(20), 12)
    data = pd.DataFrame({"g": g, "a b": rng.uniform(0, 10, 240), "z": rng.normal(size=240)})
    curve = 0.2 * (data["a b"] - 5) ** 2 + data["z"]
    data["y"] = curve + rng.normal(size=20)[g] + rng.normal(size=240)
    fit = lf.lmer("y ~ `a b` + z + (1 | g)", data)
    found = checked(fit, "means by predictor")
    assert "a b (p" in found["finding"]
    assert "z (p" not in found["finding"]
    added = re.search(r'fit\.update\("(.*?)"\)', found["advice"])[1]
    bent = fit.update(added)
    assert checked(bent, "means by predictor")["status"] == "ok"
    assert bent.aic < fit.aic - 50
    waves = data.assign(y=data["y"] + 3 * np.sin(2 * data["a b"]))
    found = checked(lf.lmer("y ~ poly(`a b`, 2) + (1 | g)", waves), "means by predictor")
    assert "such as bs(`a b`, df=5)" in found["advice"]
    constant = checked(lf.lmer("y ~ 1 + (1 | g)", data), "means by predictor")
    assert "no numeric predictors" in constant["finding"]


def test_a_slope_that_is_missing():
    rng = np.random.default_rng(1)
    g, t = np.repeat(np.arange(20), 10), np.tile(np.arange(10), 20)
    data = pd.DataFrame({"g": g, "t": t})
    data["y"] = t * rng.normal(size=20)[g] + rng.normal(size=200) + rng.normal(size=20)[g]
    fit = lf.lmer("y ~ t + (1 | g)", data)
    assert "A random slope that is missing" in checked(fit, "variances by factor")["advice"]
    slopes = lf.lmer("y ~ t + (t | g)", data)
    assert checked(slopes, "variances by factor")["status"] == "ok"


def test_variances_by_factor():
    fit = lf.lmer("distance ~ age * Sex + (1 | Subject)", GROWTH)
    found = checked(fit, "variances by factor")
    assert "Sex" in found["finding"]
    better = fit.update(residual=residual_advised(found["advice"]))
    assert better.residual == "idh(Sex)"
    assert lf.anova(fit, better)["p_value"].iloc[-1] < 0.001
    assert checked(better, "variances by factor")["status"] == "ok"
    assert checked(better, "variances by factor")["finding"] == (
        "no factor was compared: Subject (fewer than 5 rows in a level), "
        "Sex (in the residual structure)."
    )
    estimated = fit.update(method="ai")
    assert (
        'fit.update(residual="idh(Sex)", method="auto")'
        in checked(estimated, "variances by factor")["advice"]
    )
    assert estimated.update(residual="idh(Sex)", method="auto").llf == pytest.approx(better.llf)


@pytest.mark.parametrize(
    "formula, finding",
    [
        ("y ~ t", "no factors."),
        ("y ~ t + one", "no factor was compared: one (one level)."),
        ("y ~ t + (1 | g)", "no factor was compared: g (more than 30 levels)."),
        ("y ~ t + few", "no factor was compared: few (fewer than 5 rows in a level)."),
    ],
)
def test_why_no_factor_is_compared(formula, finding):
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"g": np.repeat(np.arange(31), 6), "t": np.tile(np.arange(6.0), 31)})
    data["few"] = np.where(np.arange(186) < 4, "u", "v")
    data["one"] = "u"
    data["y"] = rng.normal(size=186) + rng.normal(size=31)[data["g"]]
    assert checked(quiet(formula, data), "variances by factor")["finding"] == finding


def test_variances_by_factor_beside_a_structure():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"s": np.repeat(np.arange(20), 8), "t": np.tile(np.arange(8), 20)})
    data["a name"] = np.where(data["s"] % 2, "u", "v")
    noise = rng.normal(size=(20, 8)).cumsum(axis=1) * 0.5
    data["y"] = noise.ravel() * np.where(data["s"] % 2, 1.0, 5.0)
    fit = lf.lmer("y ~ t + `a name`", data, residual="ar1(t | s)")
    found = checked(fit, "variances by factor")
    advised = residual_advised(found["advice"])
    assert advised == "ar1(t | s) * idh(`a name`)"
    better = fit.update(residual=advised)
    assert better.aic < fit.aic - 10
    assert checked(better, "variances by factor")["status"] == "ok"


def test_variances_by_prediction():
    rng = np.random.default_rng(6)
    g = np.repeat(np.arange(20), 12)
    data = pd.DataFrame({"g": g, "x": rng.uniform(1, 10, 240)})
    mean = 2 + 3 * data["x"] + rng.normal(size=20)[g]
    data["y"] = mean * (1 + 0.15 * rng.normal(size=240))
    fit = lf.lmer("y ~ x + (1 | g)", data)
    found = checked(fit, "variances by prediction")
    assert "larger where" in found["finding"]
    assert residual_advised(found["advice"]) == "power(fitted)"
    better = quiet("y ~ x + (1 | g)", data, residual="power(fitted)")
    assert better.residual_params.iloc[0] == pytest.approx(1.0, abs=0.3)
    assert checked(better, "variances by prediction")["status"] == "ok"
    centred = data.assign(y=data["y"] - 15)
    found = checked(lf.lmer("y ~ x + (1 | g)", centred), "variances by prediction")
    assert residual_advised(found["advice"]) == "expvar(fitted)"
    assert quiet("y ~ x + (1 | g)", centred, residual="expvar(fitted)").converged


def test_random_effects_far_from_normal():
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(30), 10)
    b = rng.normal(size=30)
    b[13] = 12.0
    data = pd.DataFrame({"g": [f"level {i}" for i in g], "y": b[g] + rng.normal(size=300)})
    found = checked(lf.lmer("y ~ 1 + (1 | g)", data), "distribution of random effects")
    assert "Intercept | g" in found["finding"]
    assert "'level 13' of g" in found["advice"]
    without = lf.lmer("y ~ 1 + (1 | g)", data[data["g"] != "level 13"])
    assert checked(without, "distribution of random effects")["status"] == "ok"


def test_random_effects_are_divided_by_their_own_deviation():
    """Var(b̂) = Var(b) − Var(b | y), here by the definition of b̂ as G Z'V⁻¹(y − Xβ)."""
    fit = fit_of("slopes")
    effects = effects_by_group(fit.state)["Subject"]
    shrunk = fit.random_effects["Subject"]
    G = fit.vcomp.loc[:1, "variance"].to_numpy()
    conditional = np.diag(fit.random_effects_cov["Subject"].loc["308"])
    expected = shrunk.loc["308"] / np.sqrt(G - conditional)
    np.testing.assert_allclose(effects.loc["308"], expected)
    assert effects_by_group(fit_of("related").state) == {}
    assert effects_by_group(fit_of("singular").state) == {}


def test_levels_without_information_are_left_out_one_by_one():
    """A level with a single visit at day 0 tells nothing about its slope."""
    rng = np.random.default_rng(7)
    g, t = np.repeat(np.arange(30), 6), np.tile(np.arange(6.0), 30)
    slopes = rng.normal(size=30)
    slopes[13] = 12.0
    data = pd.DataFrame({"g": g, "t": t, "y": slopes[g] * t + rng.normal(size=180)})
    fit = lf.lmer("y ~ t + (0 + t | g)", data[(g != 2) | (t == 0)])
    effects = effects_by_group(fit.state)["g"]["t"]
    assert list(effects.index[effects.isna()]) == [2]
    assert "13 of g" in checked(fit, "distribution of random effects")["advice"]


def test_labels_are_written_as_python_reads_them():
    labels = [("a", np.int64(3)), pd.Timestamp("2020-01-02"), np.str_("b"), 4.5]
    names = {"pd": pd}
    for label in labels:
        assert eval(label_text(label), names) == label


def test_large_connected_models_and_conjugate_gradients():
    """Residuals are not rotated where that is out of reach."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.arange(3200) % 40, "h": rng.integers(0, 30, 3200)})
    data["y"] = rng.normal(size=40)[data["g"]] + rng.normal(size=3200)
    data["y"] += rng.normal(size=30)[data["h"]]
    for control in (lf.Control(), lf.Control(factor="cg")):
        report = quiet("y ~ 1 + (1 | g) + (1 | h)", data, control=control).check(20)
        assert "not rotated" in report.table.loc["simulated residuals", "finding"]
        assert report.ok


def test_bad_arguments():
    with pytest.raises(ArgumentError, match="n=0"):
        fit_of("slopes").check(0)
    with pytest.raises(ArgumentError, match="seed"):
        fit_of("slopes").check(seed="x")


@pytest.mark.parametrize("method", ["to_html", "to_latex", "to_markdown", "to_typst"])
def test_formats_of_a_report_have_no_arguments(method):
    report = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP).check()
    with pytest.raises(ArgumentError, match=rf"{method}\(\) has no argument `digits`"):
        getattr(report, method)(digits=2)
