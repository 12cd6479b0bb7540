"""A trust-region search by gradients: BFGS from a curvature that is known roughly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..engine.optimize.newton import LEAST_RADIUS, QuadraticModel, next_radius
from ..errors import NumericalError
from ..support.arrays import FloatArray

LEAST_RADIUS_AT_FIRST = 2.0
"""Standard errors that the first step may go, at least; with many levels even a good start is
hundreds of them from the optimum."""

ROUNDING_OF_VALUES = 1e-6
"""Smaller differences of the function are judged by its gradient: the terms of which it is a sum
may be so large that their rounding is about as much."""

LEAST_CURVATURE_ALONG_STEP = 1e-8
"""Relative curvature along a step below which the matrix is not updated."""


@dataclass(frozen=True, eq=False)
class Point:
    """A function at a place, with its gradient.

    Attributes
    ----------
    psi : ndarray (m,)
    value : float
    gradient : ndarray (m,)
    state : object
        What the next evaluation near it starts from.
    """

    psi: FloatArray
    value: float
    gradient: FloatArray
    state: object


@dataclass(frozen=True, eq=False)
class LocalModel:
    """Slope and curvature, as the quadratic model takes them."""

    gradient: FloatArray
    information: FloatArray
    curvature_scale: FloatArray


@dataclass(frozen=True, eq=False)
class SearchEnd:
    """Where a search ended.

    Attributes
    ----------
    point : Point
    information : ndarray (m, m)
        The curvature as far as it is known.
    converged : bool
    decrement : float
        Decrease that one more step promises.
    evaluations : int
    trace : tuple of float
    """

    point: Point
    information: FloatArray
    converged: bool
    decrement: float
    evaluations: int
    trace: tuple[float, ...]


Evaluate = Callable[[FloatArray, Point], Point]
"""The point at ψ, beginning from another one.

Raises
------
NumericalError
    It cannot be evaluated there.
"""


def quasi_newton(
    evaluate: Evaluate,
    start: Point,
    information: FloatArray,
    *,
    tolerance: float,
    most_evaluations: int,
    radius: float = LEAST_RADIUS_AT_FIRST,
    sizes: FloatArray | float = 1.0,
) -> SearchEnd:
    """Minimise from a start.

    Parameters
    ----------
    evaluate : callable
    start : Point
    information : ndarray (m, m)
        Curvature at the start; negative directions are allowed.
    tolerance : float
        The search ends when a full step promises a decrease below this.
    most_evaluations : int
    radius : float
        Standard errors that the first step may go.
    sizes : ndarray (m,)
        Usual ones of the parameters, relative to which a direction may be flat.
    """
    here, H = start, information.copy()
    count, trace = 0, [start.value]
    while True:
        scale = np.sqrt(np.abs(H.diagonal()))
        own = LocalModel(here.gradient * sizes, sizes * (H * sizes).T, scale * sizes)
        model = QuadraticModel.of(own)  # type: ignore[arg-type]
        if model.decrement < tolerance:
            return SearchEnd(here, H, True, model.decrement, count, tuple(trace))
        if count >= most_evaluations or radius < LEAST_RADIUS:
            return SearchEnd(here, H, False, model.decrement, count, tuple(trace))
        step, length, predicted = model.step(radius)
        step = step * sizes
        count += 1
        try:
            there = evaluate(here.psi + step, here)
        except NumericalError:
            radius = 0.25 * length
            continue
        trace.append(there.value)
        ratio = (here.value - there.value) / predicted
        H = updated(H, step, there.gradient - here.gradient)
        radius = next_radius(radius, length, ratio)
        if ratio > 0.0 or _is_rounding(here, there, predicted, scale):
            here = there


def _is_rounding(here: Point, there: Point, predicted: float, scale: FloatArray) -> bool:
    """Whether values are too near to compare, and the slope in standard errors is smaller."""
    near = max(ROUNDING_OF_VALUES, 1e3 * np.finfo(float).eps * (1.0 + abs(here.value)))
    own = np.where(scale > 0.0, scale, 1.0)
    before, after = (np.abs(g / own).max() for g in (here.gradient, there.gradient))
    return bool(predicted < near and there.value - here.value < near and after < before)


def updated(H: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """H after a step that changed the gradient: BFGS, or SR1 along negative curvature."""
    along = H @ step
    own, seen = float(step @ along), float(step @ change)
    if own > 0 and seen > LEAST_CURVATURE_ALONG_STEP * own:
        return np.asarray(H - np.outer(along, along) / own + np.outer(change, change) / seen)
    rest = change - along
    below = float(rest @ step)
    if abs(below) <= LEAST_CURVATURE_ALONG_STEP * np.linalg.norm(rest) * np.linalg.norm(step):
        return H
    return np.asarray(H + np.outer(rest, rest) / below)
