"""Fits and what they give survive copy, pickle and joblib, with the same numbers."""

from __future__ import annotations

import copy
import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest

import lmforms as lf

pytestmark = pytest.mark.one_in(4)

SLEEP = lf.datasets.load("sleepstudy")
SLEEP["half"] = np.where(SLEEP["Days"] < 5, "first", "second")
PENICILLIN = lf.datasets.load("Penicillin")
KNOWN = pd.DataFrame(np.eye(18) + 0.3, SLEEP["Subject"].unique(), SLEEP["Subject"].unique())


def twice(x):
    return 2 * x


FITS = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", {}),
    "weights, ML": (
        "Reaction ~ Days + (1 | Subject)",
        {"weights": 1 + np.arange(180) % 2, "reml": False},
    ),
    "no random terms": ("Reaction ~ Days", {}),
    "residual structure": ("Reaction ~ Days", {"residual": "ar1(Days | Subject)"}),
    "structured effects": ("Reaction ~ Days + hcs(0 + half | Subject)", {}),
    "relationship": ("Reaction ~ Days + (1 | Subject)", {"relationship": {"Subject": KNOWN}}),
    "function of the user": (
        "Reaction ~ twice(Days) + (1 | Subject)",
        {"context": {"twice": twice}},
    ),
    "conjugate gradients": (
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        {"control": lf.Control(factor="cg", seed=1)},
    ),
}


@cache
def fitted(name):
    formula, options = FITS[name]
    return lf.lmer(formula, PENICILLIN if "plate" in formula else SLEEP, **options)


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


WAYS = [copy.copy, copy.deepcopy, through_pickle]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FITS)
def test_fits(name, way):
    fit = fitted(name)
    again = way(fit)
    assert again.formula == fit.formula
    assert again.criterion == fit.criterion
    pd.testing.assert_series_equal(again.params, fit.params)
    pd.testing.assert_frame_equal(again.vcomp, fit.vcomp)
    data = fit.state.design.frame.table.columns
    new = {column: values[:30] for column, values in data.items()}
    pd.testing.assert_series_equal(again.predict(new), fit.predict(new))
    if fit.state.estimate.is_factored:
        assert str(again.summary()) == str(fit.summary())
        assert again.refit(reml=False).criterion == pytest.approx(
            fit.refit(reml=False).criterion, abs=1e-8
        )
    assert again.at(fit.theta).criterion == pytest.approx(fit.at(fit.theta).criterion, abs=1e-8)


@pytest.mark.parametrize("way", WAYS)
def test_what_fits_give(way):
    fit = fitted("slopes")
    profile = fit.profile(["sigma"])
    pd.testing.assert_frame_equal(way(profile).conf_int(), profile.conf_int())
    bootstrap = fit.bootstrap(40, seed=1)
    pd.testing.assert_frame_equal(way(bootstrap).conf_int(), bootstrap.conf_int())
    influence = fit.influence("Subject")
    np.testing.assert_array_equal(way(influence).cooks_distance, influence.cooks_distance)
    for table in (fit.anova(), fit.tidy(), fit.conf_int(), fit.vcomp, fit.ranova()):
        pd.testing.assert_frame_equal(pd.DataFrame(way(table)), pd.DataFrame(table))
    summary = fit.summary()
    assert str(way(summary)) == str(summary)
    control = lf.Control(tolerance=1e-9)
    assert way(control) == control


def test_a_deep_copy_has_its_own_data():
    fit = fitted("slopes")
    again = copy.deepcopy(fit)
    assert again.state is not fit.state
    assert not np.shares_memory(again.state.response, fit.state.response)


def criterion_without(group):
    data = SLEEP[SLEEP["Subject"] != group]
    return lf.lmer("Reaction ~ Days + (Days | Subject)", data).criterion


def test_threads_of_joblib():
    joblib = pytest.importorskip("joblib")
    groups = list(SLEEP["Subject"].unique()[:3])
    here = [criterion_without(group) for group in groups]
    threads = joblib.Parallel(n_jobs=2, backend="threading")
    assert threads(joblib.delayed(criterion_without)(group) for group in groups) == here


@pytest.mark.slow
def test_processes_of_joblib():
    joblib = pytest.importorskip("joblib")
    processes = joblib.Parallel(n_jobs=2)  # loky: fits go there and come back
    jobs = [
        joblib.delayed(lf.lmer)("Reaction ~ Days + (1 | Subject)", SLEEP, reml=reml)
        for reml in (True, False)
    ]
    jobs += [joblib.delayed(fit.predict)(SLEEP.iloc[:5]) for fit in (fitted("slopes"),)]
    jobs += [joblib.delayed(fitted("slopes").bootstrap)(40, seed=3)]
    restricted, full, predicted, bootstrap = processes(jobs)
    for there, reml in ((restricted, True), (full, False)):
        here = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, reml=reml)
        assert there.criterion == pytest.approx(here.criterion, abs=1e-9)
    pd.testing.assert_series_equal(predicted, fitted("slopes").predict(SLEEP.iloc[:5]))
    pd.testing.assert_frame_equal(
        bootstrap.conf_int(), fitted("slopes").bootstrap(40, seed=3).conf_int()
    )


def test_joblib_remembers_a_fit(tmp_path):
    joblib = pytest.importorskip("joblib")
    lmer = joblib.Memory(tmp_path, verbose=0).cache(lf.lmer)
    first = lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    again = lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    assert again is not first
    assert again.criterion == first.criterion
