"""Draws have the moments that a family promises, and parameters can be told from them."""

from __future__ import annotations

import numpy as np
import pytest
from family_cases import CASES
from scipy.stats import norm, poisson

from lmforms.glmm.families.base import Response
from lmforms.glmm.families.scales import natural

DRAWS = 40_000


@pytest.mark.parametrize("name", CASES)
def test_moments_of_draws(name):
    case = CASES[name]
    share = 0.35 if case.family.inner == "logit" else 2.3
    trials = np.full(DRAWS, 6.0) if case.family.takes_trials else None
    mean = np.full(DRAWS, share)
    omega = [np.array([w]) for w in case.omega]
    drawn = case.family.simulate(np.random.default_rng(8), mean, omega, trials)
    assert drawn.shape == (DRAWS,)
    assert drawn.dtype == np.float64
    assert not case.family.outside(Response(drawn, trials))[0].any()
    shares = drawn if trials is None else drawn / trials
    expected = case.family.expectation(mean, omega, trials)[0]
    variance = case.family.variance(mean, omega, trials)[0]
    error = np.sqrt(variance / DRAWS)
    assert abs(shares.mean() - expected) < 4.5 * error
    squares = (shares - expected) ** 2
    if not name.startswith("StudentT"):  # whose fourth moment is infinite, or nearly so
        assert abs(squares.mean() - variance) < 4.5 * squares.std() / np.sqrt(DRAWS)
    below, upto = case.family.cumulative(Response(drawn, trials), mean, omega)
    uniform = below + (upto - below) * np.random.default_rng(9).random(DRAWS)
    counts = np.histogram(uniform, 20, (0.0, 1.0))[0]
    assert counts.sum() == DRAWS
    assert np.sum((counts - DRAWS / 20) ** 2) / (DRAWS / 20) < 55.0  # χ² of 19: p < 2e-5


@pytest.mark.parametrize("name", CASES)
def test_starts_are_near_what_was_drawn(name):
    case = CASES[name]
    share = 0.35 if case.family.inner == "logit" else 2.3
    trials = np.full(DRAWS, 6.0) if case.family.takes_trials else None
    mean = np.full(DRAWS, share)
    omega = [np.array([w]) for w in case.omega]
    drawn = case.family.simulate(np.random.default_rng(8), mean, omega, trials)
    found = case.family.start_parameters(Response(drawn, trials), mean)
    if name.startswith(("Truncated", "Hurdle")) and case.family.discrete:
        # from moderate ones: see tests/glmm/test_hard_data.py
        last = len(case.family.family.parameter_names)
        assert all(v in (0.1, 10.0) for v in np.round(case.family.natural(found)[:last], 12))
        return
    for name, w, start in zip(case.family.parameter_names, case.omega, found):
        ratio = natural(name, start) / natural(name, w)
        assert 0.3 < ratio < 3.5, name


def test_truncated_draws_of_tiny_means():
    """Nearly all are 1, where waiting for one would take for ever."""
    family = CASES["Truncated(Poisson())"].family
    drawn = family.simulate(np.random.default_rng(1), np.full(1000, 1e-9), [])
    assert (drawn == 1.0).all()


@pytest.mark.parametrize("log_size", [5.0, 18.0, 30.0, 40.0, 100.0, 800.0])
@pytest.mark.parametrize("mean", [0.2, 2.0, 1e4])
def test_negative_binomial_distribution_functions_reach_that_of_poisson(log_size, mean):
    """The share of the size in size + mean loses the digits of the mean from e³⁰ on."""
    y = np.floor(mean + np.array([-2.0, -0.5, 0.0, 1.0, 3.0]) * np.sqrt(mean)).clip(0.0)
    response, means = Response(y), np.full(len(y), mean)
    exact = poisson.cdf(y - 1.0, mean), poisson.cdf(y, mean)
    apart = 5.0 * mean * np.exp(-log_size)
    for name, omega in (
        ("NegativeBinomial()", log_size),
        ("NegativeBinomial1()", np.log(mean) - log_size),
    ):
        found = CASES[name].family.cumulative(response, means, [np.array([omega])])
        for own, of_poisson in zip(found, exact, strict=True):
            np.testing.assert_allclose(own, of_poisson, rtol=0.0, atol=apart + 1e-12)


def test_beta_distribution_functions_of_large_precisions():
    mean = np.full(3, 0.3)
    y = 0.3 + np.array([-1.0, 0.0, 1.0]) * np.sqrt(0.21 * np.exp(-40.0))
    found = CASES["Beta()"].family.cumulative(Response(y), mean, [np.array([40.0])])[1]
    np.testing.assert_allclose(found, norm.cdf([-1.0, 0.0, 1.0]), atol=1e-6)
