"""The Matérn correlation, with a smoothness that is known or estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, kve

from ..errors import ModelError
from ..support.arrays import FloatArray
from .decay import Decay
from .parameter_maps import bounded, unbounded

ROUGHEST, SMOOTHEST = 0.05, 20.0
"""Bounds of a smoothness that is estimated. Data hardly tell smoother ones apart."""

HIGHEST_ORDER = 50.0
"""Highest smoothness that may be given; Bessel functions overflow at higher orders."""

LARGEST_ARGUMENT = 2000.0
"""Beyond this distance over the range the correlation is zero in double precision."""

ORDER_STEP = 0.01
"""Relative step of the differences in ν, of sixth order: error about 1e-12."""

SIXTH_ORDER = ((1, 3.0 / 4.0), (2, -3.0 / 20.0), (3, 1.0 / 60.0))


@dataclass(frozen=True)
class Matern(Decay):
    """2^(1−ν) / Γ(ν) · x^ν K_ν(x), x = d / range; the exponential at ν = 1/2.

    Elsewhere x may be √(2ν) d / range. The Gaussian is the limit of high ν, with a range that
    shrinks as 1 / (2 √ν).

    Parameters
    ----------
    axes, nugget, per_axis, scale
        See :class:`~lmforms.correlation.decay.Decay`.
    nu : float, optional
        Smoothness ν, from 0.05 to 50. By default it is estimated, between 0.05 and 20.

    References
    ----------
    Handcock, Stein (1993), *A Bayesian analysis of kriging*, Technometrics 35(4); Diggle, Ribeiro
    (2007), *Model-based Geostatistics*, section 3.4.1.

    Examples
    --------
    >>> kernel = Matern(nu=1.5)
    >>> kernel.matrix(kernel.parameters([2.0]), np.array([[0.0], [2.0]])).round(4)
    array([[1.    , 0.7358],
           [0.7358, 1.    ]])
    >>> Matern(nugget=True).names
    ('range', 'nu', 'nugget')
    """

    nu: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nu is not None and not ROUGHEST <= self.nu <= HIGHEST_ORDER:
            raise ModelError(
                f"The smoothness nu of a Matérn correlation is from {ROUGHEST} to {HIGHEST_ORDER}, "
                f"not {self.nu}. For smoother ones take the Gaussian, without one to estimate it."
            )

    def decay(self, squares: Any, shape: Any) -> Any:
        order = self.shape_natural(shape)[0] if self.nu is None else self.nu
        # Bessel functions are slow: once for each distance, of which grids have few
        different, places = np.unique(np.asarray(squares), return_inverse=True)
        return matern(np.sqrt(different), order)[places.reshape(np.shape(squares))]

    @property
    def shape_names(self) -> tuple[str, ...]:
        return ("nu",) if self.nu is None else ()

    def shape_natural(self, shape: Any) -> Any:
        return np.exp(bounded(shape, np.log(ROUGHEST), np.log(SMOOTHEST)))

    def shape_parameters(self, natural: FloatArray) -> FloatArray:
        return unbounded(np.log(natural), np.log(ROUGHEST), np.log(SMOOTHEST))

    def shape_bounds(self) -> tuple[FloatArray, FloatArray]:
        fitted = len(self.shape_names)
        return np.full(fitted, ROUGHEST), np.full(fitted, SMOOTHEST)

    def middle_range(self, shape: FloatArray) -> float:
        order = shape[0] if self.nu is None else self.nu
        return float(1.0 / np.sqrt(2.0 * order))

    def shape_starts(self) -> list[FloatArray]:
        return [np.array([nu]) for nu in (0.5, 1.5)] if self.nu is None else [np.empty(0)]


def matern(x: Any, nu: Any) -> Any:
    """2^(1−ν) / Γ(ν) · x^ν K_ν(x).

    Parameters
    ----------
    x : array
        Not negative; may be complex.
    nu : float or complex
        Positive, at most 50.

    Notes
    -----
    Imaginary parts are taken to be steps of a derivative, and small: f(x + ih) = f(x) + ih f'(x).
    Bessel functions of complex order do not exist in SciPy, and those of complex arguments are
    not exact in an imaginary part that is many orders smaller than the real one. With
    dM_ν/dx = −2^(1−ν) / Γ(ν) · x^ν K_{ν−1}(x) [1]_; the derivative with respect to ν is a
    difference of sixth order.

    References
    ----------
    .. [1] NIST *Digital Library of Mathematical Functions*, 10.29.4.

    Examples
    --------
    >>> matern(np.array([0.0, 1.0]), 0.5).round(6)
    array([1.      , 0.367879])
    """
    at, order = np.real(x), float(np.real(nu))
    value = _matern(at, order)
    if not (np.iscomplexobj(x) or np.iscomplexobj(nu)):
        return value
    step = np.imag(x) * _slope(at, order)
    if np.imag(nu) != 0.0:
        step = step + np.imag(nu) * _slope_in_order(at, order)
    return value + 1j * step


def _matern(x: FloatArray, nu: float) -> FloatArray:
    exact = _half_integer(x, nu)
    return _scaled_bessel(x, nu, nu) if exact is None else exact


def _half_integer(x: FloatArray, nu: float) -> FloatArray | None:
    """Closed forms for the usual orders, which are many times faster."""
    if nu == 0.5:
        return np.asarray(np.exp(-x))
    if nu == 1.5:
        return np.asarray((1.0 + x) * np.exp(-x))
    if nu == 2.5:
        return np.asarray((1.0 + x + np.square(x) / 3.0) * np.exp(-x))
    return None


def _scaled_bessel(x: FloatArray, nu: float, order: float) -> FloatArray:
    """2^(1−ν) / Γ(ν) · x^ν K_order(x), with order ν or ν − 1."""
    inside = (x > 0.0) & (x < LARGEST_ARGUMENT)
    at = np.where(inside, x, 1.0)
    bessel = kve(order, at)
    # Bessel functions overflow next to zero, where what is left is the limit
    inside &= np.isfinite(bessel)
    logs = (1.0 - nu) * np.log(2.0) - gammaln(nu) + nu * np.log(at) - at
    logs += np.log(np.where(inside, bessel, 1.0))
    return np.where(
        inside, np.exp(logs), np.where((x < LARGEST_ARGUMENT) & (order == nu), 1.0, 0.0)
    )


def _slope(x: FloatArray, nu: float) -> FloatArray:
    """∂/∂x. At zero it is taken as zero: points that coincide stay so."""
    return -_scaled_bessel(x, nu, nu - 1.0)


def _slope_in_order(x: FloatArray, nu: float) -> FloatArray:
    """∂/∂ν, by differences in log ν."""
    total = np.zeros(np.shape(x))
    for i, weight in SIXTH_ORDER:
        up, down = nu * np.exp(i * ORDER_STEP), nu * np.exp(-i * ORDER_STEP)
        total += weight * (_scaled_bessel(x, up, up) - _scaled_bessel(x, down, down))
    return total / (ORDER_STEP * nu)
