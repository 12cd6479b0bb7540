"""The profile of one parameter: points from the optimum outwards.

ζ is the signed root of the profile's rise over the minimum. Its slope is known at every point, from
the derivative of the criterion in the held parameter.

References
----------
Bates, Watts (1988), *Nonlinear Regression Analysis and Its Applications*, section 6.1, for ζ;
Venzon, Moolgavkar (1988), *A method for computing profile-likelihood-based confidence intervals*,
Applied Statistics 37(1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...engine.criterion.problem import Problem
from ...engine.optimize.other_optima import may_have_several_optima
from ...errors import NumericalError
from ...support.arrays import FloatArray
from .constrained_minimum import (
    COARSE_TOLERANCE,
    ProfilePoint,
    constrained_minimum,
    has_cheap_hessian,
)
from .held import Held

STEPS = 4
"""Points on each side of the estimate, about."""

MOST_POINTS = 60
"""Points of one side at most."""

OVERSHOOT, EXTRA_STEP = 1.01, 0.25
"""The last point is to be beyond the limit by this factor, and steps longer than planned by up to
this share of one in the place of another step."""

LONG_STEP = 2.0
"""A step across which ζ changes by more than this many times the planned change is shortened."""

NEAR_BOUND = 0.3
"""A step goes to the bound if it would leave less than this share of itself."""

LOWER = 1e-6
"""The criterion at a point that is lower than the minimum by more than this, and than rounding,
shows that the minimum was none."""

OTHER_BRANCH = 1e-3
"""So much lower is another local minimum at the same value of the held parameter."""

ROUGH_TOLERANCE = 1e-2
"""Predicted decrease at which a search for it ends."""

FLAT = 1e-5
"""ζ has come to its end if it changes by less than this over a doubled step."""

SHORT = 0.1
"""Over steps that are this share of the longest one, ζ changes little because they are short."""

NEAREST, WITH_TANGENTS = 3, 2
"""Points that x is predicted from, and how many of their tangents."""

FALL = 1e-3
"""A smaller fall of ζ from point to point is rounding beside a minimum."""


class LowerCriterionError(Exception):
    """A profile has come below the minimum of the fit."""

    def __init__(self, held: Held, point: ProfilePoint, decrease: float) -> None:
        super().__init__()
        self.held, self.point, self.decrease = held, point, decrease


@dataclass(frozen=True, eq=False)
class CurvePoint(ProfilePoint):
    """A point with ζ and its slope in τ (NaN where it has none)."""

    zeta: float = 0.0
    zeta_slope: float = float("nan")


@dataclass(frozen=True, eq=False)
class ProfileCurve:
    """Points of a profile, in ascending order of the parameter.

    Attributes
    ----------
    held : Held
    points : tuple of CurvePoint
    centre : CurvePoint
        The estimate.
    ended : tuple of two bool
        Whether the profile ends below and above: at a bound, or where ζ no longer changes.
    """

    held: Held
    points: tuple[CurvePoint, ...]
    centre: CurvePoint
    ended: tuple[bool, bool] = (False, False)

    @property
    def tau(self) -> FloatArray:
        """Coordinates of the points."""
        return np.array([p.tau for p in self.points])

    @property
    def zeta(self) -> FloatArray:
        """ζ at the points."""
        return np.array([p.zeta for p in self.points])

    @property
    def values(self) -> FloatArray:
        """The parameter in the user's units."""
        return np.array([self.held.value(p.tau) for p in self.points])

    def end(self, side: int) -> CurvePoint:
        """The last point below (−1) or above (1)."""
        return self.points[0 if side < 0 else -1]

    def has_ended(self, side: int) -> bool:
        """Whether the profile ends on one side."""
        return self.ended[0 if side < 0 else 1]

    @property
    def is_monotone(self) -> bool:
        """Whether ζ rises from point to point, but for rounding."""
        return bool((np.diff(self.zeta) > -FALL).all())

    @property
    def converged(self) -> bool:
        """Whether all searches did."""
        return all(p.converged for p in self.points)

    # --- how it is followed: curves of another criterion have their own ways ---------------------

    @property
    def may_have_other_branches(self) -> bool:
        """Whether the criterion may have several minima where one parameter is held."""
        return may_have_other_branches(self.held.problem)

    def minimum(self, tau: float, start: FloatArray, tolerance: float) -> ProfilePoint:
        """The minimum at τ, from x.

        Raises
        ------
        NumericalError
        """
        return constrained_minimum(self.held, tau, start, tolerance)

    def break_off(self, side: int, last: CurvePoint) -> None:
        """Called where no point is found much beyond the last one: it is taken as the end."""


def profile_curve(
    held: Held, x: FloatArray, value: float, rounding: float, limit: float
) -> ProfileCurve:
    """The profile from the optimum to |ζ| = `limit` or to a bound.

    Parameters
    ----------
    held : Held
    x : ndarray
        The optimum, in the coordinates of `held`.
    value, rounding : float
        The criterion there, and its rounding error.
    limit : float

    Raises
    ------
    LowerCriterionError
        A point is below the optimum.
    """
    tau = held.position(x)
    own = held.near(x)
    z = own.free(x)
    x = own.place(tau, z)
    at = own.evaluate(tau, x)
    local = own.derivatives(at, tau, x, z, has_cheap_hessian(held))
    bend = local.of_minimum
    spread = float(np.sqrt(2.0 / bend)) if bend > 0 else float("nan")
    tangent = local.tangent if has_cheap_hessian(held) else None
    centre = CurvePoint(tau, x, value, 0.0, True, tangent, 0.0, 1.0 / spread)
    curve = ProfileCurve(held, (centre,), centre)
    follow = ProfileSearch(curve, rounding, limit)
    for side in (1, -1):
        curve = follow.extended(curve, side)
    return curve


def extended_curve(curve: ProfileCurve, side: int, rounding: float, limit: float) -> ProfileCurve:
    """The curve with more points on one side, to |ζ| = `limit`."""
    return ProfileSearch(curve, rounding, limit).extended(curve, side)


class ProfileSearch:
    """Follows a profile from point to point."""

    def __init__(self, curve: ProfileCurve, rounding: float, limit: float) -> None:
        self.curve, self.held, self.lowest = curve, curve.held, curve.centre.value
        self.centre_tau, self.limit = curve.centre.tau, limit
        self.rounding, self.planned = rounding, limit / STEPS

    def extended(self, curve: ProfileCurve, side: int) -> ProfileCurve:
        """The curve with points up to the limit on one side."""
        points = list(curve.points if side > 0 else curve.points[::-1])
        before, ended = len(points), curve.has_ended(side)
        bound = self.held.high if side > 0 else self.held.low
        closed = self.held.closed[1 if side > 0 else 0]
        step, longest, level = self._first_step(points[-1]), 0.0, False
        for _ in range(MOST_POINTS):
            last = points[-1]
            if ended or abs(last.zeta) >= self.limit:
                break
            if np.isfinite(bound):
                left = abs(bound - last.tau)
                if left == 0.0 or (not closed and left < 1e-6):
                    ended = True
                    break
                if closed and left < (1.0 + NEAR_BOUND) * step:
                    step = left
                elif not closed:
                    step = min(step, 0.5 * left)
            found, step = self._next(points, side, step, bound, closed)
            if found is None:
                if not level:
                    self.curve.break_off(side, last)
                ended = True
                break
            points.append(found)
            change = abs(found.zeta - last.zeta)
            longest = max(longest, step)
            level = level or (change < FLAT and step >= SHORT * longest)
            flat = change < FLAT and len(points) - before > STEPS
            if flat and not level:  # steps are short as it cannot be evaluated further out
                self.curve.break_off(side, found)
            ended = found.tau == bound or flat
            step = self._next_step(found, last, step)
        if not (ended or level) and abs(points[-1].zeta) < self.limit:
            self.curve.break_off(side, points[-1])
        points = self._lower_from_outside(points, before)
        points = self._other_branch(points, before, curve.centre)
        end = list(curve.ended)
        end[1 if side > 0 else 0] = ended
        ordered = tuple(points if side > 0 else points[::-1])
        return replace(curve, points=ordered, ended=(end[0], end[1]))

    def _first_step(self, last: CurvePoint) -> float:
        step = self._advance(last) / abs(last.zeta_slope) if last.zeta_slope else np.nan
        return float(step) if np.isfinite(step) and step > 0 else 0.1 * max(1.0, abs(last.tau))

    def _advance(self, last: CurvePoint) -> float:
        """By how much ζ should change in the next step, so that the last one ends at the limit."""
        left = OVERSHOOT * self.limit - abs(last.zeta)
        return left / max(np.ceil(left / self.planned - EXTRA_STEP), 1.0)

    def _next_step(self, found: CurvePoint, last: CurvePoint, step: float) -> float:
        """From the slope of ζ and its change over the last step."""
        rate = found.zeta_slope
        if not (np.isfinite(rate) and rate > 0):
            change = abs(found.zeta - last.zeta)
            return 2.0 * step if change < 0.5 * self.planned else step
        wanted = self._advance(found)
        simple = wanted / rate
        bend = (rate - last.zeta_slope) / step  # per unit outwards
        if np.isfinite(bend) and rate**2 + 2.0 * bend * wanted > 0:
            simple = 2.0 * wanted / (rate + np.sqrt(rate**2 + 2.0 * bend * wanted))
        return min(simple, 4.0 * step)

    def _next(
        self, points: list[CurvePoint], side: int, step: float, bound: float, closed: bool
    ) -> tuple[CurvePoint | None, float]:
        """The point one step further, or less far if ζ changes too much; None if there is none."""
        last, shortest = points[-1], 1e-8 * max(1.0, abs(points[-1].tau))
        while step > shortest:
            tau = last.tau + side * step
            if closed and abs(bound - tau) < 1e-12 * max(1.0, abs(bound)):
                tau = bound
            try:
                found = self.point(tau, predicted(points, tau), last.x)
            except NumericalError:
                step *= 0.25
                continue
            change = abs(found.zeta - last.zeta)
            too_far = (
                abs(found.zeta) > self.limit + self.planned and change > LONG_STEP * self.planned
            )
            if not too_far:
                return found, step
            step *= max(0.2, self.planned / change)
        return None, step

    def point(
        self, tau: float, *starts: FloatArray, tolerance: float = COARSE_TOLERANCE
    ) -> CurvePoint:
        """The profile at τ, from the first start that can be evaluated.

        Raises
        ------
        LowerCriterionError
            It is below the minimum.
        NumericalError
            The criterion cannot be evaluated from any start.
        """
        for i, start in enumerate(starts):
            try:
                return self.with_zeta(self.curve.minimum(tau, start, tolerance))
            except NumericalError:
                if i == len(starts) - 1:
                    raise
        raise NumericalError("no start.")

    def with_zeta(self, point: ProfilePoint) -> CurvePoint:
        """A minimum with its ζ.

        Raises
        ------
        LowerCriterionError
            It is below the minimum of the fit.
        """
        rise = point.value - self.lowest
        if rise < -max(LOWER, 16.0 * self.rounding):
            raise LowerCriterionError(self.held, point, -rise)
        side = np.sign(point.tau - self.centre_tau)
        zeta = float(side * np.sqrt(max(rise, 0.0)))
        slope = point.slope / (2.0 * zeta) if zeta else float("nan")
        return CurvePoint(**vars(point), zeta=zeta, zeta_slope=slope)

    def _lower_from_outside(self, points: list[CurvePoint], before: int) -> list[CurvePoint]:
        """The points; those above one further out are sought again from there."""
        for i in range(len(points) - 2, max(before - 1, 0), -1):
            if points[i].value > points[i + 1].value:
                try:
                    other = self.point(points[i].tau, points[i + 1].x)
                except NumericalError:
                    continue
                points[i] = min(points[i], other, key=lambda p: p.value)
        return points

    def _other_branch(
        self, points: list[CurvePoint], before: int, centre: CurvePoint
    ) -> list[CurvePoint]:
        """The points, on a lower branch where a search from the estimate finds one."""
        if len(points) == before or not self.curve.may_have_other_branches:
            return points
        start = centre.x
        for i in range(len(points) - 1, before - 1, -1):
            try:
                other = self.point(points[i].tau, start, tolerance=ROUGH_TOLERANCE)
                if not other.value < points[i].value - OTHER_BRANCH:
                    break
                points[i] = self.point(points[i].tau, other.x)
            except NumericalError:
                break
            start = points[i].x
        return points


def may_have_other_branches(problem: Problem) -> bool:
    """Whether the criterion may have several minima where one parameter is held."""
    linear = all(c.is_linear for c in problem.covariances)
    return not linear or problem.n_phi > 0 or may_have_several_optima(problem)


def predicted(points: list[CurvePoint], tau: float) -> FloatArray:
    """x at τ by the polynomial that has x and, where they are known, its tangents nearby."""
    nearest = sorted(points, key=lambda p: abs(p.tau - tau))[:NEAREST]
    tangents = [(p.tau, p.tangent) for p in nearest if p.tangent is not None][:WITH_TANGENTS]
    unit = max(abs(p.tau - tau) for p in nearest) or 1.0
    powers = np.arange(len(nearest) + len(tangents))
    values = [((p.tau - tau) / unit) ** powers for p in nearest]
    slopes = [powers * ((t - tau) / unit) ** np.maximum(powers - 1, 0) for t, _ in tangents]
    weights = np.linalg.inv(np.array(values + slopes))[0]  # of the value at τ itself
    given = [p.x for p in nearest] + [unit * tangent for _, tangent in tangents]
    return np.asarray(weights @ np.array(given), dtype=np.float64)
