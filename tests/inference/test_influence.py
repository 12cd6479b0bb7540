"""Deletions, leverages and standardised residuals against V₀ written out."""

from __future__ import annotations

import warnings
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from dense_influence import DenseModel, measures
from hypothesis import given, settings
from hypothesis import strategies as st
from influence_models import MODELS, animals, field, known, weighted, weighted_animals
from residual_cases import trial

import lmforms as lf
from lmforms.errors import LmformsWarning, ModelError, NotEstimableWarning
from lmforms.inference.influence import held_theta
from lmforms.inference.influence.cases import Cases, cases_of
from lmforms.inference.influence.variances_left import keeps_variances
from lmforms.inference.model_parameters import parameter_values
from lmforms.model import state_at

pytestmark = pytest.mark.one_in(4)


@cache
def fit_of(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        return MODELS[name][0]()


def values_of(fit, by):
    """The values of the rows that make cases, one for each row."""
    if by == "observation":
        return np.arange(fit.nobs)
    group = next((g for g in fit.state.design.groups if by in (g.name, g.factor)), None)
    if group is not None:
        return group.codes
    return pd.factorize(column(fit, by), sort=True)[0]


def column(fit, by):
    table = fit.state.design.frame.table
    if by in table:
        return table[by]
    return next(data[by] for data in (animals(), field(), trial()) if by in data)


def asked(fit, by):
    """`by`, or its values where the model does not use the column."""
    groups = [g.name for g in fit.state.design.groups]
    known = by == "observation" or by in groups or by in fit.state.design.frame.table
    return by if known else column(fit, by).to_numpy()


def pairs():
    return [(name, by) for name, (_, bys) in MODELS.items() for by in (*bys, "observation")]


@pytest.mark.parametrize(("name", "by"), pairs(), ids=str)
def test_deletions_at_held_theta(name, by):
    """β, its covariance, σ and all measures, without each case in turn."""
    fit = fit_of(name)
    dense, codes = DenseModel.of(fit), values_of(fit, by)
    found = fit.influence(asked(fit, by))
    cases = np.unique(codes)
    assert len(found.table) == len(cases)
    size = np.sqrt(np.diag(fit.state.estimate.cov_beta))
    for case in cases[:: max(len(cases) // 8, 1)]:
        wanted = measures(fit, dense, np.flatnonzero(codes == case))
        beta = wanted.pop("params")
        at = list(cases).index(case)
        np.testing.assert_allclose(found.params.iloc[at] / size, beta / size, rtol=1e-9, atol=1e-8)
        for what, value in wanted.items():
            own = getattr(found, what).iloc[at]
            np.testing.assert_allclose(own, value, rtol=1e-6, atol=1e-9, err_msg=what)


@pytest.mark.parametrize("name", MODELS)
def test_leverages_and_residuals(name):
    fit = fit_of(name)
    dense, sigma = DenseModel.of(fit), fit.sigma
    P, e = dense.P, fit.resid.to_numpy()
    np.testing.assert_allclose(dense.R @ P @ dense.y, e, atol=1e-8 * np.abs(dense.y).max())
    np.testing.assert_allclose(fit.leverage, 1.0 - np.diag(dense.R @ P), atol=1e-9)
    sd = sigma * np.sqrt(np.diag(dense.R @ P @ dense.R))
    np.testing.assert_allclose(fit.residuals("standardized"), e / sd, rtol=1e-7, atol=1e-9)
    marginal = dense.y - dense.X @ fit.params
    np.testing.assert_allclose(fit.residuals("marginal"), marginal, atol=1e-9 * np.abs(e).max())
    sd = sigma * np.sqrt(np.diag(dense.V @ P @ dense.V))
    np.testing.assert_allclose(
        fit.residuals("marginal-standardized"), marginal / sd, rtol=1e-7, atol=1e-8
    )
    t = fit.residuals("studentized").to_numpy()
    for i in range(0, fit.nobs, fit.nobs // 6):
        predicted, variance = dense.prediction_without(i)
        own = dense.without(np.array([i]))[2]
        np.testing.assert_allclose(
            t[i], (dense.y[i] - predicted) / (own * np.sqrt(variance)), rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize("name", ["slopes", "series and crossed levels", "known covariance"])
def test_deletions_by_rows_are_the_same(name, monkeypatch):
    """Cases too large for a block of V₀⁻¹ are evaluated by the rows that are left."""
    fit = fit_of(name)
    by = np.arange(fit.nobs) % 4
    blocks = fit.influence(by)
    monkeypatch.setattr(held_theta, "MOST_BLOCK_ROWS", 1)
    by_rows = fit.influence(by)
    np.testing.assert_allclose(by_rows.table, blocks.table, rtol=1e-8)
    np.testing.assert_allclose(by_rows.params, blocks.params, rtol=1e-8)


def test_a_row_that_carries_nearly_all_of_a_column():
    """What is left of it is 1e-12 of its squares: no difference of sums."""
    data = animals().assign(z=lambda d: np.where(d.index == 7, 1e6, np.sin(d.index)))
    fit = lf.lmer("y ~ x + z + (1 | herd)", data)
    found = fit.influence().params.loc[7]
    other = lf.lmer("y ~ x + z + (1 | herd)", data.drop(index=7)).at(fit.theta).params
    np.testing.assert_allclose(found, other, rtol=1e-7)


def test_order_of_rows_and_labels_do_not_matter():
    data = animals().set_index(pd.Index([f"r{i}" for i in range(60)]))
    fit = lf.lmer("y ~ x + (1 | animal) + (1 | herd)", data)
    mixed = data.sample(frac=1.0, random_state=3)
    other = lf.lmer("y ~ x + (1 | animal) + (1 | herd)", mixed)
    for by in ("herd", "observation"):
        a, b = fit.influence(by).table, other.influence(by).table
        np.testing.assert_allclose(b.loc[a.index], a, rtol=1e-5)
    values = mixed["x"] > 0
    a, b = fit.influence(values).table, other.influence(values).table
    assert list(a.index) == [False, True]
    np.testing.assert_allclose(a, b, rtol=1e-5)


def test_units_do_not_matter():
    """A slope in other units and with another origin is the same deletion."""
    sleep = lf.datasets.load("sleepstudy")
    one = fit_of("slopes").influence()
    moved = sleep.assign(Days=1e-3 * sleep["Days"] + 5.0)
    other = lf.lmer("Reaction ~ Days + (Days | Subject)", moved).influence()
    np.testing.assert_allclose(other.cooks_distance, one.cooks_distance, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(other.dfbetas["Days"], one.dfbetas["Days"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("terms", "size", "tolerance"),
    [("(1 | herd)", 1e6, 1e-8), ("(1 | herd) + (1 | animal)", 1e4, 1e-5)],
)
def test_very_wide_effects(terms, size, tolerance):
    """Far wider than the residuals: digits are not lost in differences.

    With crossed factors the evaluations that are compared have seven digits.
    """
    wide = size * np.random.default_rng(2).normal(size=5)
    data = animals().assign(y=lambda d: d["y"] + wide[d["herd"].astype(int)])
    fit = lf.lmer(f"y ~ x + {terms}", data)
    for by, chosen in (("herd", ["0", "3"]), ("observation", [0, 31])):
        found = fit.influence(by)
        for case in chosen:
            left = data[data["herd"] != case] if by == "herd" else data.drop(index=case)
            other = lf.lmer(f"y ~ x + {terms}", left).at(fit.theta)
            error = (found.params.loc[case] - other.params) / fit.bse
            np.testing.assert_allclose(error, 0.0, atol=tolerance)
            np.testing.assert_allclose(found.sigma[case], other.sigma, rtol=tolerance)


STRUCTURES = [
    *(
        "us(visit | subject)",
        "toep(visit | subject)",
        "ante(visit | subject)",
        "cs(visit | subject)",
    ),
    *("arma(visit | subject)", "exp(place | subject)", "ar1(visit | subject) + units"),
    *("gau(place + x | subject, per_axis=True)", "har1(visit | subject) * power(z)"),
]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "strata"])
def test_variances_that_are_left(name):
    """Nothing is refused where a refit knows all parameters."""
    fit = fit_of(name)
    for by in (*MODELS[name][1], "observation"):
        state = fit.state
        cases = cases_of(state, asked(fit, by))
        assert keeps_variances(state, cases).all()


@pytest.mark.parametrize("residual", STRUCTURES)
def test_correlations_that_are_left(residual):
    """Any subject may go, but not all pairs of rows that a correlation is told by."""
    data = trial()
    model = lf.MixedModel("y ~ arm", data, residual=residual)
    state = SimpleNamespace(design=model.design, residual=model.design.residual)
    subjects = pd.factorize(data["subject"])[0]
    cases = Cases("subject", pd.RangeIndex(subjects.max() + 1), subjects)
    assert keeps_variances(state, cases).all()
    first = ~data.duplicated("subject")  # all rows but one of each subject are a part
    alone = Cases("part", pd.Index(["others", "first"]), np.where(first, 1, 0))
    assert not keeps_variances(state, alone)[0]


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_visits_with_parameters_of_their_own():
    data = trial()
    fit = lf.lmer("y ~ arm", data, residual="idh(visit)")
    part = np.where(data["visit"] == 2, "third", np.where(data["subject"] < 3, "few", "others"))
    with pytest.warns(NotEstimableWarning, match="without part third some of the variance"):
        found = fit.influence(part, refit=True)
    assert found.vcomp.isna().all(axis=1).to_dict() == {"few": 0, "others": 0, "third": 1}
    assert fit.influence(part).table.notna().all(axis=None)
    for formula, residual, by in (
        ("y ~ arm", "us(visit | subject)", "visit"),
        ("y ~ arm + (1 | subject)", "idh(visit)", "visit"),
        ("y ~ 1 + (0 + arm | item)", None, "arm"),
    ):
        fit = lf.lmer(formula, data, residual=residual)
        with pytest.raises(ModelError, match=r"variance parameters .* Use refit=False"):
            fit.influence(by, refit=True)
        fit.influence(by)


REFITTED = {
    "weights, offset, dropped column": (weighted_animals, weighted),
    "known covariance": (
        animals,
        lambda d: lf.lmer("y ~ x + (1 | animal)", d, relationship={"animal": known()}),
    ),
    "series and levels": (
        trial,
        lambda d: lf.lmer(
            "y ~ visit + arm + (1 | subject)", d, residual="har1(visit | subject)", reml=False
        ),
    ),
    "grid": (field, lambda d: lf.lmer("y ~ x", d, residual="ar1(row):ar1(column)")),
    "no random terms": (animals, lambda d: lf.lmer("y ~ x + herd", d)),
}


SLOW = ("weights, offset, dropped column", "series and levels", "grid")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in REFITTED]
)
@pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")
def test_refits_are_fits_to_the_other_rows(name):
    fit, (data, fitted) = fit_of(name), REFITTED[name]
    number = np.arange(fit.nobs)
    parts = np.where(number % 7 == 3, "few", np.where(number < 20, "first", "rest"))
    found = fit.influence(parts, refit=True)
    for part in ("few", "first"):
        other = fitted(data()[parts != part].reset_index(drop=True))
        error = (found.params.loc[part] - other.params) / fit.bse
        np.testing.assert_allclose(error, 0.0, atol=1e-5)
        np.testing.assert_allclose(found.bse.loc[part], other.bse, rtol=1e-5)
        own = parameter_values(other.state)[len(other.params) :]
        np.testing.assert_allclose(found.vcomp.loc[part], own, rtol=1e-4, atol=1e-5)


@settings(max_examples=15)
@given(
    st.integers(0, 10_000),
    st.floats(0.01, 100.0),
    st.floats(-50.0, 50.0),
    st.sampled_from(["(1 | g)", "(x | g)", "(1 | g) + (1 | h)"]),
)
def test_invariances(seed, scale, shift, terms):
    """Units of y and x, the order of rows and names of levels change no measure."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=40), "g": np.arange(40) % 6, "h": np.arange(40) // 8})
    data["y"] = rng.normal(size=6)[data["g"]] + data["x"] + rng.normal(size=40)
    order = rng.permutation(40)
    moved = data.assign(
        y=scale * data["y"] + shift, x=data["x"] / scale, g="level " + data["g"].astype(str)
    ).iloc[order]
    theta = np.array([0.8, 0.1, 0.6] if "x" in terms else [0.8, 0.5][: terms.count("|")])
    one = at_theta(f"y ~ x + {terms}", data, theta)
    if "x" in terms:  # slopes of x/scale are `scale` times larger
        theta = np.array([0.8, 0.1 * scale, 0.6 * scale])
    other = at_theta(f"y ~ x + {terms}", moved, theta)
    np.testing.assert_allclose(other.leverage.sort_index(), one.leverage, rtol=1e-7)
    for by in ("g", "observation"):
        a, b = one.influence(by).table, other.influence(by).table
        if by == "observation":
            b = b.loc[a.index]
        for measure in ("cooks_distance", "mdffits", "covratio", "covtrace"):
            np.testing.assert_allclose(b[measure], a[measure], rtol=1e-6, atol=1e-9)


def at_theta(formula, data, theta):
    """The model at a θ, for a property that does not depend on a search."""
    model = lf.MixedModel(formula, data)
    options = {"reml": True, "control": lf.Control(), "method": "auto"}
    return lf.MixedModelResults(model, state_at(model, theta, model.design.y, **options))
