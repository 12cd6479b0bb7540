"""Pictures of simulated residuals, and normal quantiles of random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, ModelError
from ..support.arguments import named_arguments, one_of, short_repr
from ..support.label_texts import joined_label
from .accepted_fits import any_fit
from .axes import (
    MOST_TICK_LABELS,
    in_legend,
    plain_text,
    point_style,
    several_axes,
    short_label,
    thinned_labels,
)
from .diagnostic_arrays import (
    QUARTILES,
    binned_quartiles,
    farthest_points,
    normal_quantiles,
    rank_places,
    uniform_quantiles,
)
from .series import reference_style, series_colours, series_marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (4.2, 3.6)
"""Width and height of a panel."""

UNIT = (-0.03, 1.03)
"""Limits of an axis from 0 to 1, with room for points at its ends."""

MOST_LEVELS = 60
"""Boxes that can be told apart in a panel."""

LABELLED = 2
"""Levels that are named in a picture of random effects: the farthest from the line."""

NEAR_END = 0.8
"""Of the largest quantile: names of points beyond are written towards the middle."""

MOST_NAMED = 6
"""Random effects in one panel that a legend names."""

MOST_ACROSS = 3
"""Panels in a row."""


@named_arguments
def simulated_residuals(residuals: Any, by: Any = None, ax: Any = None, *, seed: Any = 0) -> Any:
    """Simulated residuals: their distribution, and whether it changes with the prediction.

    The first panel has the ordered residuals beside uniform quantiles, with the p-values of the
    tests and the limits that 95 % of independent residuals keep. The second has residuals by the
    rank of the prediction; lines are quartiles of bins of rows, dashed where they should be.
    Rows outside all simulated responses are crosses.

    Parameters
    ----------
    residuals : SimulatedResiduals, MixedModelResults or GeneralizedResults
        From :meth:`lmforms.MixedModelResults.simulated_residuals`, or a fit, whose residuals are
        then simulated with random effects drawn anew.
    by : str, array or Series, optional
        A factor, see :meth:`~.SimulatedResiduals.level_tests`: a third panel has its levels.
    ax : sequence of matplotlib Axes, optional
        One for each panel. Default: of a new figure.
    seed : int or numpy.random.Generator, optional
        Of the simulation where a fit is given; the same picture each time by default.

    Returns
    -------
    ndarray of Axes

    Raises
    ------
    ArgumentError, DataError
        `by` is no factor of these rows, or has more than 60 levels.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("score ~ Machine + (1 | Worker)", lf.datasets.load("Machines"))
    >>> axes = lf.plot.simulated_residuals(fit.simulated_residuals(seed=1), by="Machine")
    >>> [ax.get_xlabel() for ax in axes]
    ['expected', 'rank of the prediction', 'Machine']
    """
    if hasattr(residuals, "simulated_residuals"):
        residuals = residuals.simulated_residuals(seed=seed)
    if not all(hasattr(residuals, name) for name in ("scaled", "tests", "predicted")):
        raise ArgumentError(
            "residuals must be a fit or what fit.simulated_residuals() returns, not "
            f"{short_repr(residuals)}."
        )
    levels = None if by is None else residuals.levels(by)
    if levels is not None and len(levels[1]) > MOST_LEVELS:
        raise ArgumentError(
            f"by= has {len(levels[1])} levels, and {MOST_LEVELS} can be drawn: "
            "residuals.level_tests(by) has them all."
        )
    count = 2 if levels is None else 3
    axes = several_axes(ax, count, (PANEL_INCHES[0] * count, PANEL_INCHES[1]), MOST_ACROSS)
    _quantile_panel(axes[0], residuals)
    _prediction_panel(axes[1], residuals)
    if levels is not None:
        _level_panel(axes[2], residuals.scaled.to_numpy(), *levels)
    return np.array(axes, dtype=object)


def _quantile_panel(ax: Axes, residuals: Any) -> None:
    shown = uniform_quantiles(residuals.scaled.to_numpy())
    colour = series_colours(2, ax)[0]
    line = reference_style()
    ax.fill_between(shown.expected, shown.lower, shown.upper, color=line["color"], alpha=0.12, lw=0)
    ax.plot([0, 1], [0, 1], **line)
    ax.scatter(shown.expected, shown.observed, color=colour, **point_style(len(shown.expected)))
    text = "\n".join(residuals.test_texts)
    ax.text(0.03, 0.97, text, transform=ax.transAxes, va="top", fontsize="small")
    ax.set(xlabel="expected", ylabel="residual", xlim=UNIT, ylim=UNIT)
    ax.set_title("uniform quantiles", loc="left", fontsize="medium")


def _prediction_panel(ax: Axes, residuals: Any) -> None:
    scaled, outside = residuals.scaled.to_numpy(), residuals.outside.to_numpy()
    predicted = residuals.predicted.to_numpy()
    varies = np.ptp(predicted) > 0
    places = rank_places(predicted if varies else np.arange(len(scaled)))
    first, second = series_colours(2, ax)
    style = point_style(len(scaled))
    for quartile in QUARTILES:
        ax.axhline(quartile, ls="--", **reference_style())
    ax.scatter(places[~outside], scaled[~outside], color=first, **style)
    crosses = {**style, "s": 40, "alpha": 1.0, "linewidths": 1.5}
    ax.scatter(places[outside], scaled[outside], color=second, marker="x", **crosses)
    centres, quartiles = binned_quartiles(places, scaled)
    if len(centres) > 1:
        for line in quartiles:
            ax.plot(centres, line, color=second, lw=1.6)
    what = "rank of the prediction" if varies else "row (all predictions are the same)"
    ax.set(xlabel=what, ylabel="residual", xlim=UNIT, ylim=UNIT)
    ax.set_title("quartiles by prediction", loc="left", fontsize="medium")


def _level_panel(
    ax: Axes, scaled: np.ndarray, codes: np.ndarray, names: list[str], what: str
) -> None:
    colour = reference_style()["color"]
    for quartile in QUARTILES:
        ax.axhline(quartile, ls="--", **reference_style())
    line = {"color": colour}
    ax.boxplot(
        [scaled[codes == level] for level in range(len(names))],
        positions=np.arange(len(names)),
        widths=0.6,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops={"color": series_colours(2, ax)[1], "lw": 1.6},
        flierprops={"marker": ".", "ms": 4, "mec": colour},
        manage_ticks=False,
    )
    places, texts = thinned_labels(names, MOST_TICK_LABELS // 2)
    crowded = sum(map(len, texts)) > MOST_TICK_LABELS
    ax.set_xticks(places, texts, rotation=90 if crowded else 0, fontsize="small")
    ax.set(xlabel=plain_text(what), ylabel="residual", ylim=UNIT)
    ax.set_title("by level", loc="left", fontsize="medium")


@named_arguments
def random_effects_qq(fit: Any, group: str | None = None, ax: Any = None) -> Any:
    """Random effects beside normal quantiles, a panel for each effect.

    The line goes through the quartiles; the two levels farthest from it are named. Predicted random
    effects are drawn towards a normal distribution, so that a straight line is no proof. Those of a
    generalised fit are modes, which are not normal where levels have few responses: compare them
    with what ``fit.check()`` says.

    Parameters
    ----------
    fit : MixedModelResults or GeneralizedResults
    group : str, optional
        A name of ``fit.random_effects``; all by default.
    ax : matplotlib Axes or sequence of these, optional
        One for each panel. Default: of a new figure.

    Returns
    -------
    Axes, or ndarray of Axes where there are several panels

    Raises
    ------
    ArgumentError
    ModelError
        The model has no random effects.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> [ax.get_title(loc="left") for ax in lf.plot.random_effects_qq(fit)]
    ['Subject: Intercept', 'Subject: Days']
    """
    effects = any_fit(fit).random_effects
    if not effects:
        raise ModelError("random_effects_qq: the model has no random effects.")
    if group is not None:
        effects = {group: effects[one_of("group", group, list(effects))]}
    panels = [(name, column, frame[column]) for name, frame in effects.items() for column in frame]
    size = (PANEL_INCHES[0] * len(panels), PANEL_INCHES[1])
    axes = several_axes(ax, len(panels), size, MOST_ACROSS)
    for one, (name, column, values) in zip(axes, panels, strict=True):
        _normal_panel(one, values)
        one.set_title(plain_text(f"{name}: {column}"), loc="left", fontsize="medium")
    return axes[0] if len(axes) == 1 else np.array(axes, dtype=object)


def random_effects_together(fit: Any, ax: Axes) -> None:
    """All random effects beside normal quantiles, each over the sd of its levels."""
    effects = {
        f"{name}: {column}": frame[column].to_numpy()
        for name, frame in fit.random_effects.items()
        for column in frame
    }
    colours = series_colours(len(effects), ax)
    ends = np.zeros(2)
    for place, (name, values) in enumerate(effects.items()):
        x, order, _ = normal_quantiles(values)
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        y = values[order] / (spread or 1.0)
        style = point_style(len(x)) | {"marker": series_marker(place), "zorder": 2}
        ax.scatter(x, y, color=colours[place], label=in_legend(short_label(name)), **style)
        ends = np.array([min(ends[0], x[0]), max(ends[1], x[-1])])
    ax.plot(ends, ends, **reference_style())
    if len(effects) <= MOST_NAMED:
        drawn: Any = ax.legend(frameon=False, fontsize="small", loc="upper left", handletextpad=0.1)
        for handle in drawn.legend_handles:
            handle.set(alpha=1.0, sizes=[22])
    ax.set(xlabel="normal quantile", ylabel="random effect / its sd")


def _normal_panel(ax: Axes, effects: Any) -> None:
    values = effects.to_numpy()
    x, order, (level, slope) = normal_quantiles(values)
    y = values[order]
    (colour,) = series_colours(1, ax)
    ends = np.array([x[0], x[-1]])
    ax.plot(ends, level + slope * ends, **reference_style())
    ax.scatter(x, y, color=colour, **point_style(len(x)))
    for i in farthest_points(x, y, level + slope * x, LABELLED):
        label = effects.index[order[i]]
        above = y[i] > level + slope * x[i]  # and away from the points beside it
        ax.annotate(
            short_label(joined_label(label)),
            (x[i], y[i]),
            (0, 6 if above else -6),
            textcoords="offset points",
            ha="right" if (above or x[i] > NEAR_END * x[-1]) and x[i] > NEAR_END * x[0] else "left",
            va="bottom" if above else "top",
            fontsize="small",
        )
    ax.margins(y=0.12)
    ax.set(xlabel="normal quantile", ylabel="random effect")
