"""A picture of fitted lines, a panel for each level of a grouping factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.arguments import named_arguments
from ..support.label_texts import cut_in_middle
from .accepted_fits import any_fit
from .axes import plain_text, point_style, several_axes, short_label
from .lines_arrays import GroupLines, LevelLines, group_lines
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (2.1, 1.9)
"""Width and height of a panel."""

ASPECT = 1.6
"""Columns of panels over rows of panels."""

FEW_PANELS, LARGER = 4, 1.5
"""Up to so many panels are larger by this factor."""

LONGEST_TITLE = 22
"""Characters of the title of a panel."""

MOST_CHARACTERS = 24
"""Characters of all categories of a panel that fit side by side; more stand upright."""


@named_arguments
def fitted_lines(
    fit: Any, x: str, group: str | None = None, ax: Any = None, *, levels: Any = 12
) -> Any:
    """Fitted lines by a predictor, with the rows of the data: a panel for each level.

    The dashed line is that of the population, without random effects. Other predictors are as in
    the rows of the level, and the line is the mean over these.

    Parameters
    ----------
    fit : MixedModelResults or GeneralizedResults
    x : str
        A predictor, a number or a factor.
    group : str, optional
        A name of ``fit.random_effects``; the first by default.
    ax : matplotlib Axes or sequence of these, optional
        One for each level. Default: of a new figure.
    levels : int or sequence
        How many levels, evenly spaced in their order; or which, by their labels.

    Returns
    -------
    Axes, or ndarray of Axes where there are several levels

    Raises
    ------
    ArgumentError
        There is no such predictor, grouping factor or level, or there are more than 60 panels.
    ModelError
        The model has no random effects, or ordered classes, which have no mean.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    A level's line has the random effects of `group`, and of the factors that each level of it has
    one level of, as the blocks that its plots are in; not those of factors that cross it. What is
    drawn of the response is what the left side of the formula makes of it. Lines of a generalised
    fit are means on the scale of the response; the dashed line is then that of a typical level,
    whose random effects are zero, which is not the mean over the population of levels.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> axes = lf.plot.fitted_lines(fit, "Days", levels=["308", "309"])
    >>> [ax.get_title(loc="left") for ax in axes]
    ['308', '309']
    """
    found = group_lines(any_fit(fit), x, group, levels)
    count = len(found.shown)
    across = _panels_across(count)
    size = (PANEL_INCHES[0] * count, PANEL_INCHES[1])
    if count <= FEW_PANELS:
        size = (LARGER * size[0], LARGER * size[1])
    axes = several_axes(ax, count, size, across)
    rows = sum(len(one.x) for one in found.shown)
    for panel, one in zip(axes, found.shown, strict=True):
        _level(panel, one, rows, bool(found.categories))
        panel.set_title(
            plain_text(cut_in_middle(one.label, LONGEST_TITLE)), loc="left", fontsize="medium"
        )
    _common_axes(axes, found, x, across if ax is None else 1)
    _labels(axes, found, x, ax is None and count > 1)
    return axes[0] if count == 1 else np.array(axes, dtype=object)


def _panels_across(count: int) -> int:
    """Columns of a figure that is wider than high, with few places left empty.

    Examples
    --------
    >>> [_panels_across(count) for count in (1, 2, 6, 12, 18)]
    [1, 2, 3, 4, 6]
    """
    wanted = np.sqrt(ASPECT * count)
    candidates = range(max(int(wanted) - 1, 1), int(wanted) + 3)
    return min(candidates, key=lambda c: (-count % c / count + 0.15 * abs(c - wanted), c))


def _level(ax: Axes, shown: LevelLines, rows: int, marked: bool) -> None:
    first, second = series_colours(2, ax)
    ax.scatter(shown.x, shown.y, color=first, **point_style(rows) | {"alpha": 0.6})
    marker: dict[str, Any] = {"marker": "o" if marked else None, "ms": 4}
    grey = reference_style() | {"ls": "--", "lw": 1.3, "alpha": 0.7, "zorder": 2}
    ax.plot(shown.wide, shown.population, label="population", **grey, **marker)
    ax.plot(shown.at, shown.fitted, color=second, lw=1.8, label="level", **marker)
    ax.spines[["top", "right"]].set_visible(False)


def _common_axes(axes: list[Axes], found: GroupLines, x: str, across: int) -> None:
    """The same limits everywhere, and ticks at the left and below alone."""
    for get, put in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
        limits = [getattr(ax, get)() for ax in axes]
        for ax in axes:
            getattr(ax, put)(min(low for low, _ in limits), max(high for _, high in limits))
    for place, ax in enumerate(axes):
        if found.categories:
            texts = [short_label(name) for name in found.categories]
            crowded = sum(map(len, texts)) > MOST_CHARACTERS
            ax.set_xticks(range(len(texts)), texts, rotation=90 if crowded else 0)
            ax.set_xlim(-0.5, len(texts) - 0.5)
        if across > 1:
            below = place + across >= len(axes)
            ax.tick_params(labelleft=place % across == 0, labelbottom=below)


def _labels(axes: list[Axes], found: GroupLines, x: str, new_figure: bool) -> None:
    """What the axes are, and what the lines are, once for a figure of panels."""
    what = plain_text(found.group)
    if len(found.shown) < found.levels:
        what = f"{len(found.shown)} of {found.levels:,} levels of {what}"
    _legend(axes, what)
    if new_figure:
        figure: Any = axes[0].figure
        figure.supxlabel(plain_text(x), fontsize="medium")
        figure.supylabel(plain_text(found.response), fontsize="medium")
        return
    for ax in axes:
        is_left, is_lowest = _at_edges(ax, axes)
        if is_left:
            ax.set_ylabel(plain_text(found.response))
        if is_lowest:
            ax.set_xlabel(plain_text(x))


def _at_edges(ax: Axes, axes: list[Axes]) -> tuple[bool, bool]:
    """Whether none of the Axes stands to the left in the same row, and none below."""
    own = ax.get_position()
    others = [other.get_position() for other in axes if other.figure is ax.figure]
    x, y = (own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2
    left = any(other.x1 <= own.x0 and other.y0 < y < other.y1 for other in others)
    below = any(other.y1 <= own.y0 and other.x0 < x < other.x1 for other in others)
    return not left, not below


def _legend(axes: list[Axes], title: str) -> None:
    """What the lines are: above all panels of a figure, else beside the last."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure: Any = axes[0].figure
    handles, names = axes[0].get_legend_handles_labels()
    style: dict[str, Any] = {"frameon": False, "fontsize": "small"}
    if not set(figure.axes) <= set(axes):
        style |= {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
        axes[-1].legend(handles, names, title=title, **style)
    elif isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.legend(handles, names, title=title, loc="outside upper center", ncols=2, **style)
    else:  # one line, in the margin
        names = [title if name == "level" else name for name in names]
        figure.legend(handles, names, loc="upper center", ncols=2, borderaxespad=0.1, **style)
