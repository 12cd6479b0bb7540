"""`lf.anova(…, bootstrap=n)`: drawn statistics are those of refits, in any order of the rows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.inference.bootstrap.likelihood_ratios import OneByOne, drawn_statistics
from lmforms.inference.model_comparison.fits_compared import compared_fits
from lmforms.relationship import Relationship

pytestmark = pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    made = pd.DataFrame({"g": np.arange(48) % 8, "t": np.arange(48) // 8, "x": rng.normal(size=48)})
    made["w"] = rng.uniform(0.5, 2.0, 48)
    made["y"] = rng.normal(size=8)[made["g"]] + 0.2 * made["x"] + rng.normal(size=48)
    return made


@cache
def fitted(formula, reml=False, related=None, **options):
    if related is not None:
        options["relationship"] = {"g": related}
    return lf.lmer(formula, data(), reml=reml, **options)


ROOT = np.random.default_rng(5).normal(size=(8, 15))
RELATED = Relationship.of(ROOT @ ROOT.T / 5.0, list(range(8)))
PAIRS = {
    "fixed": ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)", {}),
    "weights": ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)", {"weights": "w"}),
    "random": ("y ~ x + (1 | g)", "y ~ x + (x | g)", {}),
    "no random terms": ("y ~ x", "y ~ x + (1 | g)", {}),
    "REML": ("y ~ x + (1 | g)", "y ~ x + (x | g)", {"reml": True}),
    "root": ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)", {"related": RELATED}),
    "related slopes": ("y ~ 1 + (x | g)", "y ~ x + (x | g)", {"related": RELATED}),
}


@pytest.mark.parametrize("name", PAIRS)
def test_statistics_are_those_of_refits(name):
    first, second, options = PAIRS[name]
    small, large = fitted(first, **options), fitted(second, **options)
    compared = compared_fits("anova", (small, large), {}, None)
    found = drawn_statistics(*compared, 6, np.random.default_rng(3))
    Y = small.simulate(6, seed=np.random.default_rng(3)).to_numpy()
    expected = [small.refit(y).criterion - large.refit(y).criterion for y in Y.T]
    assert_allclose(found, np.maximum(expected, 0.0), atol=1e-5)


@pytest.mark.slow
def test_residual_structures():
    small, large = fitted("y ~ x + (1 | g)"), fitted("y ~ x + (1 | g)", residual="ar1(t | g)")
    compared = compared_fits("anova", (small, large), {}, None)
    found = drawn_statistics(*compared, 3, np.random.default_rng(3))
    Y = small.simulate(3, seed=np.random.default_rng(3)).to_numpy()
    expected = [small.refit(y).criterion - large.refit(y).criterion for y in Y.T]
    assert_allclose(found, np.maximum(expected, 0.0), atol=1e-4)


def test_p_value_is_a_share_of_the_statistics():
    small, large = fitted("y ~ 1 + (1 | g)"), fitted("y ~ x + (1 | g)")
    table = lf.anova(small=small, large=large, bootstrap=99, seed=1)
    plain = lf.anova(small=small, large=large)
    assert_allclose(table[plain.columns], plain)
    compared = compared_fits("anova", (small, large), {}, None)
    drawn = drawn_statistics(*compared, 99, np.random.default_rng(1))
    expected = (1 + (drawn >= table.loc["large", "statistic"]).sum()) / 100
    assert_allclose(table["p_value_bootstrap"], [np.nan, expected])
    assert "p_value_bootstrap: (1 + m)/(1 + 99)" in str(table)


def test_rows_in_another_order():
    small = fitted("y ~ 1 + (1 | g)", weights="w")
    shuffled = lf.lmer(
        "y ~ x + (1 | g)", data().sample(frac=1, random_state=1), weights="w", reml=False
    )
    pairs = [(small, fitted("y ~ x + (1 | g)", weights="w")), (small, shuffled)]
    first, second = (
        drawn_statistics(*compared_fits("anova", pair, {}, None), 5, np.random.default_rng(2))
        for pair in pairs
    )
    assert_allclose(first, second, atol=1e-6)


def test_wide_effects_are_refitted_one_by_one():
    """Sums of squares of y would lose more digits than they may."""
    wide = data().assign(y=data()["y"] + 1e4 * data()["g"])
    small, large = (lf.lmer(f, wide, reml=False) for f in ("y ~ 1 + (1 | g)", "y ~ x + (1 | g)"))
    compared = compared_fits("anova", (small, large), {}, None)
    from lmforms.inference.bootstrap.likelihood_ratios import responses_refitter

    assert isinstance(responses_refitter(compared[0]), OneByOne)
    found = drawn_statistics(*compared, 2, np.random.default_rng(3))
    Y = small.simulate(2, seed=np.random.default_rng(3)).to_numpy()
    expected = [small.refit(y).criterion - large.refit(y).criterion for y in Y.T]
    assert_allclose(found, expected, atol=1e-5)


def test_models_without_a_test_have_no_bootstrap():
    table = lf.anova(fitted("y ~ x + (1 | g)"), fitted("y ~ t + (1 | g)"), bootstrap=5, seed=1)
    assert table["p_value_bootstrap"].isna().all()
    assert "p_value_bootstrap" not in " ".join(table.notes)


def test_reml_fits_are_refitted_by_ml():
    small, large = fitted("y ~ 1 + (1 | g)", reml=True), fitted("y ~ x + (1 | g)", reml=True)
    ml = [fitted("y ~ 1 + (1 | g)"), fitted("y ~ x + (1 | g)")]
    found = lf.anova(small, large, bootstrap=40, seed=1)["p_value_bootstrap"]
    assert_allclose(found, lf.anova(*ml, bootstrap=40, seed=1)["p_value_bootstrap"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "for bootstrap="),
        ({"progress": True}, "for bootstrap="),
        ({"bootstrap": 0}, "bootstrap=0"),
        ({"bootstrap": 5, "seed": "a"}, "seed="),
        ({"bootstrp": 5}, "Did you mean `bootstrap`"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ArgumentError, match=message):
        lf.anova(fitted("y ~ 1 + (1 | g)"), fitted("y ~ x + (1 | g)"), **options)


def test_fits_that_did_not_converge():
    bad = lf.lmer("y ~ x + (x | g)", data(), reml=False, control=lf.Control(max_evaluations=1))
    with pytest.raises(ModelError, match="did not converge"):
        lf.anova(fitted("y ~ x + (1 | g)"), bad, bootstrap=5)
