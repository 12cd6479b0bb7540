"""Pictures of residuals: what is drawn is what the fit says, for large data and few places too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, norm

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.plot.residual_arrays import KINDS, quantiles_with_limits, smoothed
from lmforms.results.residual_kinds import RESIDUAL_KINDS

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

SLEEP = lf.datasets.load("sleepstudy")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sleep():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


@pytest.fixture(scope="module")
def growth():
    return lf.lmer(
        "distance ~ age * Sex", lf.datasets.load("Orthodont"), residual="ar1(age | Subject)"
    )


def scattered(ax):
    return np.asarray(ax.collections[-1].get_offsets())


def names(ax):
    return [text.get_text() for text in ax.texts]


def test_every_kind_of_residual_has_a_name():
    assert tuple(KINDS) == RESIDUAL_KINDS


@pytest.mark.parametrize("kind", RESIDUAL_KINDS)
def test_points_are_residuals_by_fitted_value(sleep, kind):
    ax = lf.plot.residuals_fitted(sleep, kind)
    fitted = sleep.fittedvalues
    if kind.startswith("marginal"):
        fitted = sleep.predict(random="none")
        assert ax.get_xlabel() == "fitted value, fixed part"
    residuals = sleep.residuals(kind)
    np.testing.assert_allclose(scattered(ax), np.column_stack([fitted, residuals]), atol=1e-9)
    assert ax.get_ylabel() == KINDS[kind]
    named = residuals.abs().nlargest(3).index.astype(str)
    assert names(ax)[0] == named[0]
    assert len(names(ax)) == 3
    heights = np.sqrt(np.abs(residuals))
    np.testing.assert_allclose(scattered(lf.plot.scale_location(sleep, kind))[:, 1], heights)
    ordered = scattered(lf.plot.residuals_qq(sleep, kind))[:, 1]
    np.testing.assert_allclose(ordered, np.sort(residuals))


def test_normalized_residuals_where_there_is_a_structure(sleep, growth):
    assert lf.plot.residuals_qq(sleep).get_ylabel() == "scaled residual"
    ax = lf.plot.residuals_fitted(growth)
    assert ax.get_ylabel() == "normalized residual"
    np.testing.assert_allclose(scattered(ax)[:, 1], growth.residuals("normalized"))


def test_the_curve_and_its_absence(sleep):
    ax = lf.plot.residuals_fitted(sleep, labels=0)
    curve = ax.lines[-1].get_xydata()
    np.testing.assert_allclose(curve, np.column_stack(smoothed(*scattered(ax).T)))
    assert names(ax) == []
    assert len(lf.plot.residuals_fitted(sleep, smoother=False).lines) == 1
    assert len(lf.plot.scale_location(sleep, smoother=False).lines) == 0


def test_the_smoother_finds_a_bend_and_does_not_follow_an_outlier():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 400)
    at, curve = smoothed(x, x**2)
    assert np.abs(curve - at**2).max() < 0.2
    y = x.copy()
    y[7] = 100.0
    at, curve = smoothed(x, y)
    np.testing.assert_allclose(curve, at, atol=1e-2)


def test_the_smoother_of_many_rows():
    """It takes means of neighbours."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=60_000)
    at, curve = smoothed(x, 3 * x + rng.normal(size=len(x)))
    assert len(at) == 5000
    np.testing.assert_allclose(curve, 3 * at, atol=0.1)
    at, curve = smoothed(x, x**2 + rng.normal(size=len(x)))
    assert curve[0] > 1.0 < curve[-1]


def test_means_at_few_fitted_values():
    """Equal fitted values differ by rounding."""
    x = np.array([1.0, 1.0 + 1e-15, 2.0, 2.0 - 1e-15])
    at, curve = smoothed(x, np.array([0.0, 2.0, 5.0, 7.0]))
    np.testing.assert_allclose(at, [1.0, 2.0])
    np.testing.assert_allclose(curve, [1.0, 6.0])
    assert len(smoothed(np.ones(9), np.arange(9.0))[0]) == 0


@pytest.mark.parametrize("n", [12, 3000])
def test_limits_of_quantiles_are_those_of_order_statistics(n):
    values = np.random.default_rng(1).normal(3.0, 2.0, n)
    found = quantiles_with_limits(values)
    np.testing.assert_array_equal(values[found.order], found.observed)
    low, high = np.quantile(values, [0.25, 0.75])
    slope = (high - low) / (2 * norm.ppf(0.75))
    level = low + slope * norm.ppf(0.75)
    np.testing.assert_allclose(found.line, level + slope * found.expected)
    ranks = np.searchsorted(found.expected, found.at) + 1
    assert ranks[0] == 1
    assert ranks[-1] == n
    for limits, share in ((found.lower, 0.025), (found.upper, 0.975)):
        expected = level + slope * norm.ppf(beta.ppf(share, ranks, n + 1 - ranks))
        np.testing.assert_allclose(limits, expected)


def test_rows_without_residuals_are_counted():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0, 9.0, 5.0], "f": list("aabbcb")})
    data["g"] = list("uvuvuv")
    with pytest.warns(lf.errors.LmformsWarning):
        fit = lf.lmer("y ~ f + (1 | g)", data)
    ax = lf.plot.residuals_fitted(fit, "standardized", labels=0)
    assert len(scattered(ax)) == 5
    assert names(ax) == ["not drawn: rows with a coefficient of their own, 1"]


def test_a_constant_fit_has_no_curve():
    fit = lf.lmer("Yield ~ 1", lf.datasets.load("Dyestuff"))
    ax = lf.plot.residuals_fitted(fit)
    assert len(ax.lines[-1].get_xdata()) == 0
    assert np.isfinite(scattered(ax)).all()


def test_many_rows_are_pixels():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=25_000), "g": np.arange(25_000) % 50})
    data["y"] = rng.normal(size=25_000) + rng.normal(size=50)[data["g"]]
    fit = lf.lmer("y ~ x + (1 | g)", data)
    points = lf.plot.residuals_fitted(fit).collections[0]
    assert points.get_rasterized()
    assert points.get_alpha() < 0.2
    assert len(points.get_offsets()) == 25_000


@pytest.mark.parametrize(
    "draw", [lf.plot.residuals_fitted, lf.plot.scale_location, lf.plot.residuals_qq]
)
def test_bad_arguments(sleep, draw):
    with pytest.raises(ArgumentError, match="kind='deviance'"):
        draw(sleep, "deviance")
    with pytest.raises(ArgumentError, match="a fit of lmer or glmer is needed"):
        draw(sleep.resid)
    with pytest.raises(ArgumentError, match="labels=-1"):
        draw(sleep, labels=-1)
    with pytest.raises(ArgumentError, match="ax=3"):
        draw(sleep, ax=3)
    _, given = plt.subplots()
    assert draw(sleep, ax=given) is given


def test_after_conjugate_gradients_some_kinds_are_refused():
    data = SLEEP.assign(half=SLEEP.index % 2)
    formula = "Reaction ~ Days + (1 | Subject) + (1 | half)"
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.lmer(formula, data, control=lf.Control(factor="cg"))
    with pytest.raises(ModelError, match="conjugate gradients"):
        lf.plot.residuals_qq(fit, "studentized")
    assert len(scattered(lf.plot.residuals_qq(fit))) == 180
