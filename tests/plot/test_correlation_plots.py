"""Pictures of the correlation of residuals: numbers against loops, and what the artists hold."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.correlation import FirstOrder, Toeplitz
from lmforms.errors import ArgumentError, DataError, MissingPackageError
from lmforms.plot import correlation_arrays
from lmforms.plot.correlation_arrays import autocorrelations, pairs_of_rows, semivariances
from lmforms.plot.field_arrays import grid_axis, has_twice, is_grid, on_grid

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

GROWTH = lf.datasets.load("Orthodont")
RNG = np.random.default_rng(6)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def growth():
    return lf.lmer("distance ~ age*Sex", GROWTH, residual="ar1(age | Subject)")


@pytest.fixture(scope="module")
def sleep():
    return lf.lmer("Reaction ~ Days + (1 | Subject)", lf.datasets.load("sleepstudy"))


def field_data():
    plots = pd.DataFrame([(r, c) for r in range(7) for c in range(6)], columns=["row", "col"])
    trend = RNG.normal(size=(7, 6)).cumsum(axis=0).cumsum(axis=1) / 3
    plots["y"] = trend.ravel() + 0.3 * RNG.normal(size=42)
    return plots[~plots.index.isin([5, 11, 30])]


FIELD = field_data()


@pytest.fixture(scope="module")
def field():
    return at("y ~ 1", FIELD, residual="ar1(row):ar1(col) + units")


def at(formula, data, **options):
    """A model at parameters that are given, off their optimum."""
    model = lf.MixedModel(formula, data, **options)
    phi = model.design.residual.starts()[0] + 0.1
    theta = np.full(sum(g.covariance.n_theta for g in model.design.groups), 0.8)
    settled = {"reml": True, "control": lf.Control(), "method": "auto", "optimize": False}
    return model._refit(model.design.y, start=theta, phi=phi, **settled)


def texts(ticks):
    return [t.get_text() for t in ticks]


# --- numbers --------------------------------------------------------------------------------------

N = 60
SERIES = RNG.integers(0, 7, N) * 3
TIMES = np.concatenate([RNG.permutation(30)[: (s == SERIES).sum()] for s in np.unique(SERIES)])
SERIES = np.sort(SERIES)
SHUFFLED = RNG.permutation(N)
SERIES, TIMES = SERIES[SHUFFLED], TIMES[SHUFFLED].astype(float)
VALUES = RNG.normal(size=N)


@pytest.mark.parametrize("correlation", [FirstOrder(), Toeplitz(31)])
def test_autocorrelations_by_loops(correlation):
    phi = correlation.starts()[1]
    found = autocorrelations(VALUES, TIMES, SERIES, 12, (correlation, phi, TIMES[:, None]))
    for lag in range(13):
        products, fitted = [], []
        for i in range(N):
            for j in range(N):
                if SERIES[i] == SERIES[j] and TIMES[j] - TIMES[i] == lag:
                    products.append(VALUES[i] * VALUES[j])
                    fitted.append(correlation.between(phi, TIMES[[i]], TIMES[[j]]))
        assert found.pairs[lag] == len(products)
        assert_allclose(found.values[lag], np.mean(products) / np.mean(VALUES**2), rtol=1e-12)
        assert_allclose(found.fitted[lag], np.mean(fitted), rtol=1e-12)


def test_lags_that_no_pair_has_are_nan():
    found = autocorrelations(VALUES[:3], np.array([0.0, 2.0, 4.0]), np.zeros(3, dtype=int), 5)
    assert found.pairs.tolist() == [3, 0, 2, 0, 1, 0]
    assert np.isnan(found.values[[1, 3, 5]]).all()


@pytest.mark.parametrize("robust", [False, True])
def test_semivariances_by_loops(robust):
    points = RNG.uniform(size=(N, 2))
    pairs = pairs_of_rows(points, SERIES)
    found = semivariances(VALUES, pairs, bins=6, farthest=0.8, robust=robust)
    every = []
    for i in range(N):
        for j in range(i):
            apart = np.hypot(*(points[i] - points[j]))
            if SERIES[i] == SERIES[j] and apart <= 0.8:
                every.append((apart, abs(VALUES[i] - VALUES[j])))
    every = np.array(sorted(every))
    assert found.pairs.sum() == len(every)
    assert np.ptp(found.pairs) <= 1
    for k, own in enumerate(np.split(every, np.cumsum(found.pairs)[:-1])):
        assert_allclose(found.distances[k], own[:, 0].mean(), rtol=1e-12)
        half = 0.5 * np.mean(own[:, 1] ** 2)
        if robust:
            half = 0.5 * np.mean(own[:, 1] ** 0.5) ** 4 / (0.457 + 0.494 / len(own))
        assert_allclose(found.values[k], half, rtol=1e-12)


def test_few_distances_are_a_bin_each():
    grid = np.array([(r, c) for r in range(4) for c in range(4)], dtype=float)
    pairs = pairs_of_rows(grid, np.zeros(16, dtype=int))
    found = semivariances(RNG.normal(size=16), pairs, bins=3, farthest=10.0)
    squares = sorted({a**2 + b**2 for a in range(4) for b in range(4)} - {0})
    assert_allclose(found.distances**2, squares)


def test_rows_at_one_distance_stay_in_one_bin():
    """Bins end where distances change."""
    grid = np.array([(r, c) for r in range(9) for c in range(9)], dtype=float)
    pairs = pairs_of_rows(grid, np.zeros(81, dtype=int))
    found = semivariances(RNG.normal(size=81), pairs, bins=5, farthest=20.0)
    assert len(found.pairs) == 5
    ends = np.cumsum(found.pairs)[:-1]
    apart = np.sort(pairs.distances)
    assert (apart[ends] > apart[ends - 1] * (1 + 1e-9)).all()


def test_a_sample_of_many_pairs(monkeypatch):
    monkeypatch.setattr(correlation_arrays, "MOST_PAIRS", 500)
    points = np.random.default_rng(1).uniform(size=(400, 1))
    series = np.arange(400) % 3
    found = pairs_of_rows(points, series)
    assert found.sampled
    assert len(found.left) == 500
    assert (series[found.left] == series[found.right]).all()
    assert (found.left != found.right).all()
    assert_allclose(found.distances, pairs_of_rows(points, series).distances)


def test_cells_of_a_grid():
    rows, columns = (
        grid_axis(np.array([10.0, 30.0, 40.0, 10.0])),
        grid_axis(np.array([1.0, 1, 2, 2])),
    )
    assert rows.values.tolist() == [10, 20, 30, 40]
    grid = on_grid(np.array([1.0, 2.0, 3.0, 4.0]), rows, columns)
    expected = np.full((4, 2), np.nan)
    expected[0], expected[2, 0], expected[3, 1] = [1, 4], 2, 3
    np.testing.assert_array_equal(grid, expected)
    assert is_grid(rows, columns)
    assert not has_twice(rows, columns)
    twice = grid_axis(np.array([1.0, 1.0]))
    assert has_twice(twice, twice)
    scattered = grid_axis(RNG.uniform(size=50))
    assert not is_grid(scattered, scattered)
    assert len(grid_axis(np.array([0.0, 1.0, 10**9])).values) == 3


# --- pictures -------------------------------------------------------------------------------------


def test_autocorrelation_shows_its_table(growth):
    ax = lf.plot.autocorrelation(growth, kind="scaled", level=0.9)
    residuals = growth.residuals("scaled").to_numpy().reshape(27, 4)
    expected = [
        np.mean(residuals[:, lag:] * residuals[:, : 4 - lag]) / np.mean(residuals**2)
        for lag in (1, 2, 3)
    ]
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert_allclose(lines["observed"], np.column_stack([[1, 2, 3], expected]), rtol=1e-10)
    rho = growth.state.residual.natural[0]
    assert_allclose(lines["fitted"][:, 1], rho ** np.arange(1, 4), rtol=1e-10)
    band = ax.collections[0].get_paths()[0].get_extents()
    assert band.ymax == pytest.approx(1.6448536 / np.sqrt(27), rel=1e-6)
    assert ax.get_ylabel() == "autocorrelation of scaled residuals"
    assert "90 % limits" in " ".join(texts(ax.get_legend().get_texts()))


def test_normalized_residuals_have_no_fitted_line(growth):
    ax = lf.plot.autocorrelation(growth)
    assert "fitted" not in texts(ax.get_legend().get_texts())


def test_autocorrelation_without_a_structure(sleep):
    ax = lf.plot.autocorrelation(sleep, most=4)
    named = lf.plot.autocorrelation(sleep, time="Days", series="Subject", most=4)
    shown = [a.lines[-1].get_xydata() for a in (ax, named)]
    assert_allclose(*shown)
    assert len(shown[0]) == 4
    r = sleep.residuals("normalized").to_numpy().reshape(18, 10)
    assert_allclose(shown[0][0, 1], np.mean(r[:, 1:] * r[:, :-1]) / np.mean(r**2))
    one = lf.plot.autocorrelation(sleep, time=np.arange(180), series=np.zeros(180))
    assert one.lines[-1].get_xdata().max() == 22


def test_autocorrelation_along_the_rows_of_a_field(field):
    ax = lf.plot.autocorrelation(field, kind="scaled", time="row", series="col")
    r = pd.Series(field.residuals("scaled").to_numpy(), [FIELD["row"], FIELD["col"]])
    grid = r.unstack().to_numpy()
    expected = np.nanmean(grid[1:] * grid[:-1]) / np.nanmean(grid**2)
    assert_allclose(ax.lines[-1].get_ydata()[0], expected, rtol=1e-10)


def test_semivariogram_shows_model_and_data(growth):
    ax = lf.plot.semivariogram(growth, kind="pearson")
    rho = growth.state.residual.natural[0]
    assert_allclose(ax.lines[0].get_xdata(), [1, 2, 3])
    expected = growth.scale * (1 - rho ** np.arange(1, 4))
    assert_allclose(ax.lines[0].get_ydata(), expected, rtol=1e-10)
    r = growth.residuals("pearson").to_numpy().reshape(27, 4)
    half = [0.5 * np.mean((r[:, k:] - r[:, : 4 - k]) ** 2) for k in (1, 2, 3)]
    assert_allclose(ax.collections[0].get_offsets()[:, 1], half, rtol=1e-10)


def test_semivariogram_of_space_is_a_smooth_line():
    fit = at("y ~ 1", FIELD, residual="exp(row + col) + units")
    ax = lf.plot.semivariogram(fit)
    x, y = ax.lines[0].get_xydata().T
    scale, nugget = fit.state.residual.natural
    assert_allclose(y, 1 - (1 - nugget) * np.exp(-x / scale), rtol=1e-10)
    reach = 0.5 * np.hypot(6, 5)
    assert ax.collections[0].get_offsets()[:, 0].max() <= reach
    far = lf.plot.semivariogram(fit, farthest=100, bins=4)
    assert len(far.collections[0].get_offsets()) == 4
    ones = lf.plot.semivariogram(fit, kind="normalized")
    assert_allclose(ones.lines[0].get_ydata(), 1.0)


def test_semivariogram_before_a_structure(sleep):
    ax = lf.plot.semivariogram(sleep, place="Days", robust=True)
    assert len(ax.collections[0].get_offsets()) == 9
    assert not ax.lines


def test_residual_field(field):
    ax = lf.plot.residual_field(field)
    shown = ax.images[0].get_array()
    expected = pd.Series(field.resid.to_numpy(), [FIELD["row"], FIELD["col"]]).unstack().to_numpy()
    assert_allclose(shown.filled(np.nan), expected)
    assert shown.mask.sum() == 3
    low, high = ax.images[0].get_clim()
    assert low == -high == pytest.approx(-np.nanmax(np.abs(expected)))
    assert ax.get_aspect() == 1
    assert ax.patches[0].get_hatch() == "////"
    assert texts(ax.get_xticklabels()) == [str(c) for c in range(6)]
    other = lf.plot.residual_field(field, row=FIELD["col"].to_numpy(), column="row", kind="scaled")
    turned = other.images[0].get_array().filled(np.nan)
    assert_allclose(turned, expected.T / field.sigma, rtol=1e-10)


@pytest.mark.parametrize("nugget", ["", " + units"])
@pytest.mark.parametrize("step", [1, 3])
def test_trend_of_a_field(step, nugget):
    data = FIELD.assign(row=step * FIELD["row"] + 2)
    fit = at("y ~ 1", data, residual=f"ar1(row):ar1(col){nugget}")
    ax = lf.plot.residual_field(fit, kind="trend")
    every = pd.DataFrame(
        [(step * r + 2, c) for r in range(7) for c in range(6)], columns=["row", "col"]
    )
    expected = fit.predict(every) - fit.predict(every, residual="none")
    assert_allclose(ax.images[0].get_array().ravel(), expected, rtol=1e-8, atol=1e-10)
    dots = ax.lines[0].get_xydata()
    assert sorted(map(tuple, dots.tolist())) == sorted([(5, 0), (5, 1), (0, 5)])


def test_several_fields():
    both = pd.concat([FIELD.assign(site="north"), FIELD.assign(site="south", y=FIELD["y"] * 2)])
    fit = at("y ~ 1", both.reset_index(drop=True), residual="ar1(row):ar1(col) | site")
    panels = lf.plot.residual_field(fit, kind="trend")
    assert [a.get_title(loc="left") for a in panels] == ["north", "south"]
    assert panels[0].images[0].get_clim() == panels[1].images[0].get_clim()
    _, axes = plt.subplots(1, 2)
    assert lf.plot.residual_field(fit, ax=axes)[1] is axes[1]
    with pytest.raises(ArgumentError, match="holds 1 Axes and 2"):
        lf.plot.residual_field(fit, ax=axes[0])


def test_correlation_heatmap(growth):
    ax = lf.plot.correlation_heatmap(growth)
    rho = growth.state.residual.natural[0]
    lags = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    assert_allclose(ax.images[0].get_array(), rho**lags, rtol=1e-10)
    assert texts(ax.get_yticklabels()) == ["8", "10", "12", "14"]
    assert len(ax.texts) == 16
    assert ax.texts[0].get_text() == "1.00"


def test_labels_of_the_heatmap(field):
    visits = at("distance ~ age", GROWTH.assign(v=GROWTH["age"]), residual="us(v | Subject)")
    assert texts(lf.plot.correlation_heatmap(visits).get_xticklabels()) == ["8", "10", "12", "14"]
    shifted = GROWTH.assign(age=GROWTH["age"] + GROWTH["Subject"].str.endswith("1"))
    late = at("distance ~ 1", shifted, residual="ar1(age | Subject)")
    assert texts(lf.plot.correlation_heatmap(late).get_xticklabels()) == ["+0", "+2", "+4", "+6"]
    shown = texts(lf.plot.correlation_heatmap(field).get_xticklabels())
    assert shown[0] == "0, 0"
    assert len(shown) <= 20


def test_the_heatmap_names_visits_when_a_series_misses_the_first():
    label = "V" + (GROWTH["age"] / 2 - 3).astype(int).astype(str)
    visits = GROWTH.assign(v=pd.Categorical(label)).drop(index=GROWTH.index[0])
    fit = at("distance ~ 1", visits, residual="ar1(v | Subject)")
    assert texts(lf.plot.correlation_heatmap(fit).get_xticklabels()) == ["V1", "V2", "V3", "V4"]


def test_labels_of_a_wide_field_do_not_touch():
    wide = pd.DataFrame({"line": np.repeat([1, 2], 24), "plot": np.tile(np.arange(1, 25), 2)})
    wide["y"] = np.random.default_rng(1).normal(size=48)
    fit = lf.lmer("y ~ 1", wide)
    ax = lf.plot.residual_field(fit, row=wide["line"], column=wide["plot"])
    assert texts(ax.get_xticklabels()) == [str(c) for c in range(1, 25, 3)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("plot", "line")


def test_axes_given_are_returned(growth, field):
    for draw, fit in (
        (lf.plot.autocorrelation, growth),
        (lf.plot.semivariogram, growth),
        (lf.plot.correlation_heatmap, growth),
        (lf.plot.residual_field, field),
    ):
        _, ax = plt.subplots()
        assert draw(fit, ax=ax) is ax


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_every_picture_is_drawn(style, growth, field):
    with plt.style.context(style):
        for ax in (
            lf.plot.autocorrelation(growth),
            lf.plot.semivariogram(field),
            lf.plot.residual_field(field, kind="trend"),
            lf.plot.correlation_heatmap(growth),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                ax.figure.canvas.draw()
            drawn = np.asarray(ax.figure.canvas.buffer_rgba())[..., :3].astype(int)
            background = drawn[0, 0]
            assert (np.abs(drawn - background).sum(axis=2) > 60).mean() > 0.005
            plt.close(ax.figure)


# --- bad input ----------------------------------------------------------------------------------


def test_what_is_refused(growth, sleep, field):
    for draw in (
        lf.plot.autocorrelation,
        lf.plot.semivariogram,
        lf.plot.residual_field,
        lf.plot.correlation_heatmap,
    ):
        with pytest.raises(ArgumentError, match="a fit of lmer is needed"):
            draw(GROWTH)
    with pytest.raises(ArgumentError, match="kind='acf'"):
        lf.plot.autocorrelation(growth, kind="acf")
    with pytest.raises(ArgumentError, match=r"several coordinates.*time='row', series='col'"):
        lf.plot.autocorrelation(field)
    with pytest.raises(ArgumentError, match="two rows of a series have the same"):
        lf.plot.autocorrelation(growth, time="age", series="Sex")
    with pytest.raises(ArgumentError, match=r"not whole: use semivariogram"):
        lf.plot.autocorrelation(growth, time=np.arange(108) / 10)
    with pytest.raises(ArgumentError, match=r"`agee` is no column.*`age`"):
        lf.plot.autocorrelation(growth, time="agee")
    with pytest.raises(DataError, match="has 3 values; the fit uses 108 rows"):
        lf.plot.autocorrelation(growth, time=[1, 2, 3])
    with pytest.raises(ArgumentError, match="no residual structure: name the columns"):
        lf.plot.semivariogram(sleep)
    with pytest.raises(ArgumentError, match="every series has one row"):
        lf.plot.semivariogram(growth, series=np.arange(108))
    with pytest.raises(ArgumentError, match="no two rows of a series are so near"):
        lf.plot.semivariogram(growth, farthest=0.01)
    with pytest.raises(ArgumentError, match="uncorrelated: fit a structure first"):
        lf.plot.correlation_heatmap(sleep)
    with pytest.raises(ArgumentError, match="uncorrelated: fit a structure first"):
        lf.plot.residual_field(sleep, "Days", "Subject", kind="trend")
    with pytest.raises(ArgumentError, match="row= is needed"):
        lf.plot.residual_field(growth)
    with pytest.raises(ArgumentError, match="row='row', column='col'"):
        lf.plot.residual_field(field, row="col", column="row", kind="trend")
    with pytest.raises(ArgumentError, match="in one cell"):
        lf.plot.residual_field(sleep, "Days", np.zeros(180))


def test_places_that_are_no_grid():
    scattered = pd.DataFrame(RNG.uniform(size=(40, 2)), columns=["x", "z"])
    scattered["y"] = RNG.normal(size=40)
    fit = at("y ~ 1", scattered, residual="exp(x + z)")
    with pytest.raises(ArgumentError, match="40 × 40 different places and are no grid"):
        lf.plot.residual_field(fit)


def test_without_matplotlib_the_extra_is_named(growth, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    for draw in (
        lf.plot.autocorrelation,
        lf.plot.semivariogram,
        lf.plot.correlation_heatmap,
    ):
        with pytest.raises(MissingPackageError, match=r"pip install 'lmforms\[plot\]'"):
            draw(growth)
