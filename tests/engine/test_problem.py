"""θ and its parametrisations: the same point in principal axes, with its own derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from dense import dense_fit
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SmallModel, make_model, problem_of, small_models

import lmforms as lf
from lmforms.covariance import Covariance, Rotated, Stacked, Unstructured
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.estimate import estimate

STRUCTURES = [("us", "us"), ("us", "diag"), ("stacked", "us")]


def nearly_singular(seed: int, structures: tuple[str, ...], smallest: float) -> SmallModel:
    """A model at λ = UDV' with `smallest` as last standard deviation of unstructured parts."""
    model = make_model(seed, (6, 5), (3, 2), structures, n=45, reml=bool(seed % 2))
    rng = np.random.default_rng(seed)

    def theta(c):
        if isinstance(c, Stacked):
            return np.concatenate([theta(part) for part in c.parts])
        if not isinstance(c, Unstructured) or c.k == 1:
            return rng.normal(size=c.n_theta)
        u = np.linalg.qr(rng.normal(size=(c.k, c.k)))[0]
        return c.root_theta(u * np.r_[rng.uniform(1.0, 2.0, c.k - 1), smallest])

    return replace(model, theta=np.concatenate([theta(c) for c in model.covariances]))


def unrotated(covariances) -> bool:
    parts = [p for c in covariances for p in (c.parts if isinstance(c, Stacked) else (c,))]
    return not any(isinstance(p, Rotated) for p in parts)


models = st.builds(
    nearly_singular,
    seed=st.integers(0, 2**16),
    structures=st.sampled_from(STRUCTURES),
    smallest=st.sampled_from([0.0, 1e-6, 0.05]),
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(model=models)
def test_principal_axes_have_the_criterion_and_derivatives_of_their_dense_twin(model):
    problem, inner = problem_of(model)
    rotated, at = problem.in_principal_axes(model.theta)
    assert not unrotated(rotated.covariances)
    for new, old in zip(rotated.lams(at), problem.lams(model.theta), strict=True):
        np.testing.assert_allclose(new @ new.T, old @ old.T, atol=1e-12)
    fast = differentiate(evaluate(rotated, at))
    slow = dense_fit(inner, rotated.covariances, at, model.reml)
    assert fast.value == pytest.approx(evaluate(problem, model.theta).value, rel=1e-11)
    assert fast.value == pytest.approx(slow.value, rel=1e-10)
    scale = np.abs(slow.information).max()
    np.testing.assert_allclose(fast.information, slow.information, rtol=1e-7, atol=1e-8 * scale)
    for i, step in enumerate(1e-5 * np.eye(len(at))):
        up, down = (
            dense_fit(inner, rotated.covariances, at + s, model.reml).value for s in (step, -step)
        )
        assert fast.gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(model=models)
def test_an_evaluation_may_be_reparametrised(model):
    problem, _ = problem_of(model)
    rotated, at = problem.in_principal_axes(model.theta)
    moved = differentiate(evaluate(problem, model.theta).reparametrised(rotated, at))
    fresh = differentiate(evaluate(rotated, at))
    np.testing.assert_allclose(moved.gradient, fresh.gradient, rtol=1e-8, atol=1e-8)
    scale = np.abs(fresh.information).max()
    np.testing.assert_allclose(moved.information, fresh.information, rtol=1e-8, atol=1e-9 * scale)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), structures=st.sampled_from(STRUCTURES))
def test_gradients_of_two_parametrisations_obey_the_chain_rule(seed, structures):
    model = nearly_singular(seed, structures, 0.05)
    problem, _ = problem_of(model)
    rotated, at = problem.in_principal_axes(model.theta)

    def back(t):
        return problem.canonical(t, rotated)

    jacobian = np.column_stack(
        [(back(at + s) - back(at - s)) / 2e-6 for s in 1e-6 * np.eye(len(at))]
    )
    there, here = (
        differentiate(evaluate(rotated, at)).gradient,
        differentiate(evaluate(problem, back(at))).gradient,
    )
    np.testing.assert_allclose(there, jacobian.T @ here, rtol=1e-5, atol=1e-5)


def test_far_from_singular_the_parametrisation_stays():
    model = nearly_singular(1, ("us", "us"), 0.9)
    problem, _ = problem_of(model)
    same, theta = problem.in_principal_axes(model.theta)
    assert same is problem
    np.testing.assert_array_equal(theta, model.theta)


def test_principal_axes_of_a_rotated_structure_start_from_the_structure_itself():
    model = nearly_singular(2, ("us", "us"), 0.01)
    problem, _ = problem_of(model)
    once, at = problem.in_principal_axes(model.theta)
    twice, there = once.in_principal_axes(at + 0.01)
    for c, part in zip(twice.covariances, twice.theta_slices(), strict=True):
        assert isinstance(c.inner, Unstructured)
        lam = c.inner.factor(there[part])
        np.testing.assert_array_equal(lam, np.diag(np.diag(lam)))  # in its own axes
    assert evaluate(twice, there).value == pytest.approx(evaluate(once, at + 0.01).value)


@settings(max_examples=60, deadline=None)
@given(model=small_models())
def test_theta_comes_back_from_its_factors_up_to_signs(model):
    problem, _ = problem_of(model)
    lams = problem.lams(model.theta)
    theta = problem.canonical(model.theta, problem)
    np.testing.assert_allclose(problem.canonical(theta, problem), theta, atol=1e-12)
    for new, old in zip(problem.lams(theta), lams, strict=True):
        d = np.diag(old)
        assert (np.diag(new) >= 0).all()
        np.testing.assert_allclose(new @ new.T, old @ old.T, atol=1e-12)
        if np.abs(d).min() > 1e-2:  # regular: the root is unique but for signs of columns
            np.testing.assert_allclose(new, old * np.sign(d), atol=1e-11)


@dataclass(frozen=True)
class Homogeneous(Covariance):
    """λ = θI, with no more than a structure must define."""

    @property
    def n_theta(self):
        return 1

    def factor(self, theta):
        return theta[0] * np.eye(self.k)

    def derivative(self, theta):
        return np.eye(self.k)[None]

    def theta(self, factor):
        return factor[:1, 0].copy()

    def nearest(self, covariance):
        return np.sqrt([np.trace(covariance) / self.k])

    def start(self):
        return np.ones(1)

    def covariances(self):
        return []


@pytest.mark.parametrize("stack", [False, True])
def test_a_structure_of_ones_own(stack):
    machines = lf.datasets.load("Machines")
    design = lf.MixedModel("score ~ Machine + (0 + Machine | Worker)", machines).design
    own = Stacked.of([Homogeneous(3)]) if stack else Homogeneous(3)
    found = estimate(design.rows(), [own], reml=True, control=lf.Control())
    twin = lf.lmer("score ~ Machine + (1 | Worker:Machine)", machines)
    assert found.criterion == pytest.approx(twin.criterion, rel=1e-12)
    np.testing.assert_allclose(found.theta[0], twin.theta, rtol=1e-6)
    assert not found.singular
    assert not found.unidentified
