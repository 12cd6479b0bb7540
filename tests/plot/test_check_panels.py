"""`fit.plot()`, `fit.check().plot()` and their own pictures, for every kind of fit."""

from __future__ import annotations

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, LmformsError, MissingPackageError, ModelError
from lmforms.results import affordable_influence
from lmforms.results.fit_report import FitReport
from lmforms.results.influence_checks import influential

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
from kinds_of_fits import KINDS, fit_of

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

CAKE = lf.datasets.load("cake")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sleep():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


@pytest.fixture(scope="module")
def cake():
    return lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", CAKE)


def titles(axes):
    return [ax.get_title(loc="left").partition(":")[0] for ax in axes]


# --- four panels --------------------------------------------------------------------------------


def test_four_panels(sleep):
    axes = sleep.plot()
    assert titles(axes) == [
        "Residuals and fitted values",
        "Size of residuals",
        "Quantiles of residuals",
        "Quantiles of random effects",
    ]
    first = axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(first[:, 1], sleep.residuals("scaled"))
    effects = sleep.random_effects["Subject"]
    for points, name in zip(axes[3].collections, effects):
        by_hand = np.sort(effects[name] / effects[name].std())
        np.testing.assert_allclose(points.get_offsets()[:, 1], by_hand)
    assert [t.get_text() for t in axes[3].get_legend().get_texts()] == [
        "Subject: Intercept",
        "Subject: Days",
    ]


def test_without_random_effects_there_is_influence():
    fit = lf.lmer("angle ~ temp", CAKE)
    assert titles(fit.plot())[3] == "Influence on the fixed effects"


def test_axes_are_counted(sleep):
    _, given = plt.subplots(2, 2)
    assert list(sleep.plot(ax=given)) == list(given.ravel())
    with pytest.raises(ArgumentError, match="ax= holds 1 Axes and 4 are drawn on"):
        sleep.plot(ax=given[0, 0])


def test_without_matplotlib_the_extra_is_named(sleep, monkeypatch):
    report = sleep.check(10)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in (sleep.plot, report.plot):
        with pytest.raises(MissingPackageError, match=r"pip install 'lmforms\[plot\]'"):
            draw()


# --- the report ---------------------------------------------------------------------------------


def test_a_panel_for_each_assumption(cake):
    axes = cake.check(10).plot()
    assert titles(axes) == [
        "Linearity",
        "Equal variances",
        "Influence",
        "Collinearity",
        "Normal residuals",
        "Normal random effects",
    ]
    assert all(" should " in ax.get_title(loc="left") for ax in axes)  # no findings


def test_panels_that_a_model_lacks():
    fit = lf.lmer("angle ~ temp", CAKE)
    assert titles(fit.check(10).plot()) == [
        "Linearity",
        "Equal variances",
        "Influence",
        "Normal residuals",
    ]


def test_a_report_without_a_fit_and_a_stored_one(sleep):
    with pytest.raises(ModelError, match=r"fit.check\(\).plot\(\)"):
        FitReport("Check", ()).plot()
    report = sleep.check(10)
    assert len(pickle.loads(pickle.dumps(report)).plot()) == 5
    assert report == sleep.check(10)


def test_shares_of_variance_are_facts(sleep):
    table = sleep.check(10).table
    shares, icc = sleep.r2(), sleep.icc()["adjusted"]
    assert table.loc["R²", "status"] == "fact"
    assert f"{shares['marginal']:.3f} by the fixed effects" in table.loc["R²", "finding"]
    assert f"{shares['conditional']:.3f} with the random" in table.loc["R²", "finding"]
    finding = table.loc["intraclass correlation", "finding"]
    assert finding.startswith(f"Subject {icc['Subject']:.3f}, of the variance")
    plain = lf.lmer("angle ~ temp", CAKE).check(10)
    assert "intraclass correlation" not in plain.table.index
    assert "conditional" not in plain.table.loc["R²", "finding"]
    assert plain.ok


def test_an_influential_row_and_level_are_named(sleep):
    data = lf.datasets.load("sleepstudy")
    assert influential(sleep.state).status == "ok"
    far = data.copy()
    rows = far["Subject"] == "309"
    far.loc[rows, "Reaction"] += 900 * far.loc[rows, "Days"]
    found = influential(lf.lmer("Reaction ~ Days + (1 | Subject)", far).state)
    assert found.status == "note"
    assert "Subject '309'" in found.finding
    assert 'lf.plot.influence(fit.influence(by="Subject"))' in found.advice
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", far)
    lf.plot.influence(fit.influence(by="Subject"))  # what the advice says


def test_long_deletions_are_not_looked_at(sleep, monkeypatch):
    monkeypatch.setattr(affordable_influence, "MOST_WORK", 100)
    found = influential(sleep.state)
    assert found.status == "ok"
    assert found.finding == "not looked at: 180 rows and 36 random effects take long."
    assert "Influence" not in titles(sleep.check(10).plot())


# --- collinearity -------------------------------------------------------------------------------


def test_collinearity_is_that_of_the_table(cake):
    ax = lf.plot.collinearity(cake)
    values = cake.vif()["gvif_root"] ** 2
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_marker() != "None"]
    np.testing.assert_allclose(drawn, values)
    assert [t.get_text() for t in ax.get_yticklabels()] == list(values.index)
    markers = [line.get_marker() for line in ax.lines if line.get_marker() != "None"]
    assert markers == ["s" if value > 10 else "o" for value in values]
    assert set(markers) == {"s", "o"}
    assert ax.get_xlim()[1] > values.max()
    low = lf.plot.collinearity(cake, limit=2)
    assert {line.get_marker() for line in low.lines} == {"s", "None"}


def test_collinearity_of_too_few_terms(sleep):
    with pytest.raises(ModelError, match="fewer than two terms"):
        lf.plot.collinearity(sleep)
    with pytest.raises(ArgumentError, match="limit=0"):
        lf.plot.collinearity(sleep, limit=0)


# --- every kind of fit --------------------------------------------------------------------------

PICTURES = {
    "residuals_fitted": (lf.plot.residuals_fitted, ""),
    "scale_location": (lf.plot.scale_location, ""),
    "residuals_qq": (lf.plot.residuals_qq, ""),
    "shrinkage": (lf.plot.shrinkage, "no random effects"),
    "random_effects_pairs": (lf.plot.random_effects_pairs, "no random effects|one random effect"),
    "fitted_lines": (lambda fit: lf.plot.fitted_lines(fit, "x", levels=1), "no random effects"),
    "collinearity": (lf.plot.collinearity, "fewer than two terms"),
    "plot": (lambda fit: fit.plot(), ""),
    "check": (lambda fit: fit.check(5).plot(), ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_of_every_kind_of_fit(kind):
    fit = fit_of(kind)
    for name, (draw, refusal) in PICTURES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            said = ""
            try:
                axes = np.ravel(np.asarray(draw(fit), dtype=object))
            except LmformsError as error:
                said = str(error)
            if said:
                assert refusal, (name, said)
                assert any(word in said for word in refusal.split("|")), name
            else:
                assert all(ax.has_data() for ax in axes), name
        plt.close("all")
