"""The package marginaleffects with fits: its numbers are those of `average` and `emmeans`."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError
from lmforms.interop import marginaleffects_model

me = pytest.importorskip("marginaleffects")
pl = pytest.importorskip("polars")

CAKE = lf.datasets.load("cake")
FIT = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", CAKE)
MODEL = marginaleffects_model(FIT)

polars_1 = pytest.mark.skipif(
    pl.__version__.startswith("2."),
    reason="marginaleffects 0.6.0 calls what polars 2 no longer has to compare levels of factors",
)


def agree(found, truth, order=None, rtol=1e-5):
    """The same estimates and standard errors, limits and p-values of the normal distribution."""
    found = found.sort(order) if order else found
    for theirs, ours in [
        ("estimate", "estimate"),
        ("std_error", "std_error"),
        ("conf_low", "lower"),
        ("conf_high", "upper"),
    ]:
        np.testing.assert_allclose(found[theirs].to_numpy(), truth[ours].to_numpy(), rtol=rtol)


def test_average_predictions():
    found = me.avg_predictions(MODEL, by="recipe", eps_vcov=1.0)
    agree(found, FIT.average(by="recipe", ddf="none"), "recipe")
    agree(me.avg_predictions(MODEL, eps_vcov=1.0), FIT.average(ddf="none"))


def test_slopes():
    found = me.avg_slopes(MODEL, variables="temp", by="recipe", eps_vcov=1.0)
    agree(found, FIT.average(by="recipe", slope="temp", ddf="none"), "recipe")
    agree(
        me.avg_slopes(MODEL, variables="temp", eps_vcov=1.0), FIT.average(slope="temp", ddf="none")
    )
    each = me.slopes(MODEL, variables="temp", eps_vcov=1.0)
    assert each.shape[0] == len(CAKE)


@pytest.mark.parametrize("vcov", [True, "CR2", "kenward-roger"])
def test_predictions_of_rows(vcov):
    found = me.predictions(MODEL, eps_vcov=1.0, vcov=vcov)
    X = FIT.design().X
    V = FIT.cov_params(None if vcov is True else vcov)
    np.testing.assert_allclose(found["estimate"], X @ FIT.params, rtol=1e-12)
    np.testing.assert_allclose(found["std_error"], np.sqrt(np.sum((X @ V) * X, axis=1)), rtol=1e-7)


@polars_1
@pytest.mark.parametrize("kind", [lambda d: d, lambda d: d.astype({"recipe": str}), pl.DataFrame])
def test_predictions_of_new_rows(kind):
    new = CAKE.iloc[::40]
    found = me.predictions(MODEL, newdata=kind(new), eps_vcov=1.0)
    np.testing.assert_allclose(found["estimate"], FIT.predict(new, random="none"), rtol=1e-12)


def test_a_grid_of_means():
    grid = me.datagrid(model=MODEL, recipe=["A", "B", "C"])
    found = me.predictions(MODEL, newdata=grid, eps_vcov=1.0)
    agree(found, FIT.emmeans("recipe", ddf="none"), "recipe")
    found = me.predictions(MODEL, newdata=grid, hypothesis="b0 - b1 = 0", eps_vcov=1.0)
    truth = FIT.emmeans("recipe", contrast="pairwise", adjust="none", ddf="none").iloc[:1]
    agree(found, truth)
    assert found["p_value"][0] == pytest.approx(truth["p_value"].iloc[0], rel=1e-6)


def test_hypotheses_of_coefficients():
    found = me.hypotheses(MODEL)
    assert found["term"].to_list() == FIT.params.index.to_list()
    agree(found, FIT.conf_int(ddf="none").assign(estimate=FIT.params, std_error=FIT.bse))
    ratio = me.hypotheses(MODEL, hypothesis="b3 / b0 = 0")
    b, V = FIT.params.to_numpy(), FIT.cov_params().to_numpy()
    gradient = np.zeros(6)
    gradient[[3, 0]] = 1 / b[0], -b[3] / b[0] ** 2
    assert ratio["std_error"][0] == pytest.approx(np.sqrt(gradient @ V @ gradient), rel=1e-5)


def test_comparisons_of_numbers():
    found = me.avg_comparisons(MODEL, variables={"temp": [175, 225]}, by="recipe", eps_vcov=1.0)
    slopes = FIT.average(by="recipe", slope="temp", ddf="none")
    for name in ("estimate", "std_error"):
        np.testing.assert_allclose(found.sort("recipe")[name], 50 * slopes[name], rtol=1e-6)


@polars_1
def test_comparisons_of_levels():
    found = me.avg_comparisons(MODEL, variables="recipe", eps_vcov=1.0)
    agree(found, FIT.average(comparison="recipe", ddf="none"), "contrast")


def test_degrees_of_freedom():
    found = me.avg_predictions(marginaleffects_model(FIT, df=42), eps_vcov=1.0)
    half = (found["conf_high"][0] - found["conf_low"][0]) / 2
    assert half / found["std_error"][0] == pytest.approx(2.018081702818444, rel=1e-9)


def test_offsets_weights_dropped_columns_and_transforms():
    data = CAKE.assign(
        o=0.05 * np.sin(np.arange(270)), w=1.0 + np.arange(270) % 2, twice=2 * CAKE["temp"]
    )
    with pytest.warns(lf.errors.RankWarning):
        fit = lf.lmer(
            "log(angle) ~ poly(temp, 2) + recipe + twice + offset(o) + (1 | recipe:replicate)",
            data,
            weights="w",
            reml=False,
        )
    model = marginaleffects_model(fit)
    found = me.avg_predictions(model, by="recipe", eps_vcov=1.0)
    agree(found, fit.average(by="recipe", ddf="none"), "recipe", rtol=1e-6)
    np.testing.assert_allclose(
        me.predictions(model, eps_vcov=1.0)["estimate"], fit.predict(random="none"), rtol=1e-10
    )


def test_random_effects_are_added():
    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    found = me.predictions(marginaleffects_model(fit, random="all"), eps_vcov=1.0)
    np.testing.assert_allclose(found["estimate"], fit.fittedvalues, rtol=1e-10)
    population = me.predictions(marginaleffects_model(fit), eps_vcov=1.0)
    np.testing.assert_allclose(found["std_error"], population["std_error"], rtol=1e-9)


def test_labels_that_are_numbers_and_booleans():
    data = CAKE.assign(hot=CAKE["temp"] > 200, code=CAKE["recipe"].cat.codes * 10)
    data["code"] = data["code"].astype("category")
    fit = lf.lmer("angle ~ code + hot + (1 | replicate)", data)
    model = marginaleffects_model(fit)
    agree(me.avg_predictions(model, by="code", eps_vcov=1.0), fit.average(by="code", ddf="none"))
    found = me.avg_comparisons(model, variables="hot", by="code", eps_vcov=1.0)
    truth = fit.contrast("hot[T.True] = 0", ddf="none", level=0.95)
    np.testing.assert_allclose(found["std_error"], [truth["std_error"].iloc[0]] * 3, rtol=1e-9)


@polars_1
def test_comparisons_of_labels_that_are_numbers():
    data = CAKE.assign(code=(CAKE["recipe"].cat.codes * 10).astype("category"))
    fit = lf.lmer("angle ~ code + (1 | replicate)", data)
    found = me.avg_comparisons(marginaleffects_model(fit), eps_vcov=1.0)
    agree(found, fit.average(comparison="code", ddf="none"), "contrast")


@pytest.mark.parametrize(
    "formula, options",
    [
        ("angle ~ recipe + temp", {}),
        ("angle ~ recipe + temp + (temp || replicate) + (1 | recipe:replicate)", {"reml": False}),
        ("angle ~ recipe + temp", {"residual": "cs(temp | recipe:replicate)"}),
    ],
)
def test_kinds_of_models(formula, options):
    fit = lf.lmer(formula, CAKE.assign(temp=CAKE["temp"].astype(float)), **options)
    found = me.avg_predictions(marginaleffects_model(fit), by="recipe", eps_vcov=1.0)
    agree(found, fit.average(by="recipe", ddf="none"), "recipe")


def test_copies():
    for again in (copy.copy(MODEL), copy.deepcopy(MODEL), pickle.loads(pickle.dumps(MODEL))):
        found = me.avg_predictions(again, eps_vcov=1.0)
        agree(found, FIT.average(ddf="none"))


def test_bad_input():
    with pytest.raises(ValueError, match="Unknown model type"):
        me.predictions(FIT)  # why there is an adapter
    with pytest.raises(ArgumentError, match="must be a MixedModelResults"):
        marginaleffects_model(MODEL)
    with pytest.raises(ArgumentError, match="positive number"):
        marginaleffects_model(FIT, df=0)
    with pytest.raises(ArgumentError, match="random='some'"):
        marginaleffects_model(FIT, random="some")
    with pytest.raises(ArgumentError, match="HC3"):
        me.predictions(MODEL, vcov="HC3")
    with pytest.raises(ArgumentError, match="vcov must be True"):
        me.predictions(MODEL, vcov=3)
    with pytest.raises(ArgumentError, match=r"fit\.contrast"):
        me.hypotheses(MODEL, joint=["temp"])
    joint = FIT.contrast(["temp = 0", "recipe[T.B]:temp = 0"], joint=True)
    assert joint.shape[0] == 1
