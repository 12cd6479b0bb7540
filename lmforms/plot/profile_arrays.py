"""What pictures of profiles show: curves, densities and joint regions, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, listed, near_matches
from ..support.arguments import proportion, sequence, short_repr

POINTS = 201
"""Of a curve."""

NEEDED = ("conf_int", "density", "names", "table", "trace", "zeta")
"""What a profile has."""

LEAST_TRACE = 4
"""Points that a trace needs to be interpolated."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A profile of one parameter.

    Attributes
    ----------
    name : str
    points, zeta : ndarray
        Where the profile was computed.
    values, curve, density : ndarray
        Between these points.
    estimate : float
    """

    name: str
    points: np.ndarray
    zeta: np.ndarray
    values: np.ndarray
    curve: np.ndarray
    density: np.ndarray
    estimate: float

    def value_at(self, zeta: np.ndarray) -> np.ndarray:
        """The parameter at values of ζ, NaN beyond the points."""
        known = np.isfinite(self.curve)
        order = np.maximum.accumulate(self.curve[known])
        return np.asarray(np.interp(zeta, order, self.values[known], left=np.nan, right=np.nan))


def checked_profile(profile: Any) -> Any:
    """What has the methods of a profile.

    Raises
    ------
    ArgumentError
    """
    if all(hasattr(profile, name) for name in NEEDED):
        return profile
    raise ArgumentError(f"profile={short_repr(profile)}: take what fit.profile() returns.")


def curves(profile: Any, parameters: Any) -> list[Curve]:
    """The profiles of some parameters, of all by default.

    Raises
    ------
    ArgumentError
        It is no profile, or has none of a parameter.
    """
    known = list(checked_profile(profile).names)
    if parameters is None:
        parameters = known
    if isinstance(parameters, str):
        parameters = [parameters]
    names = sequence("parameters", parameters, "names of parameters")
    for name in names:
        if name not in known:
            hint = near_matches(name, known) if isinstance(name, str) else ""
            raise ArgumentError(
                f"parameters: there is no profile of {short_repr(name)}, only of "
                f"{listed(known)}.{hint}"
            )
    if not names:
        raise ArgumentError("parameters: name at least one.")
    return [_curve(profile, name) for name in dict.fromkeys(names)]


def _curve(profile: Any, name: str) -> Curve:
    rows = profile.points(name)
    points, zeta = rows["value"].to_numpy(), rows["zeta"].to_numpy()
    values = np.unique(np.append(np.linspace(points[0], points[-1], POINTS), points))
    return Curve(
        name=name,
        points=points,
        zeta=zeta,
        values=values,
        curve=profile.zeta(name, values),
        density=profile.density(name, values),
        estimate=float(profile.estimates[name]),
    )


def checked_levels(levels: Any) -> list[float]:
    """Confidence levels, from low to high."""
    given = [levels] if isinstance(levels, float) else sequence("levels", levels, "levels")
    return sorted(proportion("levels", level) for level in given)


def joint_region(profile: Any, first: str, second: str, radius: float) -> np.ndarray | None:
    """The outline of a joint region on the scales of ζ, (points, 2); None if it has no end.

    The outline is r(cos(a + d/2), cos(a − d/2)) with d a periodic function of a, which is
    interpolated through the four points where the outline is furthest out in one of the
    parameters: these lie on the traces.

    References
    ----------
    Bates, Watts (1988), *Nonlinear Regression Analysis and Its Applications*, appendix 6.
    """
    from scipy.interpolate import CubicSpline

    one, other = _trace(profile, first, second), _trace(profile, second, first)
    if one is None or other is None:
        return None
    pairs = []
    for sign in (1.0, -1.0):
        pairs.append((sign * radius, float(one(sign * radius))))
        pairs.append((float(other(sign * radius)), sign * radius))
    cosines = np.array(pairs) / radius
    if not (np.abs(cosines) <= 1.0 + 1e-9).all():  # NaN too
        return None
    u, v = np.arccos(np.clip(cosines, -1.0, 1.0)).T
    middle, difference = 0.5 * (u + v), u - v
    middle = np.where(difference > 0, middle, -middle)
    order = np.argsort(middle)
    a, d = middle[order], np.abs(difference)[order]
    if not (np.diff(a) > 0).all():
        return None
    spline = CubicSpline(np.append(a, a[0] + 2.0 * np.pi), np.append(d, d[0]), bc_type="periodic")
    around = np.linspace(a[0], a[0] + 2.0 * np.pi, POINTS)
    half = 0.5 * spline(around)
    return radius * np.column_stack([np.cos(around + half), np.cos(around - half)])


def _trace(profile: Any, along: str, moved: str) -> Any:
    """ζ of a parameter along the profile of another, NaN outside of the points."""
    from scipy.interpolate import CubicSpline

    table = profile.trace(along, moved).dropna().drop_duplicates("zeta")
    if len(table) < LEAST_TRACE or not (np.diff(table["zeta"]) > 0).all():
        return None
    return CubicSpline(table["zeta"], table["other"], extrapolate=False)


def radii(levels: Sequence[float], parameters: int) -> np.ndarray:
    """|ζ| at confidence levels: √χ² with so many degrees of freedom."""
    from scipy.special import chdtri

    return np.sqrt(chdtri(parameters, 1.0 - np.asarray(levels)))
