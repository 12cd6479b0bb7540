"""Variance functions: values, derivatives against differences, parameters there and back."""

from __future__ import annotations

import numpy as np
import pytest

from lmforms.residual.variance_functions import (
    ConstantPowerVariance,
    ExponentialVariance,
    PowerVariance,
    StrataVariance,
    VarianceProduct,
)

RNG = np.random.default_rng(3)
X = RNG.uniform(0.5, 9.0, size=12)
CODES = RNG.integers(0, 3, size=12)
STRATA = StrataVariance(CODES, ("sd[b]", "sd[c]"))
FUNCTIONS = [
    (STRATA, [2.0, 0.5], lambda b, c: np.array([1.0, b, c])[CODES]),
    (PowerVariance(X), [0.7], lambda d: X**d),
    (ExponentialVariance(X), [-0.2], lambda d: np.exp(d * X)),
    (ConstantPowerVariance(X), [1.5, 0.7], lambda c, d: c + X**d),
    (
        VarianceProduct((STRATA, PowerVariance(X))),
        [2.0, 0.5, 0.7],
        lambda b, c, d: np.array([1.0, b, c])[CODES] * X**d,
    ),
]
IDS = [type(function).__name__ for function, *_ in FUNCTIONS]
all_functions = pytest.mark.parametrize(("function", "natural", "sd"), FUNCTIONS, ids=IDS)


@all_functions
def test_standard_deviations(function, natural, sd):
    phi = function.parameters(np.array(natural))
    np.testing.assert_allclose(np.exp(function.log_sd(phi)), sd(*natural), rtol=1e-13)


@all_functions
def test_parameters_there_and_back(function, natural, sd):
    phi = function.parameters(np.array(natural))
    np.testing.assert_allclose(function.natural(phi), natural, rtol=1e-14)
    assert function.n_parameters == len(function.names) == len(phi) == len(natural)
    low, high = function.bounds()
    assert (low < natural).all()
    assert (natural < high).all()
    assert not function.at_bound(phi).any()


@all_functions
def test_derivatives_are_those_of_differences(function, natural, sd):
    phi = function.parameters(np.array(natural))
    for of, slopes in (
        (function.log_sd, function.log_sd_derivative(phi)),
        (function.natural, function.natural_derivative(phi)),
    ):
        for i in range(len(phi)):
            h = np.zeros(len(phi))
            h[i] = 1e-6
            difference = (of(phi + h) - of(phi - h)) / 2e-6
            np.testing.assert_allclose(slopes[i], difference, rtol=1e-7, atol=1e-8)


@all_functions
def test_rows_of_a_subset(function, natural, sd):
    phi = function.parameters(np.array(natural))
    rows = np.arange(12) % 3 > 0
    part = function.subset(rows)
    np.testing.assert_array_equal(part.log_sd(phi), function.log_sd(phi)[rows])
    np.testing.assert_array_equal(part.natural(phi), function.natural(phi))


@all_functions
def test_starts_are_finite_and_different(function, natural, sd):
    starts = function.starts()
    for phi in starts:
        assert phi.shape == (function.n_parameters,)
        assert np.isfinite(function.log_sd(phi)).all()
    assert len({tuple(phi) for phi in starts}) == len(starts)


def test_ratios_at_their_bound():
    assert STRATA.at_bound(np.array([-20.0, 0.0])).tolist() == [True, False]
    constant = ConstantPowerVariance(X)
    assert constant.at_bound(np.array([-40.0, 0.5])).tolist() == [True, False]


def test_the_search_does_not_depend_on_the_units_of_the_covariate():
    """φ is δ in units of the spread of the covariate."""
    a, b = ExponentialVariance(X), ExponentialVariance(1e6 * X)
    np.testing.assert_allclose(a.log_sd([0.5]), b.log_sd([0.5]), rtol=1e-12)
