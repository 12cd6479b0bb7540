"""Fitted lines by level: against predictions by hand, averages over rows, chosen levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.plot.lines_arrays import group_lines

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

SLEEP = lf.datasets.load("sleepstudy")
CAKE = lf.datasets.load("cake")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sleep():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


@pytest.fixture(scope="module")
def machines():
    return lf.lmer("score ~ Machine + (1 | Worker/Machine)", lf.datasets.load("Machines"))


def line(ax, label):
    return next(line.get_xydata() for line in ax.lines if line.get_label() == label)


def titles(axes):
    return [ax.get_title(loc="left") for ax in axes]


def test_lines_and_points_of_levels(sleep):
    axes = lf.plot.fitted_lines(sleep, "Days", levels=["335", "308"])
    assert titles(axes) == ["335", "308"]
    effects = sleep.random_effects["Subject"]
    for ax, name in zip(axes, ["335", "308"]):
        own = SLEEP[SLEEP["Subject"] == name]
        np.testing.assert_allclose(ax.collections[0].get_offsets(), own[["Days", "Reaction"]])
        x, y = line(ax, "level").T
        assert (x[0], x[-1]) == (0.0, 9.0)
        a, b = sleep.params + effects.loc[name]
        np.testing.assert_allclose(y, a + b * x)
        x, y = line(ax, "population").T
        np.testing.assert_allclose(y, sleep.params["Intercept"] + sleep.params["Days"] * x)
    assert len({ax.get_ylim() for ax in axes}) == 1
    assert axes[0].figure.get_supxlabel() == "Days"
    assert axes[0].figure.legends[0].get_title().get_text() == "2 of 18 levels of Subject"


@pytest.mark.parametrize("layout", ["constrained", "none"])
def test_the_legend_is_on_no_panel(sleep, layout):
    figure, given = plt.subplots(2, 3, layout=layout, sharex=True, sharey=True)
    lf.plot.fitted_lines(sleep, "Days", ax=given, levels=6)
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not any(legend.overlaps(ax.bbox) for ax in given.ravel())
    assert [bool(ax.get_ylabel()) for ax in given.ravel()] == [True, False, False] * 2
    assert [bool(ax.get_xlabel()) for ax in given.ravel()] == [False] * 3 + [True] * 3
    shown = figure.legends[0].get_title().get_text() + figure.legends[0].get_texts()[-1].get_text()
    assert "6 of 18 levels of Subject" in shown


def test_the_legend_beside_panels_of_others(sleep):
    figure, given = plt.subplots(1, 3, layout="constrained")
    lf.plot.fitted_lines(sleep, "Days", ax=given[:2], levels=2)
    figure.draw_without_rendering()
    legend = given[1].get_legend().get_window_extent()
    assert not any(legend.overlaps(ax.bbox) for ax in given)


def test_a_sample_of_many_levels(sleep):
    names = SLEEP["Subject"].unique()
    for levels, places in ((5, np.round(np.linspace(0, 17, 5)).astype(int)), (50, range(18))):
        shown = group_lines(sleep, "Days", None, levels).shown
        assert [one.label for one in shown] == names[list(places)].tolist()
    everyone = lf.plot.fitted_lines(sleep, "Days", levels=18)
    assert titles(everyone) == names.tolist()
    assert everyone[0].figure.legends[0].get_title().get_text() == "Subject"


def test_a_line_ends_where_the_rows_of_its_level_do():
    data = SLEEP[(SLEEP["Subject"] != "308") | (SLEEP["Days"] < 4)]
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", data)
    ax = lf.plot.fitted_lines(fit, "Days", levels="308")
    assert line(ax, "level")[-1, 0] == 3.0
    assert line(ax, "population")[-1, 0] == 9.0


def test_categories_and_nested_effects(machines):
    """The effects of Worker:Machine belong to the line of a worker by machine."""
    ax = lf.plot.fitted_lines(machines, "Machine", levels=["3"])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["A", "B", "C"]
    new = pd.DataFrame({"Machine": list("ABC"), "Worker": "3"})
    np.testing.assert_allclose(line(ax, "level")[:, 1], machines.predict(new))
    np.testing.assert_allclose(line(ax, "population")[:, 1], machines.predict(new, random="none"))


def test_effects_of_factors_that_cross_are_left_out():
    data = lf.datasets.load("Penicillin").assign(x=lambda d: np.arange(len(d)) % 7)
    fit = lf.lmer("diameter ~ x + (1 | plate) + (1 | sample)", data)
    ax = lf.plot.fitted_lines(fit, "x", "sample", levels=["A"])
    own = fit.params["Intercept"] + fit.random_effects["sample"].loc["A", "Intercept"]
    x, y = line(ax, "level").T
    np.testing.assert_allclose(y, own + fit.params["x"] * x)


def test_other_predictors_are_averaged_over_the_rows_of_the_level():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 10), "x": rng.normal(size=80)})
    data["z"], data["o"] = rng.normal(size=80), rng.normal(size=80)
    data["y"] = data["x"] * data["z"] + data["o"] + np.repeat(rng.normal(size=8), 10)
    data["y"] += 0.1 * rng.normal(size=80)
    fit = lf.lmer("y ~ x * np.exp(z) + (1 | g)", data, offset=data["o"].to_numpy())
    ax = lf.plot.fitted_lines(fit, "x", levels="c")
    x, y = line(ax, "level").T
    own = data[data["g"] == "c"]
    by_hand = [fit.predict(own.assign(x=at), offset=own["o"].to_numpy()).mean() for at in x]
    np.testing.assert_allclose(y, by_hand)


def test_numbers_that_are_labels_have_no_values_between():
    fit = lf.lmer("Reaction ~ C(Days) + (1 | Subject)", SLEEP)
    ax = lf.plot.fitted_lines(fit, "Days", levels=["308"])
    np.testing.assert_array_equal(line(ax, "level")[:, 0], range(10))
    new = pd.DataFrame({"Days": range(10), "Subject": "308"})
    np.testing.assert_allclose(line(ax, "level")[:, 1], fit.predict(new))
    growth = lf.datasets.load("Orthodont")
    fit = lf.lmer("distance ~ age + ar1(0 + C(age) | Subject)", growth)
    ax = lf.plot.fitted_lines(fit, "age", levels=["M01"])
    np.testing.assert_array_equal(line(ax, "level")[:, 0], [8, 10, 12, 14])


def test_a_given_axes(sleep):
    _, given = plt.subplots(1, 2)
    axes = lf.plot.fitted_lines(sleep, "Days", ax=given, levels=2)
    assert list(axes) == list(given)
    assert given[0].get_ylabel() == "Reaction"
    assert given[1].get_ylabel() == ""


def test_interactions_of_grouping_factors():
    fit = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", CAKE)
    ax = lf.plot.fitted_lines(fit, "temp", levels=[("B", 6)])
    assert ax.get_title(loc="left") == "B:6"
    new = pd.DataFrame({"recipe": "B", "temp": [175.0, 225.0], "replicate": "6"})
    np.testing.assert_allclose(line(ax, "level")[[0, -1], 1], fit.predict(new))


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda f: lf.plot.fitted_lines(f, "days"), "x='days' is no predictor.*`Days`"),
        (lambda f: lf.plot.fitted_lines(f, "Reaction"), "x='Reaction' is no predictor"),
        (lambda f: lf.plot.fitted_lines(f, "Subject"), "x='Subject' is no predictor"),
        (lambda f: lf.plot.fitted_lines(f, "Days", "Subjects"), "group='Subjects'"),
        (lambda f: lf.plot.fitted_lines(f, "Days", levels=["1"]), "'1' is no level of Subject"),
        (lambda f: lf.plot.fitted_lines(f, "Days", levels=[]), "names 0 levels: 1 to 60"),
        (lambda f: lf.plot.fitted_lines(f, "Days", levels=0), "levels=0"),
        (lambda f: lf.plot.fitted_lines(f, "Days", levels=61), "levels=61"),
        (lambda f: lf.plot.fitted_lines(f, "Days", ax=3), "ax=3"),
    ],
)
def test_bad_arguments(sleep, draw, message):
    with pytest.raises(ArgumentError, match=message):
        draw(sleep)


def test_what_a_model_lacks():
    with pytest.raises(ModelError, match="no random effects"):
        lf.plot.fitted_lines(lf.lmer("angle ~ temp", CAKE), "temp")
    dye = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    with pytest.raises(ArgumentError, match="is no predictor of the model"):
        lf.plot.fitted_lines(dye, "Batch")
