"""The information of (θ, ln σ²) against differences of the dense criterion."""

from __future__ import annotations

import numpy as np
import pytest
from dense import dense_criterion, dense_fit, second_differences
from hypothesis import given, settings
from models import make_model, problem_of, small_models
from related import problem_of as related_problem_of
from related import related_models

import lmforms as lf
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.criterion.information import joint_information
from lmforms.engine.optimize.minimize import minimize


def by_differences(inner, model, theta, s2, relations=None):
    """The Hessian of the criterion in (θ, ln σ²)."""

    def criterion(x):
        sigma2 = float(np.exp(x[-1]))
        return dense_criterion(inner, model.covariances, x[:-1], sigma2, model.reml, relations)

    return second_differences(criterion, np.append(theta, np.log(s2)))


def close(found, wanted, tolerance=1e-6):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@settings(max_examples=10, deadline=None)
@given(model=small_models())
def test_anywhere(model):
    problem, inner = problem_of(model)
    at = differentiate(evaluate(problem, model.theta), hessian=True)
    assert at.is_observed
    close(joint_information(at, problem.nu), by_differences(inner, model, model.theta, at.sigma2))
    slow = dense_fit(inner, model.covariances, model.theta, model.reml)
    np.testing.assert_allclose(at.mixed, slow.mixed, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    "levels, columns, structures",
    [((9,), (2,), ("us",)), ((8, 6), (1, 2), ("us", "diag")), ((7, 6, 5), (2, 1, 1), ("us",) * 3)],
)
def test_at_the_optimum(levels, columns, structures, reml, weighted):
    model = make_model(11, levels, columns, structures, n=80, weighted=weighted, reml=reml)
    problem, inner = problem_of(model)
    found = minimize(problem, lf.Control()).evaluation
    at = differentiate(evaluate(problem, found.theta), hessian=True)
    joint = joint_information(at, problem.nu)
    close(joint, by_differences(inner, model, found.theta, at.sigma2))
    # σ² profiled out again
    profiled = joint[:-1, :-1] - np.outer(joint[:-1, -1], joint[-1, :-1]) / joint[-1, -1]
    close(profiled, at.information, 1e-12)


@settings(max_examples=10, deadline=None)
@given(drawn=related_models())
def test_with_related_levels(drawn):
    """Observed, and as the average information, whose row of ln σ² is observed too."""
    model, precisions = drawn
    problem, inner = related_problem_of(model, precisions, "dense")
    relations = [None if q is None else np.linalg.inv(q) for q in precisions]
    at = differentiate(evaluate(problem, model.theta), hessian=True)
    differences = by_differences(inner, model, model.theta, at.sigma2, relations)
    assert at.is_observed
    close(joint_information(at, problem.nu), differences)
    at = differentiate(evaluate(problem, model.theta))
    assert not at.is_observed
    joint = joint_information(at, problem.nu)
    close(joint[-1], differences[-1])
    slow = dense_fit(inner, model.covariances, model.theta, model.reml, relations)
    mixed = differences[-1, :-1]
    close(joint[:-1, :-1], slow.information + np.outer(mixed, mixed) / problem.nu)


def test_without_random_terms_it_is_that_of_sigma():
    problem, _ = problem_of(make_model(3, (), (), (), n=30))
    at = differentiate(evaluate(problem, np.empty(0)))
    np.testing.assert_array_equal(joint_information(at, problem.nu), [[28.0]])
