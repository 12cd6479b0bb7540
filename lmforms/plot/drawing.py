"""Dot plots, heat maps and square panels on matplotlib Axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .axes import MOST_TICK_LABELS, legend_beside, short_label, single_axes, thinned_labels
from .series import page_colour, reference_style, series_colours, series_marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DIVERGING = "RdBu_r"


def dot_plot(
    values: np.ndarray, labels: Sequence[Any], names: Sequence[str], what: str, side: str, ax: Any
) -> Axes:
    """A row of points for each of few columns, one point for each component."""
    count, k = values.shape
    ax = single_axes(ax, (6.0, 1.1 + count * max(0.24, 0.11 * k)))
    rows = np.arange(count)
    offsets = (np.arange(k) - (k - 1) / 2) * 0.7 / k
    ax.axvline(0, **reference_style())
    for j, (name, shade) in enumerate(zip(names, series_colours(k, ax), strict=True)):
        at = rows + offsets[j]
        ax.hlines(at, 0, values[:, j], color=shade, lw=1.2, alpha=0.5, zorder=1)
        marker = series_marker(j)
        ax.plot(values[:, j], at, marker, ms=4.5, color=shade, label=name, zorder=2)
    ax.set_yticks(rows, [short_label(label) for label in labels])
    ax.set_ylim(count - 0.5, -0.5)
    ax.set(xlabel=what, ylabel=f"column of {side}")
    legend_beside(ax)
    return ax


def heat_map(
    values: np.ndarray, labels: Sequence[Any], names: Sequence[str], what: str, side: str, ax: Any
) -> Axes:
    """Many columns or components: a colour for each loading, zero white."""
    ax = single_axes(ax, (8.0, 1.9 + 0.24 * min(len(names), MOST_TICK_LABELS)))
    _image(ax, values.T, what, aspect="auto")
    places, texts = thinned_labels(labels)
    ax.set_xticks(places, texts, rotation=90, fontsize="small")
    places, texts = thinned_labels(names)
    ax.set_yticks(places, texts)
    ax.set(xlabel=f"column of {side}", ylabel="component")
    return ax


def two_triangles(
    above: np.ndarray, below: np.ndarray, labels: Sequence[Any], title: str, ax: Any
) -> Axes:
    """Two symmetric matrices in one picture, on the scale that the first one's diagonal sets."""
    ax = single_axes(ax, (5.6, 4.8))
    scale = np.sqrt(np.diag(above))
    scale = np.where(scale > 0, scale, 1.0)
    both = (np.triu(above, 1) + np.tril(below)) / np.outer(scale, scale)
    _image(ax, both, "second moment / rms of both columns", limit=1.0)
    places, texts = thinned_labels(labels, MOST_TICK_LABELS // 2)
    ax.set_xticks(places, texts, rotation=90, fontsize="small")
    ax.set_yticks(places, texts, fontsize="small")
    ax.plot([-0.5, len(both) - 0.5], [-0.5, len(both) - 0.5], color="0.3", lw=0.8)
    ax.set_title(title, fontsize="medium", loc="left")
    return ax


def annotate(ax: Axes, places: np.ndarray, texts: Sequence[str]) -> None:
    """Small texts beside points, on a halo of the page so that they can be read over others."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2, foreground=page_colour(ax))]
    for text, at in zip(texts, places):
        if text:
            ax.annotate(text, at, (3, 3), textcoords="offset points", fontsize=7, path_effects=halo)


def square_panels(panels: Sequence[Axes], places: Sequence[np.ndarray], common: bool) -> None:
    """Square panels, each with the limits of its own points or all with those of all."""
    for panel, own in zip(panels, places):
        xy = np.concatenate(places) if common else own
        low, high = xy.min(axis=0), xy.max(axis=0)
        room = 0.05 * np.where(high > low, high - low, 1.0)
        panel.set_xlim(low[0] - room[0], high[0] + room[0])
        panel.set_ylim(low[1] - room[1], high[1] + room[1])
        panel.set_box_aspect(1)


def _image(
    ax: Axes, values: np.ndarray, what: str, limit: float | None = None, **options: Any
) -> Any:
    most = float(np.abs(values).max()) if limit is None else limit
    image = ax.imshow(values, cmap=DIVERGING, vmin=-most, vmax=most, **options)
    ax.figure.colorbar(image, ax=ax, label=what, fraction=0.046, pad=0.03)
    return image
