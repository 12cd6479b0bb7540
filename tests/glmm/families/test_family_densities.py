"""Log-densities and distribution functions against SciPy, and sums of masses against one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from family_cases import CASES, REAL, ROWS, means_of
from scipy import stats

from lmforms.glmm.families.base import Family, Response
from lmforms.glmm.families.scales import inner_of

# Of the mean, the parameters in natural units, and the trials
SCIPY = {
    "Gaussian()": lambda m, t, v: stats.norm(m, np.sqrt(v)),
    "StudentT()": lambda m, t, s, df: stats.t(df, m, s),
    "Binomial()": lambda m, t: stats.binom(t, m),
    "BetaBinomial()": lambda m, t, phi: stats.betabinom(t, phi * m, phi * (1.0 - m)),
    "Beta()": lambda m, t, phi: stats.beta(phi * m, phi * (1.0 - m)),
    "Poisson()": lambda m, t: stats.poisson(m),
    "NegativeBinomial()": lambda m, t, k: stats.nbinom(k, k / (k + m)),
    "NegativeBinomial1()": lambda m, t, phi: stats.nbinom(m / phi, 1.0 / (1.0 + phi)),
    "Gamma()": lambda m, t, phi: stats.gamma(1.0 / phi, scale=phi * m),
    "InverseGaussian()": lambda m, t, phi: stats.invgauss(m * phi, scale=1.0 / phi),
}


def log_density(case, mean, omega, response=None):
    tau = inner_of(case.family.inner, mean)
    return case.family.density(response or case.response, tau, omega, 0).values[0]


@pytest.mark.parametrize("name", SCIPY)
def test_scipy_has_the_same_distribution(name):
    case, mean = CASES[name], means_of(CASES[name].family)
    omega = case.rows_of_omega()
    same = SCIPY[name](mean, case.trials, *case.family.natural(np.array(omega)))
    found = log_density(case, mean, omega)
    low, high = case.family.cumulative(case.response, mean, omega)
    with np.errstate(all="ignore"):
        expected = same.logpmf(case.y) if case.family.discrete else same.logpdf(case.y)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(high, same.cdf(case.y), rtol=1e-11, atol=1e-14)
    before = same.cdf(case.y - 1.0) if case.family.discrete else same.cdf(case.y)
    np.testing.assert_allclose(low, before, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(case.family.expectation(mean, omega), mean)
    if name != "StudentT()":
        trials = case.trials if case.family.takes_trials else None
        scale = 1.0 if trials is None else trials**2
        found = case.family.variance(mean, omega, trials) * scale
        np.testing.assert_allclose(found, same.var(), rtol=1e-9)


def test_student_t_has_no_variance_below_two_degrees_of_freedom():
    family = CASES["StudentT()"].family
    found = family.variance(np.zeros(3), [np.zeros(3), np.log([1.5, 2.0, 4.0])])
    np.testing.assert_allclose(found, [np.inf, np.inf, 2.0])


DISCRETE = [name for name, case in CASES.items() if case.family.discrete]


@pytest.mark.parametrize("name", DISCRETE)
def test_masses(name):
    """They add up to one, to the distribution function, and to the first two moments."""
    case = CASES[name]
    mean = means_of(case.family)[[2, 20]]
    omega = [w[:2] for w in case.rows_of_omega()]
    for i in range(2):
        most = 12 if case.family.takes_trials else 400
        first = 1 if name.startswith("Truncated") else 0
        y = np.arange(first, most + 1.0)
        trials = np.full(len(y), most) if case.family.takes_trials else None
        response, mu = Response(y, trials), np.full(len(y), mean[i])
        at = [np.full(len(y), w[i]) for w in omega]
        mass = np.exp(log_density(case, mu, at, response))
        low, high = case.family.cumulative(response, mu, at)
        np.testing.assert_allclose(high, np.cumsum(mass), rtol=1e-12)
        np.testing.assert_allclose(low[1:], np.cumsum(mass)[:-1], rtol=1e-12)
        assert low[0] == pytest.approx(0.0, abs=1e-15)
        assert mass.sum() == pytest.approx(1.0, abs=1e-12)
        scale = most if case.family.takes_trials else 1.0
        one = [w[:1] for w in at], None if trials is None else trials[:1]
        expected = case.family.expectation(mu[:1], *one)[0]
        assert mass @ y / scale == pytest.approx(expected, rel=1e-10)
        variance = mass @ (y / scale) ** 2 - expected**2
        assert variance == pytest.approx(case.family.variance(mu[:1], *one)[0], rel=1e-9)


@pytest.mark.parametrize("name", ["Tweedie()", "ZeroInflated(Tweedie())", "Hurdle(Gamma())"])
def test_amounts(name):
    """A mass at 0, and a density above it that integrates to the rest and gives the moments."""
    case = CASES[name]
    omega = [np.array([w]) for w in case.omega]
    node, weight = np.polynomial.legendre.leggauss(400)
    log_y = 18.0 * node - 13.0
    y = np.exp(log_y)
    mean = np.full(400, 1.7)
    mass = 18.0 * weight * y * np.exp(log_density(case, mean, omega, Response(y)))
    zero = Response(np.zeros(1))
    at_zero = np.exp(log_density(case, mean[:1], omega, zero))[0]
    below, upto = case.family.cumulative(zero, mean[:1], omega)
    assert (below[0], upto[0]) == (0.0, pytest.approx(at_zero))
    assert at_zero + mass.sum() == pytest.approx(1.0, abs=1e-8)
    expected = case.family.expectation(mean[:1], omega)[0]
    assert mass @ y == pytest.approx(expected, rel=1e-8)
    variance = case.family.variance(mean[:1], omega)[0]
    assert mass @ y**2 - expected**2 == pytest.approx(variance, rel=1e-7)
    h = 1e-4
    rise = [case.family.cumulative(Response(y * (1.0 + s)), mean, omega)[1] for s in (h, -h)]
    some = np.abs(log_y) < 2.0
    density = np.exp(log_density(case, mean, omega, Response(y)))
    slope = (rise[0] - rise[1]) / (2.0 * h * y)
    np.testing.assert_allclose(slope[some], density[some], rtol=1e-6)


def test_tweedie_with_many_terms():
    """Added up in strides beyond 400 terms: one curve with the sum of all, smooth across."""
    family = CASES["Tweedie()"].family
    phi = np.exp(np.linspace(np.log(0.004), np.log(0.006), 201))  # 400 terms in the middle
    y = np.ones(201)
    found = family.density(Response(y), np.zeros(201), [np.log(phi), np.zeros(201)], 1)
    # at the mean: nearly the normal density of variance φ, and a smooth curve
    near = -0.5 * np.log(2.0 * np.pi * phi)
    assert np.abs(found.values[0] - near).max() < 0.01
    for rows in (found.values[0], found.parameters[0, 0], found.parameters[1, 0]):
        assert np.abs(np.diff(rows, 3)).max() < 1e-8 * max(1.0, np.abs(rows).max())
    many = np.array([1e-7])
    value = family.density(Response(y[:1]), np.zeros(1), [np.log(many), np.zeros(1)], 0).values
    np.testing.assert_allclose(value[0], -0.5 * np.log(2.0 * np.pi * many), rtol=1e-7)


# Deviances are closed formulas, or from the best mean of each row
@pytest.mark.parametrize("name", CASES)
def test_unit_deviances(name):
    case, mean = CASES[name], means_of(CASES[name].family)
    omega = case.rows_of_omega()
    found = case.family.unit_deviance(case.response, mean, omega)
    assert np.isfinite(found).all()
    assert (found >= 0.0).all()
    searched = Family.unit_deviance(case.family, case.response, mean, omega)
    own = type(case.family).__name__ in ("Gaussian", "Gamma", "InverseGaussian", "Tweedie")
    dispersion = np.exp(omega[0]) if own else 1.0
    np.testing.assert_allclose(found, dispersion * searched, rtol=1e-8, atol=1e-8)
    own_mean = case.family.start_mean(case.response)
    assert np.isfinite(case.family.unit_deviance(case.response, own_mean, omega)).all()


@pytest.mark.parametrize("name", CASES)
def test_nothing_warns_where_tau_is_not_finite(name):
    case = CASES[name]
    tau = np.resize([np.nan, np.inf, -np.inf, 900.0, -900.0], ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = case.family.density(case.response, tau, case.rows_of_omega(), 3)
    assert np.isnan(found.values[0, 0])


OUTSIDE = {
    "Gaussian()": ([np.nan, np.inf, 1.0], None, [True, True, False]),
    "StudentT()": ([np.nan, -1.0], None, [True, False]),
    "Binomial()": ([-1.0, 0.5, 3.0, 2.0], [2.0] * 4, [True, True, True, False]),
    "BetaBinomial()": ([0.0, 1.0, 1.0], [0.0, 1.5, 1.0], [False, True, False]),
    "Beta()": ([0.0, 1.0, 0.5, np.nan], None, [True, True, False, True]),
    "Poisson()": ([-1.0, 0.5, np.inf, np.nan, 0.0], None, [True, True, True, True, False]),
    "Gamma()": ([0.0, -1.0, 2.0], None, [True, True, False]),
    "InverseGaussian()": ([0.0, 2.0], None, [True, False]),
    "Tweedie()": ([-0.1, np.inf, 0.0], None, [True, True, False]),
    "Hurdle(Poisson())": ([0.5, 0.0], None, [True, False]),
    "Hurdle(Gamma())": ([-0.5, 0.0], None, [True, False]),
    "Truncated(Poisson())": ([0.0, 0.5, 1.0], None, [True, True, False]),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_responses_that_a_family_cannot_have(name):
    y, trials, expected = OUTSIDE[name]
    response = Response(np.array(y), None if trials is None else np.array(trials))
    rows, text = CASES[name].family.outside(response)
    assert rows.tolist() == expected
    assert text


@pytest.mark.parametrize("name", CASES)
def test_starts(name):
    case = CASES[name]
    assert not case.family.outside(case.response)[0].any()
    mean = case.family.start_mean(case.response)
    assert np.isfinite(inner_of(case.family.inner, mean)).all() or (case.y is REAL)
    omega = case.family.start_parameters(case.response, means_of(case.family))
    assert omega.shape == (len(case.family.parameter_names),)
    assert np.isfinite(omega).all()
