"""Expensive exact searches begin where conjugate gradients end, and find what others find."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_crossed import crossed_frame
from slow_cases import slow

import lmforms as lf
from lmforms.control import Control
from lmforms.engine import solver_choice as choice
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import layout as layout_module
from lmforms.engine.factor import system as system_module
from lmforms.engine.iterative import IterativeProblem, rough_search, score_search
from lmforms.engine.iterative.criterion import evaluate
from lmforms.engine.iterative.probes import sign_probes
from lmforms.engine.optimize import minimize as minimize_module
from lmforms.engine.optimize.minimize import minimize
from lmforms.errors import NumericalError

SCALAR = "y ~ x + (1 | a) + (1 | b)"


@pytest.fixture
def everything_is_expensive(monkeypatch):
    """As if every evaluation took seconds, and conjugate gradients nothing."""
    monkeypatch.setattr(layout_module, "EXPENSIVE_WORK", 1.0)
    monkeypatch.setattr(choice, "ROUGH_PRODUCTS", 0.0)


def began_at_rough_optimum(fit) -> bool:
    return "by conjugate gradients" in fit.optimizer.message


def problem_of_fit(fit) -> Problem:
    return fit.state.estimate.problem


FITS = [
    (SCALAR, True, "auto"),
    (SCALAR, False, "auto"),
    (SCALAR, True, "sparse"),
    ("y ~ x + (x | a) + (1 | b)", True, "auto"),
    ("y ~ x + (1 | a) + (x || b) + (1 | c)", False, "auto"),
]


@pytest.mark.parametrize("formula, reml, factor", FITS)
@pytest.mark.parametrize("weighted", [slow(False), True])
def test_the_same_optimum_in_no_more_evaluations(formula, reml, factor, weighted, monkeypatch):
    frame = crossed_frame(6000, 300, 250)
    frame["y"] += 0.4 * np.random.default_rng(9).normal(size=250)[frame["b"]] * frame["x"]
    control = Control(factor=factor)
    model = lf.MixedModel(formula, frame, weights="w" if weighted else None)
    usual = model.fit(reml=reml, control=control)
    monkeypatch.setattr(layout_module, "EXPENSIVE_WORK", 1.0)
    monkeypatch.setattr(choice, "ROUGH_PRODUCTS", 0.0)
    found = model.fit(reml=reml, control=control)
    assert began_at_rough_optimum(found)
    assert not began_at_rough_optimum(usual)
    assert found.converged
    assert usual.converged
    assert found.criterion == pytest.approx(usual.criterion, abs=1e-7)
    assert found.criterion_se == 0.0
    information = usual.state.estimate.optimum.evaluation.information
    errors = np.sqrt(2.0 * np.diag(np.linalg.inv(information)))
    moved = (
        found.state.estimate.optimum.evaluation.theta
        - usual.state.estimate.optimum.evaluation.theta
    )
    assert (np.abs(moved) < 1e-3 * errors).all()
    np.testing.assert_allclose(found.params, usual.params, atol=1e-5 * usual.bse.max())
    assert found.optimizer.n_evaluations <= usual.optimizer.n_evaluations
    # the trace holds exact values, and the first is near the last
    assert len(found.optimizer.trace) == found.optimizer.n_evaluations
    assert found.optimizer.trace[0] - found.criterion < 0.1
    assert usual.optimizer.trace[0] > found.optimizer.trace[0]


@pytest.mark.usefixtures("everything_is_expensive")
def test_a_seed_fixes_the_path_and_none_moves_the_end():
    model = lf.MixedModel(SCALAR, crossed_frame(4000, 300, 250))
    fits = [model.fit(control=Control(seed=seed)) for seed in (7, 7, 8)]
    assert fits[0].optimizer.trace == fits[1].optimizer.trace
    assert (fits[0].theta == fits[1].theta).all()
    assert fits[0].optimizer.trace[0] != fits[2].optimizer.trace[0]
    assert fits[0].criterion == pytest.approx(fits[2].criterion, abs=1e-7)
    np.testing.assert_allclose(fits[0].theta, fits[2].theta, rtol=1e-5)


def test_a_variance_of_zero_is_found_from_the_usual_start(monkeypatch):
    frame = crossed_frame(3000, 200, 150, seed=1, sizes=(0.8, 0.0))
    model = lf.MixedModel("y ~ x + (x | a) + (1 | b)", frame)
    with pytest.warns(lf.errors.SingularWarning):
        usual = model.fit()
    monkeypatch.setattr(layout_module, "EXPENSIVE_WORK", 1.0)
    monkeypatch.setattr(choice, "ROUGH_PRODUCTS", 0.0)
    with pytest.warns(lf.errors.SingularWarning):
        found = model.fit()
    assert not began_at_rough_optimum(found)
    assert found.theta[-1] == pytest.approx(0.0, abs=1e-6)
    assert found.criterion == pytest.approx(usual.criterion, abs=1e-7)


@pytest.mark.usefixtures("everything_is_expensive")
def test_a_given_start_is_where_the_search_begins():
    model = lf.MixedModel(SCALAR, crossed_frame(3000, 200, 150))
    found = model.fit(start=[1.5, 0.2])
    assert not began_at_rough_optimum(found)
    assert found.optimizer.trace[0] == pytest.approx(model.fit().at([1.5, 0.2]).criterion)


@pytest.mark.usefixtures("everything_is_expensive")
@pytest.mark.parametrize("failure", ["first evaluation", "evaluations", "iterations"])
def test_without_a_rough_optimum_the_search_begins_as_usual(failure, monkeypatch):
    def fails(*args, **options):
        raise NumericalError("conjugate gradients did not converge")

    if failure == "first evaluation":
        monkeypatch.setattr(score_search, "evaluate", fails)
    elif failure == "evaluations":
        monkeypatch.setattr(rough_search, "ROUGH_EVALUATIONS", 1)
    else:
        monkeypatch.setattr(rough_search, "ROUGH_ITERATIONS", 1)
    model = lf.MixedModel(SCALAR, crossed_frame(3000, 200, 150, sizes=(2.0, 1.0)))
    found = model.fit()
    assert found.converged
    assert not began_at_rough_optimum(found)
    start = minimize(problem_of_fit(found), Control()).trace[0]
    assert found.state.estimate.optimum.trace[0] == pytest.approx(start, rel=1e-12)


def test_a_guess_that_cannot_be_evaluated_is_replaced():
    fit = lf.lmer(SCALAR, crossed_frame(1500, 80, 60))
    problem = problem_of_fit(fit)
    usual = minimize(problem, Control())
    found = minimize(problem, Control(), guess=np.full(2, np.nan))
    assert not found.began_at_guess
    assert found.trace == (np.inf, *usual.trace)
    np.testing.assert_array_equal(found.evaluation.theta, usual.evaluation.theta)


def test_a_guess_that_is_not_the_lowest_start_is_not_named(monkeypatch):
    problem = problem_of_fit(lf.lmer(SCALAR, crossed_frame(1500, 80, 60)))
    assert minimize(problem, Control(), guess=np.array([30.0, 30.0])).began_at_guess
    monkeypatch.setattr(minimize_module, "_has_uneven_slopes", lambda problem: True)
    found = minimize(problem, Control(), guess=np.array([30.0, 30.0]))
    assert found.trace[0] > found.trace[1]
    assert not found.began_at_guess


def test_iterations_are_limited():
    fit = lf.lmer(SCALAR, crossed_frame(1500, 80, 60), control=Control(factor="cg"))
    problem = problem_of_fit(fit)
    limited = IterativeProblem(problem.system, problem.covariances, True, most_iterations=2)
    probes = sign_probes(problem.system.m, 0)
    with pytest.raises(NumericalError, match="in 2 iterations"):
        evaluate(limited, fit.theta, probes)


def test_where_a_rough_search_is_worth_its_time(monkeypatch):
    frame = crossed_frame(4000, 300, 250)
    problem = problem_of_fit(lf.lmer(SCALAR, frame))
    assert problem.system.factor_work == 250.0**3
    assert choice.rough_system(problem) is None  # evaluations are cheap
    monkeypatch.setattr(layout_module, "EXPENSIVE_WORK", 1.0)
    assert choice.rough_system(problem) is None  # conjugate gradients cost as much
    monkeypatch.setattr(choice, "ROUGH_PRODUCTS", 0.0)
    iterative = choice.rough_system(problem)
    assert iterative.m == 250
    # it is within the memory that was checked for the coupling of the factors
    numbers = sum(pair.blocks.size for pair in problem.system.cp.pairs.values())
    held = iterative.blocks(["a", "b"])[1].bytes
    assert held <= system_module.COUPLING_NUMBER_BYTES * numbers
    frame["b"] = frame["a"] % 40  # nested factors have no Schur complement to speak of
    nested = problem_of_fit(lf.lmer(SCALAR, frame))
    assert nested.system.factor_work == 0.0
    assert choice.rough_system(nested) is None
    single = problem_of_fit(lf.lmer("y ~ x + (1 | a)", frame))
    assert choice.rough_system(single) is None
