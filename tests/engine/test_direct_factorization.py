"""Factors that come with the sums of the criterion agree with elimination by blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import make_model, problem_of, small_models

import lmforms as lf
from lmforms.engine import kernel_choice
from lmforms.engine.criterion.evaluate import Differentiated, differentiate, evaluate
from lmforms.engine.criterion.given import Constraint, Given
from lmforms.engine.factor import Factorization, LevelFactorization, SmallFactorization
from lmforms.engine.optimize.newton import QuadraticModel
from lmforms.errors import ArgumentError, NumericalError

pytest.importorskip("numba")


def assert_same(fast: Differentiated, slow: Differentiated) -> None:
    # wide random effects cost digits of A
    lost = 10.0 * max(fast.rounding, slow.rounding)
    assert fast.value == pytest.approx(slow.value, rel=1e-11, abs=lost)
    size = np.abs(slow.information).max(initial=1.0) * (1.0 + 1e5 * lost)
    np.testing.assert_allclose(fast.gradient, slow.gradient, rtol=1e-7, atol=1e-8 * size)
    np.testing.assert_allclose(fast.information, slow.information, rtol=1e-7, atol=1e-8 * size)
    np.testing.assert_allclose(fast.curvature_scale, slow.curvature_scale, rtol=1e-5)
    np.testing.assert_allclose(fast.mixed, slow.mixed, rtol=1e-7, atol=1e-8 * size)
    for a, b in zip(fast.b, slow.b, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8 * max(1.0, np.abs(b).max()))
    for a, b in zip(fast.fixed, slow.fixed, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7 * max(1.0, np.abs(b).max()))


@settings(max_examples=60, deadline=None)
@given(
    model=small_models(),
    size=st.sampled_from([0.0, 1e-6, 1e-3, 1.0, 100.0]),
    exact=st.booleans(),
    sigma2=st.sampled_from([None, 0.5]),
    zeros=st.integers(0, 7),
)
def test_small_and_large_and_singular_factors(model, size, exact, sigma2, zeros):
    theta = size * model.theta
    theta[[bool(zeros >> i % 3 & 1) for i in range(len(theta))]] = 0.0
    given_values = Given(sigma2=sigma2)
    fast, slow = (
        differentiate(evaluate(problem_of(model, path)[0], theta, given_values), exact)
        for path in ("compiled", "dense")
    )
    one = len(model.covariances) == 1
    assert type(fast.factor) is (LevelFactorization if one else SmallFactorization)
    assert type(slow.factor) is Factorization
    assert_same(fast, slow)
    for a, b in zip(fast.factor.diagonal_sums(), slow.factor.diagonal_sums(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7 * np.abs(b).max())


@settings(max_examples=20, deadline=None)
@given(model=small_models())
def test_a_coefficient_that_is_held(model):
    p = model.rows.X.shape[1]
    if p == 0:
        return
    held = Given(constraint=Constraint(np.eye(p)[-1], 0.3))
    fast, slow = (
        differentiate(evaluate(problem_of(model, path)[0], model.theta, held), True)
        for path in ("compiled", "dense")
    )
    assert_same(fast, slow)


def test_moments_that_are_not_positive_are_refused():
    model = make_model(1, (7,), (2,), ("us",), n=45)
    problem, _ = problem_of(model, "compiled")
    problem.system.cp.factors[0].zz[3, 0, 0] *= -50.0
    with pytest.raises(NumericalError, match="positive"):
        evaluate(problem, 3.0 * model.theta)


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_the_quadratic_model_is_that_of_lapack(size):
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size))

    class At:
        gradient = rng.normal(size=size)
        information = root @ root.T - 0.3 * np.eye(size)
        curvature_scale = np.ones(size)

    with kernel_choice.compiled_as(True):
        fast = QuadraticModel.of(At, kernels=kernel_choice.kernels_of_fit(1))
    slow = QuadraticModel.of(At)
    assert fast.decrement == pytest.approx(slow.decrement, rel=1e-10)
    np.testing.assert_allclose(np.sort(fast.values), slow.values, rtol=1e-10, atol=1e-12)
    for radius in (0.1, 1e3):
        (a, *x), (b, *y) = fast.step(radius), slow.step(radius)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        assert x == pytest.approx(y, rel=1e-9)


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("pr_dung ~ flies + (1 | oven_block)", "dung"),
        ("Reaction ~ Days + (Days | Subject)", "sleepstudy"),
        ("Reaction ~ Days + (Days || Subject)", "sleepstudy"),
        ("score ~ Machine + (Machine | Worker)", "Machines"),
        ("score ~ Machine + cs(0 + Machine | Worker)", "Machines"),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin"),
        ("strength ~ 1 + (1 | batch/cask)", "Pastes"),
    ],
)
@pytest.mark.parametrize("reml", [True, False])
def test_fits_with_and_without_kernels(formula, name, reml):
    data = lf.datasets.load(name)
    fast, slow = (
        lf.lmer(formula, data, reml=reml, control=lf.Control(compiled=compiled))
        for compiled in (True, False)
    )
    assert fast.criterion == pytest.approx(slow.criterion, rel=1e-12)
    np.testing.assert_allclose(fast.theta, slow.theta, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(fast.bse, slow.bse, rtol=1e-8)
    assert fast.optimizer.n_evaluations == slow.optimizer.n_evaluations
    for a, b in zip(fast.random_effects.values(), slow.random_effects.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8 * np.abs(b).to_numpy().max())


@pytest.mark.parametrize("cached", [True, False])
def test_a_process_loads_kernels_when_it_has_fitted_enough(monkeypatch, cached):
    monkeypatch.setattr(kernel_choice._Process, "passed", 0)
    monkeypatch.setattr(kernel_choice._Process, "loaded", None)
    monkeypatch.setattr(kernel_choice, "_are_cached", lambda: cached)
    few = kernel_choice.LOADING_COST // kernel_choice.SMALL_FIT
    few *= 1 if cached else kernel_choice.COMPILING_RATIO
    found = [kernel_choice.kernels_of_fit(30) for _ in range(few)]
    assert found[:-1] == [None] * (few - 1)
    assert found[-1] is not None
    with kernel_choice.compiled_as(False):
        assert kernel_choice.kernels_of_fit(30) is None
        assert kernel_choice.kernels_of_rows(10**7) is None
    assert kernel_choice.kernels_of_fit(30) is found[-1]


def test_a_large_model_loads_them_at_once(monkeypatch):
    monkeypatch.setattr(kernel_choice._Process, "passed", 0)
    monkeypatch.setattr(kernel_choice._Process, "loaded", None)
    work = kernel_choice.LOADING_COST * kernel_choice.COMPILING_RATIO
    assert kernel_choice.kernels_of_fit(work) is not None


def test_without_numba_kernels_are_only_missed_where_they_are_demanded(monkeypatch):
    def missing(*args):
        raise ImportError

    monkeypatch.setattr(kernel_choice._Process, "passed", kernel_choice.LOADING_COST)
    monkeypatch.setattr(kernel_choice._Process, "loaded", None)
    monkeypatch.setattr(kernel_choice, "import_module", missing)
    monkeypatch.setattr(kernel_choice, "_are_cached", lambda: True)
    assert kernel_choice.kernels_of_fit(30) is None
    with kernel_choice.compiled_as(True), pytest.raises(ArgumentError, match="numba"):
        kernel_choice.kernels_of_fit(30)


def test_control_refuses_other_values():
    with pytest.raises(ArgumentError, match="compiled"):
        lf.Control(compiled="yes")
