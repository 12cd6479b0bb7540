"""Pictures of means and contrasts: what the artists hold is what the table says."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, MissingPackageError
from lmforms.tables.result_table import ResultTable

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def table(notes=("Limits: 95 %.",), **factors):
    """A table of means of every combination."""
    rows = [dict(zip(factors, values)) for values in itertools.product(*factors.values())]
    n = len(rows)
    estimate, half = 10.0 + np.arange(n) % 5, 0.5 + np.arange(n) / n
    frame = pd.DataFrame(rows, index=range(n)).assign(
        estimate=estimate, std_error=half / 2, df=20.0, lower=estimate - half, upper=estimate + half
    )
    return ResultTable(frame, title="Means", notes=notes)


def texts(ticks):
    return [t.get_text() for t in ticks]


def points(ax):
    return [line.get_xydata() for line in ax.lines if line.get_marker() not in ("None", "")]


def whiskers(collection):
    """Places and limits of vertical lines."""
    ends = np.array(collection.get_segments())
    return ends[:, 0, 0], ends[:, :, 1]


def test_one_factor():
    t = table(recipe=list("ABC"))
    ax = lf.plot.means(t)
    assert texts(ax.get_xticklabels()) == ["A", "B", "C"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("recipe", "estimate, 95 % interval")
    np.testing.assert_allclose(points(ax)[0], np.column_stack([range(3), t["estimate"]]))
    at, limits = whiskers(ax.collections[0])
    np.testing.assert_allclose(at, range(3))
    np.testing.assert_allclose(limits, t[["lower", "upper"]])
    assert ax.lines[0].get_linestyle() == "None"
    assert ax.get_legend() is None
    assert lf.plot.means(t, lines=True).lines[0].get_linestyle() == "-"


def test_two_factors_and_their_places():
    t = table(recipe=list("ABC"), dose=["low", "high"])
    ax = lf.plot.means(t)
    assert texts(ax.get_legend().get_texts()) == ["low", "high"]
    assert ax.get_legend().get_title().get_text() == "dose"
    for name, xy in zip(["low", "high"], points(ax)):
        own = t[t["dose"] == name]
        np.testing.assert_allclose(xy[:, 1], own["estimate"])
        np.testing.assert_array_equal(np.round(xy[:, 0]), range(3))
    first, second = points(ax)
    assert (first[:, 0] < second[:, 0]).all()
    assert all(line.get_linestyle() == "-" for line in ax.lines)
    turned = lf.plot.means(t, x="dose", lines=False)
    assert texts(turned.get_xticklabels()) == ["low", "high"]
    assert texts(turned.get_legend().get_texts()) == ["A", "B", "C"]
    assert all(line.get_linestyle() == "None" for line in turned.lines)
    as_panels = lf.plot.means(t, panels="dose")
    assert [ax.get_title(loc="left") for ax in as_panels] == ["dose: low", "dose: high"]


def test_three_factors_have_panels_on_one_scale():
    t = table(a=list("xyz"), b=["u", "v"], c=["south", "north"])
    panels = lf.plot.means(t)
    assert [ax.get_title(loc="left") for ax in panels] == ["c: south", "c: north"]
    assert len({ax.get_ylim() for ax in panels}) == 1
    assert panels[0].get_legend() is None
    for ax, level in zip(panels, ["south", "north"]):
        for xy, b in zip(points(ax), "uv"):
            np.testing.assert_allclose(xy[:, 1], t[(t.b == b) & (t.c == level)]["estimate"])
    _, given = plt.subplots(1, 2)
    assert list(lf.plot.means(t, ax=given)) == list(given)


def test_four_factors_are_too_many_until_rows_are_chosen():
    t = table(a=["1", "2"], b=["1", "2"], c=["1", "2"], d=["k", "l"])
    with pytest.raises(ArgumentError, match=r"4 factors.*3 can be shown.*table\[table\['d'\]"):
        lf.plot.means(t)
    panels = lf.plot.means(t[t["d"] == "k"])  # what the message says
    assert len(panels) == 2
    assert panels[0].get_ylabel() == "estimate, interval"  # a plain frame has no notes


def test_a_factor_with_one_value_is_not_drawn():
    ax = lf.plot.means(table(only=["a"], f=["b", "c"]))
    assert ax.get_xlabel() == "f"
    alone = lf.plot.means(table(only=["a"]))
    assert texts(alone.get_xticklabels()) == ["a"]
    nothing = pd.DataFrame({"estimate": [1.0], "lower": [0.5], "upper": [2.0]})
    assert points(lf.plot.means(nothing))[0].tolist() == [[0.0, 1.0]]


def test_missing_cells_and_means_that_are_not_estimable():
    t = pd.DataFrame(table(a=list("xyz"), b=["u", "v"])).drop(index=3)
    t.loc[0, ["estimate", "lower", "upper"]] = np.nan
    ax = lf.plot.means(t)
    u, v = points(ax)
    np.testing.assert_array_equal(np.round(u[:, 0]), [1, 2])
    np.testing.assert_array_equal(np.round(v[:, 0]), [0, 2])


def test_numbers_are_on_an_axis_of_numbers():
    few = table(Days=[9.0, 0.0, 5.0], group=["a", "b"])
    ax = lf.plot.means(few)
    for xy, group in zip(points(ax), "ab"):
        own = few[few["group"] == group].sort_values("Days")
        np.testing.assert_allclose(xy[:, 0], own["Days"], atol=0.1)
        np.testing.assert_allclose(xy[:, 1], own["estimate"])
    assert all(line.get_linestyle() == "-" for line in ax.lines)
    many = table(Days=np.linspace(0, 9, 40))
    ax = lf.plot.means(many)
    assert len(ax.collections) == 1
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(many["lower"].min())
    np.testing.assert_allclose(ax.lines[0].get_ydata(), many["estimate"])


def test_booleans_are_categories():
    ax = lf.plot.means(table(flag=[False, True]))
    assert texts(ax.get_xticklabels()) == ["False", "True"]


def test_slopes_are_called_so():
    cake = lf.datasets.load("cake")
    fit = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
    slopes = fit.emtrends("recipe", "temp")
    ax = lf.plot.means(slopes)
    assert ax.get_ylabel() == "slope of temp, 95 % interval"
    np.testing.assert_allclose(points(ax)[0][:, 1], slopes["estimate"])
    average = fit.average("recipe", slope="temp", at={"temp": np.linspace(175, 225, 20)})
    ax = lf.plot.means(average)
    assert ax.get_ylabel() == "average slope, 95 % interval"
    assert ax.get_xlabel() == "temp"  # a number of many values, though the second factor
    for line, recipe in zip(ax.lines, "ABC"):
        own = average[average["recipe"] == recipe]
        np.testing.assert_allclose(line.get_ydata(), own["estimate"])
    contrasts = fit.average(comparison="recipe")
    assert texts(lf.plot.means(contrasts).get_yticklabels()) == contrasts["contrast"].tolist()


def test_letters_stand_above_the_limits():
    t = table(recipe=list("ABC")).assign(letters=["a", "ab", "b"])
    ax = lf.plot.means(t)
    assert texts(ax.texts) == ["a", "ab", "b"]
    np.testing.assert_allclose([note.xy for note in ax.texts][2], [2, t["upper"].iloc[2]])


def test_rows_of_the_data_behind_the_means():
    t = table(recipe=list("AB"), dose=[1, 2])
    data = pd.DataFrame(
        {"recipe": list("AABBC"), "dose": [1, 2, 1, 1, 1], "y": [1.0, 2.0, 3.0, np.nan, 5.0]}
    )
    ax = lf.plot.means(t, color="dose", data=data, y="y")
    one, two = (c.get_offsets() for c in ax.collections[:2])
    np.testing.assert_allclose(one[:, 1], [1.0, 3.0])  # C is no mean, and NaN no point
    np.testing.assert_array_equal(np.round(one[:, 0]), [0, 1])
    np.testing.assert_allclose(two[:, 1], [2.0])
    numeric = lf.plot.means(table(x=[0.0, 10.0]), data={"x": [1.0, 2.5], "y": [4, 5]}, y="y")
    np.testing.assert_allclose(numeric.collections[0].get_offsets(), [[1.0, 4.0], [2.5, 5.0]])
    twice = [lf.plot.means(t, color="dose", data=data, y="y").collections[0] for _ in range(2)]
    np.testing.assert_array_equal(*(c.get_offsets() for c in twice))


def test_long_labels_are_slanted():
    short, long = (
        lf.plot.means(table(f=[f"{word} {i}" for i in range(8)]))
        for word in ("x", "quite a long name")
    )
    assert short.get_xticklabels()[0].get_rotation() == 0
    assert long.get_xticklabels()[0].get_rotation() == 35


# --- contrasts ----------------------------------------------------------------------------------


def lines_at(ax):
    return [line.get_xdata()[0] for line in ax.lines if line.get_marker() in ("None", "")]


def test_contrasts_are_rows_about_zero():
    t = table(contrast=["A - B", "A - C", "B - C"], notes=["Limits: 95 %, simultaneous by Tukey."])
    ax = lf.plot.means(t)
    assert texts(ax.get_yticklabels()) == t["contrast"].tolist()
    assert ax.get_xlabel() == "estimate, simultaneous 95 % interval"
    np.testing.assert_allclose(points(ax)[0], np.column_stack([t["estimate"], range(3)]))
    ends = np.array(ax.collections[0].get_segments())
    np.testing.assert_allclose(ends[:, :, 0], t[["lower", "upper"]])
    assert lines_at(ax) == [0.0]
    assert lines_at(lf.plot.means(t, reference=5)) == [5.0]
    t.notes += ("Estimates are ratios of Reaction; tests on the scale of log(Reaction).",)
    assert lines_at(lf.plot.means(t)) == [1.0]


def test_contrasts_by_factors():
    t = table(sex=["f", "m"], contrast=["A - B", "A - C"])
    ax = lf.plot.means(t)
    assert ax.get_legend().get_title().get_text() == "sex"
    assert texts(ax.get_legend().get_texts()) == ["f", "m"]
    for xy, sex in zip(points(ax), "fm"):
        np.testing.assert_allclose(xy[:, 0], t[t["sex"] == sex]["estimate"])
    two = table(sex=["f", "m"], site=["u", "v", "w"], contrast=["A - B", "A - C"])
    panels = lf.plot.means(two, panels="sex")
    assert [ax.get_title(loc="left") for ax in panels] == ["sex: f", "sex: m"]
    assert panels[0].get_legend() is None
    assert texts(panels[1].get_legend().get_texts()) == ["u", "v", "w"]


def test_means_may_have_a_reference():
    ax = lf.plot.means(table(f=["a", "b"]), reference=3)
    assert ax.lines[0].get_ydata()[0] == 3.0


# --- bad arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw, error, message",
    [
        (lambda t: lf.plot.means([1]), ArgumentError, r"not \[1\]: draw fit.emmeans"),
        (lambda t: lf.plot.means(t.drop(columns="lower")), ArgumentError, "no column lower"),
        (lambda t: lf.plot.means(t.head(0)), ArgumentError, "no rows"),
        (lambda t: lf.plot.means(t, x="recipes"), ArgumentError, "x='recipes'.*`recipe`"),
        (lambda t: lf.plot.means(t, x="dose", color="dose"), ArgumentError, "shown once"),
        (lambda t: lf.plot.means(t, lines="no"), ArgumentError, "lines='no': True or False"),
        (lambda t: lf.plot.means(t, reference="0"), ArgumentError, "reference='0'"),
        (lambda t: lf.plot.means(t, y="y"), ArgumentError, "data= and y= go together"),
        (lambda t: lf.plot.means(t, data={"y": [1]}), ArgumentError, "go together"),
        (
            lambda t: lf.plot.means(t, data={"y": [1.0], "dose": [1]}, y="y"),
            ColumnError,
            "no column `recipe`",
        ),
        (
            lambda t: lf.plot.means(t, data={"z": [1.0], "dose": [1], "recipe": ["A"]}, y="y"),
            ColumnError,
            "y='y' is not a column",
        ),
        (
            lambda t: lf.plot.means(t, data={"y": ["1"], "dose": [1], "recipe": ["A"]}, y="y"),
            ArgumentError,
            "not numbers",
        ),
        (lambda t: lf.plot.means(t, data={"y": [1]}, y=1), ArgumentError, "y=1: the name"),
        (
            lambda t: lf.plot.means(t, data={"y": [1.0], "dose": [1], "recipe": [1]}, y="y"),
            ArgumentError,
            "no row of the data.*recipe, dose",
        ),
        (lambda t: lf.plot.means(pd.concat([t, t])), ArgumentError, "the same `recipe` and `dose`"),
        (
            lambda t: lf.plot.means(t.assign(contrast="A - B").drop(columns="dose"), x="recipe"),
            ArgumentError,
            "x=, lines= and data= are for tables of means",
        ),
        (lambda t: lf.plot.means(t, ax=2), ArgumentError, "ax=2"),
    ],
)
def test_bad_arguments(draw, error, message):
    with pytest.raises(error, match=message):
        draw(table(recipe=list("AB"), dose=["1", "2"]))


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'lmforms\[plot\]'"):
        lf.plot.means(table(recipe=list("AB")))


@pytest.mark.slow
@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_pictures_can_be_written(style, tmp_path):
    with plt.style.context(style):
        _, axes = plt.subplots(2, 2, layout="constrained")
        lf.plot.means(table(a=list("xyz"), b=["u", "v"], c=["s", "n"]), ax=axes[0])
        lf.plot.means(table(contrast=["A - B", "B - C"], by=["1", "2"]), ax=axes[1, 0])
        lf.plot.means(table(Days=np.linspace(0, 9, 40), g=list("ab")), ax=axes[1, 1])
        axes[0, 0].figure.savefig(tmp_path / "all.png")
    assert (tmp_path / "all.png").stat().st_size > 10_000


def test_many_panels_stand_in_several_rows():
    t = table(a=list("xyz"), b=["u", "v"], c=[f"c{i}" for i in range(10)])
    panels = lf.plot.means(t)
    assert len(panels) == 10
    width, height = panels[0].figure.get_size_inches()
    assert width < 16
    assert height > 6
    assert sum(bool(ax.get_ylabel()) for ax in panels) == len(
        {round(ax.get_position().y0, 2) for ax in panels}
    )
