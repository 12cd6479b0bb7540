"""R², intraclass correlations, components and inflation: R's figures, dense twins, invariances."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from diagnosed_fits import CROSSED, MODELS, SLEEP, K, fit_of, parts_of
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import LmformsWarning, ModelError
from lmforms.inference.diagnostics import variance_parts
from lmforms.inference.diagnostics.variance_parts import level_variances

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/diagnostics.json").read_text())
ENTRIES = {entry["id"]: entry for entry in REFERENCE["models"]}
RTOL = 1e-6  # an error of 1e-9 in the criterion is one of 1e-5 in flat variances


# performance leaves out slopes that stand alone, and weights: `test_where_performance_differs`
OTHERWISE = ("sleep_independent", "sleep_weighted")


@cache
def referred(name: str) -> tuple[dict, lf.MixedModelResults]:
    entry = ENTRIES[name]
    data = lf.datasets.load(entry["data"]).assign(**entry["extra_columns"])
    if entry["data"] == "cake":
        data["temperature"] = data["temperature"].cat.as_unordered()
    return entry, lf.lmer(entry["formula"], data, reml=entry["reml"], weights=entry["weights"])


def ours(fit: lf.MixedModelResults, group: str) -> str:
    """Our name of a grouping factor; lme4 has the inner factor first."""
    return group if group in fit.ngroups else ":".join(reversed(group.split(":")))


@pytest.mark.parametrize("name", ENTRIES)
def test_components_are_those_of_lme4(name):
    entry, fit = referred(name)
    found = fit.random_effects_pca()
    for group, own in entry["random_pca"].items():
        table = found.loc[ours(fit, group)]
        assert_allclose(table["relative_sd"], own["relative_sd"], rtol=RTOL)
        assert_allclose(table["share"], own["share"], rtol=RTOL)
        assert_allclose(table["sd"], fit.sigma * np.array(own["relative_sd"]), rtol=RTOL)
        effects = [f"loading[{name}]" for name in fit.random_effects[ours(fit, group)].columns]
        assert_allclose(np.abs(table[effects].to_numpy().T), own["rotation"], atol=RTOL)


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry["vif"]])
def test_inflation_is_that_of_car(name):
    entry, fit = referred(name)
    found = fit.vif()
    assert list(found.index) == entry["vif"]["term"]
    assert_allclose(found["gvif"], entry["vif"]["gvif"], rtol=RTOL)
    assert list(found["df"]) == entry["vif"]["df"]
    assert_allclose(found["gvif_root"], entry["vif"]["gvif_root"], rtol=RTOL)


@pytest.mark.parametrize("name", [name for name in ENTRIES if name not in OTHERWISE])
def test_shares_are_those_of_performance(name):
    entry, fit = referred(name)
    found, r2 = fit.icc(), fit.r2()
    assert found.loc["all", "adjusted"] == pytest.approx(entry["icc_adjusted"], rel=RTOL)
    assert found.loc["all", "unadjusted"] == pytest.approx(entry["icc_unadjusted"], rel=RTOL)
    assert found.loc["all", "variance"] == pytest.approx(entry["variance_random"], rel=RTOL)
    assert r2["marginal"] == pytest.approx(entry["r2_marginal"], rel=RTOL, abs=1e-15)
    assert r2["conditional"] == pytest.approx(entry["r2_conditional"], rel=RTOL)
    if not entry["has_slopes"]:  # with slopes it takes the intercepts alone
        for group, value in zip(entry["icc_group"], entry["icc_by_group"], strict=True):
            assert found.loc[ours(fit, group), "adjusted"] == pytest.approx(value, rel=RTOL)


def test_where_performance_differs():
    """It takes σ² for the residuals of weighted rows, and no slope that stands alone."""
    entry, fit = referred("sleep_weighted")
    assert fit.icc().loc["all", "variance"] == pytest.approx(entry["variance_random"], rel=RTOL)
    residual = fit.scale * np.mean(1.0 / np.array(entry["extra_columns"]["w"]))
    total = entry["variance_fixed"] + entry["variance_random"] + residual
    assert fit.r2()["marginal"] == pytest.approx(entry["variance_fixed"] / total, rel=RTOL)
    entry, alone = referred("sleep_independent")
    slope = alone.vcomp.loc[1, "variance"] * np.mean(SLEEP["Days"] ** 2)
    random = entry["variance_random"] + slope
    assert alone.icc().loc["all", "variance"] == pytest.approx(random, rel=RTOL)


@pytest.mark.parametrize("name", MODELS)
def test_shares_are_means_of_dense_variances(name):
    fit = fit_of(name)
    random, residual = parts_of(fit)
    each = {group: np.trace(V) / fit.nobs for group, V in random.items()}
    within = np.trace(residual) / fit.nobs
    fixed = np.var(fit.state.design.X @ fit.params.to_numpy(), ddof=1)
    total = fixed + sum(each.values()) + within
    assert_allclose(fit.r2(), [fixed / total, 1 - within / total], rtol=1e-12, atol=1e-15)
    if each:
        table = fit.icc()
        assert_allclose(table["variance"], [*each.values(), sum(each.values())], rtol=1e-12)
        assert_allclose(table["adjusted"], table["variance"] / (total - fixed), rtol=1e-12)
        assert_allclose(table["unadjusted"], table["variance"] / total, rtol=1e-12)


def test_without_random_effects_both_are_one_and_there_is_no_icc():
    fit = fit_of("no_groups")
    r2 = fit.r2()
    assert r2["marginal"] == r2["conditional"]
    X = fit.state.design.X[:, 1:]
    explained = np.var(X @ fit.params.to_numpy()[1:], ddof=1)
    assert r2["marginal"] == pytest.approx(explained / (explained + fit.scale))
    with pytest.raises(ModelError, match=r"fit\.r2\(\) is defined"):
        fit.icc()
    with pytest.raises(ModelError, match="no random effects"):
        fit.random_effects_pca()


def test_a_level_for_each_row_counts_as_residual():
    noise = 2.0 * np.random.default_rng(5).normal(size=len(CROSSED))
    data = CROSSED.assign(unit=range(len(CROSSED)), y=CROSSED["y"] + noise)
    fit = lf.lmer("y ~ x + (1 | g) + (1 | unit)", data, weights="w")
    table = fit.icc()
    assert list(table.index) == ["g", "all"]
    assert any("unit: a level for each row" in note for note in table.notes)
    unit, g = (fit.vcomp.set_index("group").loc[name, "variance"] for name in ("unit", "g"))
    within = unit + fit.scale * np.mean(1 / data["w"])
    assert table.loc["g", "adjusted"] == pytest.approx(g / (g + within))


def test_variances_of_levels_in_every_representation(monkeypatch):
    matrix, labels = K.to_numpy(), list(K.index)
    make = lf.relationship.Relationship
    given = [
        make.of(K),
        make.of(sp.csr_matrix(matrix), labels),
        make.from_root(np.linalg.cholesky(matrix), labels),
        make.from_precision(np.linalg.inv(matrix), labels),
    ]
    for known in given:
        assert_allclose(level_variances(known), np.diag(matrix), rtol=1e-9)
    monkeypatch.setattr(variance_parts, "BLOCK_NUMBERS", 25)
    assert_allclose(level_variances(given[-1]), np.diag(matrix), rtol=1e-9)


@pytest.mark.parametrize("name", ["slopes", "weights_offset"])
def test_units_of_the_response_do_not_matter(name):
    formula, data, options = MODELS[name]
    response = formula.partition(" ~ ")[0]
    changed = data.assign(**{response: 1e3 * data[response]})
    if "offset" in options:
        changed["known"] *= 1e3
    other, fit = lf.lmer(formula, changed, **options), fit_of(name)
    assert_allclose(other.r2(), fit.r2(), rtol=1e-7)
    assert_allclose(other.icc()["adjusted"], fit.icc()["adjusted"], rtol=1e-7)
    assert_allclose(other.vif()["gvif"], fit.vif()["gvif"], rtol=1e-7)


def test_conjugate_gradients_and_given_parameters():
    formula, data, _ = MODELS["crossed"]
    fit = fit_of("crossed")
    rough = lf.lmer(formula, data, control=lf.Control(factor="cg"))
    assert_allclose(rough.r2(), fit.r2(), rtol=0.05)
    at = fit.at(fit.theta)
    assert_allclose(at.r2(), fit.r2(), rtol=1e-9)
    assert_allclose(at.vif()["gvif"], fit.vif()["gvif"], rtol=1e-9)


def test_inflation_in_regression_and_without_other_terms():
    fit = fit_of("no_groups")
    r = np.corrcoef(CROSSED["x"], CROSSED["h"])[0, 1]
    assert_allclose(fit.vif()["gvif"], 1 / (1 - r**2))
    assert list(fit_of("dropped").vif().index) == ["x"]
    with pytest.raises(ModelError, match="no fixed effects but the intercept"):
        fit_of("singular").vif()
    bare = lf.lmer("y ~ 0 + x + h + (1 | g)", CROSSED).vif()
    assert any("no intercept" in note for note in bare.notes)


def test_generalized_inflation_has_no_basis():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        data = CROSSED.assign(f=pd.Categorical(list("abc") * 32))
        formula = "y ~ x + f + h + (1 | g)"
        one = lf.lmer(formula, data)
        other = lf.lmer(formula, data, contrasts={"f": "sum"})
    assert_allclose(one.vif()["gvif"], other.vif()["gvif"], rtol=1e-9)


def test_a_component_without_variance():
    """Of a singular fit; and shares are missing where there is no variance at all."""
    table = fit_of("singular").random_effects_pca()
    assert table["sd"].tolist() == [0.0]
    assert table["share"].isna().all()


@pytest.mark.parametrize("name", ["weights_offset", "related"])
def test_the_order_of_rows_does_not_matter(name):
    formula, data, options = MODELS[name]
    fit = fit_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        other = lf.lmer(formula, data.sample(frac=1, random_state=2), **options)
    assert_allclose(other.r2(), fit.r2(), rtol=1e-7)
    assert_allclose(other.icc(), fit.icc(), rtol=1e-7)
    found, expected = other.random_effects_pca(), fit.random_effects_pca()
    assert_allclose(found["sd"] / fit.sigma, expected["sd"] / fit.sigma, atol=1e-6)
