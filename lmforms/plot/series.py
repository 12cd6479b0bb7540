"""Colours and markers of few series, to be told apart by everyone on light and dark pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .axes import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "black", "#E69F00", "#56B4E9")
"""Colours that Okabe and Ito (2008) chose for the colour-blind, those with the strongest contrast
to white first."""

ON_DARK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "white", "#D55E00", "#F0E442")
"""The same for black."""

SERIES_MARKERS = "osD^vPX"
"""Markers of series, for readers who cannot distinguish the colours."""

DARK = 0.5
"""Pages whose luminance is below this are dark."""


def series_colours(count: int, ax: Axes) -> list[Any]:
    """A colour for each of `count` series on `ax`.

    One series has the first colour of the style in use. More than seven have shades from dark to
    light in their order.
    """
    if count == 1:
        from matplotlib.colors import to_rgba

        return [to_rgba("C0")]  # of the style now, not of when it is drawn
    dark = is_dark(ax)
    named = ON_DARK if dark else ON_LIGHT
    if count <= len(named):
        return list(named[:count])
    low, high = (0.3, 1.0) if dark else (0.0, 0.85)
    return list(pyplot().get_cmap("viridis")(np.linspace(low, high, count)))


def series_marker(j: int) -> str:
    """The marker of the j-th series."""
    return SERIES_MARKERS[j % len(SERIES_MARKERS)]


def is_dark(ax: Axes) -> bool:
    """Whether `ax` has a dark background; a transparent one is that of the figure."""
    red, green, blue = page_colour(ax)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < DARK


def page_colour(ax: Axes) -> tuple[float, float, float]:
    """The background of `ax`; a transparent one is that of the figure, and then white."""
    from matplotlib.colors import to_rgba

    for ground in (ax.get_facecolor(), ax.figure.get_facecolor()):
        red, green, blue, alpha = to_rgba(ground)
        if alpha >= DARK:
            return red, green, blue
    return 1.0, 1.0, 1.0


def reference_style() -> dict[str, Any]:
    """A thin line in the colour of the text, half transparent: for zero."""
    colour = pyplot().rcParams["text.color"]
    return {"color": colour, "alpha": 0.4, "lw": 0.9, "zorder": 0}
