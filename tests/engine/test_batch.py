"""Many responses side by side, against the engine one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import small_models

import lmforms as lf
from lmforms.covariance import Diagonal
from lmforms.engine.batch.arrangement import is_linear, is_suited_to_batches, shared_sums_of
from lmforms.engine.batch.criterion import evaluate, gls_estimates
from lmforms.engine.batch.curves import response_curves
from lmforms.engine.batch.derivatives import derivatives
from lmforms.engine.batch.minima import find_minima, has_one_minimum
from lmforms.engine.batch.newton import minimise
from lmforms.engine.batch.shared_sums import ResponseSums
from lmforms.engine.criterion import evaluate as engine
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import System
from lmforms.engine.optimize.minimize import minimize
from lmforms.engine.optimize.variance_curves import variance_curves
from lmforms.engine.sums.cross_products import cross_products
from lmforms.engine.sums.scaling import choose_units

SLEEP = lf.datasets.load("sleepstudy")
FORMULA = "Reaction ~ Days + (Days | Subject)"


def problem_of(rows, covariances, reml: bool) -> Problem:
    """Without pilot effects."""
    cp = cross_products(rows, choose_units(rows, covariances))
    return Problem(System(cp), tuple(covariances), reml)


def with_responses(model, count: int, seed: int) -> list[Problem]:
    """Problems of several responses of one design, the own one first."""
    rng = np.random.default_rng(seed)
    responses = [model.rows.y, *rng.normal(size=(count - 1, len(model.rows.y)))]
    return [problem_of(replace(model.rows, y=y), model.covariances, model.reml) for y in responses]


def batch_of(problems: list[Problem]):
    first = problems[0]
    shared = shared_sums_of(first.system.cp, first.covariances, first.reml, first.system)
    return shared, ResponseSums.of(shared, [p.system.cp for p in problems])


def sleep_problems(count: int, noise: float = 30.0, seed: int = 0, reml: bool = True):
    rng, out = np.random.default_rng(seed), []
    for _ in range(count):
        y = SLEEP["Reaction"] + noise * rng.normal(size=len(SLEEP))
        design = lf.MixedModel(FORMULA, SLEEP.assign(Reaction=y)).design
        rows = design.rows()
        out.append(problem_of(rows, [g.covariance for g in design.groups], reml))
    return out


@settings(max_examples=60, deadline=None)
@given(model=small_models(), seed=st.integers(0, 2**16), size=st.sampled_from([0.1, 1.0, 10.0]))
def test_values_and_derivatives_are_the_engines(model, seed, size):
    problems = with_responses(model, 3, seed)
    shared, own = batch_of(problems)
    random = size * np.random.default_rng(seed).normal(size=(2, model.n_theta))
    theta = np.vstack([model.theta, random])
    at = evaluate(shared, own, theta)
    found = derivatives(shared, own, at)
    beta, inverse_root = gls_estimates(shared, at)
    for j, problem in enumerate(problems):
        one = engine.evaluate(problem, theta[j])
        exact = engine.differentiate(one, hessian=True)
        value = one.value - one.parts.log_det_residual
        assert at.value[j] == pytest.approx(value, rel=1e-11, abs=1e-9)
        assert at.r2[j] == pytest.approx(one.gls.r2, rel=1e-9)
        np.testing.assert_allclose(beta[j], one.gls.beta, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(inverse_root[j], one.gls.inverse_root_x, rtol=1e-8, atol=1e-10)
        scale = 1.0 + np.abs(exact.gradient).max(initial=0.0)
        np.testing.assert_allclose(found.gradient[j], exact.gradient, rtol=1e-7, atol=1e-8 * scale)
        scale = np.abs(exact.information).max()
        np.testing.assert_allclose(
            found.hessian[j], exact.information, rtol=1e-7, atol=1e-8 * scale
        )
        assert (found.scale[j] >= exact.curvature_scale * (1 - 1e-6)).all()


@settings(max_examples=40, deadline=None)
@given(model=small_models())
def test_curves_are_the_engines(model):
    problem = problem_of(model.rows, model.covariances, model.reml)
    shared, own = batch_of([problem])
    at = evaluate(shared, own, model.theta[None])
    there = engine.evaluate(problem, model.theta)
    wanted = {i: curves for i, _, curves in variance_curves(there)}
    found = {i: curves for i, _, curves in response_curves(shared, own, at, problem.covariances)}
    assert set(found) == set(wanted)
    for i, curves in found.items():
        grid = wanted[i].grid()
        np.testing.assert_allclose(curves.grid()[:, 1:], grid[:, 1:], rtol=1e-3)
        changes = wanted[i].changes(grid)
        np.testing.assert_allclose(curves.changes(grid), changes, rtol=1e-7, atol=1e-7)


def test_a_criterion_that_cannot_be_evaluated_is_infinite():
    shared, own = batch_of(sleep_problems(3))
    theta = np.array([[1.0, 0.1, 1.0], [np.nan, 0.0, 1.0], [1e200, 0.0, 1.0]])
    at = evaluate(shared, own, theta)
    assert np.isfinite(at.value).tolist() == [True, False, False]
    assert minimise(shared, own, theta, 1e-8).regular.tolist() == [True, False, False]


def test_several_starts_end_at_one_minimum():
    problems = sleep_problems(40, seed=4)
    shared, own = batch_of(problems)
    rng, ends = np.random.default_rng(5), []
    for _ in range(4):
        start = rng.normal(size=(40, 3)) * rng.choice([0.3, 1.0, 3.0], size=(40, 1))
        found = minimise(shared, own, start, 1e-9)
        ends.append(np.where(found.regular, found.point.value, np.nan))
    lowest = np.nanmin(ends, axis=0)
    assert np.nanmax(np.array(ends) - lowest) < 1e-7


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(model=small_models())
def test_accepted_minima_are_those_of_a_search(model):
    problem = problem_of(model.rows, model.covariances, model.reml)
    shared, own = batch_of([problem])
    control = lf.Control()
    found = find_minima(
        problem,
        shared,
        own,
        np.concatenate([c.start() for c in model.covariances])[None],
        tolerance=control.tolerance,
        singular=control.singular,
    )
    if found.accepted[0]:
        best = minimize(problem, control).value - problem.system.cp.log_det_residual
        assert found.point.value[0] <= best + 1e-6


def test_one_minimum_is_known_of_balanced_unstructured_terms():
    rng = np.random.default_rng(3)

    def known(formula: str, data: pd.DataFrame, **options) -> bool:
        design = lf.MixedModel(formula, data, **options).design
        covariances = tuple(g.covariance for g in design.groups)
        problem = problem_of(design.rows(), covariances, True)
        return has_one_minimum(problem.system.cp, covariances)

    assert known(FORMULA, SLEEP)
    fewer = SLEEP.iloc[rng.permutation(len(SLEEP))[:150]]
    between = SLEEP.assign(z=SLEEP["Subject"].cat.codes % 3)
    for formula, data, options in (
        (FORMULA, fewer, {}),
        (FORMULA, SLEEP, {"weights": rng.uniform(1, 2, len(SLEEP))}),
        ("Reaction ~ Days + z + (Days | Subject)", between, {}),
        ("Reaction ~ Days + I(Days**2) + (Days | Subject)", SLEEP, {}),
        ("Reaction ~ Days + (Days || Subject)", SLEEP, {}),
        ("Reaction ~ Days + (Days | Subject) + (1 | z)", between, {}),
    ):
        assert not known(formula, data, **options), formula


def test_levels_of_one_kind_share_their_sums():
    (balanced,) = sleep_problems(1)
    shared, _ = batch_of([balanced])
    assert shared.counts.tolist() == [18.0]
    rng = np.random.default_rng(0)
    data = SLEEP.assign(g=np.arange(180) % 40, h=rng.integers(0, 5, 180))
    design = lf.MixedModel("Reaction ~ 1 + (1 | g) + (1 | h)", data).design
    problem = problem_of(design.rows(), [g.covariance for g in design.groups], True)
    shared, _ = batch_of([problem])
    assert sorted(shared.counts) == [20.0, 20.0]


def test_which_designs_suit():
    class Squared(Diagonal):
        def factor(self, theta):
            return np.diag(theta**2)

    assert is_linear(Diagonal(2))
    assert not is_linear(Squared(2))
    (problem,) = sleep_problems(1)
    cp, system = problem.system.cp, problem.system
    assert is_suited_to_batches(cp, problem.covariances, system)
    assert not is_suited_to_batches(cp, (Squared(2),), system)
    large = pd.DataFrame({"y": np.random.default_rng(0).normal(size=4000)})
    large["g"], large["h"] = np.arange(4000) % 1000, np.arange(4000) % 999
    design = lf.MixedModel("y ~ 1 + (1 | g) + (1 | h)", large).design
    covariances = [g.covariance for g in design.groups]
    crossed = problem_of(design.rows(), covariances, True)
    assert not is_suited_to_batches(crossed.system.cp, covariances, crossed.system)
