"""Structures of random effects: λ, its derivatives and curvature, and θ of related matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structured import STRUCTURES

from lmforms.correlation import FirstOrder
from lmforms.covariance import FactorAnalytic, ReducedRank, Structured
from lmforms.covariance.matrix_roots import root_derivatives, semidefinite_cholesky
from lmforms.errors import NumericalError

pytestmark = pytest.mark.one_in(4)


def covariance(structure, theta):
    lam = structure.factor(theta)
    return lam @ lam.T


def regular_theta(structure, seed):
    rng = np.random.default_rng(seed)
    return structure.start() + 0.3 * rng.normal(size=structure.n_theta)


@pytest.mark.parametrize("name", STRUCTURES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_derivatives_are_those_of_the_factor(name, seed):
    c = STRUCTURES[name]
    theta, h = regular_theta(c, seed), 1e-5
    steps = h * np.eye(c.n_theta)
    wanted = [(c.factor(theta + s) - c.factor(theta - s)) / (2 * h) for s in steps]
    np.testing.assert_allclose(c.derivative(theta), wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", STRUCTURES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_curvature_is_that_of_the_covariance(name, seed):
    c = STRUCTURES[name]
    theta, h = regular_theta(c, seed), 1e-5
    G = np.random.default_rng(seed).normal(size=(c.k, c.k))
    G = G + G.T

    def slope(t):
        lam, d = c.factor(t), c.derivative(t)
        return np.einsum("iab,ab->i", d @ lam.T + lam @ d.swapaxes(1, 2), G)

    steps = h * np.eye(c.n_theta)
    wanted = np.array([(slope(theta + s) - slope(theta - s)) / (2 * h) for s in steps])
    np.testing.assert_allclose(c.curvature(theta, G), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", STRUCTURES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_same_covariance_has_a_canonical_theta_and_comes_back_from_its_factor(name, seed):
    c = STRUCTURES[name]
    theta = regular_theta(c, seed)
    wanted = covariance(c, theta)
    canonical = c.canonical(theta, c)
    np.testing.assert_allclose(covariance(c, canonical), wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(c.canonical(canonical, c), canonical, rtol=1e-9, atol=1e-9)
    scaled = c.scaled(canonical, 3.0)
    np.testing.assert_allclose(covariance(c, scaled), 9.0 * wanted, rtol=1e-9, atol=1e-9)
    doubled = c.transform(canonical, 2.0 * np.eye(c.k))
    np.testing.assert_allclose(covariance(c, doubled), 4.0 * wanted, rtol=1e-9, atol=1e-9)
    back = c.theta(c.factor(canonical))
    np.testing.assert_allclose(covariance(c, back), wanted, rtol=1e-5, atol=1e-6)
    assert len(c.natural(canonical)) == len(c.parameters()) == len(c.at_bound(canonical))


def test_signs_of_single_standard_deviations_do_not_leave_the_structure():
    c = STRUCTURES["hcs"]
    theta = c.start()
    theta[1] *= -1.0
    assert (covariance(c, theta) > 0).all()  # a positive correlation everywhere


def test_effects_of_their_own_scale_may_be_rescaled_one_by_one():
    for name in ("hcs", "har1", "htoep", "rr", "fa"):
        c = STRUCTURES[name]
        assert c.invariance == "scale"
        T = np.diag([1.0, 2.0, 0.5, 3.0])
        theta = regular_theta(c, 3)
        wanted = T @ covariance(c, theta) @ T
        np.testing.assert_allclose(covariance(c, c.transform(theta, T)), wanted, atol=1e-12)
    assert STRUCTURES["ar1"].invariance == STRUCTURES["us:ar1"].invariance == "common"


def test_a_rank_is_the_structure_and_not_singular():
    c = ReducedRank(4, 2)
    theta = regular_theta(c, 1)
    assert np.linalg.matrix_rank(c.factor(theta)) == c.rank == 2
    assert c.is_singular(theta, 1e-4) == [False]
    theta[4:] = 0.0
    assert c.is_singular(theta, 1e-4) == [True]


def test_the_nearest_keeps_variances_and_the_sign_of_correlations():
    ar1 = Structured.of(FirstOrder(), np.arange(3.0)[:, None])
    near = ar1.nearest(4.0 * np.array([[1.0, -0.4, 0.1], [-0.4, 1.0, -0.4], [0.1, -0.4, 1.0]]))
    assert near[0] == pytest.approx(2.0)
    assert ar1.natural(near)[1] < 0
    fa = FactorAnalytic(3, 1)
    V = np.diag([1.0, 2.0, 3.0]) + 0.5
    assert np.abs(covariance(fa, fa.nearest(V)) - V).max() < 1.0


def test_singular_roots():
    np.testing.assert_allclose(semidefinite_cholesky(np.zeros((2, 2))), np.zeros((2, 2)))
    ones = semidefinite_cholesky(np.ones((3, 3)))
    np.testing.assert_allclose(ones @ ones.T, np.ones((3, 3)), atol=1e-12)
    change = root_derivatives(ones, 2.0 * np.ones((1, 3, 3)))[0]
    np.testing.assert_allclose(change @ ones.T + ones @ change.T, 2.0 * np.ones((3, 3)), atol=1e-10)
    with pytest.raises(NumericalError, match="not finite"):
        semidefinite_cholesky(np.array([[np.nan]]))


def test_trial_values_beyond_floating_point_are_refused_quietly():
    c = STRUCTURES["exp"]
    for phi in (-800.0, 800.0):
        theta = np.array([1.0, phi])
        try:
            lam = c.factor(theta)
        except NumericalError:
            continue
        assert np.isfinite(lam).all()
        assert np.isfinite(c.derivative(theta)).all()
