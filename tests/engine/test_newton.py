"""Steps of the quadratic model against explicit solves, and the radius that follows them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmforms.engine.criterion.information import LocalDerivatives
from lmforms.engine.optimize.newton import (
    LEAST_EIGENVALUE,
    LEAST_SCALE,
    NEGATIVE_CURVATURE,
    QuadraticModel,
    first_radius,
    next_radius,
)


def quadratic(seed: int, eigenvalues: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """A gradient and an information with these eigenvalues, in odd units."""
    rng = np.random.default_rng(seed)
    m = len(eigenvalues)
    axes = np.linalg.qr(rng.normal(size=(m, m)))[0]
    units = 10.0 ** rng.uniform(-2, 2, m)
    information = np.outer(units, units) * ((axes * eigenvalues) @ axes.T)
    return units * rng.normal(size=m), 0.5 * (information + information.T)


def point(
    gradient: np.ndarray, information: np.ndarray, curvature_scale: np.ndarray
) -> LocalDerivatives:
    mixed = np.zeros(len(gradient))
    return LocalDerivatives(gradient, information, curvature_scale, (), mixed, False)


def model_of(gradient: np.ndarray, information: np.ndarray, **options) -> QuadraticModel:
    return QuadraticModel.of(point(gradient, information, np.zeros(len(gradient))), **options)


seeds = st.integers(0, 2**16)
positive = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5)
any_sign = st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=5).filter(
    lambda values: max(map(abs, values)) > 0.1
)


@given(seed=seeds, eigenvalues=positive)
def test_inside_the_radius_it_is_the_newton_step(seed, eigenvalues):
    gradient, information = quadratic(seed, eigenvalues)
    model = model_of(gradient, information)
    expected = -np.linalg.solve(information, gradient)
    length = np.linalg.norm(expected * np.sqrt(np.diag(information)))
    for radius in (1.001 * length, 1e9):
        step, found, predicted = model.step(radius)
        np.testing.assert_allclose(step, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
        assert found == pytest.approx(length, rel=1e-9)
        assert predicted == pytest.approx(-0.5 * gradient @ expected, rel=1e-9)
        assert predicted == pytest.approx(model.decrement, rel=1e-12)


@given(seed=seeds, eigenvalues=any_sign, share=st.floats(1e-3, 0.99))
def test_at_the_radius_it_has_that_length_and_is_the_best_such_step(seed, eigenvalues, share):
    model = model_of(*quadratic(seed, eigenvalues))
    radius = share * np.linalg.norm(model.slope / model.curvature)
    step, length, predicted = model.step(radius)
    assert length == pytest.approx(radius, rel=1e-9)
    z = model.vectors.T @ (step * model.scale)
    assert np.linalg.norm(z) == pytest.approx(radius, rel=1e-9)
    others = np.random.default_rng(seed).normal(size=(20, len(z)))
    others *= radius / np.linalg.norm(others, axis=1, keepdims=True)
    promises = -(others @ model.slope + 0.5 * others**2 @ model.curvature)
    assert predicted >= promises.max() - 1e-9 * abs(predicted)


@given(seed=seeds, eigenvalues=any_sign, radius=st.floats(1e-6, 1e6))
def test_never_promises_an_increase_nor_goes_uphill(seed, eigenvalues, radius):
    gradient, information = quadratic(seed, eigenvalues)
    model = model_of(gradient, information)
    step, length, predicted = model.step(radius)
    assert np.isfinite(step).all()
    assert length <= radius * (1.0 + 1e-9)
    assert 0.0 <= predicted <= model.decrement * (1.0 + 1e-9)
    assert gradient @ step <= 0.0


def test_indefinite_information_leads_away_from_the_maximum():
    model = model_of(np.array([2.0, -3.0]), np.diag([4.0, -9.0]))
    step, _, predicted = model.step(100.0)
    np.testing.assert_allclose(step, [-0.5, 1.0 / 3.0])  # −g/|H|
    assert predicted == pytest.approx(0.5 * (4 / 4 + 9 / 9))
    (direction,) = model.negative_curvature_directions()
    np.testing.assert_allclose(np.abs(direction), [0.0, 1.0 / 3.0], atol=1e-15)
    assert not list(model_of(np.ones(2), np.diag([1.0, -1e-30])).negative_curvature_directions())
    small = np.array([[1.0, 1.0 - 0.5 * NEGATIVE_CURVATURE], [1.0 - 0.5 * NEGATIVE_CURVATURE, 1.0]])
    assert not list(
        model_of(np.ones(2), small).negative_curvature_directions()
    )  # rounding, not a direction of descent


def test_secants_add_to_the_curvature():
    gradient, information = quadratic(3, [1.0, 2.0, 3.0])
    secant = 0.1 * np.outer(gradient, gradient) / (gradient @ gradient)
    step, _, _ = model_of(gradient, information, secant=secant).step(1e9)
    np.testing.assert_allclose(step, -np.linalg.solve(information + secant, gradient), rtol=1e-9)


def test_a_flat_criterion_is_measured_by_its_reference():
    flat = QuadraticModel.of(point(np.array([1e-12]), np.array([[0.0]]), np.array([10.0])))
    step, length, _ = flat.step(20.0)
    assert step[0] == pytest.approx(-1e-12 / (LEAST_SCALE * 10.0) ** 2 / LEAST_EIGENVALUE)
    assert length == pytest.approx(-step[0] * LEAST_SCALE * 10.0)
    nothing = QuadraticModel.of(point(np.zeros(2), np.zeros((2, 2)), np.zeros(2)))
    np.testing.assert_array_equal(nothing.step(20.0)[0], 0.0)


@pytest.mark.parametrize(
    "length, ratio, expected",
    [
        (2.0, -np.inf, 0.5),  # a failed or broken promise: a quarter of the step
        (8.0, 0.24, 2.0),
        (8.0, 0.25, 8.0),
        (8.0, 0.75, 8.0),
        (8.0, 0.76, 16.0),  # kept, and the radius was in the way
        (2.0, 0.99, 8.0),  # kept, but it was not
    ],
)
def test_the_next_radius(length, ratio, expected):
    assert next_radius(8.0, length, ratio) == expected


def test_the_first_radius_grows_with_the_information():
    gradient, information = quadratic(1, [1.0, 2.0, 3.0])
    few, many = (model_of(gradient, c * information) for c in (1.0, 1e8))
    theta = np.array([0.5, 2.0])
    assert first_radius(few, theta, 1e9) == 1e9
    assert first_radius(many, theta, 0.0) == pytest.approx(1e4 * first_radius(few, theta, 0.0))
    expected = 0.5 * np.hypot(0.5 * few.scale[0], 2.0 * few.scale[1])
    assert first_radius(few, theta, 0.0) == pytest.approx(expected)
