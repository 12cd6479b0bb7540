"""Pictures of rows in bins: mean residuals of a generalised fit, and observed shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.arguments import named_arguments, proportion
from .accepted_fits import generalized_fit
from .axes import MOST_TICK_LABELS, plain_text, single_axes, thinned_labels
from .binned_arrays import binned_residuals_of, observed_shares
from .interval_arrays import level_text
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (5.0, 3.8)
"""Width and height of a panel."""

SQUARE_INCHES = (4.2, 4.2)
"""Of one whose axes have the same scale."""

MOST_CHARACTERS = 40
"""Characters of all categories that fit side by side; more stand upright."""

ROOM = 0.06
"""Share of the axes of shares that is free at their ends."""


@named_arguments
def binned_residuals(
    fit: Any,
    x: Any = None,
    ax: Any = None,
    *,
    kind: str | None = None,
    bins: int | None = None,
    seed: Any = 0,
) -> Axes:
    """Mean residuals in bins of rows, with bounds of two standard errors under the model.

    For yes/no answers and small counts, whose residuals by themselves show the lines of their
    values. About 95 % of the means should be inside; those outside are squares.

    Parameters
    ----------
    fit : GeneralizedResults
    x : str or array (n,), optional
        A predictor, whose levels are the bins if it is a factor. By default the fitted value; the
        linear predictor of ordered classes.
    ax : matplotlib Axes, optional
        Default: of a new figure.
    kind : {"response", "pearson", "quantile"}, optional
        Of :meth:`lmforms.GeneralizedResults.residuals`: ``"response"`` by default, and
        ``"quantile"`` of ordered classes and of families without a variance.
    bins : int, optional
        Bins of about as many rows each; rows with the same x stay together. By default √n, 10 of
        fewer than 100 rows, and at most 60.
    seed : int or numpy.random.Generator, optional
        Of the random part of quantile residuals; the same picture each time by default.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        It is no generalised fit, there is no such kind or predictor, or the residuals have no
        finite variance.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    The variance of a residual is that of the family, given the random effects, so that the bounds
    do not grow where the model fits badly. Random effects were fitted to the same rows: the
    residuals vary somewhat less, and as random effects are drawn to zero their means rise somewhat
    with the fitted value, the more so the fewer rows a level has. By the fixed part,
    ``x=fit.predict(random="none")``, they do not. Proportions are averaged with their numbers of
    trials, and rows with weights with these.

    References
    ----------
    Gelman, Hill (2007), *Data Analysis Using Regression and Multilevel/Hierarchical Models*,
    sections 5.6 and 6.2.

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
    >>> ax = lf.plot.binned_residuals(fit)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('fitted value', 'mean residual')
    """
    fit = generalized_fit(fit, "binned_residuals", "lf.plot.residuals_fitted(fit)")
    shown = binned_residuals_of(fit, x, kind, bins, seed)
    ax = single_axes(ax, PANEL_INCHES)
    grey, (first, second) = reference_style(), series_colours(2, ax)
    ax.axhline(0.0, **grey)
    label = "± 2 standard errors"
    if shown.categories or len(shown.x) == 1:
        ax.vlines(
            shown.x, -shown.bounds, shown.bounds, color=grey["color"], alpha=0.25, lw=7, label=label
        )
    else:
        band = {"color": grey["color"], "alpha": 0.12, "lw": 0}
        ax.fill_between(shown.x, -shown.bounds, shown.bounds, label=label, **band)
        for bound in (-shown.bounds, shown.bounds):
            ax.plot(shown.x, bound, **grey)
    out = shown.outside
    ax.plot(shown.x[~out], shown.means[~out], "o", color=first, ms=5, ls="none")
    ax.plot(shown.x[out], shown.means[out], "s", color=second, ms=6, ls="none")
    if shown.categories:
        places, texts = thinned_labels(shown.categories, MOST_TICK_LABELS)
        upright = sum(map(len, texts)) > MOST_CHARACTERS
        ax.set_xticks(places, texts, rotation=90 if upright else 0)
        ax.set_xlim(-0.6, len(shown.categories) - 0.4)
    ax.set(xlabel=plain_text(shown.against), ylabel=shown.name)
    return ax


@named_arguments
def calibration(fit: Any, ax: Any = None, *, bins: int | None = None, level: float = 0.95) -> Axes:
    """Observed shares of successes in bins of the fitted probability, with exact intervals.

    Parameters
    ----------
    fit : GeneralizedResults
        Of the binomial family: single answers or numbers of successes.
    ax : matplotlib Axes, optional
        Default: of a new figure.
    bins : int, optional
        Bins of about as many rows each; rows with the same probability stay together. By default
        10, or as many as have five rows each.
    level : float
        Of the intervals, which are Clopper and Pearson's.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        It is no generalised fit, or of another family.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    Fitted probabilities are those given the random effects, which were fitted to the same rows. For
    new rows expect shares that are farther from the line.

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
    >>> lf.plot.calibration(fit).get_ylabel()
    'observed share, 95 % interval'
    """
    fit = generalized_fit(fit, "calibration", "lf.plot.residuals_fitted(fit)")
    level = proportion("level", level)
    shown = observed_shares(fit, bins, level)
    ax = single_axes(ax, SQUARE_INCHES)
    highest = max(float(np.max(shown.upper)), float(np.max(shown.fitted)))
    lowest = min(float(np.min(shown.lower)), float(np.min(shown.fitted)))
    room = ROOM * (highest - lowest)
    limits = (lowest - room, highest + room)
    ax.plot(limits, limits, **reference_style())
    (colour,) = series_colours(1, ax)
    ax.vlines(shown.fitted, shown.lower, shown.upper, color=colour, lw=1.5)
    ax.plot(shown.fitted, shown.observed, "o", color=colour, ms=5.5, ls="none")
    ax.set(xlim=limits, ylim=limits, box_aspect=1)
    ax.set(xlabel="fitted probability", ylabel=f"observed share, {level_text(level)}")
    return ax
