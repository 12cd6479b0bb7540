"""Correlations by distance against their definitions, written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from correlations import CASES, PLACES, TWO, XY
from scipy.integrate import quad
from scipy.special import gamma, kv

from lmforms.correlation import Distances, Exponential, Gaussian, Matern, Spherical
from lmforms.correlation.matern import matern
from lmforms.errors import ArgumentError, ModelError

SCALE = (Distances(0.5, 2.0, 10.0),)


def dense(points, rho, c=0.0):
    """A matrix by loops: rho of the vector between two points, and a nugget."""
    n = len(points)
    out = np.eye(n)
    for i in range(n):
        for j in range(n):
            if i != j:
                out[i, j] = (1.0 - c) * rho(points[i] - points[j])
    return out


def spherical(d):
    return 1.0 - 1.5 * d + 0.5 * d**3 if d < 1.0 else 0.0


def bessel(nu):
    return lambda d: 2.0 ** (1.0 - nu) / gamma(nu) * d**nu * kv(nu, d)


@pytest.mark.parametrize(
    "kernel, rho, own",
    [
        (Exponential, lambda d: np.exp(-d), []),
        (Gaussian, lambda d: np.exp(-(d**2)), []),
        (Spherical, spherical, []),
        (Matern, bessel(0.7), [0.7]),
        (Matern, bessel(2.5), [2.5]),
        (Matern, bessel(5.0), [5.0]),
    ],
)
def test_definitions(kernel, rho, own):
    r, c = 2.3, 0.3
    one = kernel(XY)
    np.testing.assert_allclose(
        one.matrix(one.parameters(np.array([r, *own])), PLACES),
        dense(PLACES, lambda v: rho(np.hypot(*v) / r)),
        rtol=1e-11,
        atol=1e-15,
    )
    nugget = kernel(XY, nugget=True)
    np.testing.assert_allclose(
        nugget.matrix(nugget.parameters(np.array([r, *own, c])), PLACES),
        dense(PLACES, lambda v: rho(np.hypot(*v) / r), c),
        rtol=1e-11,
        atol=1e-15,
    )
    axes = kernel(XY, per_axis=True, scale=TWO)
    np.testing.assert_allclose(
        axes.matrix(axes.parameters(np.array([r, 0.9, *own])), PLACES),
        dense(PLACES, lambda v: rho(np.hypot(v[0] / r, v[1] / 0.9))),
        rtol=1e-11,
        atol=1e-15,
    )


def test_city_block_is_separable():
    kernel = Exponential(XY, per_axis=True, metric="l1", scale=TWO)
    np.testing.assert_allclose(
        kernel.matrix(kernel.parameters(np.array([2.0, 0.7])), PLACES),
        dense(PLACES, lambda v: np.exp(-abs(v[0]) / 2.0) * np.exp(-abs(v[1]) / 0.7)),
        rtol=1e-13,
    )
    one = CASES["exp l1"][0]
    np.testing.assert_allclose(
        one.matrix(one.parameters(np.array([2.0])), PLACES),
        dense(PLACES, lambda v: np.exp(-(abs(v[0]) + abs(v[1])) / 2.0)),
        rtol=1e-13,
    )


def test_nlme():
    """First rows of corExp, corGaus and corSpher with range 2.5 and nugget .2 (nlme 3.1)."""
    places = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0], [4.5, -1.0]])
    rows = {
        Exponential: [0.327073375838243, 0.225811518777431, 0.126558270213788],
        Gaussian: [0.3594631712937773, 0.1615172143957243, 0.0266986159682609],
        Spherical: [0.0129040719200739, 0.0, 0.0],
    }
    for kernel, row in rows.items():
        one = kernel(XY, nugget=True)
        found = one.matrix(one.parameters(np.array([2.5, 0.2])), places)[0]
        np.testing.assert_allclose(found[1:], row, rtol=1e-12)


def test_continuous_time_is_first_order_at_whole_times():
    kernel, ar1 = CASES["exp time"][0], CASES["ar1"][0]
    times = CASES["ar1"][1]
    np.testing.assert_allclose(
        kernel.matrix(kernel.parameters(np.array([-1.0 / np.log(0.6)])), times),
        ar1.matrix(ar1.parameters(np.array([0.6])), times),
        rtol=1e-13,
    )


# --- Matérn ----------------------------------------------------------------------------------


@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5])
def test_closed_forms_are_those_of_bessel_functions(nu):
    x = np.geomspace(1e-8, 300.0, 40)
    np.testing.assert_allclose(matern(x, nu), matern(x, nu * (1.0 + 1e-14)), rtol=1e-11)


@pytest.mark.parametrize("nu", [0.05, 0.5, 1.0, 3.3, 20.0, 50.0])
def test_matern_next_to_zero_and_far_away(nu):
    x = np.concatenate([[0.0], np.geomspace(1e-300, 1e300, 400), [np.inf]])
    value = matern(x, nu)
    assert value[0] == 1.0
    assert value[-1] == 0.0
    assert np.all((value >= 0.0) & (value <= 1.0 + 1e-12))
    assert np.all(np.diff(value) <= 1e-12)
    slope = matern(x[1:-1] * (1.0 + 1e-30j), nu).imag / 1e-30  # ∂/∂ log x
    assert np.all(np.isfinite(slope))
    assert np.all(slope <= 0.0)


@pytest.mark.parametrize("nu", [0.3, 0.5, 1.0, 2.5, 7.0])
def test_derivative_in_smoothness(nu):
    """Against the derivative of the integral ∫ exp(−x cosh t) cosh(νt) dt."""
    from scipy.special import digamma

    for x in (0.05, 0.7, 3.0, 12.0):
        factor = 2.0 ** (1.0 - nu) / gamma(nu) * x**nu
        top = np.arccosh(1.0 + 750.0 / x)

        def integrand(t, x=x):
            return np.exp(-x * np.cosh(t)) * t * np.sinh(nu * t)

        of_bessel = quad(integrand, 0.0, top, epsabs=0.0, epsrel=1e-12, limit=500)[0]
        exact = factor * (of_bessel + (np.log(x / 2.0) - digamma(nu)) * kv(nu, x))
        found = np.imag(matern(np.array([x]), nu + 1e-30j))[0] / 1e-30
        assert found == pytest.approx(exact, rel=1e-8, abs=1e-11)


def test_smooth_matern_is_nearly_gaussian():
    x = np.linspace(0.01, 2.0, 20)
    np.testing.assert_allclose(matern(x * 2.0 * np.sqrt(50.0), 50.0), np.exp(-(x**2)), atol=0.01)


def test_matern_bounds_of_smoothness():
    kernel = Matern(XY, scale=SCALE)
    low, high = kernel.bounds()
    for nu in (low[1], high[1]):
        phi = kernel.parameters(np.array([1.0, nu]))
        assert kernel.at_bound(phi)[1]
    assert kernel.names == ("range", "nu")
    with pytest.raises(ModelError, match=r"from 0.05 to 50.0, not 80"):
        Matern(nu=80)
    with pytest.raises(ModelError, match="nu"):
        Matern(nu=-1.0)


# --- bounds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [Exponential, Gaussian, Spherical])
def test_ranges_at_their_ends(kernel):
    one = kernel(XY, nugget=True, scale=SCALE)

    def at(r, c=0.4):
        return one.at_bound(one.parameters(np.array([r, c]))).tolist()

    assert at(2.0) == [False, False]
    assert at(0.03) == [True, False]  # even the closest points are uncorrelated
    assert at(1e6) == [True, False]  # even the farthest are fully correlated
    assert at(2.0, 0.0) == [False, True]
    assert at(2.0, 1.0) == [False, True]


def test_spherical_range_below_every_distance():
    one = Spherical(XY, scale=SCALE)
    assert one.at_bound(one.parameters(np.array([0.49]))).all()
    assert not one.at_bound(one.parameters(np.array([0.6]))).any()


def test_each_axis_has_its_own_bound():
    scale = (Distances(1.0, 2.0, 5.0), Distances(100.0, 200.0, 500.0))
    one = Exponential(XY, per_axis=True, scale=scale)
    assert one.at_bound(one.parameters(np.array([3.0, 3.0]))).tolist() == [False, True]


def test_extreme_ranges_are_finite():
    for name, (kernel, points) in CASES.items():
        if "range" not in kernel.names:
            continue
        for phi in (-40.0, 40.0):
            at = np.zeros(kernel.n_parameters)
            at[0] = phi
            assert np.all(np.isfinite(kernel.matrix(at, points))), name
            assert np.all(np.isfinite(kernel.derivative(at, points))), name


def test_points_in_the_same_place_have_the_nugget_only():
    places = np.array([[1.0, 1.0], [1.0, 1.0]])
    for name in ("exp", "gau", "mat", "mat 0.8"):
        kernel = CASES[name][0]
        phi = np.zeros(kernel.n_parameters)
        phi[-1] = kernel.parameters(np.full(len(kernel.names), 0.25))[-1]
        assert kernel.matrix(phi, places)[0, 1] == pytest.approx(0.75)
        assert np.all(np.isfinite(kernel.derivative(phi, places)))


# --- bad input -------------------------------------------------------------------------------


def test_bad_options():
    with pytest.raises(ArgumentError, match="'euclidean', 'l1'"):
        Exponential(XY, metric="manhattan")
    with pytest.raises(ModelError, match="up to three dimensions"):
        Spherical(("a", "b", "c", "d"))
