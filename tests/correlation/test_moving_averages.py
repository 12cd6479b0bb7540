"""MA and ARMA against sums over their weights, nlme and the known roots."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms.correlation import ARMA, MovingAverage
from lmforms.errors import ModelError


def by_weights(phi, theta, n, length=4000):
    """Autocorrelations at lags 0 … n − 1 from the infinite moving average."""
    psi = np.zeros(length)
    for k in range(length):
        psi[k] = 1.0 if k == 0 else (theta[k - 1] if k <= len(theta) else 0.0)
        for i, value in enumerate(phi, 1):
            if k >= i:
                psi[k] += value * psi[k - i]
    covariances = np.array([psi[: length - h] @ psi[h:] for h in range(n)])
    return covariances / covariances[0]


@given(seed=st.integers(0, 10**6), p=st.integers(0, 3), q=st.integers(0, 3))
@settings(max_examples=30)
def test_arma_by_weights(seed, p, q):
    if p + q == 0:
        p = 1
    arma = ARMA(p, q, span=8)
    phi = np.random.default_rng(seed).uniform(-1.2, 1.2, size=p + q)
    natural = arma.natural(phi)
    expected = by_weights(natural[:p], natural[p:], 9)
    np.testing.assert_allclose(arma.lag_correlations(phi), expected[1:], rtol=0, atol=1e-9)
    times = np.arange(9.0)[:, None]
    lags = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    np.testing.assert_allclose(arma.matrix(phi, times), expected[lags], rtol=0, atol=1e-9)


@pytest.mark.parametrize("q", [1, 2, 4])
def test_moving_average_is_arma_without_autoregression(q):
    phi = np.random.default_rng(q).normal(size=q)
    times = np.array([[0.0], [1.0], [3.0], [4.0], [9.0]])
    ma, arma = MovingAverage(q), ARMA(0, q, span=9)
    np.testing.assert_allclose(ma.natural(phi), arma.natural(phi), rtol=1e-15)
    np.testing.assert_allclose(ma.matrix(phi, times), arma.matrix(phi, times), atol=1e-15)
    found = by_weights([], ma.natural(phi), q + 2)
    np.testing.assert_allclose(ma.lag_correlations(phi), found[1 : q + 1], atol=1e-14)
    assert found[q + 1] == 0.0


@given(seed=st.integers(0, 10**6), q=st.integers(1, 4))
@settings(max_examples=30)
def test_roots_are_outside_the_unit_circle(seed, q):
    phi = np.random.default_rng(seed).normal(size=q)
    theta = MovingAverage(q).natural(phi)
    assert np.abs(np.roots([1.0, *theta])).max() <= 1.0 + 1e-8
    natural = ARMA(q, 0, span=1).natural(phi)
    assert np.abs(np.roots([1.0, *-natural])).max() <= 1.0 + 1e-8


def test_signs_of_nlme():
    """Rows of corMatrix: corARMA(c(.5, −.2, .4, .3)), and of fits to Orthodont (nlme 3.1)."""
    arma = ARMA(2, 2, span=5)
    found = arma.lag_correlations(arma.parameters(np.array([0.5, -0.2, 0.4, 0.3])))
    row = [
        *(0.67902270483711791, 0.28047877591312975, 0.00443484698914139),
        *(-0.05387833168805522, -0.02782613524185589),
    ]
    np.testing.assert_allclose(found, row, rtol=0, atol=1e-14)
    ma = MovingAverage(1)
    found = ma.lag_correlations(ma.parameters(np.array([0.431002333292652])))
    np.testing.assert_allclose(found, [0.363481006899328], rtol=1e-13)
    arma = ARMA(1, 1, span=3)
    found = arma.lag_correlations(
        arma.parameters(np.array([0.960663683167617, -0.665353494295989]))
    )
    row = [0.648398610018727, 0.622892996861354, 0.598390680584143]
    np.testing.assert_allclose(found, row, rtol=1e-12)
    arma = ARMA(2, 0, span=3)
    found = arma.lag_correlations(arma.parameters(np.array([0.328834218850691, 0.484304499006883])))
    row = [0.637651905470240, 0.693986265240844, 0.537024118043130]
    np.testing.assert_allclose(found, row, rtol=1e-12)


@pytest.mark.parametrize(
    "phi", [[np.pi / 2], [np.pi / 2, 0.3], [0.3, np.pi / 2], [0.3, -np.pi / 2], [-np.pi / 2, 0.3]]
)
def test_unit_roots_are_reached_and_valid(phi):
    phi = np.array(phi)
    ma = MovingAverage(len(phi))
    roots = np.roots([1.0, *ma.natural(phi)])
    assert np.abs(np.abs(roots) - 1.0).min() < 1e-7
    assert ma.at_bound(phi).all()
    assert not ma.at_bound(0.9 * phi).any()
    matrix = ma.matrix(phi, np.arange(30.0)[:, None])
    assert np.linalg.eigvalsh(matrix).min() > 1e-6
    np.testing.assert_allclose(
        ma.matrix(ma.parameters(ma.natural(phi)), np.arange(30.0)[:, None]), matrix, atol=1e-6
    )
    # a stationary point in the direction of the bound
    slopes = np.abs(ma.derivative(phi, np.arange(3.0)[:, None])).max(axis=(1, 2))
    assert slopes[np.abs(phi) > 1.5].max() < 1e-15


def test_bounds_of_arma():
    arma = ARMA(1, 2, span=20)
    assert arma.names == ("phi1", "theta1", "theta2")
    assert arma.at_bound(np.array([np.pi / 2, 0.1, 0.2])).tolist() == [True, False, False]
    assert arma.at_bound(np.array([0.1, 0.1, np.pi / 2])).tolist() == [False, True, True]
    for phi in ([np.pi / 2, -np.pi / 2, 0.0], [-np.pi / 2, np.pi / 2, 0.0]):  # 0/0 at the end
        matrix = arma.matrix(np.array(phi), np.arange(20.0)[:, None])
        assert np.all(np.isfinite(matrix))
        assert np.linalg.eigvalsh(matrix).min() > -1e-6
    both = ARMA(2, 0, span=9).lag_correlations(np.array([0.4, np.pi / 2]))  # roots 1 and −1
    np.testing.assert_allclose(both[1::2], 1.0, atol=1e-7)


def test_coefficients_at_their_bounds():
    low, high = MovingAverage(3).bounds()
    np.testing.assert_array_equal(high, [3.0, 3.0, 1.0])
    np.testing.assert_array_equal(low, -high)
    phi = np.full(3, np.pi / 2)
    assert np.all(np.abs(MovingAverage(3).natural(phi)) <= high)


def test_orders():
    with pytest.raises(ModelError, match="order q of 1 or more, not 0"):
        MovingAverage(0)
    with pytest.raises(ModelError, match="not both 0"):
        ARMA(0, 0, span=3)
    with pytest.raises(ModelError, match="0 or more"):
        ARMA(-1, 2, span=3)
