"""What holds for each correlation function: validity, round trips, derivatives, stacks, chains."""

from __future__ import annotations

import numpy as np
import pytest
from correlations import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.one_in(4)

each = pytest.mark.parametrize("name", CASES)


def random_phi(name: str, seed: int, size: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=size, size=CASES[name][0].n_parameters)


@each
@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.3, 1.0, 2.0]))
@settings(max_examples=15)
def test_any_phi_gives_a_correlation_matrix(name, seed, size):
    correlation, points = CASES[name]
    matrix = correlation.matrix(random_phi(name, seed, size), points)
    assert np.all(np.diagonal(matrix) == 1.0)
    assert np.array_equal(matrix, matrix.T)
    assert np.abs(matrix).max() <= 1.0 + 1e-12
    assert np.linalg.eigvalsh(matrix).min() > -1e-11


@each
@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_natural_parameters_determine_phi(name, seed):
    correlation, points = CASES[name]
    phi = random_phi(name, seed)
    natural = correlation.natural(phi)
    low, high = correlation.bounds()
    assert len(natural) == len(correlation.names) == len(low) == len(high)
    assert len(set(correlation.names)) == len(correlation.names)
    assert np.all((low - 1e-12 <= natural) & (natural <= high + 1e-12))
    again = correlation.parameters(natural)
    np.testing.assert_allclose(correlation.natural(again), natural, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        correlation.matrix(again, points), correlation.matrix(phi, points), rtol=0, atol=1e-6
    )


@each
@given(seed=st.integers(0, 10**6))
@settings(max_examples=5)
def test_derivatives_agree_with_differences(name, seed):
    correlation, points = CASES[name]
    phi = random_phi(name, seed)
    step = 1e-5
    matrices, naturals = [], []
    for i in range(len(phi)):
        e = step * np.eye(len(phi))[i]
        matrices.append(correlation.matrix(phi + e, points) - correlation.matrix(phi - e, points))
        naturals.append(correlation.natural(phi + e) - correlation.natural(phi - e))
    found = correlation.derivative(phi, points)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.stack(matrices) / (2 * step), rtol=0, atol=2e-8)
    np.testing.assert_allclose(
        correlation.natural_derivative(phi), np.stack(naturals) / (2 * step), rtol=1e-7, atol=2e-8
    )


@each
def test_starts_are_inside(name):
    correlation, points = CASES[name]
    starts = correlation.starts()
    assert len({tuple(np.round(start, 9)) for start in starts}) == len(starts) >= 2
    for start in starts:
        assert start.shape == (correlation.n_parameters,)
        assert not correlation.at_bound(start).any()
        matrix = correlation.matrix(start, points)
        assert np.linalg.eigvalsh(matrix).min() > 1e-9
        # none is a stationary point in a direction that matters
        assert np.abs(correlation.derivative(start, points)).max(axis=(1, 2)).min() > 1e-8


@each
def test_stacks_of_points(name):
    correlation, points = CASES[name]
    phi = random_phi(name, 1)
    stack = np.stack([points[:3], points[1:4], points[[2, 0, 1]]])
    found = correlation.matrix(phi, stack)
    slopes = correlation.derivative(phi, stack)
    for i in range(3):
        np.testing.assert_allclose(found[i], correlation.matrix(phi, stack[i]), rtol=1e-14)
        np.testing.assert_allclose(
            slopes[:, i], correlation.derivative(phi, stack[i]), rtol=1e-12, atol=1e-15
        )
    pair = correlation.between(phi, points[:-1], points[1:])
    matrix = correlation.matrix(phi, points)
    np.testing.assert_allclose(pair, np.diagonal(matrix, 1), rtol=1e-14)


@each
def test_chains_forget_all_but_the_last_point(name):
    correlation, points = CASES[name]
    phi = random_phi(name, 2)
    matrix = correlation.matrix(phi, points)
    through = matrix[:-2, 1:-1] * matrix[1:-1, 2:]
    forgets = np.allclose(np.diagonal(through), np.diagonal(matrix, 2), rtol=1e-12, atol=1e-14)
    if correlation.is_chain:
        assert forgets
    a, b = points[:-1], points[1:]
    left = 1.0 - np.diagonal(matrix, 1) ** 2
    np.testing.assert_allclose(correlation.innovation(phi, a, b), left, rtol=1e-12)


def test_which_are_chains():
    assert {name for name, (correlation, _) in CASES.items() if correlation.is_chain} == {
        "ante",
        "ar1",
        "exp time",
    }


@pytest.mark.parametrize("name", ["ar1", "ante", "exp time"])
def test_innovations_next_to_full_correlation(name):
    """Against the series of 1 − ρ² in 1 − ρ, which has no cancellation."""
    correlation, _ = CASES[name]
    left = 1e-9
    half = np.sqrt(left / 2.0)  # sin(π/2 − 2 arcsin(half)) = 1 − left
    phi = np.full(correlation.n_parameters, np.pi / 2 - 2.0 * np.arcsin(half))
    if name == "exp time":
        phi = np.array([-np.log(-np.log1p(-left))])
    found = correlation.innovation(phi, np.array([[0.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(found, left * (2.0 - left), rtol=1e-7)
    twice = correlation.innovation(phi, np.array([[0.0]]), np.array([[2.0]]))
    np.testing.assert_allclose(twice / found, 2.0 - 2.0 * left, rtol=1e-12)


@pytest.mark.parametrize("rho", [-0.99, 0.99])
def test_long_gaps_of_negative_autocorrelation(rho):
    """A complex power would make the rounding error of π a derivative."""
    ar1 = CASES["ar1"][0]
    phi = ar1.parameters(np.array([rho]))
    for gap in (1.0, 2.0, 99.0, 101.0, 150.0, 301.0):
        slope = ar1.derivative(phi, np.array([[0.0], [gap]]))[0, 0, 1]
        exact = gap * np.sign(rho) ** (gap - 1) * 0.99 ** (gap - 1) * np.cos(phi[0])
        assert slope == pytest.approx(exact, rel=1e-11)
