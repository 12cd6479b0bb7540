"""The optimiser finds the optimum, says so, and leaves boundaries and saddles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import make_model, small_models
from slow_cases import one_in, slow_if

import lmforms as lf
from lmforms.control import Control
from lmforms.engine.criterion.evaluate import evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import System
from lmforms.engine.optimize.minimize import minimize
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.cross_products import cross_products
from lmforms.engine.sums.sums_of_rows import choose_scaling
from lmforms.engine.sums.units import Scaling

pytestmark = pytest.mark.one_in(4)


def simulated(seed: int) -> Problem:
    """A model with effects of very different sizes, many of them zero."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 4))
    columns = tuple(int(k) for k in rng.integers(1, 4, count))
    levels = tuple(int(q) for q in rng.integers(5, 12, count))
    n = int(rng.integers(150, 300))
    structures = tuple("us" if rng.random() < 0.7 else "diag" for _ in columns)
    model = make_model(seed, levels, columns, structures, n=n, reml=bool(seed % 2))
    y = model.rows.y
    for f in model.rows.factors:
        root = np.tril(rng.normal(size=(f.k, f.k))) * rng.choice([0.0, 0.3, 2.0], size=(f.k, 1))
        effects = rng.normal(size=(f.n_levels, f.k)) @ root.T
        y = y + np.einsum("ik,ik->i", f.basis, effects[f.codes])
    rows = ModelRows(y, model.rows.X, model.rows.factors, model.rows.residual)
    scaling = choose_scaling(rows, model.covariances)
    return Problem(System(cross_products(rows, scaling)), model.covariances, model.reml)


@pytest.mark.parametrize("seed", slow_if(lambda seed: seed % 4 != 1, range(40)))
def test_no_restart_finds_a_lower_criterion(seed):
    problem = simulated(seed)
    found = minimize(problem, Control())
    assert found.converged
    rng = np.random.default_rng(seed)
    for size in (0.1, 1.0, 3.0):
        other = minimize(problem, Control(), size * rng.normal(size=problem.n_theta))
        assert found.evaluation.value <= other.evaluation.value + 1e-6


@pytest.mark.parametrize("seed", one_in(4, range(10)))
def test_the_reported_point_is_the_best_seen(seed):
    found = minimize(simulated(seed), Control())
    assert found.evaluation.value <= min(found.trace) + found.evaluation.rounding


def test_iteration_limit_is_a_named_warning_with_the_best_point():
    data = lf.datasets.load("sleepstudy")
    with pytest.warns(lf.errors.ConvergenceWarning, match="max_evaluations"):
        fit = lf.lmer(
            "Reaction ~ Days + (Days | Subject)", data, control=lf.Control(max_evaluations=2)
        )
    assert not fit.converged
    assert fit.criterion == pytest.approx(min(fit.optimizer.trace), rel=1e-14)
    assert "max_evaluations" in fit.optimizer.message


@pytest.mark.parametrize("start", [0.0, 1e-9, -0.5, 30.0])
def test_any_start_reaches_the_optimum(start):
    data = lf.datasets.load("Dyestuff")
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", data, reml=False, start=[start])
    assert fit.criterion == pytest.approx(327.3270598811, abs=1e-8)
    assert fit.theta[0] > 0.5


def test_zero_is_reached_exactly_when_it_is_the_optimum():
    with pytest.warns(lf.errors.SingularWarning, match="variance of `Intercept` is 0"):
        fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    assert fit.theta[0] == 0.0
    assert fit.converged


def test_a_fit_without_parameters_to_optimise():
    problem = simulated(1)
    empty = Problem(System(_without_factors(problem)), (), True)
    found = minimize(empty, Control())
    assert found.converged
    assert found.n_evaluations == 1


def _without_factors(problem: Problem):
    cp = problem.system.cp
    units = replace(cp.scaling.units, bases=())
    scaling = Scaling(units, replace(cp.scaling.pilot, effects=()))
    return replace(cp, scaling=scaling, factors=(), pairs={})


@settings(max_examples=25, deadline=None)
@given(model=small_models(), seed=st.integers(0, 1000))
def test_invariances(model, seed):
    """Order of rows, labels of levels, units of y and of the bases: one criterion."""
    rng = np.random.default_rng(seed)
    rows = model.rows
    order = rng.permutation(rows.n)
    relabel = [rng.permutation(f.n_levels) for f in rows.factors]
    other = ModelRows(
        y=1e3 * rows.y[order] - 7.0 * rows.X[order, 1],
        X=rows.X[order],
        factors=tuple(
            FactorRows(p[f.codes[order]], f.n_levels, f.basis[order] * 10.0 ** rng.integers(-3, 4))
            for f, p in zip(rows.factors, relabel, strict=True)
        ),
        residual=rows.residual.subset(order),
    )
    values = []
    for r in (rows, other):
        scaling = choose_scaling(r, model.covariances)
        problem = Problem(System(cross_products(r, scaling)), model.covariances, model.reml)
        value = evaluate(problem, model.theta).value
        values.append(value + scaling.criterion_shift(problem.nu, model.reml))
    shift = 2.0 * problem.nu * np.log(1e3)
    assert values[1] - shift == pytest.approx(values[0], rel=1e-9, abs=1e-8)
