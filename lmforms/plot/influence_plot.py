"""Pictures of deletions: a stem for each case, the largest with their labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, listed, near_matches
from ..support.arguments import named_arguments, one_of, sequence, short_repr, whole_number
from .accepted_fits import is_generalized, linear_fit
from .axes import MANY_POINTS, MOST_TICK_LABELS, plain_text, several_axes, short_label
from .diagnostic_arrays import farthest_points
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = {
    "cooks_distance": ("Cook's distance", 0.0),
    "mdffits": ("MDFFITS", 0.0),
    "covratio": ("COVRATIO", 1.0),
    "covtrace": ("COVTRACE", 0.0),
    "dfbetas": ("DFBETAS", 0.0),
}
"""What the axis says, and where the stems begin."""

MOST_ACROSS = 2
"""Panels in a row."""

PANEL_INCHES = (5.5, 3.2)
"""Of one panel."""

ROOM = 0.18
"""Share of the range of the values that is left for labels above and below."""


@named_arguments
def influence(
    found: Any,
    measure: str = "cooks_distance",
    ax: Any = None,
    *,
    labels: int = 5,
    effects: Any = None,
) -> Any:
    """Influence of each observation or group on the fixed effects.

    Parameters
    ----------
    found : Influence or MixedModelResults
        What :meth:`lmforms.MixedModelResults.influence` gives; of a fit that of its observations.
    measure : {"cooks_distance", "mdffits", "covratio", "covtrace", "dfbetas"}
        DFBETAS have a panel for each coefficient.
    ax : matplotlib Axes or sequence of these, optional
        One for each panel. Default: of a new figure.
    labels : int
        How many cases are named in each panel: those farthest from the line; of more than 40 cases
        those whose names do not lie on each other.
    effects : str or sequence of str, optional
        Coefficients whose DFBETAS are shown; all by default.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ArgumentError
        It is neither, or there is no such measure or coefficient.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> ax = lf.plot.influence(fit.influence(by="Subject"), labels=2)
    >>> sorted(text.get_text() for text in ax.texts)
    ['309', '335']
    """
    measure = one_of("measure", measure, MEASURES)
    labels = whole_number("labels", labels)
    found = _influence_of(found)
    if measure != "dfbetas":
        if effects is not None:
            raise ArgumentError("effects= is for measure='dfbetas'.")
        (panel,) = several_axes(ax, 1, PANEL_INCHES)
        _stems(panel, getattr(found, measure), found.by, measure, labels)
        return panel
    table = found.dfbetas
    names = list(table) if effects is None else _chosen(effects, list(table))
    size = (PANEL_INCHES[0] * len(names), PANEL_INCHES[1])
    panels = several_axes(ax, len(names), size, MOST_ACROSS)
    for panel, name in zip(panels, names, strict=True):
        _stems(panel, table[name], found.by, measure, labels)
        panel.set_title(plain_text(name), loc="left", fontsize="medium")
    return panels[0] if len(panels) == 1 else np.array(panels, dtype=object)


def _influence_of(found: Any) -> Any:
    if is_generalized(found):
        linear_fit(found, "influence", "deletions are computed for linear models")
    if hasattr(found, "influence"):
        found = found.influence()
    if not hasattr(found, "cooks_distance") or not hasattr(found, "dfbetas"):
        raise ArgumentError(
            f"influence: {short_repr(found)} is neither a fit nor what fit.influence() gives."
        )
    return found


def _chosen(effects: Any, names: list[str]) -> list[str]:
    chosen = [effects] if isinstance(effects, str) else sequence("effects", effects, "names")
    for name in chosen:
        if name not in names:
            raise ArgumentError(
                f"effects: the model has no coefficient `{name}`.{near_matches(str(name), names)} "
                f"It has {listed(names)}."
            )
    return chosen


def _stems(ax: Axes, values: Any, by: str, measure: str, labels: int) -> None:
    what, base = MEASURES[measure]
    heights, n = values.to_numpy(), len(values)
    at, known = np.arange(n), np.isfinite(values.to_numpy())
    (colour,) = series_colours(1, ax)
    size = float(np.clip(400.0 / n, 1.5, 5.0))
    ax.axhline(base, **reference_style())
    drawn = ax.vlines(at[known], base, heights[known], color=colour, lw=min(1.2, 0.5 * size))
    drawn.set(alpha=0.6, rasterized=n > MANY_POINTS)
    style: dict[str, Any] = {"color": colour, "mew": 0, "rasterized": n > MANY_POINTS}
    ax.plot(at[known], heights[known], "o", ms=size, zorder=3, **style)
    for i in _named(at[known], heights[known], base, labels, n):
        up = heights[i] >= base
        ax.annotate(
            short_label(_text(values.index[i])),
            (at[i], heights[i]),
            (0, 4 if up else -6),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=8,
        )
    low, high = (f(np.append(heights[known], base)) for f in (np.min, np.max))
    room = ROOM * ((high - low) or 1.0)
    ax.set_ylim(low - room if low < base else low - 0.2 * room, high + room)
    if n <= MOST_TICK_LABELS:
        texts = [short_label(_text(label)) for label in values.index]
        ax.set_xticks(at, texts, rotation=90, fontsize="small")
    ax.set(xlabel=plain_text(by), ylabel=what)


def _named(at: Any, heights: Any, base: float, labels: int, n: int) -> Any:
    """Cases farthest from the line; of many, those whose names do not lie on each other."""
    if n <= MOST_TICK_LABELS:
        return at[np.argsort(-np.abs(heights - base), kind="stable")[:labels]]
    return at[farthest_points(at, heights, np.full(len(at), base), labels)]


def _text(label: Any) -> str:
    return " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
