"""Limits of intervals: the roots of ζ = ±z on the criterion itself."""

from __future__ import annotations

import numpy as np

from ...errors import NumericalError
from .curve import CurvePoint, ProfileCurve, ProfileSearch, extended_curve, predicted

SETTLED, EXACT = 3e-3, 1e-9
"""A root is found if ζ is within the first, and corrected along its slope: a part of the square is
left."""

ROOT_TOLERANCE = 1e-4
"""Of the minimum at a root: the root is then exact to 1e-7 standard errors."""

MOST_STEPS = 40
"""Evaluations of the profile for one root at most."""

DOUBTFUL = 0.02
"""If ζ differs from its prediction between points by more, the minimum is sought from both."""


def root(curve: ProfileCurve, target: float, rounding: float) -> tuple[float, ProfileCurve]:
    """τ at which ζ equals `target`, NaN if the profile ends before; and the curve, maybe longer.

    Parameters
    ----------
    curve : ProfileCurve
    target : float
        Not zero.
    rounding : float
        Of the criterion.
    """
    side = 1 if target > 0 else -1
    if side * curve.end(side).zeta < abs(target) and not curve.has_ended(side):
        curve = extended_curve(curve, side, rounding, abs(target))
    if side * curve.end(side).zeta < abs(target):
        return float("nan"), curve
    points = list(curve.points if side > 0 else curve.points[::-1])
    outer = next(  # the outermost crossing
        i for i in range(len(points) - 1, 0, -1) if side * points[i - 1].zeta < abs(target)
    )
    a, b = points[outer - 1], points[outer]
    follow = ProfileSearch(curve, rounding, abs(target))
    near = list(curve.points)
    for _ in range(MOST_STEPS):
        tau = _between(a, b, target)
        found = follow.point(tau, predicted(near, tau), a.x, tolerance=ROOT_TOLERANCE)
        if abs(found.zeta - _cubic(a, b, tau)) > DOUBTFUL:
            for start in (a.x, b.x):
                try:
                    other = follow.point(tau, start, tolerance=ROOT_TOLERANCE)
                except NumericalError:
                    continue
                found = min(found, other, key=lambda p: p.value)
        near.append(found)
        miss = target - found.zeta
        if abs(miss) < SETTLED and np.isfinite(found.zeta_slope) and found.zeta_slope > 0:
            return found.tau + miss / found.zeta_slope, curve
        if abs(b.tau - a.tau) < EXACT * max(1.0, abs(b.tau)):
            break
        if side * found.zeta < abs(target):
            a = found
        else:
            b = found
    return found.tau, curve


def _between(a: CurvePoint, b: CurvePoint, target: float) -> float:
    """Where the cubic of ζ between two points has the target, well inside."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        below = (_cubic(a, b, a.tau + middle * (b.tau - a.tau)) - target) * (a.zeta - target) > 0
        low, high = (middle, high) if below else (low, middle)
    share = float(np.clip(0.5 * (low + high), 0.02, 0.98))
    return a.tau + share * (b.tau - a.tau)


def _cubic(a: CurvePoint, b: CurvePoint, tau: float) -> float:
    """ζ at τ: Hermite's cubic, or a line where a slope is not known."""
    h = b.tau - a.tau
    s = (tau - a.tau) / h
    slopes = a.zeta_slope, b.zeta_slope
    mean = (b.zeta - a.zeta) / h
    if not all(np.isfinite(x) and 0.0 <= x / mean < 10.0 for x in slopes):
        return a.zeta + s * (b.zeta - a.zeta)
    bend = (slopes[0] - mean) * (1.0 - s) - (slopes[1] - mean) * s
    return a.zeta + s * (b.zeta - a.zeta) + h * s * (1.0 - s) * bend
