"""Separation: found by the linear programme, and said in words where a fit looks like it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import lmforms as lf
from lmforms.errors import SeparationWarning
from lmforms.glmm.families.binomial import BetaBinomial, Binomial
from lmforms.glmm.families.counts import NegativeBinomial, Poisson
from lmforms.glmm.families.links import LINKS
from lmforms.glmm.families.positive import Gamma
from lmforms.glmm.families.response import Response
from lmforms.glmm.families.truncation import Truncated
from lmforms.glmm.families.zeros import Hurdle, ZeroInflated
from lmforms.glmm.fit import likelihood_of
from lmforms.glmm.separation import favourable_signs, separation
from lmforms.results.generalized.separated_columns import separation_message

COUNTS = Response(np.array([0.0, 1.0, 2.0]))


def plane(rows: int, p: int):
    values = st.integers(-2, 2).map(float)
    return st.lists(st.lists(values, min_size=p, max_size=p), min_size=rows, max_size=rows)


@settings(max_examples=60, deadline=None)
@given(plane(7, 2), st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=7, max_size=7))
def test_directions_are_found_if_there_are_any(rows, signs):
    X, s = np.column_stack([np.ones(7), rows]), np.array(signs)
    if np.linalg.matrix_rank(X) < 3:
        return
    found = separation(X, s)
    # another programme: the largest sum within a box, whose rows at 0 are held by two inequalities
    moved = np.vstack([s[:, None] * X, X[s == 0.0], -X[s == 0.0]])
    best = linprog(-(s @ X), A_ub=-moved, b_ub=np.zeros(len(moved)), bounds=(-1, 1))
    assert (found is not None) == (-best.fun > 1e-7)
    if found is not None:
        along = X @ found.direction
        assert (s * along > -1e-9).all()
        np.testing.assert_allclose(along[s == 0.0], 0.0, atol=1e-9)
        assert (s * along)[found.rows].min() > 1e-7
        assert set(found.columns) == set(np.flatnonzero(found.direction))


def test_a_level_without_successes():
    levels = np.repeat(np.arange(3), 4)
    X = np.column_stack([np.ones(12), levels == 1, levels == 2]).astype(float)
    found = separation(X, np.where(levels == 2, -1.0, 0.0))
    assert found is not None
    assert found.columns.tolist() == [2]
    assert found.rows.tolist() == [8, 9, 10, 11]
    assert not found.complete


def test_complete_and_quasi_complete():
    x = np.arange(8.0) * 1e6
    X = np.column_stack([np.ones(8), x])
    complete = separation(X, np.where(x > 3.5e6, 1.0, -1.0))
    assert complete is not None
    assert complete.complete
    X[4, 1] = X[3, 1]  # one value with both responses
    quasi = separation(X, np.where(np.arange(8) > 3, 1.0, -1.0))
    assert quasi is not None
    assert not quasi.complete


def test_many_rows_are_few_different_ones():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(100_000), rng.integers(0, 2, 100_000)]).astype(float)
    assert separation(X, np.where(X[:, 1] > 0.0, 1.0, 0.0)) is not None


def test_no_columns_and_no_rows():
    assert separation(np.empty((3, 0)), np.ones(3)) is None
    assert separation(np.ones((3, 1)), np.zeros(3)) is None
    assert separation(np.ones((3, 1)), np.full(3, np.nan)) is None


@pytest.mark.parametrize(
    ("family", "link", "response", "wanted"),
    [
        (Binomial(), "logit", Response(np.array([0.0, 1.0])), [-1, 1]),
        (
            BetaBinomial(),
            "probit",
            Response(np.array([0.0, 1.0, 3.0]), np.full(3, 3.0)),
            [-1, 0, 1],
        ),
        (Binomial(), "log", Response(np.array([0.0, 1.0])), [-1, 0]),
        (Poisson(), "log", COUNTS, [-1, 0, 0]),
        (NegativeBinomial(), "log", COUNTS, [-1, 0, 0]),
        (ZeroInflated(Poisson()), "log", COUNTS, [-1, 0, 0]),
        (Hurdle(Poisson()), "log", COUNTS, [np.nan, -1, 0]),
        (Truncated(Poisson()), "log", Response(np.array([1.0, 2.0])), [-1, 0]),
    ],
)
def test_where_likelihoods_of_rows_have_no_maximum(family, link, response, wanted):
    """Also by the likelihood itself, far out."""
    signs = favourable_signs(family, LINKS[link], response)
    np.testing.assert_array_equal(signs, wanted)
    omega = [np.zeros(1) for _ in family.parameter_names]
    ends = (-30.0, -25.0) if link == "log" else (-30.0, -6.0, 6.0, 30.0)
    values = [
        family.density(
            response,
            LINKS[link].inner(family.inner, np.full(len(response.y), eta), 0)[0],
            omega,
            0,
        ).values[0]
        for eta in ends
    ]
    rises = np.diff(values, axis=0)
    for row, sign in enumerate(wanted):
        if sign == -1:
            assert rises[0, row] <= 1e-9
        elif sign == 1:
            assert rises[-1, row] >= 0.0
        elif sign == 0:
            assert rises[0, row] > 0.0


@pytest.mark.parametrize(
    ("family", "link"), [(Gamma(), "log"), (Poisson(), "sqrt"), (Binomial(), "identity")]
)
def test_others_have_maxima(family, link):
    assert favourable_signs(family, LINKS[link], COUNTS) is None


# --- fits -----------------------------------------------------------------------------------------


def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = 200
    g, f, x = rng.integers(0, 20, n), rng.choice(list("abcd"), n), rng.normal(size=n)
    eta = -0.5 + 0.5 * x + rng.normal(size=20)[g]
    y = np.where(f == "d", 0, rng.random(n) < 1.0 / (1.0 + np.exp(-eta)))
    return pd.DataFrame({"y": y.astype(int), "x": x, "f": f, "g": g})


@pytest.mark.filterwarnings("ignore::lmforms.errors.BoundWarning")
@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("binomial", "logit"),
        ("binomial", "probit"),
        ("binomial", "cloglog"),
        ("poisson", "log"),
        ("negative_binomial", "log"),
    ],
)
def test_a_fit_names_the_column_and_the_way_out(family, link):
    with pytest.warns(SeparationWarning, match=r"`f\[T.d\]`.*Drop the column"):
        fit = lf.glmer("y ~ x + f + (1 | g)", data(), family=family, link=link)
    report = fit.check(n=20)
    assert report.table.loc["separation", "status"] == "problem"
    assert "f[T.d]" in report.table.loc["separation", "finding"]


def test_fits_without_separation_do_not_warn():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    with warnings.catch_warnings():
        warnings.simplefilter("error", SeparationWarning)
        fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        # large coefficients alone are no separation
        own = data().query("f != 'd'")
        lf.glmer("y ~ I(x / 1e4) + f + (1 | g)", own, family="poisson")
    assert fit.check(n=20).table.loc["separation", "status"] == "ok"


def test_rows_are_judged_without_a_fit():
    """For fits that end in an error."""
    model = lf.GeneralizedMixedModel("y ~ x + f + (1 | g)", data(), family="binomial")
    likelihood = likelihood_of(model.design, model.family, model.link)
    assert "`f[T.d]`" in separation_message(model.design, likelihood)
    own = data().query("f != 'd'")
    model = lf.GeneralizedMixedModel("y ~ x + f + (1 | g)", own, family="binomial")
    likelihood = likelihood_of(model.design, model.family, model.link)
    assert separation_message(model.design, likelihood) == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_levels_with_one_kind_of_response(seed):
    """The variance of their effects is infinite, whatever the predictors are."""
    random = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(list("abcdefghij"), 6), "x": random.normal(size=60)})
    data["y"] = data["g"].isin(list("adgj")).astype(int)
    data = data.sample(frac=1.0, random_state=seed)
    with pytest.warns(SeparationWarning, match="each level of `g` are of one kind"):
        fit = lf.glmer("y ~ x + (1 | g)", data, family="binomial")
    found = fit.check().table.loc["separation"]
    assert found["status"] == "problem"
    assert found["advice"].startswith("Model one response")
    data.iloc[0, 2] = 1 - data.iloc[0, 2]  # one other answer, and the estimate is finite
    with warnings.catch_warnings():
        warnings.simplefilter("error", SeparationWarning)
        assert lf.glmer("y ~ x + (1 | g)", data, family="binomial").theta[0] < 30.0
