"""Related levels, Var(u) = σ²K ⊗ I, against n×n algebra with explicit inverses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from dense import dense_fit
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SmallModel, make_model, scaled_rows

from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import JointSystem, System
from lmforms.engine.prior import Identity, Precision
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.cross_products import cross_products


def random_precision(rng: np.random.Generator, q: int) -> np.ndarray:
    """A sparse precision such as a pedigree has, with a condition of some hundreds."""
    parents = [rng.integers(0, i) if i and rng.random() < 0.8 else -1 for i in range(q)]
    t = np.eye(q)
    for i, parent in enumerate(parents):
        if parent >= 0:
            t[i, parent] = -0.5
    return t.T @ np.diag(rng.uniform(0.5, 2.0, q)) @ t


@st.composite
def related_models(draw):
    """Models whose grouping factors are related or not, with levels that have no rows."""
    count = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**16))
    model = make_model(
        seed=seed,
        levels=tuple(draw(st.integers(2, 7)) for _ in range(count)),
        columns=tuple(draw(st.integers(1, 3)) for _ in range(count)),
        structures=tuple(draw(st.sampled_from(["us", "diag", "stacked"])) for _ in range(count)),
        n=draw(st.integers(25, 45)),
        weighted=draw(st.booleans()),
        reml=draw(st.booleans()),
        zeros=draw(st.booleans()),
    )
    rng = np.random.default_rng(seed + 1)
    related = [True, *(draw(st.booleans()) for _ in range(count - 1))]
    more = [draw(st.integers(0, 3)) if r else 0 for r in related]
    factors = tuple(
        FactorRows(f.codes, f.n_levels + extra, f.basis)
        for f, extra in zip(model.rows.factors, more, strict=True)
    )
    precisions = [
        random_precision(rng, f.n_levels) if r else None
        for f, r in zip(factors, related, strict=True)
    ]
    return replace(model, rows=replace(model.rows, factors=factors)), precisions


def problem_of(
    model: SmallModel, precisions: list[np.ndarray | None], method: str
) -> tuple[Problem, ModelRows]:
    inner, scaling = scaled_rows(model)
    priors = [Identity() if q is None else Precision(sp.csc_matrix(q)) for q in precisions]
    system = JointSystem(cross_products(model.rows, scaling), priors, method)
    return Problem(system, model.covariances, model.reml), inner


def regular(problem: Problem, theta: np.ndarray) -> bool:
    return min(np.linalg.svd(lam, compute_uv=False).min() for lam in problem.lams(theta)) > 1e-3


@pytest.mark.parametrize("method", ["dense", "sparse", "superlu"])
@settings(max_examples=60, deadline=None)
@given(drawn=related_models())
def test_against_the_dense_twin(method, drawn):
    model, precisions = drawn
    problem, inner = problem_of(model, precisions, method)
    fast = differentiate(evaluate(problem, model.theta))
    relations = [None if q is None else np.linalg.inv(q) for q in precisions]
    slow = dense_fit(inner, model.covariances, model.theta, model.reml, relations)
    assert fast.value == pytest.approx(slow.value, rel=1e-10, abs=1e-10)
    assert fast.gls.r2 == pytest.approx(slow.r2, rel=1e-10)
    np.testing.assert_allclose(fast.gls.beta, slow.beta, rtol=1e-8, atol=1e-10)
    effects = np.concatenate([b.ravel() for b in fast.b])
    np.testing.assert_allclose(effects, slow.b, rtol=1e-8, atol=1e-9)
    # beside a singular λ a sparse factor gives half the digits of derivatives
    close = 1e-7 if method == "dense" or regular(problem, model.theta) else 2e-5
    for g, d in zip(fast.covariance_gradients, slow.covariance_gradients, strict=True):
        np.testing.assert_allclose(g, d, rtol=close, atol=close * np.abs(d).max())
    scale = np.abs(slow.information).max()
    np.testing.assert_allclose(fast.information, slow.information, rtol=close, atol=close * scale)
    at = 0
    for block in fast.factor.level_blocks():
        for level in block:
            own = slice(at, at + len(level))
            np.testing.assert_allclose(level, slow.cov_b[own, own], rtol=1e-8, atol=1e-10)
            at = own.stop
    assert at == len(slow.cov_b)


@settings(max_examples=40, deadline=None)
@given(drawn=related_models())
def test_the_hessian_against_the_dense_twin(drawn):
    model, precisions = drawn
    problem, inner = problem_of(model, precisions, "dense")
    fast = differentiate(evaluate(problem, model.theta), hessian=True)
    relations = [None if q is None else np.linalg.inv(q) for q in precisions]
    slow = dense_fit(inner, model.covariances, model.theta, model.reml, relations)
    scale = np.abs(slow.hessian).max()
    np.testing.assert_allclose(fast.information, slow.hessian, rtol=1e-7, atol=1e-7 * scale)


@settings(max_examples=20, deadline=None)
@given(drawn=related_models())
def test_the_gradient_is_that_of_the_criterion(drawn):
    model, precisions = drawn
    problem, _ = problem_of(model, precisions, "dense")
    gradient = differentiate(evaluate(problem, model.theta)).gradient
    for i, step in enumerate(1e-5 * np.eye(model.n_theta)):
        up, down = (evaluate(problem, model.theta + s).value for s in (step, -step))
        assert gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-5)


def test_independent_levels_are_the_identity():
    model = make_model(3, (6, 5), (2, 1), ("us", "us"), n=40)
    _, scaling = scaled_rows(model)
    cp = cross_products(model.rows, scaling)
    plain = differentiate(evaluate(Problem(System(cp), model.covariances, True), model.theta))
    joint = JointSystem(cp, [Precision(sp.identity(6, format="csc")), Identity()])
    found = differentiate(evaluate(Problem(joint, model.covariances, True), model.theta))
    assert found.value == pytest.approx(plain.value, rel=1e-13)
    np.testing.assert_allclose(found.gradient, plain.gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.information, plain.information, rtol=1e-9, atol=1e-9)
