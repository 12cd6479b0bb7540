"""Pictures of fits: what the artists hold is what the tables say; bad arguments are refused."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, MissingPackageError, ModelError
from lmforms.plot.series import ON_DARK, ON_LIGHT, is_dark, series_colours

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
def cake():
    return lf.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", CAKE)


@pytest.fixture(scope="module")
def crossed():
    return lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", CAKE)


@pytest.fixture(scope="module")
def nested():
    return lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"))


def texts(ticks):
    return [t.get_text() for t in ticks]


def points(ax):
    """(x, y) of each series of points."""
    return [line.get_xydata() for line in ax.lines if line.get_marker() not in ("None", "")]


def segments(collection):
    """Ends (k, 2) of horizontal or vertical lines along their direction, and where they are."""
    ends = np.array(collection.get_segments())
    along = 0 if np.ptp(ends[:, :, 1], axis=1).max() == 0 else 1
    return ends[:, :, along], ends[:, 0, 1 - along]


def test_nothing_heavy_is_imported_before_a_picture_is_drawn():
    code = (
        "import sys, lmforms as lf; lf.plot.coefficients; lf.plot.means\n"
        "lf.plot.loadings; lf.latent.LinearMixedForm\n"
        "assert not {'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_extra_is_named(sleep, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in (lf.plot.coefficients, lf.plot.random_effects):
        with pytest.raises(MissingPackageError, match=r"pip install 'lmforms\[plot\]'"):
            draw(sleep)


# --- coefficients -------------------------------------------------------------------------------


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "none"])
def test_coefficients_are_those_of_the_table(cake, ddf):
    ax = lf.plot.coefficients(cake, ddf=ddf, level=0.9, inner_level=0.5)
    names = ["recipe[T.B]", "recipe[T.C]", "temp"]
    assert texts(ax.get_yticklabels()) == names
    assert ax.yaxis_inverted()
    (drawn,) = points(ax)
    np.testing.assert_allclose(drawn, np.column_stack([cake.params[names], range(3)]))
    for collection, level in zip(ax.collections, (0.9, 0.5)):
        ends, rows = segments(collection)
        np.testing.assert_allclose(ends, cake.conf_int(level, ddf=ddf).loc[names])
        np.testing.assert_array_equal(rows, range(3))
    outer, inner = (c.get_linewidths()[0] for c in ax.collections)
    assert inner > 2 * outer
    assert ax.get_xlabel() == "estimate, 50 and 90 % intervals"
    assert [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2] == [0.0]


def test_intercept_labels_and_order(cake):
    ax = lf.plot.coefficients(cake, intercept=True, sort=True, labels={"temp": "temperature"})
    ordered = cake.params.sort_values(ascending=False)
    wanted = [{"temp": "temperature"}.get(name, name) for name in ordered.index]
    assert texts(ax.get_yticklabels()) == wanted
    np.testing.assert_allclose(points(ax)[0][:, 0], ordered)


def test_several_fits_side_by_side(cake, crossed):
    ml = cake.refit(reml=False)
    ax = lf.plot.coefficients({"interaction": crossed, "REML": cake, "ML": ml})
    names = ["recipe[T.B]", "recipe[T.C]", "temp", "recipe[T.B]:temp", "recipe[T.C]:temp"]
    assert texts(ax.get_yticklabels()) == names
    assert texts(ax.get_legend().get_texts()) == ["interaction", "REML", "ML"]
    drawn = points(ax)
    for fit, xy in zip((crossed, cake, ml), drawn):
        own = [name for name in names if name in fit.params]
        np.testing.assert_allclose(xy[:, 0], fit.params[own])
        np.testing.assert_array_equal(np.round(xy[:, 1]), range(len(own)))
    # from the top in the order of the legend; alone in a row, in its middle
    heights = np.array([xy[:3, 1] for xy in drawn])
    assert (np.diff(heights, axis=0) > 0).all()
    np.testing.assert_array_equal(drawn[0][3:, 1], [3, 4])
    colours = {line.get_color() for line in ax.lines[1:]}
    markers = {line.get_marker() for line in ax.lines[1:]}
    assert len(colours) == len(markers) == 3


def test_standardised_coefficients_do_not_depend_on_units(cake):
    other = lf.lmer(
        "angle ~ recipe + temp + (1 | recipe:replicate)", CAKE.assign(temp=CAKE["temp"] * 1e4 + 7)
    )
    one, two = (lf.plot.coefficients(fit, standardize=True) for fit in (cake, other))
    np.testing.assert_allclose(points(one)[0], points(two)[0], rtol=1e-8)
    np.testing.assert_allclose(segments(one.collections[0])[0], segments(two.collections[0])[0])
    np.testing.assert_allclose(points(one)[0][2, 0], cake.params["temp"] * CAKE["temp"].std())
    assert one.get_xlabel() == "estimate × sd of its column, 95 % interval"


def test_a_single_coefficient_and_a_given_axes(sleep):
    _, (left, right) = plt.subplots(1, 2)
    assert lf.plot.coefficients(sleep, ax=right) is right
    assert texts(right.get_yticklabels()) == ["Days"]
    assert not left.lines


def test_many_long_names():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(150, 40)), columns=[f"x{j}" for j in range(40)])
    long = "a_very_long_name_of_a_variable_that_has_no_end"
    data = data.rename(columns={"x0": long}).assign(g=np.arange(150) % 10)
    data["y"] = rng.normal(size=150) + data["g"]
    names = [c for c in data.columns if c not in ("y", "g")]
    fit = lf.lmer(f"y ~ {' + '.join(names)} + (1 | g)", data)
    ax = lf.plot.coefficients(fit)
    shown = texts(ax.get_yticklabels())
    assert len(shown) == 40
    assert shown[0].startswith("a_very_long")
    assert shown[0].endswith("has_no_end")
    assert len(shown[0]) == 36
    _, small = plt.subplots(figsize=(4, 2))
    lf.plot.coefficients(fit, ax=small)
    few = texts(small.get_yticklabels())
    assert 2 <= len(few) < 40  # no label over another
    assert small.get_yticklabels()[0].get_fontsize() == 5.0


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (lambda f: {"fits": "fit"}, ArgumentError, "fits: a fit of lmer.*{'a name'.*not 'fit'"),
        (lambda f: {"fits": [f, f]}, ArgumentError, "a fit of lmer or glmer is needed.*several as"),
        (lambda f: {"fits": {}}, ArgumentError, "no fits in the mapping"),
        (lambda f: {"fits": {"a": f.params}}, ArgumentError, "a fit of lmer or glmer is needed"),
        (lambda f: {"fits": f, "level": 95}, ArgumentError, "level=95: a number between 0 and 1"),
        (lambda f: {"fits": f, "inner_level": 0.95}, ArgumentError, "must be below level=0.95"),
        (lambda f: {"fits": f, "ddf": "kr"}, ArgumentError, "ddf='kr'"),
        (
            lambda f: {"fits": f.refit(reml=False), "ddf": "kenward-roger"},
            ModelError,
            "Kenward–Roger is defined for REML",
        ),
        (
            lambda f: {"fits": f, "labels": {"tmep": "t"}},
            ArgumentError,
            "no coefficient `tmep`. Did you mean `temp`",
        ),
        (lambda f: {"fits": f, "labels": ["a"]}, ArgumentError, "labels must be a mapping"),
        (lambda f: {"fits": f, "sort": "up"}, ArgumentError, "sort='up': True or False"),
        (
            lambda f: {"fits": f, "standardize": True, "intercept": True},
            ArgumentError,
            "has no standard deviation",
        ),
        (lambda f: {"fits": f, "ax": 3}, ArgumentError, "ax=3.*subplots"),
        (lambda f: {"fits": f, "colour": "red"}, ArgumentError, "no argument `colour`"),
    ],
)
def test_bad_arguments_of_coefficients(cake, arguments, error, message):
    with pytest.raises(error, match=message):
        lf.plot.coefficients(**arguments(cake))


def test_a_fit_with_nothing_but_an_intercept(nested):
    with pytest.raises(ArgumentError, match="use intercept=True"):
        lf.plot.coefficients(nested)
    ax = lf.plot.coefficients(nested, intercept=True)
    assert texts(ax.get_yticklabels()) == ["Intercept"]


# --- random effects -----------------------------------------------------------------------------


def test_random_effects_are_those_of_the_table(sleep):
    panels = lf.plot.random_effects(sleep, level=0.8)
    table = sleep.tidy("ran_vals", conf_int=True, conf_level=0.8)
    for ax, effect in zip(panels, ["Intercept", "Days"]):
        assert ax.get_title(loc="left") == f"Subject: {effect}"
        wanted = pd.DataFrame(table.query("term == @effect")).sort_values("estimate")
        assert texts(ax.get_yticklabels()) == wanted["level"].tolist()
        np.testing.assert_allclose(points(ax)[0][:, 0], wanted["estimate"])
        ends, rows = segments(ax.collections[0])
        np.testing.assert_allclose(ends, wanted[["conf.low", "conf.high"]])
        np.testing.assert_array_equal(rows, range(18))
        assert not ax.yaxis_inverted()
    assert panels[0].figure.get_supxlabel() == "random effect, 80 % interval"


def test_orders_of_levels(sleep):
    effects = sleep.random_effects["Subject"]
    panels = lf.plot.random_effects(sleep, sort="Days")
    by_days = effects["Days"].sort_values().index.tolist()
    assert all(texts(ax.get_yticklabels()) == by_days for ax in panels)
    np.testing.assert_allclose(points(panels[0])[0][:, 0], effects.loc[by_days, "Intercept"])
    panels = lf.plot.random_effects(sleep, sort=False)
    assert all(texts(ax.get_yticklabels()) == effects.index.tolist()[::-1] for ax in panels)


def test_chosen_groups_and_effects(sleep, nested):
    ax = lf.plot.random_effects(sleep, effects="Days", sort="Intercept")
    assert ax.get_xlabel() == "random effect, 95 % interval"
    by_intercept = sleep.random_effects["Subject"]["Intercept"].sort_values().index
    assert texts(ax.get_yticklabels()) == by_intercept.tolist()
    both = lf.plot.random_effects(nested)
    titles = [panel.get_title(loc="left") for panel in both]
    assert titles == ["batch: Intercept", "batch:cask: Intercept"]
    _, given = plt.subplots()
    one = lf.plot.random_effects(nested, "batch:cask", ax=given)
    assert one is given
    assert set(texts(one.get_yticklabels())) == {f"{b}:{c}" for b in "ABCDEFGHIJ" for c in "abc"}


def test_many_levels_and_conjugate_gradients():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": rng.integers(0, 2500, 9000), "b": rng.integers(0, 300, 9000)})
    data["y"] = rng.normal(size=9000) + rng.normal(size=2500)[data["a"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer("y ~ 1 + (1 | a) + (1 | b)", data, control=lf.Control(factor="cg"))
    panels = lf.plot.random_effects(fit)
    assert panels[0].figure.get_supxlabel() == "random effect, no intervals"
    many = panels[0]
    assert many.get_ylabel() == f"{fit.ngroups['a']:,} levels"
    assert len(many.get_yticks()) == 0
    assert len(many.collections[0].get_segments()) == 0
    line = many.lines[-1]
    assert line.get_rasterized()
    assert (np.diff(line.get_xdata()) >= 0).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"group": "Subejct"}, "group='Subejct': use one of 'Subject'.*Did you mean"),
        ({"effects": "Day"}, "effects='Day'.*Did you mean `Days`"),
        ({"effects": []}, "effects= is empty"),
        ({"effects": 3}, "effects must be a sequence"),
        ({"sort": "Day"}, "sort='Day'.*Or True or False"),
        ({"sort": 2}, "sort=2: True or False"),
        ({"level": 0}, "level=0: a number between"),
        ({"ax": "here"}, "'here'"),
    ],
)
def test_bad_arguments_of_random_effects(sleep, options, message):
    with pytest.raises(ArgumentError, match=message):
        lf.plot.random_effects(sleep, **options)


def test_what_has_no_random_effects(sleep):
    with pytest.raises(ModelError, match="no random effects"):
        lf.plot.random_effects(lf.lmer("Reaction ~ Days", SLEEP))
    with pytest.raises(ArgumentError, match="a fit of lmer or glmer is needed"):
        lf.plot.random_effects({"a": sleep})
    with pytest.raises(ArgumentError, match="holds 1 Axes and 2 are drawn on"):
        lf.plot.random_effects(sleep, ax=plt.subplots()[1])


# --- colours ------------------------------------------------------------------------------------


def luminance(colour):
    """Relative luminance of WCAG 2."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("style, page", [("default", "white"), ("dark_background", "black")])
def test_colours_are_seen_on_light_and_dark_pages(style, page):
    with plt.style.context(style):
        _, ax = plt.subplots()
        assert is_dark(ax) == (page == "black")
        for count in range(2, 6):
            colours = series_colours(count, ax)
            assert len(set(map(str, colours))) == count
            assert min(contrast(c, page) for c in colours) > 3.0
        for count in (7, 20):
            colours = [matplotlib.colors.to_hex(c) for c in series_colours(count, ax)]
            assert len(set(colours)) == count
            assert min(contrast(c, page) for c in colours) > 1.5
        (first,) = series_colours(1, ax)
        usual = plt.rcParams["axes.prop_cycle"].by_key()["color"][0]
    assert matplotlib.colors.same_color(first, usual)
    assert set(ON_LIGHT[:4]) & set(ON_DARK[:4])


def test_a_transparent_axes_has_the_page_of_its_figure():
    figure, ax = plt.subplots(facecolor="black")
    ax.set_facecolor("none")
    assert is_dark(ax)
    figure.set_facecolor("none")
    assert not is_dark(ax)


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_pictures_can_be_written(sleep, cake, crossed, nested, style, tmp_path):
    """Layout and legends survive a real drawing."""
    with plt.style.context(style):
        _, axes = plt.subplots(2, 2, layout="constrained")
        lf.plot.coefficients({"a": cake, "b": crossed}, ax=axes[0, 0])
        lf.plot.random_effects(sleep, ax=axes[1])
        lf.plot.random_effects(nested, "batch:cask", ax=axes[0, 1])
        axes[0, 0].figure.savefig(tmp_path / "all.png")
    assert (tmp_path / "all.png").stat().st_size > 10_000


def test_many_effects_stand_in_several_rows():
    data = SLEEP.assign(part=pd.cut(SLEEP["Days"], 5, labels=list("abcde")))
    fit = lf.lmer("Reaction ~ Days + (0 + part || Subject)", data)
    panels = lf.plot.random_effects(fit)
    assert len(panels) == len(panels[0].figure.axes) == 5
    columns = {round(ax.get_position().x0, 2) for ax in panels}
    assert len(columns) == 4


def test_a_model_without_fixed_effects_has_no_picture_of_coefficients():
    fit = lf.lmer("Reaction ~ 0 + (1 | Subject)", lf.datasets.load("sleepstudy"))
    with pytest.raises(ArgumentError, match="no fixed effects"):
        lf.plot.coefficients(fit, intercept=True)
