"""Pictures of random effects: how far levels are drawn to the population, and pairs of effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import named_arguments, proportion, sequence, whole_number
from ..tables.number_format import signed
from .accepted_fits import any_fit, linear_fit
from .axes import (
    MANY_POINTS,
    legend_beside,
    named_points,
    note_in_corner,
    plain_text,
    point_style,
    several_axes,
    single_axes,
)
from .diagnostic_arrays import farthest_points
from .effects_arrays import EffectPair, Shrinkage, effect_pairs, shrinkage_of
from .interval_drawing import LABEL_INCHES, height_of_levels, level_axis, row_text
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SQUARES = "estimates of a level by itself are those of least squares"
"""Why shrinkage is of linear fits."""

PANEL_INCHES = (6.2, 4.4)
"""Width and height of a panel of two effects, with its legend."""

MOST_PAIRS = 10
"""Most panels of pairs."""

MOST_ACROSS = 3
"""Most panels in a row."""

FEW_LEVELS = 20
"""Up to this many levels are named by default."""

LEGEND_POINTS = 5.0
"""Least size of the points of the legend."""

CROWDED_LEVELS = 100
"""With more levels arrows are thin and faint."""


@named_arguments
def shrinkage(
    fit: Any,
    group: str | None = None,
    ax: Any = None,
    *,
    effects: Any = None,
    labels: int | None = None,
) -> Axes:
    """How the model draws the levels of a grouping factor to the population.

    An arrow leads from the coefficients that a level's own rows give by least squares to those of
    the model, β̂ + b̂. Two effects are drawn against each other; one has a row for each level. Levels
    whose rows do not determine coefficients of their own are left out and counted.

    Parameters
    ----------
    fit : MixedModelResults
    group : str, optional
        A name of ``fit.random_effects``; the first by default.
    ax : matplotlib Axes, optional
        Default: of a new figure.
    effects : str or pair of str, optional
        Which effects; the first two by default.
    labels : int, optional
        Levels that are named where two effects are drawn: those that move farthest. By default all
        up to 20, else 5.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        There is no such grouping factor or effect, or no level has coefficients of its own.
    ModelError
        The model has no random effects.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    Own coefficients are of the columns of Z of this grouping factor, given the fit's other fixed
    and random effects, with the weights and variances of the residuals. Where the level's rows tell
    all fixed effects, as in ``Days + (Days | Subject)``, they are those of a model for each level,
    as lme4's ``lmList``. Correlations of residuals do not count.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> ax = lf.plot.shrinkage(fit)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('intercept', 'coefficient of Days')
    """
    if labels is not None:
        labels = whole_number("labels", labels)
    shown = shrinkage_of(linear_fit(fit, "shrinkage", LEAST_SQUARES), group, effects)
    if len(shown.effects) == 1 and labels is not None:
        raise ArgumentError(
            "labels= is for two effects; one has a row for each level: leave it out."
        )
    ax = _one_effect(shown, ax) if len(shown.effects) == 1 else _two_effects(shown, labels, ax)
    if shown.without:
        note_in_corner(ax, f"not drawn: levels without own estimates, {shown.without:,}")
    ax.set_title(plain_text(f"{shown.group}: shrinkage"), loc="left", fontsize="medium")
    return ax


def _one_effect(shown: Shrinkage, ax: Any) -> Axes:
    """A row for each level, in the order of what the model says."""
    order = np.argsort(shown.shrunk[:, 0], kind="stable")
    own, shrunk = shown.own[order, 0], shown.shrunk[order, 0]
    width = PANEL_INCHES[0] + LABEL_INCHES * max(len(row_text(text)) for text in shown.labels)
    ax = single_axes(ax, (width, height_of_levels(len(order))))
    at = np.arange(len(order))
    line = series_colours(2, ax)[1]
    ax.axvline(shown.population[0], color=line, lw=1.2, zorder=0, label="population, β̂")
    size = level_axis(ax, [shown.labels[i] for i in order])
    _moves(ax, np.column_stack([own, at]), np.column_stack([shrunk, at]), shown, size)
    ax.set_xlabel(plain_text(shown.names[0]))
    _legend(ax)
    return ax


def _two_effects(shown: Shrinkage, labels: int | None, ax: Any) -> Axes:
    ax = single_axes(ax, PANEL_INCHES)
    many = len(shown.labels) > CROWDED_LEVELS
    _moves(ax, shown.own, shown.shrunk, shown, 3.0 if many else 5.0)
    second = series_colours(2, ax)[1]
    style: dict[str, Any] = {"color": second, "marker": "D", "ms": 8.0, "ls": "none", "zorder": 5}
    ax.plot(*shown.population, label="population, β̂", **style)
    scale = np.maximum(np.ptp(shown.own, axis=0), np.finfo(float).tiny)
    distance = np.linalg.norm((shown.own - shown.shrunk) / scale, axis=1)
    if labels is None:
        labels = len(distance) if len(distance) <= FEW_LEVELS else 5
    far = np.argsort(-distance, kind="stable")[:labels]
    up = shown.own[far, 1] >= shown.shrunk[far, 1]
    x, y = shown.own[far].T
    named_points(ax, x, y, [shown.labels[i] for i in far], up)
    ax.set(xlabel=plain_text(shown.names[0]), ylabel=plain_text(shown.names[1]))
    _legend(ax)
    return ax


def _moves(ax: Axes, own: np.ndarray, shrunk: np.ndarray, shown: Shrinkage, size: float) -> None:
    """Points of both kinds, and arrows from one to the other."""
    first = series_colours(2, ax)[0]
    grey, many = reference_style()["color"], len(own) > CROWDED_LEVELS
    drawn = len(own) > MANY_POINTS
    style: dict[str, Any] = {"marker": "o", "ls": "none", "ms": size, "rasterized": drawn}
    ax.plot(
        *own.T,
        mfc="none",
        mec=grey,
        mew=0.9,
        alpha=0.4 if many else 0.7,
        label="own rows alone",
        **style,
    )
    ax.plot(*shrunk.T, color=first, mew=0, zorder=4, label="in the model, β̂ + b̂", **style)
    arrows = ax.quiver(
        *own.T,
        *(shrunk - own).T,
        angles="xy",
        scale_units="xy",
        scale=1.0,
        color=grey,
        alpha=0.2 if many else 0.45,
        width=0.0018 if many else 0.0028,
        headwidth=5.0,
        zorder=2,
    )
    arrows.set_rasterized(drawn)


def _legend(ax: Axes) -> None:
    for handle in legend_beside(ax, fontsize="small").legend_handles:
        handle.set(alpha=1.0, markersize=max(handle.get_markersize(), LEGEND_POINTS))


@named_arguments
def random_effects_pairs(
    fit: Any,
    group: str | None = None,
    ax: Any = None,
    *,
    effects: Any = None,
    levels: Any = (0.5, 0.95),
    labels: int = 3,
) -> Any:
    """Random effects of each level against each other, with ellipses of their covariance.

    An ellipse holds a share of normal effects with the estimated covariance; with a correlation of
    1 or −1 it is a line. Predicted effects lie closer to zero than true ones, so that more of them
    than the share are inside.

    Parameters
    ----------
    fit : MixedModelResults or GeneralizedResults
    group : str, optional
        A name of ``fit.random_effects``; by default the first that has two effects.
    ax : matplotlib Axes or sequence of these, optional
        One for each pair. Default: of a new figure.
    effects : sequence of str, optional
        Two or more effects; all by default.
    levels : float or sequence of float
        Shares of the ellipses.
    labels : int
        Levels that are named: those farthest out.

    Returns
    -------
    Axes, or ndarray of Axes where there are several pairs

    Raises
    ------
    ArgumentError
        There is no such grouping factor or effect, or there are more than ten pairs.
    ModelError
        The model has no random effects, or one only.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    The covariance is σ̂²λλ'; with a known `relationship` that of a level with variance 1 in it.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> lf.plot.random_effects_pairs(fit).get_title(loc="left")
    'Subject: correlation 0.07'
    """
    labels = whole_number("labels", labels)
    given = sequence("levels", levels, "shares") if np.iterable(levels) else [levels]
    shares = sorted(proportion("levels", level) for level in given)
    name, pairs = effect_pairs(any_fit(fit), group, effects)
    if len(pairs) > MOST_PAIRS:
        raise ArgumentError(
            f"{name} has {len(pairs)} pairs of effects, and {MOST_PAIRS} are drawn: name some of "
            f"them, such as effects={[*pairs[0].names]}."
        )
    across = min(len(pairs), MOST_ACROSS)
    size = (PANEL_INCHES[0] * len(pairs), PANEL_INCHES[1])
    axes = several_axes(ax, len(pairs), size, across)
    for panel, pair in zip(axes, pairs, strict=True):
        _pair(panel, pair, shares, labels)
        rho = pair.correlation
        said = "no variance" if np.isnan(rho) else f"correlation {signed(rho, '.2f')}"
        panel.set_title(plain_text(f"{name}: {said}"), loc="left", fontsize="medium")
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)


def _pair(ax: Axes, pair: EffectPair, shares: list[float], labels: int) -> None:
    second = series_colours(2, ax)[1]
    for direction in (ax.axhline, ax.axvline):
        direction(0.0, **reference_style())
    x, y = pair.values.T
    ax.scatter(x, y, color=series_colours(1, ax)[0], zorder=4, **point_style(len(x)))
    for place, share in enumerate(shares):
        style: dict[str, Any] = {"lw": 1.6, "ls": ("-", "--", "-.", ":")[place % 4], "zorder": 3}
        ax.plot(*pair.ellipse(share).T, color=second, label=f"{100 * share:g} %", **style)
    scale = np.maximum(np.std(pair.values, axis=0), np.finfo(float).tiny)
    out = np.linalg.norm(pair.values / scale, axis=1)
    far = farthest_points(x, y, y - out, labels)
    named_points(ax, x[far], y[far], pair.labels[far], y[far] >= 0)
    legend_beside(ax, title="holds")
    x, y = (plain_text(name) for name in pair.names)
    ax.set(xlabel=f"random effect {x}", ylabel=f"random effect {y}")
