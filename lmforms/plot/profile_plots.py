"""Pictures of profiles: ζ, densities, and pairs of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, proportion
from .axes import plain_text, several_axes, short_label
from .profile_arrays import Curve, checked_levels, curves, joint_region, radii
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
"""Confidence levels that are drawn."""

ACROSS = 3
"""Panels in a row."""

PANEL_INCHES = (3.2, 2.5)
"""Of a panel."""

PAIR_INCHES = 1.8
"""Side of a panel of a pair."""

MOST_PAIRED = 8
"""Parameters of one picture of pairs: more are too small to be read."""


@named_arguments
def profile_zeta(
    profile: Any,
    parameters: Any = None,
    ax: Any = None,
    *,
    levels: Any = LEVELS,
    absolute: bool = False,
) -> Any:
    """ζ of each parameter: a straight line where the likelihood is quadratic.

    Parameters
    ----------
    profile : Profile
    parameters : str or sequence of str, optional
        Names of the profile; all by default.
    ax : matplotlib Axes or sequence of these, optional
        One for each parameter. Default: of a new figure.
    levels : float or sequence of float
        Confidence levels whose limits are marked by lines from the curve to zero.
    absolute : bool
        Draw the absolute value of ζ, with each interval as a horizontal line.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ArgumentError
        It is no profile, or has none of a parameter; another number of Axes.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"), reml=False)
    >>> [ax.get_xlabel() for ax in lf.plot.profile_zeta(fit.profile("random"))]
    ['sd(Intercept | Batch)', 'sigma']
    """
    found, z = curves(profile, parameters), radii(checked_levels(levels), 1)
    absolute = flag("absolute", absolute)
    panels = _panels(ax, found)
    for i, (panel, curve) in enumerate(zip(panels, found)):
        colour = series_colours(1, panel)[0]
        line = np.abs(curve.curve) if absolute else curve.curve
        panel.axhline(0.0, **reference_style())
        _limit_lines(panel, curve, z, absolute, colour)
        panel.plot(curve.values, line, color=colour, lw=1.6)
        shown = np.abs(curve.zeta) if absolute else curve.zeta
        panel.plot(curve.points, shown, "o", color=colour, ms=3)
        panel.set_xlabel(plain_text(curve.name))
        if i % ACROSS == 0:
            panel.set_ylabel("|ζ|" if absolute else "ζ")
    return _returned(panels)


def _limit_lines(panel: Axes, curve: Curve, z: np.ndarray, absolute: bool, colour: Any) -> None:
    for radius in z:
        low, high = curve.value_at(np.array([-radius, radius]))
        for sign, value in ((-1.0, low), (1.0, high)):
            if np.isfinite(value):
                top = radius if absolute else sign * radius
                panel.plot([value, value], [0.0, top], color=colour, lw=0.8, alpha=0.5)
        if absolute:
            ends = [v if np.isfinite(v) else e for v, e in zip((low, high), curve.values[[0, -1]])]
            panel.plot(ends, [radius, radius], color=colour, lw=0.8, alpha=0.5)


@named_arguments
def profile_density(
    profile: Any, parameters: Any = None, ax: Any = None, *, level: float = 0.95
) -> Any:
    """The density whose distribution function is Φ(ζ), of each parameter.

    Where a profile ends at a bound its density does too: what is missing to one is there.

    Parameters
    ----------
    profile : Profile
    parameters : str or sequence of str, optional
        Names of the profile; all by default.
    ax : matplotlib Axes or sequence of these, optional
        One for each parameter. Default: of a new figure.
    level : float
        Of the interval that is shaded.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ArgumentError
        It is no profile, or has none of a parameter; another number of Axes.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"), reml=False)
    >>> lf.plot.profile_density(fit.profile("sigma")).get_xlabel()
    'sigma'
    """
    found, z = curves(profile, parameters), radii([proportion("level", level)], 1)[0]
    panels = _panels(ax, found)
    for i, (panel, curve) in enumerate(zip(panels, found)):
        colour = series_colours(1, panel)[0]
        inside = np.abs(curve.curve) <= z
        panel.fill_between(
            curve.values, 0.0, curve.density, where=inside, color=colour, alpha=0.25, lw=0
        )
        panel.plot(curve.values, curve.density, color=colour, lw=1.6)
        panel.axvline(curve.estimate, **reference_style())
        panel.set_ylim(bottom=0.0)
        panel.set_xlabel(plain_text(curve.name))
        if i % ACROSS == 0:
            panel.set_ylabel("density")
    return _returned(panels)


@named_arguments
def profile_pairs(
    profile: Any, parameters: Any = None, ax: Any = None, *, levels: Any = LEVELS
) -> np.ndarray:
    """Joint regions of each two parameters: on their scales, above the diagonal on those of ζ.

    The thin lines are the profile traces: where the one parameter is at its minimum for given
    values of the other. Regions are interpolated between the four points where they meet the
    traces; those that reach beyond a profile, or to a bound, are left out.

    Parameters
    ----------
    profile : Profile
    parameters : sequence of str, optional
        Names of the profile, two to eight; all by default.
    ax : sequence of matplotlib Axes, optional
        k × k for k parameters, row by row. Default: of a new figure.
    levels : float or sequence of float
        Confidence levels of the regions, by χ² with two degrees of freedom.

    Returns
    -------
    ndarray of Axes (k, k)

    Raises
    ------
    ArgumentError
        It is no profile, or has none of a parameter; fewer than two or more than eight of them;
        another number of Axes.
    MissingPackageError
        matplotlib is not there.

    References
    ----------
    Bates, Watts (1988), *Nonlinear Regression Analysis and Its Applications*, section 6.1.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"), reml=False)
    >>> lf.plot.profile_pairs(fit.profile()).shape
    (3, 3)
    """
    found, radius = curves(profile, parameters), radii(checked_levels(levels), 2)
    k = len(found)
    if not 2 <= k <= MOST_PAIRED:
        raise ArgumentError(
            f"parameters: {k} of them; choose from two to {MOST_PAIRED}: {profile.names[0]!r}, …"
        )
    flat = several_axes(ax, k * k, (PAIR_INCHES * k * k, PAIR_INCHES), across=k)
    panels = np.array(flat, dtype=object).reshape(k, k)
    for i in range(k):
        for j in range(k):
            if i == j:
                _named(panels[i, i], found[i])
            else:
                _pair(panels[i, j], profile, found[j], found[i], radius, on_zeta=j > i)
    for row in range(k):
        for column in range(k):
            panel = panels[row, column]
            if row != k - 1 or column == k - 1:
                panel.set_xticklabels([])
            if column != 0 or row == 0:
                panel.set_yticklabels([])
            panel.tick_params(labelsize="x-small")
    return panels


def _named(panel: Axes, curve: Curve) -> None:
    """The diagonal: the name, and the ends of the scale."""
    panel.set(xticks=[], yticks=[])
    lines = curve.name.replace(" | ", "\n| ").replace(", ", ",\n").split("\n")
    text = "\n".join(short_label(line) for line in lines)
    panel.text(0.5, 0.5, text, ha="center", va="center", transform=panel.transAxes, size="small")


def _pair(
    panel: Axes, profile: Any, x: Curve, y: Curve, radius: np.ndarray, *, on_zeta: bool
) -> None:
    """One panel of two parameters."""
    colour = series_colours(1, panel)[0]

    def place(zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if on_zeta:
            return zeta[:, 0], zeta[:, 1]
        return x.value_at(zeta[:, 0]), y.value_at(zeta[:, 1])

    for r in radius:
        outline = joint_region(profile, x.name, y.name, float(r))
        if outline is not None:
            panel.plot(*place(outline), color=colour, lw=1.1)
    for along, moved, order in ((x, y, slice(None)), (y, x, slice(None, None, -1))):
        trace = profile.trace(along.name, moved.name).dropna().to_numpy()
        panel.plot(*place(trace[:, order]), **{**reference_style(), "ls": "-"})
    if on_zeta:
        most = 1.1 * float(radius.max())
        panel.set(xlim=(-most, most), ylim=(-most, most))


def _panels(ax: Any, found: list[Curve]) -> list[Axes]:
    size = (PANEL_INCHES[0] * len(found), PANEL_INCHES[1])
    return several_axes(ax, len(found), size, across=ACROSS)


def _returned(panels: list[Axes]) -> Any:
    return panels[0] if len(panels) == 1 else np.array(panels, dtype=object)
