"""The Laplace approximation and its gradient beside dense algebra; quadrature beside integrals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from dense_laplace import central, dense_laplace, problem_of
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms.control import Control
from lmforms.covariance import Diagonal, Stacked, Unstructured
from lmforms.engine.prior import Identity, Precision
from lmforms.engine.rows import FactorRows
from lmforms.glmm.families.base import Response
from lmforms.glmm.families.links import LINKS
from lmforms.glmm.families.lookup import FAMILIES
from lmforms.glmm.likelihood import ConditionalLikelihood
from lmforms.glmm.problem import laplace_point, profile_point
from lmforms.glmm.quadrature import quadrature_point
from lmforms.glmm.start import fixed_effects_fit

PAIRS = [(name, link) for name, family in FAMILIES.items() for link in family.links]
RESTRICTED = {"identity": 6.0, "inverse": 4.0, "inverse_squared": 4.0, "log": -2.5}
"""An intercept at which η stays inside the range of the link (of log, of probabilities)."""


def response_of(family, link, rng, n):
    """Draws with means inside the range of the link."""
    start = {"identity": 4.0, "inverse": 0.5, "inverse_squared": 0.5, "sqrt": 2.0}.get(
        link.name, 0.3
    )
    if family.inner == "logit":
        start = {"identity": 0.4, "log": -0.9}.get(link.name, 0.3)
    mean = link.mean(np.full(n, start))
    trials = rng.integers(2, 6, n).astype(float) if family.takes_trials else None
    own = [np.array([w]) for w in OMEGA.get(family.name, [])]
    return Response(family.simulate(rng, mean, own, trials), trials), start


OMEGA = {
    "negative_binomial": [0.5],
    "negative_binomial1": [0.2],
    "gamma": [-1.0],
    "inverse_gaussian": [-2.0],
    "beta": [2.0],
    "beta_binomial": [1.5],
    "tweedie": [0.1, 0.2],
    "student_t": [-0.5, 1.5],
    "gaussian": [-0.5],
}
"""Parameters of the families on their unbounded scale."""


def small_problem(name, link, seed=0, two=True, n=40, control=None):
    rng = np.random.default_rng(seed)
    family, link = FAMILIES[name](), LINKS[link]
    response, start = response_of(family, link, rng, n)
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    first = FactorRows(rng.integers(0, 6, n), 6, X)
    second = FactorRows(rng.integers(0, 4, n), 4, np.ones((n, 1)))
    factors = [first, second] if two else [first]
    covariances = [Unstructured(2), Unstructured(1)] if two else [Unstructured(2)]
    designs = tuple(None for _ in family.parameter_names)
    likelihood = ConditionalLikelihood(family, link, response, designs)
    problem = problem_of(likelihood, X, factors, covariances, control=control)
    size = 0.05 * abs(start) if link.name in RESTRICTED or link.name == "sqrt" else 0.4
    theta = size * np.array([1.0, 0.4, 0.7, 0.8])[: problem.n_theta]
    beta = np.linalg.solve(problem.model.rows.scaling.units.x.linear, [start, 0.2 * size])
    return problem, np.concatenate([theta, beta, OMEGA.get(name, [])])


@pytest.mark.parametrize("name, link", PAIRS)
def test_value_and_gradient_are_those_of_dense_algebra(name, link):
    problem, psi = small_problem(name, link)
    mode, _ = fixed_effects_fit(problem)
    point = laplace_point(problem, psi, mode)
    assert point.value == pytest.approx(dense_laplace(problem, psi), rel=1e-10, abs=1e-9)
    slope = central(lambda p: dense_laplace(problem, p), psi)
    assert point.gradient == pytest.approx(slope, rel=2e-7, abs=2e-7 * np.abs(slope).max())


@pytest.mark.parametrize(
    "name, link", [("binomial", "cauchit"), ("poisson", "log"), ("gamma", "log")]
)
def test_the_profile_is_the_least_over_beta(name, link):
    problem, psi = small_problem(name, link)
    mode, _ = fixed_effects_fit(problem)
    m, p = problem.n_theta, problem.p
    own = np.delete(psi, range(m, m + p))
    point = profile_point(problem, own, mode)

    def value(other):
        return profile_point(problem, other, mode).value

    slope = central(value, own)
    assert point.gradient == pytest.approx(slope, rel=1e-6, abs=1e-6 * np.abs(slope).max())


@pytest.mark.parametrize("method", ["dense", "sparse", "auto"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), related=st.booleans())
def test_random_designs(method, seed, related):
    """Crossed factors with one, two or three effects, related levels, offsets and weights."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 60))
    family, link = FAMILIES["negative_binomial"](), LINKS["log"]
    factors, covariances, priors = [], [], []
    for _ in range(int(rng.integers(1, 4))):
        q, k = int(rng.integers(2, 9)), int(rng.integers(1, 4))
        basis = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
        factors.append(FactorRows(rng.integers(0, q, n), q, basis))
        structure = Stacked.of([Unstructured(1), Diagonal(k - 1)]) if k > 1 else Unstructured(1)
        covariances.append(structure if rng.random() < 0.3 else Unstructured(k))
        prior = Identity()
        if related:
            half = rng.normal(size=(q, q))
            prior = Precision(sp.csc_matrix(half @ half.T / q + np.eye(q)))
        priors.append(prior)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    response = Response(rng.poisson(3.0, n).astype(float))
    D = np.column_stack([np.ones(n), rng.normal(size=n)])
    weights = rng.uniform(0.5, 2.0, n)
    likelihood = ConditionalLikelihood(family, link, response, (D,), weights)
    offset = 0.3 * rng.normal(size=n)
    control = Control(factor=method)
    problem = problem_of(likelihood, X, factors, covariances, offset, priors, control)
    theta = 0.5 * rng.normal(size=problem.n_theta)
    if rng.random() < 0.3:
        theta[problem.theta_slices()[0]] = 0.0
    psi = np.concatenate([theta, [0.5, 0.1], [0.4, 0.2]])
    mode, _ = fixed_effects_fit(problem)
    point = laplace_point(problem, psi, mode)
    assert point.value == pytest.approx(dense_laplace(problem, psi), rel=1e-9)
    slope = central(lambda p: laplace_point(problem, p, point.state).value, psi)
    assert point.gradient == pytest.approx(slope, rel=1e-5, abs=1e-6 * (1 + np.abs(slope).max()))


@pytest.mark.parametrize("number", [1, 2, 5, 12])
@pytest.mark.parametrize(
    "name, link", [("binomial", "logit"), ("poisson", "sqrt"), ("gamma", "log")]
)
def test_the_gradient_of_quadrature_is_exact(name, link, number):
    problem, psi = small_problem(name, link, two=False)
    mode, _ = fixed_effects_fit(problem)
    point = quadrature_point(problem, psi, mode, number)

    def value(other):
        return quadrature_point(problem, other, point.state, number).value

    slope = central(value, psi)
    assert point.gradient == pytest.approx(slope, rel=1e-6, abs=1e-6 * np.abs(slope).max())
    if number == 1:
        assert point.value == pytest.approx(laplace_point(problem, psi, mode).value, abs=1e-10)
