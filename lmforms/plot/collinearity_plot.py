"""A picture of the variance inflation of the fixed effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from ..support.arguments import named_arguments, number
from ..support.conventions import MOST_INFLATION
from .accepted_fits import any_fit
from .axes import single_axes
from .interval_drawing import ROW_INCHES, row_labels
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = (1, 2, 5, 10, 20, 50, 100, 1000, 10_000, 100_000, 1_000_000)
"""Of the axis of inflation."""


@named_arguments
def collinearity(fit: Any, ax: Any = None, *, limit: float = MOST_INFLATION) -> Axes:
    """Variance inflation of the fixed effects, a row for each term.

    Parameters
    ----------
    fit : MixedModelResults or GeneralizedResults
    ax : matplotlib Axes, optional
        Default: of a new figure.
    limit : float
        A line, and another colour of what is beyond it. The default, 10, is a convention.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        `limit` is not above 1.
    ModelError
        The model has fewer than two terms beside the intercept.
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    gvif^(1/df) of :meth:`lmforms.MixedModelResults.vif`: the inflation of the variance for each of
    the df coefficients of a term. A scale of logarithms.

    Examples
    --------
    >>> import lmforms as lf
    >>> cake = lf.datasets.load("cake")
    >>> fit = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
    >>> [t.get_text() for t in lf.plot.collinearity(fit).get_yticklabels()]
    ['recipe', 'temp', 'recipe:temp']
    """
    limit = number("limit", limit, least=1.0)
    fit = any_fit(fit)
    names = [name for name, c in fit.state.design.fixed_terms.items() if len(c)]
    if len([name for name in names if name != "Intercept"]) < 2:
        raise ModelError(
            "collinearity: the model has fewer than two terms beside the intercept, which cannot "
            "inflate each other."
        )
    table = fit.vif()
    values = np.square(table["gvif_root"].to_numpy())
    ax = single_axes(ax, (5.0, 1.0 + ROW_INCHES * 1.2 * max(len(values), 3)))
    first, second = series_colours(2, ax)
    for i, value in enumerate(values):
        colour = second if value > limit else first
        ax.hlines(i, 1.0, value, color=colour, lw=2.0)
        ax.plot(value, i, "s" if value > limit else "o", color=colour, ms=6.0)
    ax.axvline(limit, ls="--", **reference_style())
    ax.set_xscale("log")
    largest = max(1.3 * limit, 1.3 * float(values.max()))
    ax.set_xlim(0.95, largest)
    ticks = [tick for tick in TICKS if tick <= largest]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.minorticks_off()
    row_labels(ax, [str(name) for name in table.index])
    ax.set_xlabel("variance inflation, per coefficient")
    return ax
