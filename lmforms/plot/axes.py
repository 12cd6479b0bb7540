"""Helpers for matplotlib, which is imported when something is drawn: Axes, tick labels, points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, MissingPackageError
from ..support.arguments import short_repr
from ..support.label_texts import cut_at_end, joined_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TICK_LABELS = 40
"""Largest number of legible tick labels along one axis."""

LABEL_LENGTH = 28
"""Largest number of characters of a label."""

REFERENCE_GREY = "0.75"
"""Colour of lines drawn for comparison."""

MANY_POINTS = 2000
"""With more points than this they are smaller and stored as pixels."""

CROWDED_POINTS = 20_000
"""With more points than this they are almost transparent: where many lie shows as darker."""

NAME_MARGIN = 0.1
"""Share of the y axis that is free above and below where points are named."""


MOST_RATIO_TICKS, FEWEST_RATIO_TICKS = 9, 3
"""Numbers on an axis of logarithms."""


def pyplot() -> Any:
    """`matplotlib.pyplot`, or an error that names the extra.

    Raises
    ------
    MissingPackageError
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise MissingPackageError(
            "Pictures are drawn by matplotlib: pip install 'lmforms[plot]'."
        ) from None
    return plt


def single_axes(ax: Any, size: tuple[float, float]) -> Axes:
    """The Axes given, or one of a new figure of `size` inches.

    Raises
    ------
    ArgumentError
        What was given is something else.
    """
    return several_axes(ax, 1, size)[0]


def shared_xlabel(axes: list[Axes], label: str, ax: Any, size: str) -> None:
    """A label below all panels of a new figure, or below each of the Axes given as `ax`."""
    if ax is None and len(axes) > 1:
        axes[0].figure.supxlabel(label, fontsize=size)
        return
    for panel in axes:
        panel.set_xlabel(label, fontsize=size)


def several_axes(
    ax: Any, count: int, size: tuple[float, float], across: int | None = None
) -> list[Axes]:
    """The Axes given, or `count` side by side in a new figure.

    Parameters
    ----------
    ax : Axes or sequence of these, optional
    count : int
    size : (float, float)
        Inches of all of them in one row.
    across : int, optional
        Largest number in a row; others stand below.

    Raises
    ------
    ArgumentError
        What was given is something else, or has another length.
    """
    plt = pyplot()
    if ax is None:
        columns = count if across is None else min(count, max(across, 1))
        rows = -(-count // columns)
        inches = (size[0] * columns / count, size[1] * rows)
        figure = plt.figure(figsize=inches, layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
        for unused in panels[count:]:
            unused.remove()
        return panels[:count]
    given = [ax] if isinstance(ax, plt.Axes) else list(np.ravel(np.asarray(ax, dtype=object)))
    if not all(isinstance(a, plt.Axes) for a in given):
        raise ArgumentError(
            f"ax={short_repr(ax)} is not of matplotlib's Axes: "
            "take them from matplotlib.pyplot.subplots()."
        )
    if len(given) != count:
        raise ArgumentError(
            f"ax= holds {len(given)} Axes and {count} are drawn on: pass {count}, or draw less."
        )
    return given


def plain_text(text: Any) -> str:
    r"""A name or a label as it is: matplotlib reads what stands between two dollars as a formula.

    Examples
    --------
    >>> print(plain_text("$10-$20"))
    \$10-\$20
    """
    return str(text).replace("$", r"\$")


def short_label(label: Any) -> str:
    """A label cut to fit beside an axis.

    Examples
    --------
    >>> short_label("a" * 40)
    'aaaaaaaaaaaaaaaaaaaaaaaaaaa…'
    """
    return plain_text(cut_at_end(str(label), LABEL_LENGTH))


def in_legend(text: str) -> str:
    """A text of a legend, from which matplotlib leaves out what begins with an underscore.

    Examples
    --------
    >>> in_legend("a"), len(in_legend("_a"))
    ('a', 3)
    """
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def thinned_labels(
    labels: Sequence[Any], most: int = MOST_TICK_LABELS
) -> tuple[np.ndarray, list[str]]:
    """Positions and texts of at most `most` labels, evenly spaced.

    Examples
    --------
    >>> thinned_labels(["a", "b", "c", "d", "e"], most=3)
    (array([0, 2, 4]), ['a', 'c', 'e'])
    """
    step = -(-len(labels) // most)
    places = np.arange(0, len(labels), step)
    return places, [short_label(labels[int(i)]) for i in places]


def named_points(
    ax: Axes, x: np.ndarray, y: np.ndarray, labels: Sequence[Any], above: np.ndarray
) -> None:
    """Names of a few points, above or below them and towards the middle of the x axis."""
    if not len(x):
        return
    ax.margins(y=NAME_MARGIN)
    ax.autoscale_view()
    middle = np.mean(ax.get_xlim())
    for xy, label, up in zip(zip(x, y, strict=True), labels, above, strict=True):
        ax.annotate(
            short_label(joined_label(label)),
            xy,
            (0, 4 if up else -4),
            textcoords="offset points",
            ha="right" if xy[0] > middle else "left",
            va="bottom" if up else "top",
            fontsize="small",
        )


def logarithmic_x(ax: Axes) -> None:
    """An x axis of logarithms, whose numbers are written out."""
    ax.set_xscale("log")
    ax.autoscale_view()
    low, high = ax.get_xlim()
    ticks = logarithmic_ticks(low, high)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(low, high)


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """At most nine round numbers between two positive ones.

    Examples
    --------
    >>> logarithmic_ticks(0.2, 6.0), logarithmic_ticks(0.9, 1.3)
    ([0.2, 0.5, 1.0, 2.0, 5.0], [0.9, 1.0, 1.1, 1.2, 1.3])
    """
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{s}e{k}") for k in decades for s in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= MOST_RATIO_TICKS:
            break
    if len(ticks) > MOST_RATIO_TICKS:
        apart = -(-len(ticks) // MOST_RATIO_TICKS)
        ticks = [tick for tick in ticks if round(np.log10(tick)) % apart == 0]
    if len(ticks) < FEWEST_RATIO_TICKS:
        from matplotlib.ticker import MaxNLocator

        found = np.round(MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high), 12)
        ticks = [float(tick) for tick in found if low <= tick <= high]
    return ticks


def note_in_corner(ax: Axes, text: str) -> None:
    """A small text at the lower right, for what is not drawn."""
    ax.text(
        0.99,
        0.01,
        text,
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontsize="x-small",
        alpha=0.8,
    )


def legend_beside(ax: Axes, **options: Any) -> Any:
    """A legend at the right of `ax`, in the middle of its height."""
    return ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), **options)


def point_style(n: int) -> dict[str, Any]:
    """Size and transparency of n points, and whether they are stored as pixels."""
    if n > CROWDED_POINTS:
        return {"s": 3, "alpha": 0.12, "linewidths": 0, "rasterized": True}
    if n > MANY_POINTS:
        return {"s": 6, "alpha": 0.4, "linewidths": 0, "rasterized": True}
    return {"s": 22, "alpha": 0.85, "linewidths": 0}
