"""Every path of the engine against n×n algebra with explicit inverses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dense import dense_criterion, dense_fit
from hypothesis import given, settings
from hypothesis import strategies as st
from models import make_model, problem_of, small_models

import lmforms as lf
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.estimate import estimate
from lmforms.engine.factor import system as system_module
from lmforms.engine.linalg import batched, threads
from lmforms.engine.linalg import compiled as compiled_module
from lmforms.engine.linalg.cholmod import have_cholmod
from lmforms.errors import MemoryLimitError

PATHS = ["auto", "compiled", "dense", "sparse", "superlu", *(["cholmod"] if have_cholmod() else [])]


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(model=small_models())
def test_criterion_beta_and_modes(path, model):
    problem, inner = problem_of(model, path)
    fast = differentiate(evaluate(problem, model.theta))
    slow = dense_fit(inner, model.covariances, model.theta, model.reml)
    assert fast.value == pytest.approx(slow.value, rel=1e-10, abs=1e-10)
    assert fast.gls.r2 == pytest.approx(slow.r2, rel=1e-10)
    np.testing.assert_allclose(fast.gls.beta, slow.beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        np.concatenate([b.ravel() for b in fast.b]), slow.b, rtol=1e-8, atol=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(model=small_models(), ratio=st.sampled_from([1.0, 0.1, 30.0]))
def test_criterion_at_a_given_sigma(model, ratio):
    problem, inner = problem_of(model)
    parts = evaluate(problem, model.theta).parts
    sigma2 = ratio * parts.sigma2
    slow = dense_criterion(inner, model.covariances, model.theta, sigma2, model.reml)
    assert parts.value_at(sigma2) == pytest.approx(slow, rel=1e-10, abs=1e-9)
    assert parts.value <= parts.value_at(sigma2) + 1e-10 * abs(slow)


@settings(max_examples=40, deadline=None)
@given(model=small_models(max_factors=1))
def test_parts_of_the_criterion_in_the_units_of_the_user(model):
    options = {"reml": model.reml, "control": lf.Control(), "at": [model.theta]}
    found = estimate(model.rows, model.covariances, **options)
    parts, slow = found.parts, dense_fit(model.rows, model.covariances, model.theta, model.reml)
    assert parts.value == pytest.approx(found.criterion, rel=1e-12)
    assert parts.r2 == pytest.approx(slow.r2, rel=1e-9)
    assert parts.log_det_x == pytest.approx(-np.linalg.slogdet(slow.cov_beta)[1], abs=1e-9)
    sigma2 = 3.0 * parts.sigma2
    wanted = dense_criterion(model.rows, model.covariances, model.theta, sigma2, model.reml)
    assert parts.value_at(sigma2) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(model=small_models())
def test_derivatives(path, model):
    problem, inner = problem_of(model, path)
    fast = differentiate(evaluate(problem, model.theta))
    slow = dense_fit(inner, model.covariances, model.theta, model.reml)
    for g, d in zip(fast.covariance_gradients, slow.covariance_gradients, strict=True):
        np.testing.assert_allclose(g, d, rtol=1e-7, atol=1e-7 * np.abs(d).max())
    scale = np.abs(slow.information).max()
    np.testing.assert_allclose(fast.information, slow.information, rtol=1e-7, atol=1e-8 * scale)
    exact = differentiate(fast, hessian=True).information
    np.testing.assert_allclose(exact, slow.hessian, rtol=1e-7, atol=1e-7 * scale)


@settings(max_examples=10, deadline=None)
@given(model=small_models())
def test_derivatives_are_those_of_the_dense_criterion(model):
    problem, inner = problem_of(model)
    at = differentiate(evaluate(problem, model.theta), hessian=True)
    gradient, hessian = at.gradient, at.information
    for i in range(model.n_theta):
        step = np.zeros(model.n_theta)
        step[i] = 1e-5
        up = dense_fit(inner, model.covariances, model.theta + step, model.reml).value
        down = dense_fit(inner, model.covariances, model.theta - step, model.reml).value
        assert gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-5)
        up, down = (
            differentiate(evaluate(problem, model.theta + s)).gradient for s in (step, -step)
        )
        slope = (up - down) / 2e-5
        np.testing.assert_allclose(hessian[i], slope, rtol=1e-5, atol=1e-5 * np.abs(slope).max())


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=20, deadline=None)
@given(model=small_models())
def test_conditional_covariances(path, model):
    problem, inner = problem_of(model, path)
    blocks = evaluate(problem, model.theta).factor.level_blocks()
    slow = dense_fit(inner, model.covariances, model.theta, model.reml).cov_b
    at = 0
    for block in blocks:
        for level in block:
            k = len(level)
            expected = slow[at : at + k, at : at + k]
            np.testing.assert_allclose(level, expected, rtol=1e-8, atol=1e-10)
            at += k
    assert at == len(slow)


@pytest.mark.parametrize("path", PATHS)
def test_sparse_and_dense_coupling_agree(path, monkeypatch):
    model = make_model(1, (7, 6, 5), (2, 1, 2), ("us", "us", "diag"), n=45)
    problem, _ = problem_of(model)
    dense = differentiate(evaluate(problem, model.theta))
    monkeypatch.setattr(system_module, "DENSE_COUPLING", 0)
    monkeypatch.setattr(system_module, "DENSE_COUPLING_SHARE", 2.0)
    sparse = differentiate(evaluate(problem_of(model, path)[0], model.theta))
    assert sparse.value == pytest.approx(dense.value, rel=1e-13)
    np.testing.assert_allclose(sparse.gradient, dense.gradient, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(sparse.information, dense.information, rtol=1e-10, atol=1e-9)
    for a, b in zip(sparse.factor.level_blocks(), dense.factor.level_blocks(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("columns", [(1, 1, 1), (2, 1, 2), (3, 2, 1)])
@pytest.mark.parametrize("threaded_work", [0.0, np.inf])
def test_compiled_kernels_agree_with_their_twins(columns, threaded_work, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(threads, "THREADED_WORK", threaded_work)
    monkeypatch.setattr(system_module, "DENSE_COUPLING", 0)
    monkeypatch.setattr(system_module, "DENSE_COUPLING_SHARE", 2.0)
    model = make_model(2, (7, 6, 5), columns, ("us", "us", "us"), n=45)
    plain = differentiate(evaluate(problem_of(model, "dense")[0], model.theta))
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 0.0)
    compiled = differentiate(evaluate(problem_of(model, "dense")[0], model.theta))
    assert compiled.value == pytest.approx(plain.value, rel=1e-13)
    np.testing.assert_allclose(compiled.gradient, plain.gradient, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(compiled.information, plain.information, rtol=1e-10, atol=1e-10)


def test_no_random_terms_is_least_squares():
    model = make_model(3, (), (), (), n=30, weighted=True)
    problem, inner = problem_of(model)
    fast = differentiate(evaluate(problem, model.theta))
    w = 1.0 / inner.residual.variances()
    XtW = inner.X.T * w
    np.testing.assert_allclose(
        fast.gls.beta, np.linalg.solve(XtW @ inner.X, XtW @ inner.y), atol=1e-12
    )
    assert fast.gradient.shape == (0,)
    assert fast.information.shape == (0, 0)


def test_signs_of_columns_of_lambda_do_not_matter():
    model = make_model(5, (6, 5), (2, 2), ("us", "us"))
    problem, _ = problem_of(model)
    flipped = model.theta.copy()
    flipped[:2] *= -1.0  # first column of the first λ
    assert evaluate(problem, flipped).value == pytest.approx(
        evaluate(problem, model.theta).value, rel=1e-14
    )


def test_what_would_not_fit_is_refused_before_it_is_allocated():
    rng = np.random.default_rng(0)
    n = 60_000
    data = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "a": rng.integers(0, 20_000, n),
            "b": rng.integers(0, 15_000, n),
        }
    )
    with pytest.raises(MemoryLimitError, match=r"GiB are allowed.*Control\(memory"):
        lf.lmer(
            "y ~ 1 + (1 | a) + (1 | b)", data, control=lf.Control(factor="superlu", memory=10**6)
        )
    with pytest.raises(MemoryError):
        lf.lmer("y ~ 1 + (1 | a) + (1 | b)", data, control=lf.Control(factor="dense", memory=10**8))


def test_a_level_of_nearly_equal_rows_does_not_spoil_the_sums():
    model = make_model(7, (6, 4), (2, 1), ("us", "us"), n=40)
    first = model.rows.factors[0]
    few = np.flatnonzero(first.codes == 0)
    first.basis[few, 1] = 2.0 + 1e-6 * np.arange(len(few))
    problem, inner = problem_of(model)
    assert max(np.abs(b).max() for b in problem.system.cp.scaling.pilot.effects) < 100
    fast = differentiate(evaluate(problem, model.theta))
    slow = dense_fit(inner, model.covariances, model.theta, model.reml)
    assert fast.gls.r2 == pytest.approx(slow.r2, rel=1e-11)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_compiled_products_of_blocks_agree_with_numpys(columns, monkeypatch):
    pytest.importorskip("numba")
    model = make_model(4, (9,), (columns,), ("us",), n=60)
    plain = differentiate(evaluate(problem_of(model)[0], model.theta), hessian=True)
    monkeypatch.setattr(batched, "COMPILED_LEVELS", 1)
    compiled = differentiate(evaluate(problem_of(model)[0], model.theta), hessian=True)
    np.testing.assert_allclose(compiled.gradient, plain.gradient, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(compiled.information, plain.information, rtol=1e-10, atol=1e-10)
