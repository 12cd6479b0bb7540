"""ζ between the points of a profile, for pictures: piecewise cubics with the known slopes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...support.arrays import FloatArray
from .curve import ProfileCurve

ROUNDING = 1e-9
"""Share of the range by which a value may be beyond it."""


def interpolated_zeta(curve: ProfileCurve, tau: FloatArray) -> FloatArray:
    """ζ at coordinates, NaN outside of the points.

    Parameters
    ----------
    curve : ProfileCurve
    tau : ndarray (n,)
    """
    spline = _spline(curve)
    if spline is None:
        return np.full(len(tau), np.nan)
    return np.asarray(spline(_within(curve, tau)))


def zeta_slopes(curve: ProfileCurve, tau: FloatArray) -> FloatArray:
    """dζ/dτ there."""
    spline = _spline(curve)
    if spline is None:
        return np.full(len(tau), np.nan)
    return np.asarray(spline(_within(curve, tau), 1))


def _within(curve: ProfileCurve, tau: FloatArray) -> FloatArray:
    """Coordinates that are beyond the ends by rounding, at the ends."""
    low, high = curve.tau[0], curve.tau[-1]
    inside = np.clip(tau, low, high)
    near = np.abs(tau - inside) <= ROUNDING * (high - low)
    return np.where(near, inside, tau)


def _spline(curve: ProfileCurve) -> Any:
    """Hermite's cubics; where a slope is not known, the mean of the chords beside it."""
    from scipy.interpolate import CubicHermiteSpline

    tau, zeta = curve.tau, curve.zeta
    if len(tau) < 2:
        return None
    slopes = np.array([p.zeta_slope for p in curve.points])
    chords = np.diff(zeta) / np.diff(tau)
    means = np.append(chords[0], chords) + np.append(chords, chords[-1])
    usable = np.isfinite(slopes)
    return CubicHermiteSpline(tau, zeta, np.where(usable, slopes, 0.5 * means), extrapolate=False)
