"""Maps between unconstrained parameters and bounded or positive ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..support.arrays import BoolArray, FloatArray

LEAST_INNOVATION_SHARE = 1e-12
"""A series has no innovations if their share of its variance is less than this."""

NEAR_UNIT = 2e-6
"""Partial autocorrelations are at ±1 within this."""

DISTANCE_FROM_UNIT = 1e-8
"""How near to ±1 the partial autocorrelations are that are found from coefficients."""


def bounded(phi: Any, low: float | FloatArray, high: float | FloatArray) -> Any:
    """A number in [low, high]: the middle plus half the width times sin φ.

    Examples
    --------
    >>> bounded(np.array([0.0, np.pi / 2]), -1.0, 1.0)
    array([0., 1.])
    """
    return 0.5 * (low + high) + 0.5 * (high - low) * np.sin(phi)


def unbounded(value: FloatArray, low: float | FloatArray, high: float | FloatArray) -> FloatArray:
    """φ with ``bounded(φ, low, high) == value``, in [−π/2, π/2]."""
    return np.arcsin(np.clip((2.0 * value - low - high) / (high - low), -1.0, 1.0))


def partial_to_autocorrelations(partial: Any) -> Any:
    """Autocorrelations at lags 1 … m of a stationary series from its partial autocorrelations.

    The Durbin–Levinson recursion: any numbers in (−1, 1) give a positive definite matrix.

    References
    ----------
    Barndorff-Nielsen, Schou (1973), *On the parametrization of autoregressive models by partial
    autocorrelations*, J. Multivariate Analysis 3(4).

    Examples
    --------
    >>> partial_to_autocorrelations(np.array([0.5, 0.0]))
    array([0.5 , 0.25])
    """
    partial = np.asarray(partial)
    m = len(partial)
    acf = np.ones(m + 1, dtype=partial.dtype)
    coefficients = np.zeros(0, dtype=partial.dtype)
    variance = np.ones((), dtype=partial.dtype)
    for k in range(m):
        acf[k + 1] = coefficients @ acf[k:0:-1] + partial[k] * variance
        coefficients = np.append(coefficients - partial[k] * coefficients[::-1], partial[k])
        variance = variance * (1.0 - partial[k] ** 2)
    return acf[1:]


def autocorrelations_to_partial(acf: FloatArray) -> FloatArray:
    """The inverse of :func:`partial_to_autocorrelations`.

    After a partial autocorrelation of ±1 the series is determined by its past. Those that follow
    are then of no consequence, and zero here.
    """
    full = np.concatenate([[1.0], acf])
    partial = np.zeros(len(acf))
    coefficients = np.zeros(0)
    variance = 1.0
    for k in range(len(acf)):
        if variance < LEAST_INNOVATION_SHARE:
            break
        partial[k] = (full[k + 1] - coefficients @ full[k:0:-1]) / variance
        coefficients = np.append(coefficients - partial[k] * coefficients[::-1], partial[k])
        variance *= 1.0 - partial[k] ** 2
    return partial


def partial_to_coefficients(partial: Any) -> Any:
    """Coefficients of a stationary autoregression from its partial autocorrelations.

    Examples
    --------
    >>> partial_to_coefficients(np.array([0.5, 0.2]))
    array([0.4, 0.2])
    """
    coefficients = np.zeros(0, dtype=np.asarray(partial).dtype)
    for value in partial:
        coefficients = np.append(coefficients - value * coefficients[::-1], value)
    return coefficients


def coefficients_to_partial(coefficients: FloatArray) -> FloatArray:
    """The inverse of :func:`partial_to_coefficients`: the recursion downwards.

    Partial autocorrelations of ±1 have no inverse; they are taken as nearly so.

    Examples
    --------
    >>> coefficients_to_partial(np.array([0.4, 0.2]))
    array([0.5, 0.2])
    """
    left = np.array(coefficients, dtype=np.float64)
    partial = np.zeros(len(left))
    for k in range(len(left) - 1, -1, -1):
        partial[k] = value = np.clip(left[k], DISTANCE_FROM_UNIT - 1.0, 1.0 - DISTANCE_FROM_UNIT)
        left = (left[:k] + value * left[:k][::-1]) / (1.0 - value**2)
    return partial


def at_unit(partial: FloatArray, near: float = NEAR_UNIT) -> BoolArray:
    """Which partial autocorrelations are within `near` of −1 or 1.

    Examples
    --------
    >>> at_unit(np.array([0.99, -1.0]))
    array([False,  True])
    """
    return np.asarray(np.abs(partial) > 1.0 - near)
