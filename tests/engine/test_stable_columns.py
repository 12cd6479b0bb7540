"""Roots and least squares of columns that are well apart, nearly dependent, dependent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmforms.engine.linalg.stable_columns import least_squares, triangular_root

pytestmark = pytest.mark.one_in(4)

KINDS = ["apart", "close", "dependent", "zero column", "wide", "one", "none"]


def columns_of(kind: str, seed: int) -> np.ndarray:
    """Columns of different sizes, and how the moments of some cannot be trusted."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(30, 4)) * 10.0 ** rng.integers(-3, 4, 4)
    if kind == "close":
        a[:, 2] = a[:, 0] * (1.0 + 1e-6 * rng.normal(size=30))
    elif kind == "dependent":
        a[:, 3] = a[:, 0] - 2.0 * a[:, 1]
    elif kind == "zero column":
        a[:, 1] = 0.0
    return {"wide": a[:3], "one": a[:, :1], "none": a[:, :0]}.get(kind, a)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**16))
def test_triangular_root_against_householder(kind, seed):
    a = columns_of(kind, seed)
    root = triangular_root(a)
    sizes = np.where(a.any(axis=0), np.linalg.norm(a, axis=0), 1.0)
    assert root.shape == (min(a.shape), a.shape[1])
    np.testing.assert_array_equal(root, np.triu(root))
    assert (np.diagonal(root) >= 0).all()
    np.testing.assert_allclose(
        (root.T @ root) / np.outer(sizes, sizes), (a / sizes).T @ (a / sizes), atol=1e-13
    )
    expected = np.abs(np.diagonal(np.linalg.qr(a, mode="r")))
    d = np.diagonal(root)
    # moments of nearly dependent columns would leave 1e-8 of their size as noise
    np.testing.assert_allclose(d, expected, rtol=1e-9, atol=1e-14 * sizes.max(initial=1.0))


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**16))
def test_least_squares_against_the_pseudoinverse(kind, seed):
    a = columns_of(kind, seed)
    a = a / np.where(a.any(axis=0), np.linalg.norm(a, axis=0), 1.0)
    y = np.random.default_rng(seed + 1).normal(size=len(a))
    found, expected = least_squares(a, y), np.linalg.pinv(a, rcond=1e-12) @ y
    tolerance = 1e-8 if kind == "close" else 1e-10
    assert found.shape == (a.shape[1],)
    np.testing.assert_allclose(a @ found, a @ expected, atol=tolerance)
    np.testing.assert_allclose(
        found, expected, atol=tolerance * max(1.0, np.abs(expected).max(initial=0.0))
    )


def test_directions_below_rcond_get_nothing():
    x = np.linspace(-1, 1, 20)
    a = np.column_stack([x, x + 1e-5 * x**2])
    y = x + x**2
    assert np.abs(least_squares(a, y)).max() > 1e4
    np.testing.assert_allclose(least_squares(a, y, 1e-3), [0.5, 0.5], rtol=1e-4)
