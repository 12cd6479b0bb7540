"""Pictures of deletions show what the tables say."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, MissingPackageError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fit():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


@pytest.fixture(scope="module")
def found(fit):
    return fit.influence(by="Subject")


def heights(ax):
    (points,) = [line for line in ax.lines if line.get_marker() == "o"]
    return points.get_ydata()


@pytest.mark.parametrize("measure", ["cooks_distance", "mdffits", "covratio", "covtrace"])
def test_stems_are_the_measure(found, measure):
    ax = lf.plot.influence(found, measure, labels=3)
    values = getattr(found, measure)
    np.testing.assert_array_equal(heights(ax), values)
    base = 1.0 if measure == "covratio" else 0.0
    ends = np.array(ax.collections[0].get_segments())[:, :, 1]
    np.testing.assert_allclose(ends, np.column_stack([np.full(18, base), values]))
    largest = (values - base).abs().nlargest(3).index
    assert {t.get_text() for t in ax.texts} == set(map(str, largest))
    assert [t.get_text() for t in ax.get_xticklabels()] == list(map(str, values.index))
    assert ax.get_xlabel() == "Subject"


def test_a_panel_for_each_coefficient(fit, found):
    axes = lf.plot.influence(found, "dfbetas")
    for ax, name in zip(axes, fit.params.index, strict=True):
        np.testing.assert_array_equal(heights(ax), found.dfbetas[name])
        assert ax.get_title(loc="left") == name
    own = plt.figure().subplots()
    assert lf.plot.influence(found, "dfbetas", own, effects="Days", labels=0) is own
    assert not own.texts


def test_observations_of_a_fit_and_cases_without_a_value(fit):
    ax = lf.plot.influence(fit)
    np.testing.assert_array_equal(heights(ax), fit.influence().cooks_distance)
    data = lf.datasets.load("sleepstudy").assign(one=lambda d: (d["Subject"] == "308") * 1.0)
    lost = lf.lmer("Reaction ~ Days + one + (1 | Subject)", data)
    with pytest.warns(lf.errors.NotEstimableWarning):
        ax = lf.plot.influence(lost.influence(by="Subject"), labels=18)
    assert len(heights(ax)) == len(ax.texts) == 17


def test_labels_are_read_on_dark_pages(found):
    with plt.style.context("dark_background"):
        ax = lf.plot.influence(found)
        assert ax.texts[0].get_color() == "white"


def test_bad_arguments(found, monkeypatch):
    for wrong, said in (
        (lambda: lf.plot.influence(3), "3 is neither a fit nor"),
        (lambda: lf.plot.influence(found, "cooks_distances"), "Did you mean `cooks_distance`"),
        (lambda: lf.plot.influence(found, "dfbetas", effects=["Day"]), "Did you mean `Days`"),
        (lambda: lf.plot.influence(found, effects="Days"), "for measure='dfbetas'"),
        (lambda: lf.plot.influence(found, labels=-1), "labels=-1"),
    ):
        with pytest.raises(ArgumentError, match=said):
            wrong()
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingPackageError):
        lf.plot.influence(found)


def test_names_of_many_cases_do_not_lie_on_each_other():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=300), "g": np.arange(300) % 10})
    data["y"] = rng.normal(size=300)
    data.loc[[150, 151], "y"] += 30.0  # neighbours, both far
    data.loc[[150, 151], "x"] = 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer("y ~ x + (1 | g)", data)
    ax = lf.plot.influence(fit, labels=2)
    named = [int(text.get_text()) for text in ax.texts]
    assert len(named) == 2
    assert len({150, 151} & set(named)) == 1
