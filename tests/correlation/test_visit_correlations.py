"""Toeplitz and antedependence against definitions, and at their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from lmforms.correlation import Antedependence, Toeplitz

VISITS = np.arange(4.0)[:, None]


def test_toeplitz_has_one_correlation_per_lag():
    toep = Toeplitz(4)
    rho = np.array([0.6371798, 0.6966964, 0.478658])
    found = toep.matrix(toep.parameters(rho), VISITS)
    expected = [[1.0 if i == j else rho[abs(i - j) - 1] for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert toep.names == ("rho[1]", "rho[2]", "rho[3]")
    some = toep.matrix(toep.parameters(rho), VISITS[[3, 0, 1]])  # any order, some left out
    np.testing.assert_allclose(some, np.array(expected)[np.ix_([3, 0, 1], [3, 0, 1])], rtol=1e-13)


def test_toeplitz_at_its_bounds():
    """At lag 2 with ρ₁ given, correlations are down to 2ρ₁² − 1."""
    toep = Toeplitz(4)
    phi = toep.parameters(np.array([0.5, 2 * 0.25 - 1.0, -1.0]))
    assert toep.at_bound(phi).tolist() == [False, True, False]
    matrix = toep.matrix(phi, VISITS)
    np.testing.assert_allclose(matrix[0], [1.0, 0.5, -0.5, -1.0], atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() == pytest.approx(0.0, abs=1e-12)
    for end in (-np.pi / 2, np.pi / 2):
        at = np.array([0.2, 0.1, end])
        assert toep.at_bound(at).tolist() == [False, False, True]
        assert np.abs(toep.derivative(at, VISITS)[2]).max() < 1e-15


def test_antedependence_multiplies_what_is_in_between():
    ante = Antedependence(4)
    rho = np.array([0.5, -0.8, 0.9])
    expected = np.eye(4)
    for i in range(4):
        for j in range(i):
            expected[i, j] = expected[j, i] = np.prod(rho[j:i])
    phi = ante.parameters(rho)
    np.testing.assert_allclose(ante.matrix(phi, VISITS), expected, rtol=1e-13)
    assert ante.names == ("rho[1,2]", "rho[2,3]", "rho[3,4]")
    precision = np.linalg.inv(expected)
    assert np.abs(np.triu(precision, 2)).max() < 1e-12  # tridiagonal


def test_antedependence_with_zero_and_unit_correlations():
    ante = Antedependence(4)
    phi = ante.parameters(np.array([0.0, 1.0, -1.0]))
    assert ante.at_bound(phi).tolist() == [False, True, True]
    matrix = ante.matrix(phi, VISITS)
    np.testing.assert_allclose(matrix[1], [0.0, 1.0, 1.0, -1.0])
    left = ante.innovation(phi, VISITS[[0, 1, 1]], VISITS[[1, 2, 3]])
    np.testing.assert_allclose(left, [1.0, 0.0, 0.0], atol=1e-30)


def test_innovations_over_several_strong_correlations():
    """1 − ρ² of correlations 1 − 1e-12 is the sum of the parts, to full precision."""
    ante = Antedependence(4)
    small = np.array([1e-6, 2e-6, 3e-6])
    found = ante.innovation(np.pi / 2 - small, VISITS[:1], VISITS[3:])
    parts = np.sin(small) ** 2
    np.testing.assert_allclose(found, parts.sum(), rtol=1e-9)
