"""Copies of a table of results and of fits are what they are copies of."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

import lmforms as lf


@pytest.fixture(scope="module")
def fit():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


def pickled(value):
    return pickle.loads(pickle.dumps(value))


WAYS = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])


@WAYS
def test_a_table_keeps_its_title_and_notes(fit, copied):
    table = fit.anova()
    again = copied(table)
    assert (type(again), again.title, again.notes) == (type(table), table.title, table.notes)
    assert again.equals(table)
    assert str(again) == str(table)


def test_a_deep_copy_is_apart_and_what_is_computed_is_plain(fit):
    table = fit.anova()
    again = copy.deepcopy(table)
    again.iloc[0, 0] = -1.0
    assert table.iloc[0, 0] != -1.0
    assert type(table.assign(more=1.0)) is pd.DataFrame
    assert type(table * 2) is pd.DataFrame


@WAYS
def test_a_fit_keeps_its_results(fit, copied):
    again = copied(fit)
    assert again.params.equals(fit.params)
    assert again.anova().equals(fit.anova())
    assert again.predict().equals(fit.predict())
    assert again.simulate(seed=1).equals(fit.simulate(seed=1))
    assert str(again.summary()) == str(fit.summary())


@WAYS
def test_a_form_and_a_companion_keep_theirs(fit, copied):
    forms = fit.forms()
    again = copied(forms)
    assert again.table.equals(forms.table)
    assert str(again) == str(forms)
    form, other, row = forms.form, copied(forms.form), [[1.0, 2.0]]
    np.testing.assert_array_equal(other.encode(X=row).K, form.encode(X=row).K)
    assert other.form_identity().share == form.form_identity().share


@pytest.mark.slow
def test_workers_of_joblib_return_fits_and_forms(fit):
    joblib = pytest.importorskip("joblib")
    found = joblib.Parallel(n_jobs=2)(
        joblib.delayed(type(fit).refit)(fit, fit.simulate(seed=seed).iloc[:, 0]) for seed in (1, 2)
    )
    for seed, other in zip((1, 2), found):
        here = fit.refit(fit.simulate(seed=seed).iloc[:, 0])
        assert other.params.equals(here.params)
        assert other.forms().table.equals(here.forms().table)
