"""Correlations of moving averages, and of autoregressions with a moving average: MA(q), ARMA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import comb

from ..errors import ModelError
from ..support.arrays import BoolArray, FloatArray
from .base import Correlation
from .parameter_maps import (
    at_unit,
    coefficients_to_partial,
    partial_to_autocorrelations,
    partial_to_coefficients,
    unbounded,
)

LARGEST_PARTIAL = 1.0 - 1e-9
"""Highest partial autocorrelation of the autoregressive part.

At 1 a moving average with the same root would leave 0/0.
"""

UNIT_ROOT = 1e-4
"""A partial autocorrelation of the moving average this near to ±1 is at the bound.

The likelihood hardly changes between there and a root on the unit circle.
"""


@dataclass(frozen=True)
class MovingAverage(Correlation):
    """MA(q): e_t = a_t + θ₁ a_{t−1} + … + θ_q a_{t−q} with independent a_t, at integer times.

    Points further apart than q are not correlated. The θ are those of an invertible series, one
    of up to 2^q that have the same correlations. Roots on the unit circle are at the bound, where
    correlation matrices are still positive definite.

    Parameters
    ----------
    q : int
        Order, at least one.

    References
    ----------
    Box, Jenkins, Reinsel (2008), *Time Series Analysis*, section 3.3; signs are those of nlme.
    Partial autocorrelations of the polynomial: Monahan (1984), *A note on enforcing stationarity
    in autoregressive-moving average models*, Biometrika 71(2).

    Examples
    --------
    >>> ma = MovingAverage(1)
    >>> ma.matrix(ma.parameters([0.5]), np.array([[0.0], [1.0], [3.0]])).round(12)
    array([[1. , 0.4, 0. ],
           [0.4, 1. , 0. ],
           [0. , 0. , 1. ]])
    """

    q: int

    def __post_init__(self) -> None:
        if self.q < 1:
            raise ModelError(f"A moving average needs an order q of 1 or more, not {self.q}.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"theta{i}" for i in range(1, self.q + 1))

    @property
    def n_parameters(self) -> int:
        return self.q

    @property
    def is_linear(self) -> bool:
        return True

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        lags = np.minimum(_lags(a, b), self.q + 1)
        return np.concatenate([[1.0], self.lag_correlations(phi), [0.0]])[lags]

    def lag_correlations(self, phi: Any) -> Any:
        """Correlations at lags 1 … q."""
        products = _products(self.natural(phi))
        return products[1:] / products[0]

    def natural(self, phi: Any) -> Any:
        return _moving_average(phi)

    def parameters(self, natural: FloatArray) -> FloatArray:
        return _moving_average_parameters(natural)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return _coefficient_bounds(self.q)

    def starts(self) -> list[FloatArray]:
        first = np.eye(self.q)[0]
        last = np.eye(self.q)[-1]
        starts = [np.arcsin(x) * first for x in (0.3, 0.8, -0.3, -0.8)]
        if self.q > 1:
            starts += [np.arcsin(0.4) * first + np.arcsin(x) * last for x in (0.7, -0.7)]
        return starts

    def at_bound(self, phi: FloatArray) -> BoolArray:
        """All coefficients, if the polynomial has a root on the unit circle; else none."""
        return np.full(self.q, self.ends_reached(phi).any())

    def ends_reached(self, phi: FloatArray) -> BoolArray:
        return at_unit(np.sin(phi), UNIT_ROOT)


@dataclass(frozen=True)
class ARMA(Correlation):
    """ARMA(p, q) at integer times: e_t = Σ φ_i e_{t−i} + a_t + Σ θ_j a_{t−j}.

    Stationary and invertible. Where a root of both parts cancels, their parameters are not
    determined, as in any ARMA(p, q) of a series that is an ARMA(p − 1, q − 1).

    Parameters
    ----------
    p, q : int
        Orders of the autoregression and of the moving average, one at least of them positive.
    span : int
        Longest lag between two points.

    References
    ----------
    Box, Jenkins, Reinsel (2008), *Time Series Analysis*, section 3.4; signs are those of nlme.

    Examples
    --------
    >>> arma = ARMA(1, 1, span=3)
    >>> arma.lag_correlations(arma.parameters([0.5, 0.4])).round(6)
    array([0.692308, 0.346154, 0.173077])
    """

    p: int
    q: int
    span: int

    def __post_init__(self) -> None:
        if min(self.p, self.q) < 0 or self.p + self.q < 1:
            raise ModelError(
                "Orders p and q of an ARMA are 0 or more, and not both 0; "
                f"they are {self.p} and {self.q}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        autoregression = tuple(f"phi{i}" for i in range(1, self.p + 1))
        return autoregression + tuple(f"theta{i}" for i in range(1, self.q + 1))

    @property
    def n_parameters(self) -> int:
        return self.p + self.q

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        return np.concatenate([[1.0], self.lag_correlations(phi)])[_lags(a, b)]

    def lag_correlations(self, phi: Any) -> Any:
        """Correlations at lags 1 … span.

        The series is a moving average of an autoregression u: its covariance at lag k is
        Σ_h c_h ρ_u(k − h), with c_h the sum of θ_j θ_{j+h}.
        """
        phi = np.asarray(phi)
        inner = self._autoregression(phi)
        products = _products(_moving_average(phi[self.p :]))
        both_sides = np.concatenate([products[:0:-1], products])
        lags = np.abs(np.arange(self.span + 1)[:, None] - np.arange(-self.q, self.q + 1))
        covariances = inner[lags] @ both_sides
        return covariances[1:] / covariances[0]

    def _autoregression(self, phi: Any) -> Any:
        """Correlations at lags 0 … span + q without the moving average."""
        partial = LARGEST_PARTIAL * np.sin(phi[: self.p])
        n = self.span + self.q
        out = np.zeros(max(n, self.p) + 1, dtype=partial.dtype)
        out[0] = 1.0
        out[1 : self.p + 1] = partial_to_autocorrelations(partial)
        coefficients = partial_to_coefficients(partial)[::-1]
        for k in range(self.p + 1, n + 1):
            out[k] = coefficients @ out[k - self.p : k]
        return out[: n + 1]

    def natural(self, phi: Any) -> Any:
        phi = np.asarray(phi)
        autoregression = partial_to_coefficients(LARGEST_PARTIAL * np.sin(phi[: self.p]))
        return np.concatenate([autoregression, _moving_average(phi[self.p :])])

    def parameters(self, natural: FloatArray) -> FloatArray:
        natural = np.asarray(natural, dtype=np.float64)
        partial = coefficients_to_partial(natural[: self.p])
        return np.concatenate(
            [
                unbounded(partial, -LARGEST_PARTIAL, LARGEST_PARTIAL),
                _moving_average_parameters(natural[self.p :]),
            ]
        )

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = zip(_coefficient_bounds(self.p), _coefficient_bounds(self.q))
        return np.concatenate(low), np.concatenate(high)

    def starts(self) -> list[FloatArray]:
        first = np.zeros((2, self.p + self.q))
        if self.p:
            first[0, 0] = 1.0
        if self.q:
            first[1, self.p] = 1.0
        pairs = [(0.5, 0.2), (0.9, -0.5), (0.1, 0.5), (-0.3, -0.2), (-0.4, 0.7)]
        starts = [np.arcsin(np.array(pair)) @ first for pair in pairs]
        if self.p > 1:
            second = np.eye(self.p + self.q)[1]
            starts += [starts[0] + np.arcsin(x) * second for x in (0.5, -0.5)]
        return starts

    def at_bound(self, phi: FloatArray) -> BoolArray:
        """All coefficients of a part that has a root on the unit circle."""
        parts = np.split(self.ends_reached(phi), [self.p])
        return np.concatenate([np.full(len(part), part.any()) for part in parts])

    def ends_reached(self, phi: FloatArray) -> BoolArray:
        autoregression, moving_average = np.split(np.sin(phi), [self.p])
        return np.concatenate([at_unit(autoregression), at_unit(moving_average, UNIT_ROOT)])


def _moving_average(phi: Any) -> Any:
    """Coefficients θ. The signs let a single one be sin φ."""
    return -partial_to_coefficients(-np.sin(np.asarray(phi)))


def _moving_average_parameters(theta: FloatArray) -> FloatArray:
    partial = coefficients_to_partial(-np.asarray(theta, dtype=np.float64))
    return unbounded(-partial, -1.0, 1.0)


def _products(theta: Any) -> Any:
    """Σ_j θ_j θ_{j+h} for h = 0 … q, where θ_0 = 1."""
    full = np.concatenate([[1.0], theta])
    return np.stack([full[: len(full) - h] @ full[h:] for h in range(len(full))])


def _coefficient_bounds(order: int) -> tuple[FloatArray, FloatArray]:
    """Bounds of the coefficients of a polynomial with roots outside the unit circle."""
    most = np.asarray(comb(order, np.arange(1, order + 1)), dtype=np.float64)
    return -most, most


def _lags(a: FloatArray, b: FloatArray) -> Any:
    return np.abs(a[..., 0] - b[..., 0]).astype(np.intp)
