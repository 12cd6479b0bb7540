"""The minimum of the criterion with one parameter held: trust-region Newton in the free ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.criterion.evaluate import Evaluation
from ...engine.optimize.newton import LEAST_RADIUS, QuadraticModel, next_radius
from ...errors import NumericalError
from ...support.arrays import FloatArray
from .held import FreeDerivatives, Held

FIRST_RADIUS = 5.0
"""First trust radius, in units where the information has a unit diagonal."""

TOLERANCE, COARSE_TOLERANCE = 1e-5, 1e-3
"""A search ends at a smaller predicted decrease d, which is then taken as made. By the Hessian the
value is off by a tenth of d^(3/2) or less, 3e-9 or 3e-6, and ζ by that over 2ζ."""

APPROXIMATE = 1e-2
"""Where the curvature is approximate, the value is off by a part of d, which has to be smaller."""

MOST_EVALUATIONS = 200
"""Evaluations of one search at most."""

SADDLE_STEPS = (0.01, 0.1, 1.0)
"""Steps along a direction of negative curvature, in standard errors."""

SADDLE_DECREASE = 0.1
"""What such a step has to lower the criterion by, in tolerances."""

MOST_SADDLES = 5
"""Saddles that are left in one search: later ones are nearly flat."""


@dataclass(frozen=True, eq=False)
class ProfilePoint:
    """The minimum at one value of a held parameter.

    Attributes
    ----------
    tau : float
        Coordinate of the held parameter.
    x : ndarray
        All parameters there.
    value : float
        The criterion (engine's units).
    slope : float
        Its derivative in τ.
    converged : bool
        Whether the search ended at a minimum.
    """

    tau: float
    x: FloatArray
    value: float
    slope: float
    converged: bool = True


def constrained_minimum(
    held: Held, tau: float, start: FloatArray, tolerance: float = TOLERANCE
) -> ProfilePoint:
    """The minimum over all but the held parameter.

    Parameters
    ----------
    held : Held
    tau : float
    start : ndarray
        x from which to search; the held parameter itself is moved to τ.
    tolerance : float
        Of the predicted decrease, by the Hessian.

    Raises
    ------
    NumericalError
        The criterion cannot be evaluated at the start.
    """
    held = held.near(start)
    search = _Search(held, tau)
    z = held.free(start)
    at, x = search.evaluate(z)
    local = search.differentiate(at, x, z)
    if not len(z):
        return ProfilePoint(tau, x, at.value, local.slope)
    radius, secant = FIRST_RADIUS, np.zeros((len(z), len(z)))
    converged = False
    model = QuadraticModel.of(local)
    least = tolerance if search.exact else APPROXIMATE * tolerance
    least = max(least, 64 * np.finfo(float).eps * abs(at.value))
    while search.count < MOST_EVALUATIONS and radius > LEAST_RADIUS:
        decrement = model.decrement
        if decrement <= least:
            lower = search.leave_saddle(model, at, z, SADDLE_DECREASE * least)
            if lower is None:
                converged = True
                break
            at, x, z, local = lower
            secant, radius = np.zeros_like(secant), FIRST_RADIUS
            model = QuadraticModel.of(local)
            continue
        step, length, predicted = model.step(radius)
        moved = z + step
        found = search.tried(moved)
        actual = -np.inf if found is None else at.value - found[0].value
        radius = next_radius(radius, length, actual / predicted)
        if found is None or not actual > 0:
            if abs(actual) <= at.rounding and predicted <= 100.0 * at.rounding:
                converged = True
                break
            continue
        try:
            new = search.differentiate(*found, moved)
        except NumericalError:  # beside a singular matrix: a shorter step
            radius = next_radius(min(radius, length), length, -np.inf)
            continue
        if not search.exact:
            secant = _secant_update(secant, step, new, local)
        (at, x), z, local = found, moved, new
        model = QuadraticModel.of(local, secant)
    if converged and model.decrement > 0 and not (model.values < 0).any():
        step = model.step(FIRST_RADIUS)[0]
        try:
            x = held.place(tau, z + step)
        except NumericalError:
            return ProfilePoint(tau, x, at.value, local.slope)
        slope = local.slope + float(local.cross @ step)
        return ProfilePoint(tau, x, at.value - model.decrement, slope)
    return ProfilePoint(tau, x, at.value, local.slope, converged)


def has_cheap_hessian(held: Held) -> bool:
    """Whether the Hessian is used; for φ the average information has differences, not it."""
    return held.problem.hessian_is_cheap and not held.problem.n_phi


class _Search:
    """Evaluates the criterion at one value of the held parameter."""

    def __init__(self, held: Held, tau: float) -> None:
        self.held, self.tau, self.count, self.saddles = held, tau, 0, 0
        self.exact = has_cheap_hessian(held)

    def evaluate(self, z: FloatArray) -> tuple[Evaluation, FloatArray]:
        self.count += 1
        x = self.held.place(self.tau, z)
        return self.held.evaluate(self.tau, x), x

    def tried(self, z: FloatArray) -> tuple[Evaluation, FloatArray] | None:
        try:
            return self.evaluate(z)
        except NumericalError:
            return None

    def differentiate(self, at: Evaluation, x: FloatArray, z: FloatArray) -> FreeDerivatives:
        return self.held.derivatives(at, self.tau, x, z, self.exact)

    def leave_saddle(
        self, model: QuadraticModel, at: Evaluation, z: FloatArray, least: float
    ) -> tuple[Evaluation, FloatArray, FloatArray, FreeDerivatives] | None:
        """A point along a direction of negative curvature that is lower by `least`, or None."""
        self.saddles += 1
        if self.saddles > MOST_SADDLES:
            return None
        best: tuple[Evaluation, FloatArray, FloatArray] | None = None
        lowest = at.value - max(least, at.rounding)
        for direction in model.negative_curvature_directions():
            for size in SADDLE_STEPS:
                for sign in (1.0, -1.0):
                    moved = z + sign * size * direction
                    found = self.tried(moved)
                    if found is not None and found[0].value < lowest:
                        best, lowest = (*found, moved), found[0].value
        if best is None:
            return None
        return *best, self.differentiate(*best)


def _secant_update(
    secant: FloatArray, step: FloatArray, new: FreeDerivatives, old: FreeDerivatives
) -> FloatArray:
    """See :func:`lmforms.engine.optimize.local_search.secant_update`."""
    miss = new.gradient - old.gradient - (new.information + secant) @ step
    along = float(miss @ step)
    if not abs(along) > 1e-8 * float(np.linalg.norm(miss) * np.linalg.norm(step)):
        return secant
    return secant + np.outer(miss, miss) / along
