"""A picture of the criterion over one or two θ, with the optimiser's steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, number, sequence, short_repr, whole_number
from ..support.progress import with_bar
from ..tables.number_format import signed
from .accepted_fits import linear_fit
from .axes import note_in_corner, plain_text, pyplot, single_axes
from .criterion_arrays import (
    Surface,
    chosen_places,
    criterion_surface,
    lowest_so_far,
    theta_entries,
)
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RISE_OF_CURVE, RISE_OF_CONTOURS = 8.0, 12.0
"""How much the criterion rises to the ends of the axes."""

CONTOURS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Criterion above its minimum on the contours."""

MOST_HELD = 3
"""θ that are held whose values stand in the title."""

MOST_NUMBERED = 12
"""Steps with numbers beside them."""


@named_arguments
def criterion(
    fit: Any,
    theta: Any = None,
    ax: Any = None,
    *,
    limits: Any = None,
    points: int | None = None,
    steps: bool = True,
    progress: bool = False,
) -> Axes:
    """The criterion that is minimised, over one θ as a curve or over two as contours.

    β and σ are profiled out, as in a fit. Other θ, and parameters of the residuals, are held at
    those of the fit; the title names them.

    Parameters
    ----------
    fit : MixedModelResults
    theta : int, str or pair of these, optional
        Which θ: by its place in ``fit.theta``, counted from 0, as ``"θ₁"``, or by what the label of
        the axis says. By default all of a model with one or two, else the first two standard
        deviations or diagonal entries of λ.
    ax : matplotlib Axes, optional
        Default: of a new figure.
    limits : (low, high) or two of these, optional
        Ends of the axes. By default where the criterion is 8 (curve) or 12 (contours) above the
        minimum, and not below 0 for a θ whose sign does not matter; wider by up to their length on
        each side, if steps lie there.
    points : int, optional
        Values of each θ: 61 for a curve, 25 for contours, that is 625 evaluations.
    steps : bool
        Draw where the optimiser evaluated the criterion, and join those that were lower than all
        before. A note counts those of them that lie beyond the axes. A fit from a file, or at a
        given θ, has no steps. Where other θ were not yet at their estimates a step may lie off the
        curve.
    progress : bool
        Show a bar of the evaluations.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
    ModelError
        The model has no θ, or was fitted by conjugate gradients.
    MissingPackageError
        matplotlib is not there, or tqdm with `progress`.

    References
    ----------
    Bates et al. (2015), *Fitting linear mixed-effects models using lme4*, section 3.4.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> lf.plot.criterion(fit).get_xlabel()
    'θ₁ = sd(Intercept | Batch)/σ'
    """
    fit = linear_fit(fit, "criterion", "it is drawn with β and σ profiled out")
    count = len(chosen_places(theta_entries(fit.state.design), theta))
    if points is not None:
        points = whole_number("points", points, least=3)
    steps, progress = flag("steps", steps), flag("progress", progress)
    rise = RISE_OF_CURVE if count == 1 else RISE_OF_CONTOURS
    surface = criterion_surface(
        fit,
        theta,
        None if limits is None else _checked_limits(limits, count),
        points,
        rise,
        lambda items: with_bar(items, progress, "criterion"),
        steps,
    )
    ax = single_axes(ax, (6.0, 3.8) if count == 1 else (6.0, 4.8))
    name = "REML criterion" if fit.reml else "−2 log-likelihood"
    draw = _draw_curve if count == 1 else _draw_contours
    draw(surface, name, steps, fit.state.optimized, ax)
    if steps:
        _count_beyond(surface, ax)
    _mark_bounds(surface, ax)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _checked_limits(limits: Any, count: int) -> list[tuple[float, float]]:
    given = sequence("limits", limits, "numbers or pairs")
    pairs = [given] if count == 1 and len(given) == 2 and np.ndim(given[0]) == 0 else given
    out = []
    for pair in pairs:
        ends = sequence("limits", pair, "two numbers")
        values = [number("limits", end) for end in ends]
        if len(values) != 2 or not values[0] < values[1]:
            raise ArgumentError(f"limits={short_repr(limits)}: a pair (low, high) is needed.")
        out.append((values[0], values[1]))
    if len(out) != count:
        raise ArgumentError(
            f"limits={short_repr(limits)}: {count} θ are drawn: give (low, high) for each."
        )
    return out


def _draw_curve(surface: Surface, name: str, steps: bool, optimized: bool, ax: Axes) -> None:
    colour, of_steps = series_colours(2, ax)
    ax.plot(surface.axes[0], surface.values, color=colour, lw=1.6, label=name, zorder=2)
    if steps and len(surface.steps):
        _draw_steps(surface.steps[:, 0], surface.heights, surface.heights, of_steps, ax)
        finite = surface.values[np.isfinite(surface.values)]
        gap = 0.06 * float(np.ptp(finite))
        ax.set_ylim(finite.min() - gap, finite.max() + gap)
        low, high = surface.axes[0][[0, -1]]
        ax.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    _mark_estimate(surface.estimate[0], surface.least, optimized, ax)
    ax.set(xlabel=plain_text(surface.entries[0].label), ylabel=name)
    ax.set_title(plain_text(_held(surface)), loc="left", fontsize="medium")


def _draw_contours(surface: Surface, name: str, steps: bool, optimized: bool, ax: Axes) -> None:
    colour, of_steps = series_colours(2, ax)
    x, y = surface.axes
    least = min(surface.least, float(surface.values.min()))
    above = np.ma.masked_invalid(surface.values - least)
    levels = [level for level in CONTOURS if level < above.max()]
    drawn = ax.contour(x, y, above, levels=levels or None, colors=[colour], linewidths=1.0)
    ax.clabel(drawn, fmt="%g", fontsize="small")
    if steps and len(surface.steps):
        _draw_steps(surface.steps[:, 0], surface.steps[:, 1], surface.heights, of_steps, ax)
    for set_limits, values in ((ax.set_xlim, x), (ax.set_ylim, y)):
        room = 0.03 * (values[-1] - values[0])
        set_limits(values[0] - room, values[-1] + room)
    _mark_estimate(surface.estimate[0], surface.estimate[1], optimized, ax)
    ax.set(xlabel=plain_text(surface.entries[0].label), ylabel=plain_text(surface.entries[1].label))
    title = f"{name} less its minimum"
    held = plain_text(_held(surface))
    ax.set_title(f"{title}\n{held}" if held else title, loc="left", fontsize="medium")


def _draw_steps(x: Any, y: Any, heights: Any, colour: Any, ax: Axes) -> None:
    """All evaluations as dots; those lower than all before joined, and numbered if they are few."""
    lower = lowest_so_far(heights)
    tried = np.setdiff1d(np.flatnonzero(np.isfinite(heights)), lower)
    ax.plot(x[lower], y[lower], "o-", color=colour, ms=4, lw=1.1, label="optimiser's steps")
    if len(tried):
        ax.plot(x[tried], y[tried], ".", color=colour, ms=4, alpha=0.6, label="other evaluations")
    if len(lower) <= MOST_NUMBERED:
        for place in _apart(x[lower], y[lower]):
            ax.annotate(
                str(place + 1),
                (x[lower][place], y[lower][place]),
                (4, 4),
                textcoords="offset points",
                fontsize="small",
                color=colour,
                annotation_clip=True,
            )


def _count_beyond(surface: Surface, ax: Axes) -> None:
    """Note how many of the steps that are joined lie beyond the axes."""
    lower = lowest_so_far(surface.heights)
    drawn = np.column_stack([surface.steps, surface.heights])[lower, :2]
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    beyond = int(((drawn < (left, bottom)) | (drawn > (right, top))).any(axis=1).sum())
    if beyond:
        note_in_corner(ax, f"{beyond} step{'s' * (beyond > 1)} beyond the axes")


def _apart(x: Any, y: Any) -> list[int]:
    """Steps that are not on top of an earlier one, so that their numbers can be read."""
    kept: list[int] = []
    size = [max(float(np.ptp(v)), 1e-300) for v in (x, y)]
    for i in range(len(x)):
        near = [abs(x[i] - x[j]) / size[0] + abs(y[i] - y[j]) / size[1] for j in kept]
        if not near or min(near) > 0.05:
            kept.append(i)
    return kept


def _mark_estimate(x: float, y: float, optimized: bool, ax: Axes) -> None:
    ax.plot(
        [x],
        [y],
        "+",
        ms=11,
        mec=pyplot().rcParams["text.color"],
        mew=1.6,
        zorder=4,
        label="estimate" if optimized else "θ of this fit",
    )


def _mark_bounds(surface: Surface, ax: Axes) -> None:
    lines = (ax.axvline, ax.axhline)
    style = {**reference_style(), "ls": "--", "lw": 1.2, "alpha": 0.7}
    label = "θ = 0: no variance of its own"
    for entry, values, line in zip(surface.entries, surface.axes, lines, strict=False):
        if entry.has_bound and values[0] <= 0:
            line(0.0, label=label, **style)
            label = "_"  # one line of the legend for both


def _held(surface: Surface) -> str:
    if not surface.held:
        return ""
    values = [f"{e.name} = {signed(v, '.4g')}" for e, v in surface.held[:MOST_HELD]]
    more = len(surface.held) - MOST_HELD
    return f"held: {', '.join(values)}" + (f" and {more} more" if more > 0 else "")
