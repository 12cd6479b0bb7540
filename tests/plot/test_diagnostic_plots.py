"""Pictures of simulated residuals and of random effects: what is drawn, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.plot.diagnostic_arrays import binned_quartiles, normal_quantiles, uniform_quantiles

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

SLEEP = lf.datasets.load("sleepstudy")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fit():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


@pytest.fixture(scope="module")
def residuals(fit):
    return fit.simulated_residuals(60, seed=1)


def points(ax) -> list[np.ndarray]:
    return [np.asarray(c.get_offsets()) for c in ax.collections if len(c.get_offsets()) > 1]


def test_panels_hold_the_residuals(residuals):
    first, second, third = lf.plot.simulated_residuals(residuals, by="Subject")
    drawn = points(first)[-1]
    np.testing.assert_allclose(drawn[:, 1], np.sort(residuals.scaled))
    np.testing.assert_allclose(drawn[:, 0], np.arange(1, 181) / 181)
    for name, p_value in residuals.tests["p_value"].items():
        assert f"{name}: p = {p_value:.2g}" in first.texts[0].get_text()
    inside = residuals.scaled[~residuals.outside]
    np.testing.assert_allclose(np.sort(points(second)[0][:, 1]), np.sort(inside))
    outside = second.collections[-1].get_offsets()
    np.testing.assert_allclose(np.sort(outside[:, 1]), np.sort(residuals.scaled[residuals.outside]))
    curves = [line for line in second.lines if line.get_linestyle() == "-"]
    assert len(curves) == 3
    medians = [np.median(residuals.scaled[SLEEP["Days"] == day]) for day in range(10)]
    np.testing.assert_allclose(curves[1].get_ydata(), medians)
    assert [t.get_text() for t in third.get_xticklabels()] == sorted(SLEEP["Subject"].unique())
    assert third.get_xlabel() == "Subject"


def test_axes_of_ones_own_and_a_dark_page(residuals):
    with plt.style.context("dark_background"):
        _, axes = plt.subplots(1, 2)
        drawn = lf.plot.simulated_residuals(residuals, ax=axes)
        assert list(drawn) == list(axes)
        band = axes[0].collections[0].get_facecolor()[0]
        assert band[:3].min() == 1.0  # white, as the text
    with pytest.raises(ArgumentError, match="2 are drawn on"):
        lf.plot.simulated_residuals(residuals, ax=axes[0])


def test_predictions_that_are_all_the_same():
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    _, second = lf.plot.simulated_residuals(fit.simulated_residuals(20, seed=1))
    assert second.get_xlabel() == "row (all predictions are the same)"
    xs = np.sort(np.concatenate([np.asarray(c.get_offsets())[:, 0] for c in second.collections]))
    np.testing.assert_allclose(xs, (np.arange(30) + 0.5) / 30)


def test_random_effects_beside_normal_quantiles(fit):
    axes = lf.plot.random_effects_qq(fit)
    for ax, column in zip(axes, ["Intercept", "Days"], strict=True):
        values = fit.random_effects["Subject"][column]
        drawn = points(ax)[0]
        np.testing.assert_allclose(drawn[:, 1], np.sort(values))
        named = [t.get_text() for t in ax.texts]
        assert len(named) == 2
        assert set(named) <= set(values.index)
    nested = lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"))
    ax = lf.plot.random_effects_qq(nested, "batch:cask")
    assert ax.get_title(loc="left") == "batch:cask: Intercept"
    assert ":" in ax.texts[0].get_text()


def test_refusals(fit):
    with pytest.raises(ArgumentError, match=r"what fit\.simulated_residuals\(\) returns"):
        lf.plot.simulated_residuals(fit.params)
    with pytest.raises(ArgumentError, match="group='Subjet'"):
        lf.plot.random_effects_qq(fit, "Subjet")
    with pytest.raises(ArgumentError, match="a fit of lmer or glmer is needed"):
        lf.plot.random_effects_qq(3)
    with pytest.raises(ModelError, match="no random effects"):
        lf.plot.random_effects_qq(lf.lmer("Reaction ~ Days", SLEEP))
    with pytest.raises(ArgumentError, match=r"180 levels.*level_tests\(by\) has them all"):
        lf.plot.simulated_residuals(fit.simulated_residuals(5, seed=1), by=np.arange(180))
    with pytest.raises(ArgumentError, match="is no column"):
        lf.plot.simulated_residuals(fit.simulated_residuals(5, seed=1), by="Daze")


def test_arrays():
    """The limits keep 95 % of every order statistic, one at a time."""
    rng = np.random.default_rng(0)
    draws = np.sort(rng.uniform(size=(2000, 20)))
    one = uniform_quantiles(draws[0, ::-1])
    np.testing.assert_array_equal(one.observed, draws[0])
    inside = np.mean((draws > one.lower) & (draws < one.upper), axis=0)
    np.testing.assert_allclose(inside, 0.95, atol=0.02)
    u = rng.uniform(size=400)
    places = rng.permutation(400) / 400
    centres, quartiles = binned_quartiles(places, u)
    assert quartiles.shape == (3, 20)
    assert (np.diff(centres) > 0).all()
    assert (np.diff(quartiles, axis=0) > 0).all()
    x, order, (level, slope) = normal_quantiles(3 + 2 * x_of(50)[rng.permutation(50)])
    assert order.shape == (50,)
    assert x[0] == -x[-1]
    assert (level, slope) == (pytest.approx(3), pytest.approx(2, rel=0.03))


def x_of(n: int) -> np.ndarray:
    return normal_quantiles(np.arange(float(n)))[0]
