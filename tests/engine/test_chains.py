"""Chains of nested factors: blocks in stacks, and passes over the levels, against dense twins."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from dense import dense_fit
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from models import SmallModel, scaled_rows

import lmforms as lf
from lmforms.covariance import Diagonal, Stacked, Unstructured
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import ChainFactorization, Factorization, System, factorize
from lmforms.engine.factor import chain_factorization as chain_module
from lmforms.engine.factor import level_passes as passes_module
from lmforms.engine.factor import system as system_module
from lmforms.engine.factor.level_operations import FIRST_SUM, LevelOperations
from lmforms.engine.factor.nested import NestedSolver
from lmforms.engine.linalg import compiled as compiled_module
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.cross_products import cross_products
from lmforms.errors import NumericalError
from lmforms.residual import Independent, Weighted

WAYS = ["stacks", "passes", "compiled passes"]


def random_chain(
    seed: int,
    columns: tuple[int, ...],
    *,
    reml: bool = True,
    weighted: bool = False,
    zero: str = "nothing",
    p: int = 2,
) -> SmallModel:
    """A tree of random shape, its levels in random order, some of them without rows.

    `columns` are effects of the factors from the outermost inwards; `zero` is "nothing", or a
    "column" or the "whole" of λ of one of them.
    """
    rng = np.random.default_rng(seed)
    q = int(rng.integers(2, 5))
    parents = []
    for _ in columns[1:]:
        children = rng.integers(0, 4, q)
        children[0] += 1
        parents.append(np.repeat(np.arange(q), children))
        q = len(parents[-1])
    codes = [np.append(np.repeat(np.arange(q), rng.integers(0, 4, q)), np.zeros(12, dtype=int))]
    for parent in reversed(parents):
        codes.append(parent[codes[-1]])
    n, empty = len(codes[0]), 0
    factors, covariances, thetas = [], [], []
    chosen = int(rng.integers(0, len(columns)))
    for i, (labels, k) in enumerate(zip(reversed(codes), columns, strict=True)):
        code = np.unique(labels, return_inverse=True)[1]
        empty += int(rng.integers(0, 2))
        levels = int(code.max()) + 1 + empty
        basis = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1)) + 1.0])
        factors.append(FactorRows(rng.permutation(levels)[code].astype(np.intp), levels, basis))
        covariances.append(Stacked.of([Diagonal(k)]) if rng.random() < 0.2 else Unstructured(k))
        theta = rng.normal(size=covariances[-1].n_theta)
        if i == chosen and zero != "nothing":
            lam = covariances[-1].factor(theta)
            lam[:, -1] = 0.0
            theta = covariances[-1].theta(lam) if zero == "column" else 0.0 * theta
        thetas.append(theta)
    order = rng.permutation(len(columns))
    X = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    residual = Weighted(rng.uniform(0.3, 3.0, n)) if weighted else Independent()
    return SmallModel(
        ModelRows(rng.normal(size=n) + 3.0, X, tuple(factors[i] for i in order), residual),
        tuple(covariances[i] for i in order),
        np.concatenate([thetas[i] for i in order]),
        reml,
    )


def problem_in(
    model: SmallModel, way: str, monkeypatch: pytest.MonkeyPatch, pilot: bool = True
) -> tuple[Problem, ModelRows]:
    """The problem, whose levels are taken in this way, and its rows in the engine's units."""
    monkeypatch.setattr(system_module, "DENSE_CHAIN", 0)
    for module in (chain_module, system_module):
        monkeypatch.setattr(module, "CHAIN_LEVELS", np.inf if way == "stacks" else 0)
    work = 0.0 if way == "compiled passes" else np.inf
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", work)
    inner, scaling = scaled_rows(model)
    if not pilot:
        zeros = tuple(np.zeros_like(b) for b in scaling.pilot.effects)
        scaling = replace(scaling, pilot=replace(scaling.pilot, effects=zeros))
    system = System(cross_products(model.rows, scaling))
    if len(model.covariances) > 1:
        assert isinstance(system.solver, NestedSolver)
    else:
        assert (system.chain is None) == (way == "stacks")
    return Problem(system, model.covariances, model.reml), inner


def assert_like_dense(problem: Problem, inner: ModelRows, model: SmallModel) -> None:
    fast = differentiate(evaluate(problem, model.theta))
    slow = dense_fit(inner, model.covariances, model.theta, model.reml)
    assert fast.value == pytest.approx(slow.value, rel=1e-10)
    assert fast.gls.r2 == pytest.approx(slow.r2, rel=1e-8)
    np.testing.assert_allclose(fast.gls.beta, slow.beta, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(
        np.concatenate([b.ravel() for b in fast.b]), slow.b, rtol=1e-7, atol=1e-8
    )
    for g, d in zip(fast.covariance_gradients, slow.covariance_gradients, strict=True):
        np.testing.assert_allclose(g, d, rtol=1e-7, atol=1e-7 * np.abs(d).max() + 1e-10)
    near = 1e-8 * np.abs(slow.information).max() + 1e-10  # zero where one level has all rows
    np.testing.assert_allclose(fast.information, slow.information, rtol=1e-7, atol=near)
    np.testing.assert_allclose(fast.mixed, slow.mixed, rtol=1e-7, atol=1e-7)


chains = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)
zeros = st.sampled_from(["nothing", "column", "whole"])


@pytest.mark.parametrize("way", WAYS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(seed=1, columns=(1, 1, 1), reml=True, weighted=False, zero="nothing", pilot=True)
@given(
    seed=st.integers(0, 2**16),
    columns=chains,
    reml=st.booleans(),
    weighted=st.booleans(),
    zero=zeros,
    pilot=st.booleans(),
)
def test_a_chain_is_its_dense_twin(way, seed, columns, reml, weighted, zero, pilot, monkeypatch):
    if way == "compiled passes":
        pytest.importorskip("numba")
    model = random_chain(seed, columns, reml=reml, weighted=weighted, zero=zero)
    problem, inner = problem_in(model, way, monkeypatch, pilot)
    factor = factorize(problem.system, problem.lams(model.theta))
    passed = way != "stacks" and (zero == "nothing" or not pilot)
    if passed or way == "stacks":
        assert isinstance(factor, ChainFactorization) == passed
    assert_like_dense(problem, inner, model)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("zero", ["nothing", "whole"])
def test_what_else_a_factor_is_asked_for(seed, zero, monkeypatch):
    model = random_chain(seed, (2, 1, 3), zero=zero)
    rng = np.random.default_rng(seed)
    scaling = scaled_rows(model)[1]
    dense = System(cross_products(model.rows, scaling), "dense")
    lams = Problem(dense, model.covariances, True).lams(model.theta)
    effects = [rng.normal(size=(q, k, 2)) for q, k in dense.shapes]
    slow = Factorization(dense, lams)
    for way in WAYS[:2]:
        problem, _ = problem_in(model, way, monkeypatch, pilot=False)
        fast = factorize(problem.system, lams)
        assert fast.log_det == pytest.approx(slow.log_det, rel=1e-12)
        for name, arguments in [
            ("solve", (effects,)),
            ("marginal_of_effects", (effects,)),
            ("level_blocks", ()),
            ("diagonal_sums", ()),
        ]:
            found, expected = getattr(fast, name)(*arguments), getattr(slow, name)(*arguments)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9, err_msg=name)
        gram, expected = (system.gram_times(effects) for system in (problem.system, dense))
        for a, b in zip(gram, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("columns", [(2,), (1, 2, 1)])
def test_other_sums_on_one_analysis(columns, monkeypatch):
    model = random_chain(3, columns)
    problem, _ = problem_in(model, "passes", monkeypatch)
    other = replace(model, rows=replace(model.rows, residual=Weighted(1.0 + model.rows.y**2)))
    scaling = problem.system.cp.scaling
    cp = cross_products(other.rows, scaling)
    system = problem.system.with_sums(cp)
    assert isinstance(factorize(system, problem.lams(model.theta)), ChainFactorization)
    again = evaluate(replace(problem, system=system), model.theta)
    fresh = evaluate(replace(problem, system=System(cp)), model.theta)
    assert again.value == fresh.value != evaluate(problem, model.theta).value


# --- passes -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS[1:])
@pytest.mark.parametrize("sorted_parents", [False, True])
def test_tiles_and_threads_change_nothing(way, sorted_parents, monkeypatch):
    if way == "compiled passes":
        pytest.importorskip("numba")
    n = 500
    codes = [np.arange(n) // 2, np.arange(n) // 6, np.arange(n) // 42]
    if not sorted_parents:
        rng = np.random.default_rng(0)
        codes = [rng.permutation(int(c.max()) + 1)[c] for c in codes]
    rng = np.random.default_rng(1)
    bases = [np.column_stack([np.ones(n), rng.normal(size=n)])[:, :k] for k in (2, 1, 2)]
    factors = tuple(
        FactorRows(c, int(c.max()) + 1, basis) for c, basis in zip(codes, bases, strict=True)
    )
    rows = ModelRows(rng.normal(size=n), np.ones((n, 1)), factors, Independent())
    covariances = tuple(Unstructured(k) for k in (2, 1, 2))
    model = SmallModel(rows, covariances, rng.normal(size=7), True)
    problem, _ = problem_in(model, way, monkeypatch)
    assert problem.system.chain.links[0].parents_ascend == sorted_parents
    whole = differentiate(evaluate(problem, model.theta))
    for name, value in [("LEAST_WIDTH", 8), ("MOST_WIDTH", 8), ("NUMPY_WIDTH", 8)]:
        monkeypatch.setattr(passes_module, name, value)
    monkeypatch.setattr(passes_module, "LARGEST_EXPONENT", 3.0)
    monkeypatch.setattr(passes_module, "_threads", lambda work: 3)
    parts = differentiate(evaluate(problem, model.theta))
    assert parts.value == pytest.approx(whole.value, rel=1e-13)
    np.testing.assert_allclose(parts.gradient, whole.gradient, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(parts.information, whole.information, rtol=1e-9, atol=1e-10)
    for a, b in zip(parts.b, whole.b, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_a_block_that_is_not_definite(way, monkeypatch):
    if way == "compiled passes":
        pytest.importorskip("numba")
    model = random_chain(5, (1, 1))
    problem, _ = problem_in(model, way, monkeypatch)
    cp = problem.system.cp
    wrong = replace(cp, factors=tuple(replace(f, zz=-f.zz) for f in cp.factors))
    with pytest.raises(NumericalError, match="not positive definite"):
        evaluate(replace(problem, system=System(wrong)), 10.0 * np.ones(2))


def test_rows_of_the_work_array_are_used_again():
    ops = LevelOperations()
    total = ops.sums(1)
    row = ops.load(0, np.array([0]))[0]
    for _ in range(20):
        row = ops.inner([row], [row])
    ops.combined([0], [row], total[0])
    assert ops.finished().rows == FIRST_SUM + 1 + 2


# --- fits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS[1:])
def test_a_fit_by_passes(way, monkeypatch):
    if way == "compiled passes":
        pytest.importorskip("numba")
    pastes = lf.datasets.load("Pastes")
    model = lf.MixedModel("strength ~ 1 + (1 | batch/cask)", pastes)
    usual = model.fit()
    monkeypatch.setattr(chain_module, "CHAIN_LEVELS", 0)
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 0.0 if "comp" in way else np.inf)
    passed = model.fit()
    evaluation = passed.state.estimate.optimum.evaluation
    assert isinstance(evaluation.factor, ChainFactorization)
    assert passed.criterion == pytest.approx(usual.criterion, rel=1e-12)
    np.testing.assert_allclose(passed.theta, usual.theta, rtol=1e-6)
    for name in usual.random_effects:
        np.testing.assert_allclose(passed.random_effects[name], usual.random_effects[name], 1e-6)
    again = pickle.loads(pickle.dumps(evaluation))
    for a, b in zip(again.effects, evaluation.effects, strict=True):
        np.testing.assert_array_equal(a, b)


def test_many_levels_need_few_evaluations():
    rng = np.random.default_rng(0)
    c = np.repeat(np.arange(30_000), 2)
    y = rng.normal(size=3_000)[c // 10] + rng.normal(size=30_000)[c] + rng.normal(size=len(c))
    frame = pd.DataFrame({"y": y, "a": c // 10, "c": c})
    fit = lf.lmer("y ~ 1 + (1 | a) + (1 | c)", frame)
    assert fit.converged
    assert fit.optimizer.n_evaluations <= 6
    assert fit.optimizer.blocks[-1].kind == "block diagonal"
