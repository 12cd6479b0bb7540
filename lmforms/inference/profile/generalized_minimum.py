"""The minimum of a generalised criterion with one parameter held: quasi-Newton in the free ones.

Curvature and modes of the random effects are carried over from the minimum nearest by, and each
search ends after a few evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import NumericalError
from ...glmm.conditional_mode import Mode
from ...glmm.problem import GeneralizedProblem
from ...glmm.quasi_newton import Point, SearchEnd, quasi_newton
from ...glmm.search import Objective
from ...support.arrays import FloatArray
from .constrained_minimum import MOST_EVALUATIONS, ProfilePoint
from .held import Held
from .held_functions import HeldFunction

NEAR_ZERO, TRIED_STEP = 1e-3, 1e-2
"""A free θ below the first, in standard deviations of a row's working response, may be at a saddle:
the slope is looked at after the second."""

APPROXIMATE = 1e-4
"""Of the tolerance of a search by the Hessian: the curvature is an approximation, and too large in
directions that the data hardly determine."""

VERIFIED = 1e-4
"""Searches with this tolerance or a smaller one, those of limits, are verified by the curvature at
their end, by differences, and go on where it is not one."""

HESSIAN_STEP = 1e-4
"""Of differences of the gradient, in units where the curvature is about one."""


@dataclass(frozen=True, eq=False)
class KnownMinimum:
    """A minimum that was found, to begin others from.

    Attributes
    ----------
    tau : float
    mode : Mode
    information : ndarray
        Curvature in the free coordinates.
    """

    tau: float
    mode: Mode
    information: FloatArray


class HeldSearch:
    """Searches of one profile; it remembers the minima that were found.

    Parameters
    ----------
    problem : GeneralizedProblem
        In the parametrisation of the held parameter.
    objective : callable
    information : ndarray
        ∂²d at the estimate, in all parameters.
    mode : Mode
        At the estimate.
    size : float
        Standard deviation of a row's working response.
    """

    def __init__(
        self,
        problem: GeneralizedProblem,
        objective: Objective,
        information: FloatArray,
        mode: Mode,
        size: float,
    ) -> None:
        self.problem, self.objective = problem, objective
        self.information, self.mode, self.size = information, mode, size
        self.known: list[KnownMinimum] = []

    def minimum(self, held: Held, tau: float, start: FloatArray, tolerance: float) -> ProfilePoint:
        """The minimum over all but the held parameter, from x.

        Raises
        ------
        NumericalError
            The criterion cannot be evaluated at the start.
        """
        held = held.near(start)
        mode, information = self._nearest(held, tau, start)
        z = held.free(start)
        begin = self._point(held, tau, z, mode)
        if not len(z):
            return _profile_point(held, tau, begin, converged=True)
        end = self._search(held, tau, begin, information, tolerance)
        if tolerance <= VERIFIED and end.converged:
            information = self._curvature(held, tau, end.point)
            end = self._search(held, tau, end.point, information, tolerance)
        lower = self._beside_saddle(held, tau, end)
        if lower is not None:
            end = self._search(held, tau, lower, end.information, tolerance)
        found = _inner(end.point)
        self.known.append(KnownMinimum(tau, found.mode, end.information))
        return _profile_point(held, tau, end.point, end.converged)

    def _search(
        self, held: Held, tau: float, begin: Point, information: FloatArray, tolerance: float
    ) -> SearchEnd:
        def evaluate(z: FloatArray, near: Point) -> Point:
            return self._point(held, tau, z, _inner(near).mode)

        return quasi_newton(
            evaluate,
            begin,
            information,
            tolerance=APPROXIMATE * tolerance,
            most_evaluations=MOST_EVALUATIONS,
        )

    def _curvature(self, held: Held, tau: float, at: Point) -> FloatArray:
        """Curvature in z by differences; that of the search may be too large where it is flat."""
        known = self._scales(held, tau, at)
        H = np.empty((len(known), len(known)))
        for i, size in enumerate(HESSIAN_STEP * known):
            z = at.psi.copy()
            z[i] += size
            H[i] = (self._point(held, tau, z, _inner(at).mode).gradient - at.gradient) / size
        return 0.5 * (H + H.T)

    def _scales(self, held: Held, tau: float, at: Point) -> FloatArray:
        """By which each of z may move, from the curvature at the estimate."""
        J = held.jacobian(tau, _inner(at).x, at.psi)[1]
        bends = np.einsum("ka,kl,la->a", J, self.information, J)
        return np.clip(np.sqrt(2.0 / np.maximum(np.abs(bends), 1e-300)), 1e-8, 1.0)

    def _point(self, held: Held, tau: float, z: FloatArray, near: Mode) -> Point:
        """The criterion at (τ, z) with its gradient in z."""
        x = held.place(tau, z)
        if not np.isfinite(x).all():
            raise NumericalError("the parameters are not finite.")
        found = self.objective(self.problem, x, near)
        along, J = held.jacobian(tau, x, z)
        assert isinstance(found.state, Mode)
        slope = float(along @ found.gradient)
        return Point(z, found.value, J.T @ found.gradient, _Inner(x, slope, found.state))

    def _nearest(self, held: Held, tau: float, x: FloatArray) -> tuple[Mode, FloatArray]:
        """Mode and curvature of the nearest minimum."""
        nearest = min(self.known, key=lambda k: abs(k.tau - tau), default=None)
        if nearest is None or isinstance(held, HeldFunction):  # whose coordinates change
            J = held.jacobian(held.position(x), x, held.free(x))[1]
            mode = self.mode if nearest is None else nearest.mode
            return mode, J.T @ self.information @ J
        return nearest.mode, nearest.information

    def _beside_saddle(self, held: Held, tau: float, end: SearchEnd) -> Point | None:
        """A lower point beside a θ that is zero, where the criterion is even in it, if any."""
        at = _inner(end.point)
        theta = at.x[: self.problem.n_theta]
        J = held.jacobian(tau, at.x, end.point.psi)[1]
        for i in np.flatnonzero(np.abs(theta) < NEAR_ZERO * self.size):
            direction = J[i]
            if not direction.any():
                continue
            z = end.point.psi + TRIED_STEP * self.size * direction / float(direction @ direction)
            try:
                there = self._point(held, tau, z, at.mode)
            except NumericalError:
                continue
            if there.value < end.point.value - end.decrement:
                return there
        return None


@dataclass(frozen=True, eq=False)
class _Inner:
    """What a point in z is made from."""

    x: FloatArray
    slope: float
    mode: Mode


def _inner(point: Point) -> _Inner:
    assert isinstance(point.state, _Inner)
    return point.state


def _profile_point(held: Held, tau: float, at: Point, converged: bool) -> ProfilePoint:
    found = _inner(at)
    return ProfilePoint(tau, found.x, at.value, found.slope, converged)


def full_curvature(
    problem: GeneralizedProblem, objective: Objective, at: Point, sizes: FloatArray
) -> FloatArray:
    """∂²d in all parameters, by differences of the exact gradient.

    Parameters
    ----------
    problem : GeneralizedProblem
    objective : callable
    at : Point
    sizes : ndarray
        By which each parameter may move.

    Raises
    ------
    NumericalError
        It cannot be evaluated beside the point.
    """
    mode = at.state
    assert isinstance(mode, Mode)
    H = np.empty((len(at.psi), len(at.psi)))
    for i, size in enumerate(sizes):
        psi = at.psi.copy()
        psi[i] += HESSIAN_STEP * size
        H[i] = (objective(problem, psi, mode).gradient - at.gradient) / (HESSIAN_STEP * size)
    return 0.5 * (H + H.T)
