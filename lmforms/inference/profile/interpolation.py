"""ζ between the points of a profile, for pictures: piecewise cubics with the known slopes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...support.arrays import FloatArray
from .curve import ProfileCurve


def interpolated_zeta(curve: ProfileCurve, tau: FloatArray) -> FloatArray:
    """ζ at coordinates, NaN outside of the points.

    Parameters
    ----------
    curve : ProfileCurve
    tau : ndarray (n,)
    """
    spline = _spline(curve)
    return np.full(len(tau), np.nan) if spline is None else np.asarray(spline(tau))


def zeta_slopes(curve: ProfileCurve, tau: FloatArray) -> FloatArray:
    """dζ/dτ there."""
    spline = _spline(curve)
    return np.full(len(tau), np.nan) if spline is None else np.asarray(spline(tau, 1))


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
