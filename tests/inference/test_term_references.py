"""Tests of terms against lmerTest, and against dense matrices where lmerTest departs from SAS."""

from __future__ import annotations

import numpy as np
import pytest
from references import references
from slow_cases import one_in
from term_models import cases

from lmforms.errors import ModelError

pytestmark = pytest.mark.one_in(4)

CASES = cases()
OTHERS = references("anova")

# Where lmerTest 3.1.3 tests something else than SAS: types for which it does, and why.
DEPARTURES = {
    # terms of a model without intercept beside other factors: it tests that one cell is zero
    "no_intercept": {2, 3},
    "no_intercept_additive": {2, 3},
    # a / b: it does not see that a is contained in a:b, and tests a at the first level of b
    "nested": {2, 3},
    # columns dropped from X are no parameters for it: a after b with b's dropped column unknown
    "apart": {2, 3},
    "apart_cells": {2, 3},
    "dose_and_factor": {2, 3},
    # poly(x, 2):a counts as containing a, which has no x
    "polynomial": {2},
    # x:a is not adjusted for b
    "no_main_effect": {2},
    # of inference.json, for the reasons of "nested" and "dose_and_factor"
    "nested_factors": {2, 3},
    "cake_aliased": {2, 3},
}

# Here lmerTest takes other rows for the same hypotheses (its own contrasts for Types I and II, the
# last column of a:b in the place of the first): denominator df of Satterthwaite differ a little.
OTHER_ROWS = {
    "two_way_sum": {1, 2},
    "three_way_sum": {1, 2},
    "covariate_sum": {1, 2},
    "polynomial_contrasts": {1, 2},
    "one_empty_sum": {1, 2},
    "cells_alone": {1, 2, 3},
    "cake_sum_contrasts": {1, 2},
    "sleep_ordered": {1, 2, 3},
}


def column(values):
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def test_figures_are_there():
    ids = set(CASES) | {case.id for case in OTHERS}
    assert len(ids) >= 90
    assert set(DEPARTURES) | set(OTHER_ROWS) <= ids


def compare(case, ours, theirs, terms=None):
    """Ours against lmerTest's table; `terms` in the order of theirs."""
    type, satterthwaite = theirs["type"], theirs["ddf"] == "satterthwaite"
    ours = ours if terms is None else ours.loc[terms]
    assert ours["num_df"].tolist() == np.nan_to_num(column(theirs["num_df"])).tolist()
    # lmerTest rounds the L of Type III to seven digits, which matters where columns are many
    rtol = (1e-5 if case.id == "insteval_subset" else 1e-6) if type == 3 else 2e-7
    for name in ("statistic", "sum_sq", "mean_sq"):
        np.testing.assert_allclose(ours[name], column(theirs[name]), rtol=rtol, atol=1e-25)
    loose = satterthwaite and type in OTHER_ROWS.get(case.id, ())
    df_rtol = 1e-3 if loose else 1e-5 if satterthwaite else 1e-6
    np.testing.assert_allclose(ours["den_df"], column(theirs["den_df"]), rtol=df_rtol)
    p_rtol = 5e-3 if loose else 1e-4
    np.testing.assert_allclose(ours["p_value"], column(theirs["p_value"]), rtol=p_rtol)


@pytest.mark.parametrize("type", [1, 2, 3])
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("case", one_in(2, CASES.values()), ids=str)
def test_as_lmertest(case, ddf, type):
    theirs = case.tables(ddf)
    if type in theirs and type not in DEPARTURES.get(case.id, ()):
        compare(case, case.fit().anova(type, ddf=ddf), theirs[type])


def variables(term):
    """The parts of a term, as R and we may order and write them."""
    return frozenset(term.replace("^", "**").replace("np.", "").replace(" ", "").split(":"))


@pytest.mark.parametrize("case", one_in(2, OTHERS), ids=str)
def test_other_models_as_lmertest(case):
    for theirs in case.figures["anova"]:
        type, ddf = theirs["type"], theirs["ddf"]
        if type in DEPARTURES.get(case.id, ()):
            continue
        if (case.id, ddf) == ("machines_singular", "kenward-roger"):
            # pbkrtest's F distribution has one denominator df and no mean to be scaled to
            with pytest.raises(ModelError, match="too few data"):
                case.fit().anova(type, ddf=ddf)
            continue
        ours = case.fit().anova(type, ddf=ddf)
        labels = {variables(label): label for label in ours.index}
        compare(case, ours, theirs, [labels[variables(term)] for term in theirs["terms_r"]])


@pytest.mark.parametrize("type", [1, 2, 3])
@pytest.mark.parametrize("case", one_in(2, CASES.values()), ids=str)
def test_as_dense_matrices(case, type):
    ours = case.fit().anova(type)
    statistics, ranks = zip(*case.dense(type))
    assert ours["num_df"].tolist() == list(ranks)
    np.testing.assert_allclose(ours["statistic"], statistics, rtol=1e-10)


@pytest.mark.parametrize("case", [c for c in CASES.values() if c.id in DEPARTURES], ids=str)
def test_lmertest_departs(case):
    """What is left out above really differs; the dense twin says that ours is SAS's definition."""
    for type in DEPARTURES[case.id]:
        theirs, ours = case.tables("satterthwaite")[type], case.fit().anova(type)
        same_df = ours["num_df"].tolist() == np.nan_to_num(column(theirs["num_df"])).tolist()
        same = np.isclose(ours["statistic"], column(theirs["statistic"]), rtol=1e-3, equal_nan=True)
        assert not (same_df and same.all())


def test_nested_levels_are_averaged():
    """Of a / b the Type III test of a is that of a * b: both average over the levels of b."""
    nested, crossed = CASES["nested"].fit().anova(), CASES["two_way"].fit().anova()
    np.testing.assert_allclose(nested.loc["a", "statistic"], crossed.loc["a", "statistic"])
