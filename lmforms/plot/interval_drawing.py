"""Points with intervals on matplotlib Axes: side by side in rows, and many levels in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.label_texts import cut_in_middle
from .axes import (
    MANY_POINTS,
    in_legend,
    legend_beside,
    logarithmic_x,
    plain_text,
    several_axes,
    shared_xlabel,
    single_axes,
)
from .interval_arrays import Intervals, LevelsOfEffect
from .series import reference_style, series_colours, series_marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES = 0.27
"""Height of a row of one series."""

SERIES_INCHES = 0.16
"""Height of a row for each of several series."""

MOST_ACROSS = 4
"""Panels of random effects in a row."""

PANEL_INCHES = (3.4, 7.5)
"""Width of a panel of random effects, and its largest height."""

TALLEST_INCHES = 30.0
"""Largest height of a figure."""

LABEL_INCHES = 0.075
"""Width of a character of a label."""

DODGED_SHARE = 0.7
"""Part of a row that its series take."""

LONGEST_LABEL = 36
"""Largest number of characters of a row's label."""

SMALLEST_FONT = 5.0
"""Points. Labels that do not fit at this size are thinned."""

LINE_SPACING = 1.15
"""Distance of lines of text over their size."""


def size_of_rows(intervals: Intervals) -> tuple[float, float]:
    """Width and height of a figure of rows, in inches."""
    r, s = intervals.estimate.shape
    row = max(ROW_INCHES, SERIES_INCHES * s)
    longest = max(len(row_text(label)) for label in intervals.labels)
    legend = max((len(name) for name in intervals.series), default=0) if s > 1 else 0
    width = 4.0 + LABEL_INCHES * (longest + legend)
    return width, min(0.8 + row * max(r, 2), TALLEST_INCHES)


def rows_of_intervals(
    intervals: Intervals,
    xlabel: str,
    ax: Any,
    *,
    reference: float | None = None,
    legend: str | None = "",
    ratios: bool = False,
) -> Axes:
    """Dot and whiskers: a row for each label, the series above each other, and a line.

    Parameters
    ----------
    intervals : Intervals
    xlabel : str
    ax : matplotlib Axes, optional
    reference : float, optional
        Where the line is: by default at 0, or at 1 for ratios.
    legend : str, optional
        Title of the legend of several series; None for no legend.
    ratios : bool
        Draw on an axis of logarithms.
    """
    if reference is None:
        reference = 1.0 if ratios else 0.0
    r, s = intervals.estimate.shape
    ax = single_axes(ax, size_of_rows(intervals))
    ax.axvline(reference, **reference_style())
    colours = series_colours(s, ax)
    heights = np.arange(r)[:, None] + _shifts(np.isfinite(intervals.estimate))
    size = float(np.clip(0.9 * DODGED_SHARE * _height(ax) / (r * s), 2.0, 5.5))
    for j, name in enumerate(intervals.series):
        known = np.isfinite(intervals.estimate[:, j])
        at = heights[known, j]
        low, high = intervals.lower[known, j], intervals.upper[known, j]
        whiskers(ax, at, low, high, colours[j], min(1.5, 0.3 * size))
        if intervals.inner is not None:
            low, high = (limits[known, j] for limits in intervals.inner)
            whiskers(ax, at, low, high, colours[j], min(3.6, 0.65 * size))
        style: dict[str, Any] = {"color": colours[j], "marker": series_marker(j), "ls": "none"}
        shown = in_legend(plain_text(name))
        ax.plot(intervals.estimate[known, j], at, ms=size, label=shown, zorder=3, **style)
    if ratios:
        logarithmic_x(ax)
    row_labels(ax, intervals.labels)
    ax.set_xlabel(plain_text(xlabel))
    if s > 1 and legend is not None:
        legend_beside(ax, title=plain_text(legend) or None)
    return ax


def panels_of_levels(panels: Sequence[LevelsOfEffect], xlabel: str, ax: Any) -> list[Axes]:
    """Random effects, a panel for each."""
    count, most = len(panels), max(len(panel.labels) for panel in panels)
    height = height_of_levels(most)
    axes = several_axes(ax, count, (PANEL_INCHES[0] * count + 0.6, height), MOST_ACROSS)
    for panel, one in zip(axes, panels, strict=True):
        ordered_levels(panel, one)
        panel.set_title(plain_text(f"{one.group}: {one.effect}"), loc="left", fontsize="medium")
    shared_xlabel(axes, xlabel, ax, "medium")
    return axes


def height_of_levels(count: int) -> float:
    """Height of a figure with a row for each level, in inches."""
    return min(1.0 + ROW_INCHES * 0.8 * max(count, 3), PANEL_INCHES[1])


def ordered_levels(ax: Axes, shown: LevelsOfEffect) -> None:
    """Many estimates with intervals, one above the other; the first at the bottom."""
    estimate, lower, upper = shown.estimate, shown.lower, shown.upper
    n = len(estimate)
    at = np.arange(n)
    ax.axvline(0.0, **reference_style())
    (colour,) = series_colours(1, ax)
    size = level_axis(ax, shown.labels)
    row = _height(ax) / n
    drawn = whiskers(ax, at, lower, upper, colour, min(1.3, 0.6 * row if row > size else row))
    # many are a band without gaps, on which points can be seen
    drawn.set(alpha=0.6 if row > size else 0.35, rasterized=n > MANY_POINTS, snap=row > size)
    style: dict[str, Any] = {"color": colour, "marker": "o", "mew": 0, "ls": "none"}
    ax.plot(estimate, at, ms=size, zorder=3, rasterized=n > MANY_POINTS, **style)


def level_axis(ax: Axes, labels: Sequence[str]) -> float:
    """Labels of levels from the bottom up, or their number; the size of points in such rows."""
    n = len(labels)
    if fitting_font(ax, n) is None:
        ax.set_yticks([])
        ax.set_ylim(-0.02 * n - 1, 1.02 * n)
        ax.set_ylabel(f"{n:,} levels")
        ax.spines[["top", "right", "left"]].set_visible(False)
    else:
        row_labels(ax, labels, upwards=True)
    return float(np.clip(0.5 * _height(ax) / n, 1.2, 4.5))


def _shifts(there: np.ndarray) -> np.ndarray:
    """How far from the middle of its row each series is, (r, s); those that are there share it."""
    place = np.cumsum(there, axis=1) - 1
    middle = (there.sum(axis=1, keepdims=True) - 1) / 2
    return (place - middle) * DODGED_SHARE / there.shape[1]


def whiskers(
    ax: Axes, at: np.ndarray, lower: np.ndarray, upper: np.ndarray, colour: Any, width: float
) -> Any:
    """Horizontal lines between limits, none where they are missing."""
    known = np.isfinite(lower) & np.isfinite(upper)
    return ax.hlines(at[known], lower[known], upper[known], color=colour, lw=width, zorder=2)


def row_labels(ax: Axes, labels: Sequence[str], upwards: bool = False) -> None:
    """A label for each row, small where there are many; every second or third if they must be."""
    count = len(labels)
    font = fitting_font(ax, count)
    most = count if font else int(_height(ax) / (SMALLEST_FONT * LINE_SPACING))
    places = np.arange(0, count, -(-count // max(most, 1)))
    ax.set_yticks(
        places, [row_text(labels[int(i)]) for i in places], fontsize=font or SMALLEST_FONT
    )
    ax.tick_params(axis="y", length=0)
    ax.set_ylim((-0.6, count - 0.4) if upwards else (count - 0.4, -0.6))
    ax.spines[["top", "right", "left"]].set_visible(False)


def row_text(label: str) -> str:
    """A label cut in the middle, as names of coefficients and contrasts differ at their ends."""
    return plain_text(cut_in_middle(label, LONGEST_LABEL))


def fitting_font(ax: Axes, count: int) -> float | None:
    """The size of text with which `count` rows of labels fit; None if none is legible."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    usual = FontProperties(size=rcParams["ytick.labelsize"]).get_size_in_points()
    size = min(_height(ax) / (max(count, 1) * LINE_SPACING), usual)
    return float(size) if size >= SMALLEST_FONT else None


def _height(ax: Axes) -> float:
    """Height of an Axes in points, as far as it is known before it is drawn."""
    return float(ax.bbox.height / ax.figure.dpi * 72.0)
