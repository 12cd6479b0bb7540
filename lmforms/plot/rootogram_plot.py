"""A picture of observed and expected counts on a scale of square roots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.arguments import named_arguments, one_of
from .accepted_fits import generalized_fit
from .axes import single_axes
from .rootogram_arrays import CountFrequencies, count_frequencies
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (5.4, 3.8)
"""Width and height."""

KINDS = ("hanging", "standing", "suspended")

BAR_SHARE = 0.86
"""Of the distance of bars, which their width takes."""

LIMIT = 1.0
"""About two standard errors of the root of a number of rows, whose variance is about 1/4."""

LEAST_SHOWN = 1.0
"""Rows above the last bar, observed or expected, from which a note tells of them."""


@named_arguments
def rootogram(
    fit: Any,
    kind: str = "hanging",
    ax: Any = None,
    *,
    largest: int | None = None,
    width: int | None = None,
) -> Axes:
    """Observed numbers of rows by count beside those that the model expects, as square roots.

    The line is what is expected: the sum over rows of the probabilities of a count, given the
    random effects. Bars that hang from it end above zero where there are fewer rows than expected,
    and below where there are more. Too many zeros, or a variance that is too small, show at once.

    Parameters
    ----------
    fit : GeneralizedResults
        Of counts: Poisson, negative binomial and others, also with zeros added or left out.
    kind : {"hanging", "standing", "suspended"}
        Bars of observed numbers hang from the line, or stand on zero; or bars show the expected
        less the observed.
    ax : matplotlib Axes, optional
        Default: of a new figure.
    largest : int, optional
        Last count that is drawn. By default the largest, or more where the model expects more;
        what is beyond is told in a corner.
    width : int, optional
        Counts of a bar. By default 1, or more so that there are at most 60 bars.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        The responses are no counts.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    The variance of the root of a number of rows is about 1/4, so that bars should end within the
    dashed lines at ±1, about two standard errors. Rows with weights count with these.

    References
    ----------
    Kleiber, Zeileis (2016), *Visualizing count data regressions using rootograms*, The American
    Statistician 70(3).

    Examples
    --------
    >>> import lmforms as lf
    >>> ticks = lf.datasets.load("grouseticks")
    >>> fit = lf.glmer("TICKS ~ YEAR + (1 | BROOD)", ticks, family="poisson")
    >>> ax = lf.plot.rootogram(fit, largest=20)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('count', '√number of rows')
    """
    fit = generalized_fit(fit, "rootogram", "lf.plot.residuals_qq(fit)")
    kind = one_of("kind", kind, KINDS)
    shown = count_frequencies(fit, largest, width)
    ax = single_axes(ax, PANEL_INCHES)
    observed, expected = np.sqrt(shown.observed), np.sqrt(shown.expected)
    bottom = expected - observed if kind == "hanging" else np.zeros(len(observed))
    height = expected - observed if kind == "suspended" else observed
    first, second = series_colours(2, ax)
    step = float(shown.high[0] - shown.low[0] + 1)
    ax.use_sticky_edges = kind == "standing"  # else bars would end at the frame
    ax.bar(shown.places, height, BAR_SHARE * step, bottom, color=first, alpha=0.55, lw=0)
    ax.axhline(0.0, **reference_style() | {"alpha": 0.8, "zorder": 3})
    if kind != "standing":
        for limit in (-LIMIT, LIMIT):
            ax.axhline(limit, ls="--", **reference_style() | {"zorder": 3})
    dots = {"marker": "o", "ms": 4.0 if len(observed) <= 30 else 2.5}
    ax.plot(shown.places, expected, color=second, lw=1.6, zorder=4, **dots)
    ax.locator_params(axis="x", integer=True)
    ax.set_xlim(shown.low[0] - 0.5 - 0.3 * step, shown.high[-1] + 0.5 + 0.3 * step)
    ax.set(xlabel=_xlabel(shown), ylabel="√number of rows")
    if max(shown.observed_above, shown.expected_above) >= LEAST_SHOWN:
        _note(ax, shown)
    return ax


def _xlabel(shown: CountFrequencies) -> str:
    step = int(shown.high[0] - shown.low[0]) + 1
    return "count" if step == 1 else f"count, in steps of {step}"


def _note(ax: Axes, shown: CountFrequencies) -> None:
    """What is beyond the last bar, above where the bars are low."""
    text = (
        f"above {shown.high[-1]}: {shown.observed_above:.4g} observed, "
        f"{shown.expected_above:.1f} expected"
    )
    style: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": "small", "alpha": 0.8}
    ax.text(0.98, 0.97, text, transform=ax.transAxes, **style)
