"""Shrinkage and pairs of random effects, against least squares and covariances by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.plot.effects_arrays import effect_pairs, level_coefficients, shrinkage_of

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
def machines():
    return lf.lmer("score ~ Machine + (0 + Machine | Worker)", lf.datasets.load("Machines"))


def drawn(ax, label):
    return next(line.get_xydata() for line in ax.lines if line.get_label().startswith(label))


def texts(ax):
    return [text.get_text() for text in ax.texts]


# --- shrinkage ----------------------------------------------------------------------------------


def test_own_estimates_are_those_of_a_model_for_each_level(sleep):
    ax = lf.plot.shrinkage(sleep)
    own = [
        np.polyfit(rows["Days"], rows["Reaction"], 1)[::-1]
        for _, rows in SLEEP.groupby("Subject", observed=True)
    ]
    own = np.array(own)
    np.testing.assert_allclose(drawn(ax, "own rows"), own, rtol=1e-9)
    shrunk = sleep.random_effects["Subject"] + sleep.params
    np.testing.assert_allclose(drawn(ax, "in the model"), shrunk)
    np.testing.assert_allclose(drawn(ax, "population"), [sleep.params])
    shrunk = shrunk.to_numpy()
    arrows = next(c for c in ax.collections if hasattr(c, "U"))
    np.testing.assert_allclose(arrows.get_offsets(), own)
    np.testing.assert_allclose(np.column_stack([arrows.U, arrows.V]), shrunk - own)
    assert set(texts(ax)) == set(SLEEP["Subject"].astype(str))  # 18 levels: all
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("intercept", "coefficient of Days")
    few = lf.plot.shrinkage(sleep, labels=2)
    moved = np.linalg.norm((shrunk - own) / np.ptp(own, axis=0), axis=1)
    assert texts(few) == SLEEP["Subject"].unique()[np.argsort(-moved)[:2]].tolist()


def test_one_effect_has_a_row_for_each_level(sleep):
    ax = lf.plot.shrinkage(sleep, effects="Days")
    shrunk = (sleep.random_effects["Subject"]["Days"] + sleep.params["Days"]).sort_values()
    np.testing.assert_allclose(drawn(ax, "in the model")[:, 0], shrunk)
    assert [t.get_text() for t in ax.get_yticklabels()] == shrunk.index.tolist()
    assert drawn(ax, "population")[0, 0] == sleep.params["Days"]
    with pytest.raises(ArgumentError, match="labels= is for two effects"):
        lf.plot.shrinkage(sleep, effects="Days", labels=3)


def test_the_rest_of_the_model_is_held():
    """Weights count, and other fixed and random effects and the offset are subtracted."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 9), "h": np.tile(np.arange(9), 8)})
    data["x"], data["w"] = rng.normal(size=72), rng.uniform(0.5, 3.0, 72)
    data["o"] = rng.normal(size=72)
    data["y"] = data["o"] + rng.normal(size=8)[data["g"]] + rng.normal(size=9)[data["h"]]
    data["y"] += 2 * data["x"] + 0.3 * rng.normal(size=72)
    fit = lf.lmer("y ~ x + (1 | g) + (1 | h)", data, weights="w", offset="o")
    found = shrinkage_of(fit, "g", None)
    rest = data["y"] - data["o"] - fit.params["x"] * data["x"]
    rest -= fit.random_effects["h"]["Intercept"].to_numpy()[data["h"]]
    own = [np.average(rest[data["g"] == g], weights=data["w"][data["g"] == g]) for g in range(8)]
    np.testing.assert_allclose(found.own[:, 0], own, rtol=1e-9)
    assert found.names == ("intercept",)


def test_levels_without_own_estimates_are_left_out_and_counted():
    data = SLEEP.drop(index=SLEEP.index[1:10])  # one row of the first subject
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", data)
    ax = lf.plot.shrinkage(fit, labels=0)
    assert len(drawn(ax, "own rows")) == 17
    assert texts(ax) == ["not drawn: levels without own estimates, 1"]
    rng = np.random.default_rng(0)
    constant = pd.DataFrame({"g": np.repeat(np.arange(12), 3), "y": rng.normal(size=36)})
    constant["x"] = rng.normal(size=12)[constant["g"]]  # tells no slope within a level
    constant["y"] += rng.normal(size=12)[constant["g"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer("y ~ x + (x | g)", constant)
    with pytest.raises(ArgumentError, match=r"no level of g has rows enough.*Intercept, x"):
        lf.plot.shrinkage(fit)
    lf.plot.random_effects(fit)  # what the message says


def test_coefficients_of_levels_do_not_depend_on_units():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(4), 6)
    basis = np.column_stack([np.ones(24), rng.normal(size=24)])
    values = rng.normal(size=24)
    plain, known = level_coefficients(basis, values, codes, 5)
    assert known.tolist() == [True] * 4 + [False]
    scaled, _ = level_coefficients(basis * [1.0, 1e9], values, codes, 5)
    np.testing.assert_allclose(scaled * [1.0, 1e9], plain, rtol=1e-9)
    for g in range(4):
        rows = codes == g
        by_hand = np.linalg.lstsq(basis[rows], values[rows], rcond=None)[0]
        np.testing.assert_allclose(plain[g], by_hand)


def test_effects_that_are_no_coefficients(machines):
    ax = lf.plot.shrinkage(machines)
    assert ax.get_xlabel() == "random effect Machine[A]"
    np.testing.assert_array_equal(drawn(ax, "population"), [[0.0, 0.0]])


# --- pairs --------------------------------------------------------------------------------------


def test_pairs_and_their_ellipses(sleep):
    ax = lf.plot.random_effects_pairs(sleep, levels=(0.5, 0.9))
    np.testing.assert_allclose(ax.collections[0].get_offsets(), sleep.random_effects["Subject"])
    table = sleep.vcomp
    cov = np.diag(table["variance"][:2])
    cov[0, 1] = cov[1, 0] = table["variance"][2]
    for label, share in (("50 %", 0.5), ("90 %", 0.9)):
        points = drawn(ax, label)
        squares = np.einsum("ij,jk,ik->i", points, np.linalg.inv(cov), points)
        np.testing.assert_allclose(squares, -2 * np.log(1 - share))  # chi-squared of 2
    assert ax.get_title(loc="left") == f"Subject: correlation {table['sdcor'][2]:.2f}"
    assert len(texts(ax)) == 3


def test_a_correlation_of_one_is_a_line():
    rows = SLEEP["Subject"].isin(["308", "309", "310"])
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP[rows])
    ax = lf.plot.random_effects_pairs(fit)
    assert ax.get_title(loc="left") == "Subject: correlation 1.00"
    x, y = drawn(ax, "95 %").T
    sd = fit.vcomp["sdcor"]
    np.testing.assert_allclose(y, x * sd[1] / sd[0], atol=1e-6 * np.abs(y).max())
    assert np.ptp(x) > 3 * sd[0]


def test_several_pairs(machines):
    panels = lf.plot.random_effects_pairs(machines)
    assert len(panels) == 3
    assert panels[2].get_xlabel() == "random effect Machine[B]"
    one = lf.plot.random_effects_pairs(machines, effects=["Machine[A]", "Machine[C]"])
    assert one.get_ylabel() == "random effect Machine[C]"
    _, pairs = effect_pairs(machines, None, None)
    by_hand = machines.vcomp.set_index(["name1", "name2"])["variance"]
    assert pairs[0].covariance[0, 1] == pytest.approx(by_hand["Machine[A]", "Machine[B]"])


# --- what a model lacks -------------------------------------------------------------------------


def test_what_a_model_lacks():
    cake = lf.datasets.load("cake")
    plain = lf.lmer("angle ~ temp", cake.assign(rep=cake["replicate"]))
    for draw in (lf.plot.shrinkage, lf.plot.random_effects_pairs):
        with pytest.raises(ModelError, match=r"no random effects.*\. ~ \. \+ \(1 \| group\)"):
            draw(plain)
    data = cake.assign(group=cake["replicate"])
    lf.plot.shrinkage(plain.update(". ~ . + (1 | group)", data=data))  # what the message says
    intercepts = plain.update(". ~ . + (1 | group)", data=data)
    with pytest.raises(ModelError, match=r"one random effect, Intercept.*plot.random_effects\(fit"):
        lf.plot.random_effects_pairs(intercepts)
    lf.plot.random_effects(intercepts)


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda f: lf.plot.shrinkage(f, "Subjekt"), "group='Subjekt'.*Subject"),
        (lambda f: lf.plot.shrinkage(f, effects="days"), "effects='days'"),
        (lambda f: lf.plot.shrinkage(f, effects=["Days", "Days"]), "name different ones"),
        (lambda f: lf.plot.shrinkage(f, effects=[]), "name different ones"),
        (lambda f: lf.plot.shrinkage(f, labels=-1), "labels=-1"),
        (lambda f: lf.plot.shrinkage("fit"), "a fit of lmer is needed"),
        (lambda f: lf.plot.random_effects_pairs(f, effects="Days"), "name two or more"),
        (lambda f: lf.plot.random_effects_pairs(f, levels=95), "levels=95"),
        (lambda f: lf.plot.random_effects_pairs(f, ax=[]), "ax= holds 0 Axes"),
    ],
)
def test_bad_arguments(sleep, draw, message):
    with pytest.raises(ArgumentError, match=message):
        draw(sleep)


def test_too_many_pairs():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(120, 6)), columns=list("abcdey"))
    data["g"] = np.arange(120) % 12
    data["y"] += data["g"] / 3 + rng.normal(size=12)[data["g"]] * data["a"]
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.lmer("y ~ 1 + (a + b + c + d + e || g)", data)
    with pytest.raises(ArgumentError, match=r"15 pairs.*effects="):
        lf.plot.random_effects_pairs(fit)
