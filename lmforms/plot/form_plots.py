"""Plots of a fitted linear mixed form: loadings, codes, implied covariances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, sequence, short_repr
from . import colours, drawing, plotted_arrays
from .axes import MOST_TICK_LABELS, several_axes
from .series import reference_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DODGED_COMPONENTS = 5
"""Largest number of components whose points can stand side by side in one row."""

PANEL_INCHES = 3.5
"""Width and height of a panel of codes."""


@named_arguments
def loadings(
    form: Any,
    modality: str = "Y",
    components: Any = None,
    top: int | None = None,
    raw: bool = False,
    ax: Any = None,
) -> Axes:
    """Loadings of the columns of one modality.

    Each is shown times the root mean square of its code: how far a typical code of that component
    moves the column, in the column's units. The loadings themselves do not show how much a
    component matters, as it may have a large code behind X and hardly any behind Z.

    A row of points for each column; beyond 40 columns or 5 components a heat map, with its labels
    thinned.

    Parameters
    ----------
    form : LinearMixedForm or FormRegressor
        Fitted.
    modality : str
        Its name: "Y", "X", "Z", or as the fit was given.
    components : int or sequence of int, optional
        Counted from 1; default all.
    top : int, optional
        Only that many columns: those with the greatest norm over the components shown, greatest
        first.
    raw : bool
        The loadings as they are in the form.
    ax : matplotlib Axes, optional
        Default: of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        Not fitted, no such modality or component, `top` is no count.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> form = fit.forms(rank=2).form
    >>> ax = lf.plot.loadings(form, "X", components=1)
    >>> ax.get_xlabel()
    'loading β × rms code'
    """
    form = plotted_arrays.fitted_form(form)
    values, labels = plotted_arrays.loadings_of(form, modality)
    if not flag("raw", raw):
        values = values * plotted_arrays.code_sizes(form, modality)
    shown = plotted_arrays.component_places(components, values.shape[1])
    values = values[:, shown]
    if top is not None:
        order = plotted_arrays.largest_rows(values, top)
        values, labels = values[order], [labels[i] for i in order]
    names = [f"c{j + 1}" for j in shown]
    symbol = f"loading {plotted_arrays.SYMBOLS.get(modality, '')}".rstrip() + (
        "" if raw else " × rms code"
    )
    few = len(labels) <= MOST_TICK_LABELS and len(shown) <= MOST_DODGED_COMPONENTS
    draw = drawing.dot_plot if few else drawing.heat_map
    return draw(values, labels, names, symbol, modality, ax)


@named_arguments
def codes(
    form: Any,
    components: Sequence[int] = (1, 2),
    of: str | Sequence[str] = ("K", "H", "K+H"),
    color: Any = None,
    labels: Any = None,
    common: bool = True,
    ax: Any = None,
) -> Any:
    """Two components of the codes against each other, a point for each row of the fit.

    The units of a component are those of the canonical form: distances along different components
    cannot be compared, the same component of K, H and K+H can.

    Parameters
    ----------
    form : LinearMixedForm or FormRegressor
        Fitted.
    components : pair of int
        Counted from 1.
    of : str or sequence of str
        "K", "H", "K+H": a panel for each.
    color : str or vector (n,), optional
        A colour of matplotlib's, or a value for each row: numbers have a colour bar, text,
        booleans and categories a legend. Convert numbers that name groups to text. A Series is
        matched by label where the form has row labels.
    labels : True or vector (n,), optional
        Text beside the points: the row labels, or what is given; empty or None for no text. At
        most 400 rows can have one.
    common : bool
        The same limits on all panels, so that a component that one of K and H lacks is seen to be
        narrow there. Otherwise each panel has its own.
    ax : matplotlib Axes or sequence of these, optional
        One for each panel. Default: of a new figure.

    Returns
    -------
    Axes, or ndarray of Axes if `of` is a sequence

    Raises
    ------
    ArgumentError
        Not fitted, no such component or code, more than 20 categories or 400 labels, another
        number of Axes.
    DataError
        `color` or `labels` do not match the rows.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> form = fit.forms(rank=2).form
    >>> panels = lf.plot.codes(form, color=fit.matrices.y)
    >>> [ax.get_title() for ax in panels]
    ['codes K', 'codes H', 'codes K+H']
    """
    form, common = plotted_arrays.fitted_form(form), flag("common", common)
    k = np.shape(form.K_)[1]
    if k < 2:
        raise ArgumentError("This form has one component, and codes() draws two of them.")
    pair = plotted_arrays.component_places(components, k)
    if len(pair) != 2:
        raise ArgumentError(f"components={short_repr(components)}: codes() draws two of them.")
    kinds = [of] if isinstance(of, str) else sequence("of", of, "K, H and K+H")
    places = [plotted_arrays.codes_of(form, kind)[:, pair] for kind in kinds]
    if not places:
        raise ArgumentError("of= is empty: name one of K, H and K+H.")
    rows = form.K_.index if isinstance(form.K_, pd.DataFrame) else None
    n = len(places[0])
    shades = colours.points(color, n, rows)
    row_texts = colours.row_texts(labels, n, rows)
    panels = several_axes(ax, len(kinds), (PANEL_INCHES * len(kinds) + 0.8, PANEL_INCHES + 0.3))
    for panel, kind, xy in zip(panels, kinds, places):
        panel.axhline(0, **reference_style())
        panel.axvline(0, **reference_style())
        panel.set(title=f"codes {kind}", xlabel=f"component {pair[0] + 1}")
        drawing.annotate(panel, xy, row_texts)
    panels[0].set_ylabel(f"component {pair[1] + 1}")
    colours.draw(panels, places, shades)
    drawing.square_panels(panels, places, common)
    return panels[0] if isinstance(of, str) else np.array(panels, dtype=object)


@named_arguments
def covariance(form: Any, data: Any, of: str = "Y", ax: Any = None) -> Axes:
    """Second moments of a modality: those of the data above the diagonal, the form's below.

    Both are about zero and divided by the root mean squares of the data's columns, so that they
    are correlations where the data are centred. If the form explains the modality, the plot is
    symmetric; the share explained is :meth:`LinearMixedForm.covariance_share`.

    Parameters
    ----------
    form : LinearMixedForm or FormRegressor
        Fitted.
    data : DataFrame, array or sparse matrix
        Complete rows of the modality, with the columns of the fit.
    of : str
        Its name.
    ax : matplotlib Axes, optional

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        Not fitted, no such modality.
    DataError
        Columns are not those of the fit, or rows have gaps.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> form = fit.forms(rank=2).form
    >>> shown = lf.plot.covariance(form, fit.matrices.X, "X").images[0].get_array()
    >>> bool(np.allclose(shown, shown.T, atol=0.01))
    True
    """
    form = plotted_arrays.fitted_form(form)
    implied = form.implied_covariance(of)
    share = form.covariance_share(data, of)
    labels = list(implied.columns) if isinstance(implied, pd.DataFrame) else range(len(implied))
    title = f"{of}: data above, form below, share rebuilt {share:.3f}"
    return drawing.two_triangles(
        plotted_arrays.second_moments(data), np.asarray(implied), labels, title, ax
    )
