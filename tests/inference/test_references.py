"""The fits behind the figures of ``tests/reference/inference.json`` are ours too."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from references import (
    Reference,
    content,
    load_data,
    observed_kenward_roger,
    published_kenward_roger,
    reference,
    references,
    section,
)

import lmforms as lf


@pytest.mark.parametrize("case", references(), ids=str)
def test_fit(case: Reference) -> None:
    fit, expected = case.fit(), case.figures["fit"]
    assert fit.nobs == expected["nobs"]
    assert len(fit.params) == len(expected["beta"])
    assert fit.criterion == pytest.approx(expected["criterion"], rel=1e-10, abs=1e-8)
    covariance = np.asarray(expected["vcov"])
    se = np.sqrt(np.diag(covariance))
    assert_allclose((fit.params - expected["beta"]) / se, 0.0, atol=1e-5)
    scale = np.outer(se, se)
    assert_allclose(fit.cov_params() / scale, covariance / scale, atol=2e-5)
    assert fit.sigma == pytest.approx(expected["sigma"], rel=1e-6)


@pytest.mark.parametrize("case", references(), ids=str)
def test_lmertest_is_as_good_as_exact_derivatives(case: Reference) -> None:
    figures = case.figures["satterthwaite"]
    assert_allclose(figures["df"], figures["df_exact"], rtol=2e-7)


def test_named_figures() -> None:
    first = reference("sleep_first_rows").figures["kenward_roger"]
    assert_allclose(first["df"], [3.9965, 3.9605], atol=5e-5)
    assert first["std_error"][1] == pytest.approx(3.8580, abs=5e-5)
    temperature = reference("cake_factor").figures["anova"][2]
    assert (temperature["type"], temperature["ddf"]) == (3, "satterthwaite")
    assert temperature["terms_r"][1] == "temperature"
    assert temperature["statistic"][1] == pytest.approx(20.52, abs=5e-3)
    assert_allclose([temperature["num_df"][1], temperature["den_df"][1]], [5, 210], rtol=1e-6)
    days = reference("sleep_slope").figures["joint"][0]["kenward_roger"]
    assert days["statistic"] == pytest.approx(45.8530, abs=5e-5)
    ml = reference("sleep_slope_ml").figures["satterthwaite"]
    assert_allclose(ml["df"], 18.0, atol=5e-4)
    battery = reference("battery").figures
    expected = [battery["kenward_roger"]["df"][k] for k in (0, 1, 6)]
    assert_allclose(expected, [3.3267, 4.2759, 1.3517], atol=5e-5)


def _same(actual: dict, expected: dict, rtol: float, names: tuple[str, ...]) -> None:
    for name in names:
        assert_allclose(actual[name], expected[name], rtol=rtol, err_msg=name)


TEST = ("statistic", "num_df", "den_df", "scaling", "unscaled_statistic")


@pytest.mark.parametrize(
    "case", [c for c in references("kenward_roger") if c.id in observed_kenward_roger()], ids=str
)
def test_dense_formulas_with_expected_information_are_pbkrtest(case: Reference) -> None:
    dense = observed_kenward_roger()[case.id]
    assert dense["criterion"] == pytest.approx(case.figures["fit"]["criterion"], rel=1e-12)
    _same(dense["expected"], case.figures["kenward_roger"], 1e-9, ("std_error", "df"))
    assert_allclose(
        dense["observed"]["satterthwaite_df"], case.figures["satterthwaite"]["df_exact"], rtol=1e-8
    )
    tests = {test["name"]: test for test in case.figures["joint"]}
    for test in dense["expected"]["joint"]:
        _same(test, tests[test["name"]]["kenward_roger"], 1e-8, TEST)


@pytest.mark.parametrize("name", sorted(set(published_kenward_roger()) - {"bioequivalence"}))
def test_dense_formulas_with_observed_information_are_those_of_sas(name: str) -> None:
    dense, sas = observed_kenward_roger()[name], published_kenward_roger()[name]
    rtol = 2e-4 if name == "battery" else 2e-5
    _same(dense["observed"], sas, rtol, ("df", "std_error"))


@pytest.mark.parametrize("entry", content()["comparisons"], ids=lambda entry: entry["id"])
def test_compared_models_are_ours(entry: dict) -> None:
    data = load_data(entry)
    fits = [lf.lmer(formula, data, reml=entry["reml"]) for formula in entry["formulas"]]
    assert_allclose([fits[k].llf for k in entry["order"]], entry["loglik"], rtol=1e-9)
    assert_allclose([fits[k].npar for k in entry["order"]], entry["npar"])
    assert_allclose([fits[k].bic for k in entry["order"]], entry["bic"], rtol=1e-9)


def test_means_of_balanced_cells_have_the_degrees_of_freedom_of_the_design() -> None:
    tables = [asked for asked in section("means") if asked.case.id == "cake_numeric"]
    assert len(tables) >= 3
    for asked in tables:
        if "at" not in asked.arguments():
            assert_allclose(asked.column("df"), 42.0, rtol=1e-8)


def test_names_of_tables_differ() -> None:
    for name in ("means", "trends", "joint_tests", "ranova", "drop1_f"):
        names = [str(asked) for asked in section(name)]
        assert names
        # where two are alike they differ in what is not an argument: bias correction, reference
        unlike = [
            repr((str(a), a.figures.get("bias_sigma"), a.figures.get("ref"))) for a in section(name)
        ]
        assert len(set(unlike)) == len(names)
