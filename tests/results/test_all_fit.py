"""The same model fitted in other ways: all agree where they should, and it is said where not."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from diagnosed_fits import MODELS, PENICILLIN, fit_of
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import ArgumentError, LmformsWarning, ModelError
from lmforms.inference.diagnostics import alternative_searches
from lmforms.inference.model_parameters import model_parameters, parameter_values
from lmforms.results import all_fits as module

OFTEN = ("related", "series", "singular")


@pytest.mark.parametrize(
    "name",
    [
        name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow)
        for name in MODELS
        if name != "no_groups"
    ],
)
def test_all_ways_find_the_optimum(name):
    """Also with known covariances, whose size is a unit of θ in the engine, and with φ."""
    fit = fit_of(name)
    table = fit.all_fit(["starts", "optimizers"], starts=1)
    assert list(table["kind"]) == ["fit", "start", "optimizer", "optimizer", "optimizer"]
    assert (table["difference"] < 1e-6).all()
    assert any(note.startswith("All 5 ways agree") for note in table.notes)
    names = [p.name for p in model_parameters(fit.state) if p.kind != "fixed"]
    assert list(table.columns[-len(names) :]) == names
    values = parameter_values(fit.state)[-len(names) :]
    known = np.isfinite(values)
    scale = np.maximum(np.abs(values), 1e-2 * fit.sigma)
    for row in table[names].to_numpy():
        assert_allclose((row / scale)[known], (values / scale)[known], atol=2e-3)


def test_factors_and_estimators():
    fit = lf.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", PENICILLIN)
    table = fit.all_fit(["factors", "methods"])
    assert list(table.index[:5]) == ["this fit", *(f"factor={f}" for f in module.FACTORS)]
    exact = table.drop(index="factor=cg")
    assert (exact["difference"] < 1e-7).all()
    assert 0 < table.loc["factor=cg", "difference"] < 0.1
    assert table["converged"].all()
    said = " ".join(table.notes)
    assert "factor=cg estimates the optimum" in said
    assert "Not for this model: method=emma" in said
    assert table.loc["method=ai", "evaluations"] > 1


def test_another_optimum_is_named():
    """This fit stopped early: others are lower, and the advice to start there works."""
    formula, data, _ = MODELS["slopes"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        early = lf.lmer(formula, data, start=[5.0, 0.0, 5.0], control=lf.Control(max_evaluations=1))
    table = early.all_fit(["starts", "optimizers"], starts=1)
    assert table.loc["this fit", "difference"] > 1
    assert table.loc["start 1", "converged"]
    said = " ".join(table.notes)
    assert "4 of 5 ways end at the lowest criterion" in said
    assert "Higher: this fit" in said
    advice = re.search(
        r"Fit from there: fit\.update\(start=(\[.*\]), control=lf\.Control\(\)\)", said
    )
    again = early.update(start=json.loads(advice[1]), control=lf.Control())
    assert again.criterion == pytest.approx(fit_of("slopes").criterion)


def test_a_way_that_fails_is_said(monkeypatch):
    def fails(problem, optimizer):
        raise lf.errors.NumericalError("no")

    monkeypatch.setattr(module, "scipy_search", fails)
    table = fit_of("slopes").all_fit(["optimizers"])
    assert table["loglik"].isna().sum() == 3
    assert "Failed: L-BFGS-B, Nelder-Mead" in " ".join(table.notes)


def test_an_interrupt_keeps_what_is_done(monkeypatch):
    calls = []

    def interrupted(problem, optimizer):
        calls.append(optimizer)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return alternative_searches.scipy_search(problem, optimizer)

    monkeypatch.setattr(module, "scipy_search", interrupted)
    table = fit_of("slopes").all_fit(["optimizers"])
    assert list(table.index) == ["this fit", "L-BFGS-B"]
    assert table.notes[-1] == "Interrupted: other ways were not tried."
    at = fit_of("slopes").at(fit_of("slopes").theta)
    calls[:] = [""]
    with pytest.raises(KeyboardInterrupt):  # nothing is done yet
        at.all_fit(["optimizers"])


def test_random_starts_are_those_of_the_seed():
    fit = fit_of("two_terms")
    one, same = (fit.all_fit("starts", starts=2, seed=3) for _ in range(2))
    assert one.drop(columns="seconds").equals(same.drop(columns="seconds"))
    other = fit.all_fit("starts", starts=2, seed=4)
    assert list(one["evaluations"]) != list(other["evaluations"]) or not one.equals(other)


def test_a_start_that_cannot_be_evaluated_is_drawn_again(monkeypatch):
    problem, draws = fit_of("slopes").state.estimate.problem, []
    usual = alternative_searches.random_start

    def drawn(*args):
        draws.append(usual(*args))
        return draws[-1] * np.nan if len(draws) == 1 else draws[-1]

    monkeypatch.setattr(alternative_searches, "random_start", drawn)
    control, generator = lf.Control(), np.random.default_rng(0)
    found = alternative_searches.newton_from_random_start(problem, control, generator, 0)
    assert len(draws) == 2
    assert found.converged


def test_powell_without_cobyqa(monkeypatch):
    from scipy import optimize

    def old(solver, method, disp):
        raise ValueError("Unknown method")

    monkeypatch.setattr(optimize, "show_options", old)
    assert alternative_searches.scipy_optimizers()[-1] == "Powell"
    problem = fit_of("slopes").state.estimate.problem
    found = alternative_searches.scipy_search(problem, "Powell")
    assert found.value == pytest.approx(fit_of("slopes").state.estimate.optimum.value, abs=1e-8)


def test_given_parameters_and_saved_fits(tmp_path):
    fit = fit_of("slopes")
    table = fit.at(fit.theta * 2).all_fit("starts", starts=1)
    assert list(table.index) == ["start 1"]
    assert table["loglik"].iloc[0] == pytest.approx(fit.llf, abs=1e-8)
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf").all_fit("starts", starts=1)
    assert loaded["difference"].max() < 1e-8


def test_refusals():
    with pytest.raises(ModelError, match="no variance parameters"):
        fit_of("no_groups").all_fit()
    rough = lf.lmer(*MODELS["crossed"][:2], control=lf.Control(factor="cg"))
    with pytest.raises(ModelError, match=r"fit with Control\(factor='sparse'\)"):
        rough.all_fit()
    exact = rough.update(control=replace(rough.state.control, factor="sparse"))
    assert exact.all_fit("starts", starts=1)["difference"].max() < 1e-6
    with pytest.raises(ArgumentError, match="use one of 'starts', 'optimizers'"):
        fit_of("slopes").all_fit("optimisers")
    with pytest.raises(ArgumentError, match="a sequence of texts"):
        fit_of("slopes").all_fit(3)
    with pytest.raises(ArgumentError, match="starts=-1"):
        fit_of("slopes").all_fit(starts=-1)


def test_a_bar(capsys):
    pytest.importorskip("tqdm")
    fit_of("slopes").all_fit("starts", starts=1, progress=True)
    assert "all_fit" in capsys.readouterr().err
