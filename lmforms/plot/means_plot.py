"""A picture of marginal means, slopes or contrasts, from their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, number
from . import interval_drawing, means_arrays
from .axes import in_legend, legend_beside, plain_text, point_style, several_axes, short_label
from .interval_arrays import Intervals
from .means_arrays import MeansPanel
from .series import reference_style, series_colours, series_marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST_INCHES = 15.0
"""Largest width of a figure."""

MOST_WHISKERS = 12
"""With more values of a number on the x axis the limits are a band."""

JITTER = 0.06
"""Largest shift of a raw point, in categories."""

LETTER_MARGIN = 0.1
"""Share of the y axis that is free above and below where letters stand above the limits."""

SLANTED_INCHES = 0.04
"""Height of a character of a slanted label."""

CHARACTER_POINTS = 6.0
"""Width of a character of tick labels."""


@named_arguments
def means(
    table: Any,
    ax: Any = None,
    *,
    x: str | None = None,
    color: str | None = None,
    panels: str | None = None,
    lines: bool | None = None,
    data: Any = None,
    y: str | None = None,
    reference: float | None = None,
) -> Any:
    """Means or slopes with their intervals, or contrasts of these against zero.

    Of means by two factors this is the interaction plot. The first factor of the table is on the x
    axis, or a number of more than seven values; a second has colours, a third panels. Numbers are
    on an axis of numbers, with a band of limits where there are many. Contrasts are a row each, and
    their ``by`` factors have colours and panels; ratios, such as those of odds, are on an axis of
    logarithms. Letters of the table stand above the limits.

    Parameters
    ----------
    table : ResultTable
        Of ``fit.emmeans(…)``, ``fit.emtrends(…)``, ``fit.average(…)``, or contrasts of these.
    ax : matplotlib Axes or sequence of these, optional
        One for each panel. Default: of a new figure.
    x, color, panels : str, optional
        Factors to be shown so, in the place of their order in the table.
    lines : bool, optional
        Join the means of one colour: by default where there are several colours, or numbers on the
        x axis.
    data : table, optional
        Rows to be drawn as faint points behind the means, at their x and in their colour.
    y : str, optional
        The column of `data` that is on the scale of the means.
    reference : float, optional
        A line at this value. By default at 0 for contrasts, at 1 for ratios, and none for means.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ArgumentError
        It is no such table, or has more factors than can be shown, or none of that name.
    ColumnError
        `data` lacks a column.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> import pandas as pd
    >>> table = pd.DataFrame({"recipe": ["A", "B"], "estimate": [33.1, 31.6],
    ...                       "lower": [30.4, 29.0], "upper": [35.7, 34.3]})
    >>> ax = lf.plot.means(table)
    >>> [t.get_text() for t in ax.get_xticklabels()], ax.get_xlabel()
    (['A', 'B'], 'recipe')
    """
    frame = means_arrays.means_frame(table)
    said = f"{means_arrays.estimate_text(table)}, {means_arrays.limits_text(table)}"
    if reference is not None:
        reference = number("reference", reference)
    if lines is not None:
        lines = flag("lines", lines)
    if (data is None) != (y is None):
        raise ArgumentError("data= and y= go together: the rows, and which column is the response.")
    if "contrast" in frame:
        if x is not None or lines is not None or data is not None:
            raise ArgumentError(
                "x=, lines= and data= are for tables of means; contrasts are a row each."
            )
        given = {"color": color, "panels": panels}
        shown = means_arrays.layout(frame, given, roles=("color", "panels"))
        ratios = means_arrays.has_ratios(table)
        if ratios and reference is not None and reference <= 0.0:
            raise ArgumentError(f"reference={reference:g}: ratios are above 0.")
        drawn = _draw_contrasts(frame, shown, said, reference, ax, ratios=ratios)
    else:
        shown = means_arrays.layout(frame, {"x": x, "color": color, "panels": panels})
        points = None if data is None else means_arrays.raw_points(data, y, frame, shown)
        drawn = _draw_means(frame, shown, lines, points, reference, said, ax)
    return drawn[0] if len(drawn) == 1 else np.array(drawn, dtype=object)


def _draw_contrasts(
    frame: Any,
    shown: means_arrays.Layout,
    xlabel: str,
    reference: float | None,
    ax: Any,
    *,
    ratios: bool,
) -> list[Axes]:
    found = means_arrays.contrast_panels(frame, shown)
    size = interval_drawing.size_of_rows(found[0][1])
    across = int(WIDEST_INCHES / size[0])
    axes = several_axes(ax, len(found), (size[0] * len(found), size[1]), across)
    for place, (panel, (title, intervals)) in enumerate(zip(axes, found, strict=True)):
        legend = shown.color if place == len(found) - 1 else None
        interval_drawing.rows_of_intervals(
            intervals, xlabel, panel, reference=reference, legend=legend, ratios=ratios
        )
        panel.set_title(plain_text(title), fontsize="medium", loc="left")
    return axes


def _draw_means(
    frame: Any,
    shown: means_arrays.Layout,
    lines: bool | None,
    points: Any,
    reference: float | None,
    ylabel: str,
    ax: Any,
) -> list[Axes]:
    found = means_arrays.means_panels(frame, shown)
    r, s = found[0].shown.estimate.shape
    numeric = shown.x is not None and means_arrays.is_numeric(frame[shown.x])
    width = 4.2 if numeric else float(np.clip(1.4 + r * (0.45 + 0.13 * s), 3.2, WIDEST_INCHES))
    longest = 0 if numeric else max(len(short_label(label)) for label in found[0].shown.labels)
    size = (width * len(found) + 1.0 * (s > 1), 3.6 + SLANTED_INCHES * longest)
    across = max(int(WIDEST_INCHES / width), 1)
    axes = several_axes(ax, len(found), size, across)
    for first in axes[::across] if ax is None else axes[:1]:
        first.set_ylabel(plain_text(ylabel))
    colours = series_colours(s, axes[0])
    joined = (numeric or s > 1) if lines is None else lines
    for place, (panel, one) in enumerate(zip(axes, found, strict=True)):
        if reference is not None:
            panel.axhline(reference, **reference_style())
        shifts = _shifts(one.x, s, numeric)
        if points is not None:
            _raw(panel, points[place], colours, shifts, numeric)
        for j in range(s):
            style = {"color": colours[j], "bold": points is not None}
            _one_colour(panel, one, j, shifts[j], joined, numeric, **style)
        panel.set_title(plain_text(one.title), fontsize="medium", loc="left")
        panel.set_xlabel(plain_text(shown.x or ""))
        panel.spines[["top", "right"]].set_visible(False)
        if not numeric:
            _category_ticks(panel, one.shown)
    _common_limits(axes)
    if s > 1:
        legend_beside(axes[-1], title=plain_text(shown.color or ""))
    return axes


def _one_colour(
    ax: Axes,
    panel: MeansPanel,
    j: int,
    shift: float,
    joined: bool,
    numeric: bool,
    *,
    color: Any,
    bold: bool,
) -> None:
    """Means of one series, with whiskers or a band."""
    shown = panel.shown
    known = np.isfinite(shown.estimate[:, j])
    at, estimate = panel.x[known] + shift, shown.estimate[known, j]
    lower, upper = shown.lower[known, j], shown.upper[known, j]
    if numeric and len(panel.x) > MOST_WHISKERS:
        ax.fill_between(at, lower, upper, color=color, alpha=0.2, lw=0)
        marker: dict[str, Any] = {"lw": 1.8}
    else:
        ax.vlines(at, lower, upper, color=color, lw=3.0 if bold else 1.5, zorder=2)
        marker = {"marker": series_marker(j), "ms": 8.0 if bold else 5.5, "ls": "none"}
    if joined:
        marker |= {"ls": "-", "lw": marker.get("lw", 1.0)}
    name = in_legend(short_label(shown.series[j]))
    ax.plot(at, estimate, color=color, label=name, zorder=3, **marker)
    if panel.letters is not None:
        ax.margins(y=LETTER_MARGIN)
        for xy, letters in zip(zip(at, upper), panel.letters[known, j]):
            style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": "small"}
            ax.annotate(letters, xy, (0, 2), textcoords="offset points", **style)


def _raw(ax: Axes, points: Any, colours: Any, shifts: np.ndarray, numeric: bool) -> None:
    """Rows of the data as faint points; their shifts within a category are always the same."""
    rng = np.random.default_rng(0)
    for j, (at, response) in enumerate(points):
        shifted = at + shifts[j]
        if not numeric:
            shifted = shifted + rng.uniform(-JITTER, JITTER, len(at))
        style = point_style(sum(len(own) for own, _ in points)) | {"alpha": 0.25, "s": 12}
        ax.scatter(shifted, response, color=colours[j], zorder=1, **style)


def _shifts(x: np.ndarray, s: int, numeric: bool) -> np.ndarray:
    """How far the series stand beside each other."""
    places = np.arange(s) - (s - 1) / 2
    if not numeric:
        return places * min(0.16, 0.7 / s)
    if len(x) > MOST_WHISKERS or len(x) < 2:
        return np.zeros(s)
    return places * min(0.018 * np.ptp(x), 0.5 * np.diff(x).min() / s)


def _category_ticks(ax: Axes, shown: Intervals) -> None:
    """Labels of categories, slanted where they would run into each other."""
    labels = [short_label(label) for label in shown.labels]
    room = ax.bbox.width / ax.figure.dpi * 72.0 / len(labels)
    crowded = max(map(len, labels)) * CHARACTER_POINTS > room
    slanted: dict[str, Any] = {}
    if crowded:
        slanted = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(labels)), labels, **slanted)
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.6, len(labels) - 0.4)


def _common_limits(axes: list[Axes]) -> None:
    """The same y limits in all panels."""
    limits = [ax.get_ylim() for ax in axes]
    for ax in axes:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
