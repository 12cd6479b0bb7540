"""Newton's method for many responses side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import BoolArray, FloatArray
from .criterion import Point, evaluate
from .derivatives import Derivatives, derivatives
from .shared_sums import ResponseSums, SharedSums

MOST_STEPS = 40
"""Newton steps; responses that have not converged then are fitted one by one."""

MOST_HALVINGS = 12
"""Halvings of a step that does not lower the criterion."""

LEAST_EIGENVALUE = 1e-6
"""Smallest eigenvalue of the Hessian, scaled to a unit diagonal, at an accepted minimum."""

LEAST_CURVATURE = 1e-4
"""Smallest eigenvalue of the Hessian in units of what it would be without data: where it is less,
the criterion may be flat."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Where c searches ended.

    Attributes
    ----------
    point : Point
    regular : ndarray of bool (c,)
        Whether this is a minimum with a regular Hessian.
    """

    point: Point
    regular: BoolArray


def minimise(shared: SharedSums, own: ResponseSums, start: FloatArray, tolerance: float) -> Ends:
    """Newton's method for every response.

    Parameters
    ----------
    shared : SharedSums
    own : ResponseSums
        Of c responses.
    start : ndarray (c, n_theta)
    tolerance : float
        Predicted decrease at which a last step is taken.
    """
    ends = evaluate(shared, own, start)
    regular = np.zeros(len(own), dtype=bool)
    active = np.flatnonzero(np.isfinite(ends.value))
    here, part = ends.subset(active), own.subset(active)
    for _ in range(MOST_STEPS):
        if not len(active):
            break
        found = derivatives(shared, part, here)
        step, decrement, definite = newton_step(found.gradient, found.hessian)
        trial = _lower(shared, part, here, step)
        moved = trial.value <= here.value + rounding(here.value)
        near = decrement <= value_tolerance(here.value, tolerance)
        over = near | ~moved
        last, stalled = np.flatnonzero(over & moved), np.flatnonzero(over & ~moved)
        ends.put(active[last], trial.subset(last))
        ends.put(active[stalled], here.subset(stalled))
        here = trial
        if over.any():
            regular[active[over]] = (near & definite & _is_curved(found))[over]
            on = np.flatnonzero(~over)
            active, here, part = active[on], trial.subset(on), part.subset(on)
    ends.put(active, here)
    return Ends(ends, regular)


def ends_at(shared: SharedSums, own: ResponseSums, theta: FloatArray, tolerance: float) -> Ends:
    """Whether each θ is a minimum."""
    at = evaluate(shared, own, theta)
    found = derivatives(shared, own, at)
    _, decrement, regular = newton_step(found.gradient, found.hessian)
    regular &= np.isfinite(at.value) & (decrement <= value_tolerance(at.value, tolerance))
    return Ends(at, regular & _is_curved(found))


def _is_curved(found: Derivatives) -> BoolArray:
    """Whether the Hessian is not small in units of what it would be without data."""
    usable = np.asarray(np.isfinite(found.hessian).all(axis=(1, 2)))
    hessian = np.where(usable[:, None, None], found.hessian, 0.0)
    scale = np.where(found.scale > 0, found.scale, np.inf)  # no information: no curvature
    curvature = np.linalg.eigvalsh(hessian / (scale[:, :, None] * scale[:, None, :]))
    return np.asarray(curvature.min(axis=1) > LEAST_CURVATURE)


def rounding(value: FloatArray) -> FloatArray:
    """Bound of the criterion's rounding error."""
    return np.asarray(64 * np.finfo(float).eps * np.abs(value))


def value_tolerance(value: FloatArray, tolerance: float) -> FloatArray:
    """The requested tolerance, but not below the criterion's own rounding."""
    return np.maximum(tolerance, rounding(value))


def newton_step(
    gradient: FloatArray, hessian: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Steps with |eigenvalues|, their predicted decrease, and whether the Hessian is regular."""
    finite = np.isfinite(gradient).all(axis=1) & np.isfinite(hessian).all(axis=(1, 2))
    usable = np.asarray(finite)
    hessian = np.where(usable[:, None, None], hessian, 0.0)
    gradient = np.where(usable[:, None], gradient, 0.0)
    scale = np.sqrt(np.abs(np.einsum("cmm->cm", hessian)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(hessian / (scale[:, :, None] * scale[:, None, :]))
    slope = np.einsum("cmn,cm->cn", vectors, gradient / scale)
    curvature = np.maximum(np.abs(values), LEAST_EIGENVALUE)
    step = -np.einsum("cmn,cn->cm", vectors, slope / curvature) / scale
    return step, 0.5 * (slope**2 / curvature).sum(axis=1), values.min(axis=1) > LEAST_EIGENVALUE


def _lower(shared: SharedSums, own: ResponseSums, at: Point, step: FloatArray) -> Point:
    """A lower point along each step, halved where it does not go down."""
    best = evaluate(shared, own, at.theta + step)
    size = np.ones(len(step))
    for _ in range(MOST_HALVINGS):
        high = np.flatnonzero(~(best.value <= at.value + rounding(at.value)))
        if not len(high):
            break
        size[high] *= 0.5
        theta = at.theta[high] + size[high, None] * step[high]
        best.put(high, evaluate(shared, own.subset(high), theta))
    return best
