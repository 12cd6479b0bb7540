"""Models with structured random effects against n×n algebra, with and without related levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dense import dense_criterion, dense_fit, second_differences
from models import SmallModel, problem_of
from related import problem_of as related_problem_of
from related import random_precision
from slow_cases import one_in, slow
from structured import STRUCTURES, K

from lmforms.covariance import (
    Diagonal,
    Stacked,
    Unstructured,
)
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.criterion.information import joint_information
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.residual import Independent as IndependentResiduals

pytestmark = pytest.mark.one_in(4)


def structured_model(name: str, reml: bool, zero: bool = False) -> SmallModel:
    """Levels of a factor as random effects of 7 groups, beside crossed random slopes."""
    rng = np.random.default_rng(sum(map(ord, name)))
    n = 60
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    first = FactorRows(rng.permutation(np.arange(n) % 7), 7, np.eye(K)[rng.integers(0, K, n)])
    second = FactorRows(rng.permutation(np.arange(n) % 5), 5, np.column_stack([X, X[:, :1] + 1.0]))
    second = replace(second, basis=second.basis[:, :2])
    c = STRUCTURES[name]
    covariances = (Stacked.of([c]), Stacked.of([Unstructured(1), Diagonal(1)]))
    theta = c.start() + 0.2 * rng.normal(size=c.n_theta)
    if zero:
        theta[0] = 0.0
    theta = np.append(theta, [0.7, 0.4])
    rows = ModelRows(3.0 + rng.normal(size=n), X, (first, second), IndependentResiduals())
    return SmallModel(rows, covariances, theta, reml)


def check(problem, inner, model, relations=None) -> None:
    at = differentiate(evaluate(problem, model.theta), hessian=True)
    slow = dense_fit(inner, model.covariances, model.theta, model.reml, relations)
    assert at.value == pytest.approx(slow.value, rel=1e-10)
    np.testing.assert_allclose(at.gls.beta, slow.beta, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(
        np.concatenate([b.ravel() for b in at.b]), slow.b, rtol=1e-7, atol=1e-9
    )

    def value(theta: np.ndarray) -> float:
        return dense_fit(inner, model.covariances, theta, model.reml, relations).value

    steps = 1e-4 * np.eye(len(model.theta))
    slope = np.array(
        [
            (
                8 * (value(model.theta + h) - value(model.theta - h))
                - (value(model.theta + 2 * h) - value(model.theta - 2 * h))
            )
            / 12e-4
            for h in steps
        ]
    )
    np.testing.assert_allclose(at.gradient, slope, rtol=1e-6, atol=1e-6)

    def criterion(x: np.ndarray) -> float:
        s2 = float(np.exp(x[-1]))
        return dense_criterion(inner, model.covariances, x[:-1], s2, model.reml, relations)

    wanted = second_differences(criterion, np.append(model.theta, np.log(at.sigma2)))
    found = joint_information(at, problem.nu)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("reml", [True, slow(False)])
@pytest.mark.parametrize("name", STRUCTURES)
def test_independent_levels(name, reml):
    model = structured_model(name, reml)
    check(*problem_of(model), model)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", ["exp", "cs"])
def test_one_grouping_factor_with_fewer_parameters_than_columns(name, reml):
    """Its pairs of levels are never written out."""
    whole = structured_model(name, reml)
    rows = replace(whole.rows, factors=whole.rows.factors[:1])
    covariances = whole.covariances[:1]
    model = SmallModel(rows, covariances, whole.theta[: covariances[0].n_theta], reml)
    assert covariances[0].n_theta < K
    check(*problem_of(model), model)


@pytest.mark.parametrize("name", one_in(2, STRUCTURES))
def test_related_levels(name):
    model = structured_model(name, True)
    precision = random_precision(np.random.default_rng(4), 7)
    problem, inner = related_problem_of(model, [precision, None], "dense")
    check(problem, inner, model, [np.linalg.inv(precision), None])


@pytest.mark.parametrize(
    "name", one_in(2, ["cs", "hcs", "ar1", "toep", "exp", "us:ar1", "rr", "fa"])
)
def test_where_a_standard_deviation_is_zero(name):
    model = structured_model(name, True, zero=True)
    check(*problem_of(model), model)
