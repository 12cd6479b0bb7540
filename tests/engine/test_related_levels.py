"""Related levels, Var(u) = σ²K ⊗ I, against n×n algebra with explicit inverses."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from dense import dense_fit
from hypothesis import given, settings
from models import make_model, scaled_rows
from related import problem_of, related_models

from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import JointSystem, System
from lmforms.engine.prior import Identity, Precision
from lmforms.engine.sums.cross_products import cross_products


def regular(problem: Problem, theta: np.ndarray) -> bool:
    return min(np.linalg.svd(lam, compute_uv=False).min() for lam in problem.lams(theta)) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dense", "sparse", "superlu"])
@settings(max_examples=25, deadline=None)
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
    np.testing.assert_allclose(fast.mixed, slow.mixed, rtol=1e-8, atol=1e-8)
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
