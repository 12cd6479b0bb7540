"""Cumulative link models: derivatives, tails, draws, and fits beside the reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from lmforms.glmm.families.ordinal import LatentLink, Ordinal
from lmforms.glmm.families.response import Response

LAWS = {
    "logit": stats.logistic.cdf,
    "probit": stats.norm.cdf,
    "cloglog": stats.gumbel_l.cdf,
    "cauchit": stats.cauchy.cdf,
}
CUTS = (-1.0, 0.3, 1.2)


def omega(cuts=CUTS):
    return [np.array([c]) for c in cuts]


def rows(link, n=300, seed=0):
    rng = np.random.default_rng(seed)
    eta = np.clip(rng.normal(size=n) * 1.5, -2.0, 2.0)
    return Ordinal("abcd", link), Response(rng.integers(0, 4, n).astype(float)), eta


@pytest.mark.parametrize("link", Ordinal.links)
def test_probabilities_are_differences_of_the_distribution(link):
    family, response, eta = rows(link)
    bounds = np.concatenate([[-np.inf], CUTS, [np.inf]])
    below = LAWS[link](bounds[None] - eta[:, None])
    shares = family.probabilities(eta, omega())
    assert_allclose(shares, np.diff(below, axis=1), rtol=1e-11, atol=1e-15)
    density = family.density(response, eta, omega(), 0).values[0]
    picked = np.diff(below, axis=1)[np.arange(len(eta)), response.y.astype(int)]
    assert_allclose(np.exp(density), picked, rtol=1e-11, atol=1e-15)
    low, high = family.cumulative(response, eta, omega())
    assert_allclose(high - low, picked, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("link", Ordinal.links)
@pytest.mark.parametrize("order", range(3))
def test_derivatives_are_those_of_differences(link, order):
    family, response, eta = rows(link)
    found = family.density(response, eta, omega(), 3)
    h = 1e-4

    def value(eta, cuts):
        return family.density(response, eta, omega(cuts), 3).values[order]

    def slope(change):
        full = (change(h) - change(-h)) / (2.0 * h)
        half = (change(h / 2.0) - change(-h / 2.0)) / h
        return (4.0 * half - full) / 3.0

    in_eta = slope(lambda d: value(eta + d, CUTS))
    assert_allclose(found.values[order + 1], in_eta, rtol=1e-7, atol=1e-8)
    for j in range(3):
        unit = np.eye(3)[j]
        in_cut = slope(lambda d, unit=unit: value(eta, np.array(CUTS) + d * unit))
        assert_allclose(found.parameters[j, order], in_cut, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("link", ("logit", "probit", "cauchit"))
@pytest.mark.parametrize("far", (-30.0, 30.0))
def test_tails(link, far):
    """The nearest class there has all the probability, the farthest one a small exact one."""
    family = Ordinal("abcd", link)
    eta = np.full(4, far)
    found = family.density(Response(np.arange(4.0)), eta, omega(), 3)
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.parameters).all()
    tail = -far if far > 0 else far
    cut = CUTS[0] if far > 0 else -CUTS[-1]
    exact = {"logit": stats.logistic, "probit": stats.norm, "cauchit": stats.cauchy}[link]
    farthest = 0 if far > 0 else 3
    assert_allclose(found.values[0][farthest], exact.logcdf(cut + tail), rtol=1e-10)


def test_thresholds_that_are_not_in_order_have_no_density():
    family = Ordinal("abcd")
    found = family.density(Response(np.array([1.0])), np.zeros(1), omega((0.0, -1.0, 2.0)), 0)
    assert np.isnan(found.values).all()


def test_draws_and_moments():
    family, rng = Ordinal("abcd"), np.random.default_rng(1)
    eta = np.full(40_000, 0.4)
    drawn = family.simulate(rng, eta, omega())
    shares = np.bincount(drawn.astype(int), minlength=4) / len(eta)
    expected = family.probabilities(eta[:1], omega())[0]
    assert_allclose(shares, expected, atol=5.0 * np.sqrt(0.25 / len(eta)))
    assert_allclose(drawn.mean(), family.expectation(eta, omega())[0], atol=0.03)
    assert_allclose(drawn.var(), family.variance(eta, omega())[0], atol=0.03)


def test_the_mean_is_the_linear_predictor():
    link, eta = LatentLink("probit"), np.array([-60.0, 0.0, 60.0])
    assert link.mean(eta) is not None
    assert_allclose(link.of_mean(link.mean(eta)), eta)
    assert link.valid("logit", eta).all()
    assert LatentLink("probit") == LatentLink("probit") != LatentLink("logit")
