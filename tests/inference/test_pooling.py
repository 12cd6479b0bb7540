"""Pooled fits of imputed data beside mice."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, ModelError, RankWarning
from lmforms.inference.pooling.rubin import joint_df, pooled_df

FOLDER = Path(__file__).parents[1] / "reference"
CASES: dict[str, dict[str, Any]] = {
    model["id"]: model
    for model in json.loads((FOLDER / "pooling.json").read_text(encoding="utf-8"))["models"]
}
MIXED = [name for name, case in CASES.items() if "satterthwaite" in case]


@cache
def imputed() -> list[pd.DataFrame]:
    """The completed data sets."""
    table = pd.read_csv(FOLDER / "imputed.csv", dtype={"g": str})
    return [part for _, part in table.groupby("imputation")]


@cache
def fit_of(formula: str, i: int, reml: bool) -> Any:
    return lf.lmer(formula, imputed()[i], reml=reml)


def fits_of(formula: str, m: int, reml: bool = True) -> list[Any]:
    return [fit_of(formula, i, reml) for i in range(m)]


def case_fits(name: str) -> list[Any]:
    case = CASES[name]
    return fits_of(case["formula"], case["m"], case["reml"])


@pytest.mark.parametrize("ddf", ["residual", "none"])
@pytest.mark.parametrize("name", CASES)
def test_mice(name, ddf):
    pooled, expected = lf.pool(case_fits(name), ddf=ddf), CASES[name][ddf]
    table = pd.concat([pooled.table, pooled.missing_information], axis=1)
    assert set(table) == set(expected)
    for column, values in expected.items():
        assert_allclose(table[column], values, rtol=1e-6, err_msg=column)
    assert_allclose(pooled.params, expected["estimate"], rtol=1e-6)
    assert_allclose(pooled.bse, expected["std_error"], rtol=1e-6)


@pytest.mark.parametrize("name", MIXED)
def test_satterthwaite(name):
    """mice with lmerTest's degrees of freedom as those of complete data."""
    pooled, expected = lf.pool(case_fits(name)), CASES[name]["satterthwaite"]
    assert_allclose(pooled.table["df"], expected["df"], rtol=1e-6)
    found = pooled.missing_information["fraction_missing"]
    assert_allclose(found, expected["fraction_missing"], rtol=1e-6)


@pytest.mark.parametrize("name", MIXED)
def test_mean_variances(name):
    vcomp = lf.pool(case_fits(name)).vcomp
    assert list(vcomp) == ["group", "name1", "name2", "variance", "sdcor"]
    assert_allclose(vcomp["variance"], CASES[name]["variances"], rtol=1e-6)
    assert_allclose(vcomp["sdcor"] ** 2, vcomp["variance"])


@pytest.mark.parametrize("ddf", ["residual", "none"])
@pytest.mark.parametrize("name", CASES)
def test_joint_tests(name, ddf):
    """mitml's D1, but for k(m − 1) = 4, where it has 4 degrees of freedom for any data."""
    pooled, case = lf.pool(case_fits(name), ddf=ddf), CASES[name]
    expected = case[f"joint_{ddf}"]
    tested = [name for name in pooled.params.index if "dose" in name]
    test = pooled.contrast(tested, joint=True).iloc[0]
    assert_allclose(test["statistic"], expected["statistic"], rtol=1e-7)
    assert test["num_df"] == expected["num_df"] == len(tested)
    if ddf == "residual" and len(tested) * (case["m"] - 1) == 4:
        assert expected["den_df"] == 4 < test["den_df"] < 90
        return
    assert_allclose(test["den_df"], expected["den_df"], rtol=1e-6)
    assert_allclose(test["p_value"], expected["p_value"], rtol=1e-6)


def test_definitions():
    """T = Ū + (1 + 1/m)B, by NumPy."""
    fits = case_fits("intercepts")
    pooled = lf.pool(fits)
    estimates = np.array([fit.params for fit in fits])
    within = np.mean([fit.cov_params() for fit in fits], axis=0)
    between = np.cov(estimates.T)
    assert_allclose(pooled.cov_params("within"), within)
    assert_allclose(pooled.cov_params("between"), between)
    assert_allclose(pooled.cov_params(), within + 1.2 * between)


def test_kenward_roger_gives_its_covariance():
    fits = case_fits("intercepts")
    pooled = lf.pool(fits, ddf="kenward-roger")
    within = np.mean([fit.cov_params("kenward-roger") for fit in fits], axis=0)
    assert_allclose(pooled.cov_params("within"), within)
    assert "Kenward–Roger" in str(pooled)


def test_contrasts():
    pooled = lf.pool(case_fits("intercepts"))
    by_text = pooled.contrast("dose[T.c] - dose[T.b]")
    by_weights = pooled.contrast({"c - b": {"dose[T.b]": -1, "dose[T.c]": 1}})
    assert_allclose(by_text, by_weights)
    one = pooled.contrast("x", joint=True).iloc[0]
    assert_allclose(one["statistic"], pooled.table.loc["x", "statistic"] ** 2)
    assert_allclose(one["den_df"], pooled.table.loc["x", "df"])
    shifted = pooled.contrast("x = 0.5").iloc[0]
    assert_allclose(shifted["statistic"], (pooled.params["x"] - 0.5) / pooled.bse["x"], rtol=1e-10)


def test_a_joint_test_does_not_depend_on_the_rows():
    pooled = lf.pool(case_fits("intercepts_eight"))
    first = pooled.contrast("dose[T.b], dose[T.c]", joint=True)
    second = pooled.contrast("dose[T.b] - dose[T.c], 3 * dose[T.c], dose[T.b]", joint=True)
    assert_allclose(first[["statistic", "num_df"]], second[["statistic", "num_df"]], rtol=1e-8)


def test_terms():
    """Without interactions a Type III test of a factor is that of its columns."""
    pooled = lf.pool(case_fits("intercepts"), ddf="residual")
    table = pooled.anova()
    assert list(table) == ["num_df", "den_df", "statistic", "p_value"]
    joint = pooled.contrast("dose[T.b], dose[T.c]", joint=True).iloc[0]
    assert_allclose(table.loc["dose"], joint[list(table)], rtol=1e-8)
    single = pooled.table.loc["x", ["df", "p_value"]]
    assert_allclose(table.loc["x", ["den_df", "p_value"]], single)


def test_coefficients_of_one_name_and_different_meaning_are_refused():
    """The same column is dropped, since another combination of levels has no rows."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"a": np.repeat(list("pqr"), 20), "b": np.tile(list("stuv"), 15)})
    table["y"] = rng.normal(size=60)
    fits = []
    for level in "prr":
        moved = (table["a"] == level) & (table["b"] == "t")
        with pytest.warns(RankWarning, match=r"dropped: `a\[T.r\]:b\[T.t\]`"):
            fits.append(lf.lmer("y ~ a * b", table.assign(b=table["b"].mask(moved, "s"))))
    assert len(lf.pool(fits[1:]).params) == 11
    with pytest.raises(ModelError, match=r"dropped from all fits, but in fits\[1\]"):
        lf.pool(fits)


def test_a_column_dropped_alike_from_all_fits():
    with pytest.warns(RankWarning):
        fits = [lf.lmer("y ~ x + I(2 * x + 1) + dose", data) for data in imputed()[:2]]
    expected = lf.pool(fits_of("y ~ x + dose", 2))
    assert_allclose(lf.pool(fits).table, expected.table, rtol=1e-8)


def test_levels():
    fits = case_fits("intercepts")
    wide, usual = lf.pool(fits, level=0.99), lf.pool(fits)
    assert_allclose(wide.table[["lower", "upper"]], usual.conf_int(0.99))
    assert (wide.conf_int()["lower"] < usual.conf_int()["lower"]).all()
    assert "Limits: 99 %." in wide._repr_html_()


def test_the_order_of_fits_changes_nothing():
    fits = case_fits("intercepts")
    assert_allclose(lf.pool(fits[::-1]).table, lf.pool(fits).table, rtol=1e-10)


def test_equal_fits_have_no_missing_information():
    """Complete data: only Barnard and Rubin's factor (ν + 1)/(ν + 3) is left."""
    fit = case_fits("intercepts")[0]
    pooled = lf.pool([fit, fit, fit])
    assert_allclose(pooled.table["std_error"], fit.bse)
    df = fit.df_denom
    assert_allclose(pooled.table["df"], df * (df + 1) / (df + 3))
    large = lf.pool([fit, fit, fit], ddf="none")
    assert np.isinf(large.table["df"]).all()
    assert np.isinf(large.contrast("x, dose[T.b]", joint=True)["den_df"].iloc[0])


def test_degrees_of_freedom_agree_where_formulas_meet():
    share = np.array([0.3])
    assert_allclose(pooled_df(share, 5, np.array([np.inf])), 4 / 0.3**2)
    assert_allclose(pooled_df(share, 5, np.array([1e12])), 4 / 0.3**2, rtol=1e-9)
    assert_allclose(joint_df(0.5, 3, 5, 1e12), joint_df(0.5, 3, 5, np.inf), rtol=1e-9)
    assert_allclose(joint_df(0.5, 2, 3, 1e12), joint_df(0.5, 2, 3, np.inf), rtol=1e-9)
    # ½t(1 + 1/k)(1 + 1/r)² of Li, Raghunathan and Rubin
    assert_allclose(joint_df(0.5, 2, 3, np.inf), 0.5 * 4 * 1.5 * 9.0)


def test_saved_fits_pool(tmp_path):
    fits = case_fits("intercepts")[:2]
    again = []
    for i, fit in enumerate(fits):
        fit.save(tmp_path / f"{i}.lmf")
        again.append(lf.load(tmp_path / f"{i}.lmf"))
    assert_allclose(lf.pool(again).table, lf.pool(fits).table)


def test_odd_fits_are_named():
    fits = case_fits("intercepts")[:3]
    first = imputed()[0]
    formula, half = "y ~ x + dose + (1 | g)", np.full(len(first), 0.5)
    K = pd.DataFrame(np.eye(first["g"].nunique()), *[sorted(set(first["g"]))] * 2)
    other = {
        r"fits\[3\] has weights; others have no weights": lf.lmer(formula, first, weights=half),
        r"fits\[3\] has offset; others have no weights": lf.lmer(formula, first, offset=half),
        r"fits\[3\] has a known covariance of g; others": lf.lmer(
            formula, first, relationship={"g": K}
        ),
        r"fits\[3\] has the formula y ~ x \+ \(1 \| g\)": lf.lmer("y ~ x + (1 | g)", first),
        r"fits\[3\] has 80 rows; others have 90 rows": lf.lmer(formula, first[:80]),
        r"fits\[3\] has the criterion ML; others have the criterion REML": lf.lmer(
            formula, first, reml=False
        ),
        r"fits\[3\] has the coefficients Intercept, x, dose\[T.c\], dose\[T.d\]": lf.lmer(
            formula, first.assign(dose=first["dose"].replace("b", "d"))
        ),
        r"fits\[3\] was given, not estimated": fits[0].at(fits[0].theta),
    }
    for message, fit in other.items():
        with pytest.raises(ModelError, match=message):
            lf.pool([*fits, fit])
    with pytest.raises(ModelError, match=r"fits\[0\] has 80 rows"):
        lf.pool([lf.lmer(formula, first[:80]), *fits])


def test_polynomials_of_levels_in_another_order_are_refused():
    """Their names, .L and .Q, are the same."""
    formula = "y ~ C(dose, contr.poly) + (1 | g)"
    fits = [
        lf.lmer(formula, data.assign(dose=pd.Categorical(data["dose"], list(order))))
        for data, order in zip(imputed(), ("abc", "abc", "acb"), strict=False)
    ]
    assert fits[0].params.index.equals(fits[2].params.index)
    with pytest.raises(
        ModelError, match=r"fits\[2\] has the levels .*a, c, b; others have .*a, b, c"
    ):
        lf.pool(fits)


def test_transforms_that_depend_on_imputed_values_are_noted():
    fits = [
        lf.lmer("y ~ scale(x) + (1 | g)", d.assign(x=d["x"] * s))
        for d, s in zip(imputed()[:2], (1, 2), strict=True)
    ]
    assert "may differ in meaning: scale(x)." in " ".join(lf.pool(fits).table.notes)
    assert "meaning" not in str(lf.pool([fits[0], fits[0]]))


def test_refusals():
    fits = case_fits("intercepts")
    with pytest.raises(ArgumentError, match="1 fit given; two or more"):
        lf.pool(fits[:1])
    with pytest.raises(ArgumentError, match="0 fits given"):
        lf.pool([])
    with pytest.raises(ArgumentError, match=r"fits\[1\] is no fitted model"):
        lf.pool([fits[0], "fit"])
    with pytest.raises(ArgumentError, match="fits must be a sequence"):
        lf.pool(fits[0])
    with pytest.raises(ArgumentError, match="ddf='kenward'"):
        lf.pool(fits, ddf="kenward")
    with pytest.raises(ArgumentError, match="level=95"):
        lf.pool(fits, level=95)
    pooled = lf.pool(fits)
    with pytest.raises(ArgumentError, match="no limits"):
        pooled.contrast("x", joint=True, level=0.9)
    with pytest.raises(ColumnError, match="xx"):
        pooled.contrast({"a": {"xx": 1}})
    with pytest.raises(ArgumentError, match="part='all'"):
        pooled.cov_params("all")


def test_too_few_degrees_of_freedom_for_a_joint_test():
    """Reiter's approximation does not exist for so few; that for large samples does."""
    fits = [lf.lmer("y ~ x + dose", data[:8]) for data in imputed()[:4]]
    message = "5 degrees of freedom of complete data are too few for a test of 2 hypotheses"
    tested = list(fits[0].params.index[1:])
    with pytest.raises(ModelError, match=message):
        lf.pool(fits, ddf="residual").contrast(tested, joint=True)
    test = lf.pool(fits, ddf="none").contrast(tested, joint=True)
    assert 4 < test["den_df"].iloc[0] < np.inf
