"""Pictures of the correlation of residuals: by lag, by distance, between visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..correlation import FirstOrder
from ..correlation.decay import Decay
from ..correlation.nugget import WithNugget
from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, one_of, positive, proportion, whole_number
from ..support.arrays import FloatArray
from ..tables.number_format import signed
from .accepted_fits import linear_fit
from .axes import MOST_TICK_LABELS, legend_beside, plain_text, single_axes, thinned_labels
from .correlation_arrays import autocorrelations, pairs_of_rows, semivariances
from .drawing import DIVERGING
from .series import is_dark, reference_style, series_colours
from .series_of_fit import (
    Model,
    column_of,
    model_of,
    needed_model,
    numbers_of,
    place_labels,
    series_codes_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = {
    "normalized": "normalized residuals",
    "scaled": "scaled residuals",
    "pearson": "Pearson residuals",
    "response": "residuals",
}
MOST_PLACES = 200
MOST_NUMBERS = 10


@named_arguments
def autocorrelation(
    fit: Any,
    ax: Any = None,
    *,
    kind: str = "normalized",
    time: Any = None,
    series: Any = None,
    most: int | None = None,
    level: float = 0.95,
) -> Axes:
    """Autocorrelation of the residuals within series, by lag.

    Under the model, normalized residuals are uncorrelated. The others show the correlation itself,
    and beside it that of the fitted structure.

    Parameters
    ----------
    fit : MixedModelResults
    ax : matplotlib Axes, optional
        Default: of a new figure.
    kind : {"normalized", "scaled", "pearson", "response"}
        See :meth:`lmforms.MixedModelResults.residuals`.
    time, series : str or array (n,), optional
        Whole times and series of the rows: columns of the model or values. By default those of the
        residual structure; without one, rows in their order within the grouping factor of most
        levels.
    most : int, optional
        Longest lag. By default 10 log₁₀ of the longest series, at least 1.
    level : float
        Of the limits ± normal quantile/√pairs, which uncorrelated residuals keep at each lag.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError, DataError
        Times are not whole, or two rows of a series have the same.
    MissingPackageError
        matplotlib is not there.

    References
    ----------
    Pinheiro, Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 5.3.1.

    Examples
    --------
    >>> import lmforms as lf
    >>> growth = lf.datasets.load("Orthodont")
    >>> fit = lf.lmer("distance ~ age*Sex", growth, residual="ar1(age | Subject)")
    >>> lf.plot.autocorrelation(fit, kind="scaled").get_ylabel()
    'autocorrelation of scaled residuals'
    """
    fit, kind = linear_fit(fit, "autocorrelation"), one_of("kind", kind, tuple(KINDS))
    level = proportion("level", level)
    if most is not None:
        most = whole_number("most", most, least=1)
    model = model_of(fit)
    codes, _ = series_codes_of(fit, series)
    times = _times(fit, time, codes, model if series is None else None)
    keys = np.column_stack([codes, times])
    if len(np.unique(keys, axis=0)) < len(keys):
        raise ArgumentError("time: two rows of a series have the same: name other columns.")
    longest = int(np.bincount(codes).max())
    span = int(max(np.ptp(times[codes == c]) for c in np.unique(codes)))
    if span < 1:
        raise ArgumentError("series: no series has two rows at different times.")
    if most is None:
        most = max(int(10 * np.log10(longest)), 1)
    fitted = None
    if model is not None and kind != "normalized" and series is None and time is None:
        fitted = model.correlation, model.phi, model.points
    values = fit.residuals(kind).to_numpy()
    found = autocorrelations(values, times, codes, min(most, span), fitted)
    return _draw_autocorrelation(found, kind, level, fitted is not None, ax)


def _draw_autocorrelation(found: Any, kind: str, level: float, has_model: bool, ax: Any) -> Axes:
    from scipy.special import ndtri

    ax = single_axes(ax, (6.0, 3.6))
    empirical, model = series_colours(2, ax)
    ax.axhline(0.0, **reference_style())
    later = found.pairs > 0
    later[0] = False
    lags = found.lags[later]
    limit = ndtri(0.5 + 0.5 * level) / np.sqrt(found.pairs[later])
    edges = np.column_stack([lags - 0.5, lags + 0.5]).ravel()
    ax.fill_between(
        edges,
        -np.repeat(limit, 2),
        np.repeat(limit, 2),
        color=empirical,
        alpha=0.3 if is_dark(ax) else 0.15,
        lw=0,
        label=f"{100 * level:g} % limits if uncorrelated",
    )
    ax.vlines(lags, 0.0, found.values[later], color=empirical, lw=1.6)
    ax.plot(lags, found.values[later], "o", ms=5, color=empirical, label="observed")
    if has_model:
        ax.plot(lags, found.fitted[later], "D-", ms=4, lw=1.2, color=model, label="fitted")
    ax.set(xlabel="lag", ylabel=f"autocorrelation of {KINDS[kind]}")
    ax.xaxis.get_major_locator().set_params(integer=True)
    legend_beside(ax)
    return ax


def _times(fit: Any, time: Any, codes: Any, model: Model | None) -> FloatArray:
    """Whole times of the rows."""
    if time is not None:
        times = numbers_of(column_of(fit, time, "time"), "time")
    elif model is None:
        order = np.argsort(codes, kind="stable")
        first = np.searchsorted(codes[order], codes[order])
        times = np.empty(len(codes))
        times[order] = np.arange(len(codes)) - first
    elif model.points.shape[1] > 1:
        raise ArgumentError(
            "autocorrelation: the places of this structure have several coordinates: use "
            "semivariogram(fit), or time= and series=, such as time='row', series='col'."
        )
    else:
        times = model.points[:, 0]
    if not (np.isfinite(times) & (times == np.floor(times))).all():
        raise ArgumentError("autocorrelation: the times are not whole: use semivariogram(fit).")
    return times


@named_arguments
def semivariogram(
    fit: Any,
    ax: Any = None,
    *,
    kind: str = "scaled",
    place: Any = None,
    series: Any = None,
    bins: int = 15,
    farthest: float | None = None,
    robust: bool = False,
) -> Axes:
    """Semivariogram of the residuals: half the mean squared difference of rows by their distance.

    Parameters
    ----------
    fit : MixedModelResults
    ax : matplotlib Axes, optional
        Default: of a new figure.
    kind : {"scaled", "normalized", "pearson", "response"}
        See :meth:`lmforms.MixedModelResults.residuals`. Of scaled residuals the fitted line is one
        less the correlation; normalized ones are uncorrelated under the model, about one.
    place : str or sequence of str or arrays, optional
        Times or coordinates of the rows: columns of the model or values. By default those of the
        residual structure.
    series : str or array (n,), optional
        Rows are compared within series. Default as in :func:`autocorrelation`.
    bins : int
        Of equal numbers of pairs; up to 20 different distances are a bin each.
    farthest : float, optional
        Longest distance. By default all distances of times, half of the longest in space, beyond
        which few pairs, from the corners of a field, say little.
    robust : bool
        The estimate of Cressie and Hawkins, which outliers move less.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError, DataError
    MissingPackageError
        matplotlib is not there.

    Notes
    -----
    Of more than a million pairs a fixed random sample of a million is taken; the label of the axis
    says so.

    Residuals vary less than the errors that they estimate: fixed and random effects take up a part.
    Where there are many effects, the points lie below the fitted line also if the model is right.

    References
    ----------
    Cressie, Hawkins (1980), *Robust estimation of the variogram I*, Mathematical Geology 12(2).

    Examples
    --------
    >>> import lmforms as lf
    >>> growth = lf.datasets.load("Orthodont")
    >>> fit = lf.lmer("distance ~ age*Sex", growth, residual="exp(age | Subject)")
    >>> lf.plot.semivariogram(fit).get_xlabel()
    'distance'
    """
    fit, kind = linear_fit(fit, "semivariogram"), one_of("kind", kind, tuple(KINDS))
    bins = whole_number("bins", bins, least=2)
    robust = flag("robust", robust)
    model = model_of(fit)
    codes, _ = series_codes_of(fit, series)
    own = model is not None and place is None and series is None
    points = _places(fit, place, model)
    pairs = pairs_of_rows(points, codes)
    if not len(pairs.left):
        raise ArgumentError("series: every series has one row: there are no distances.")
    if farthest is None:
        longest = float(pairs.distances.max())
        reach = longest if points.shape[1] == 1 else 0.5 * longest
    else:
        reach = positive("farthest", farthest)
    of_pairs, size = None, fit.scale if kind in ("pearson", "response") else 1.0
    has_line = own and not (kind == "response" and _has_variances(fit))
    if has_line and model is not None:
        if kind == "normalized":
            of_pairs = np.ones(len(pairs.left))
        else:
            of_pairs = size * (1.0 - model.between(points[pairs.left], points[pairs.right]))
    values = fit.residuals(kind).to_numpy()
    found = semivariances(values, pairs, bins=bins, farthest=reach, robust=robust, model=of_pairs)
    if not len(found.values):
        raise ArgumentError(f"farthest={reach:g}: no two rows of a series are so near.")
    line = None
    if has_line and model is not None:
        line = _line(model, float(found.distances.max()), kind, size)
        line = (found.distances, found.fitted) if line is None else line
    return _draw_semivariogram(found, kind, line, ax)


def _draw_semivariogram(found: Any, kind: str, line: Any, ax: Any) -> Axes:
    ax = single_axes(ax, (6.0, 3.6))
    empirical, model = series_colours(2, ax)
    sizes = 20.0 + 60.0 * found.pairs / found.pairs.max()
    ax.scatter(
        found.distances, found.values, s=sizes, color=empirical, lw=0, label="observed", zorder=2
    )
    if line is not None:
        ax.plot(*line, color=model, lw=1.5, label="fitted", zorder=1)
    high = max(float(found.values.max()), 0.0 if line is None else float(np.max(line[1])))
    ax.set_ylim(0.0, 1.1 * high if high > 0 else 1.0)
    ax.set_xlim(left=0.0)
    sampled = " (a sample of the pairs)" if found.sampled else ""
    ax.set(xlabel=f"distance{sampled}", ylabel=f"semivariance of {KINDS[kind]}")
    legend_beside(ax)
    return ax


def _line(model: Model, longest: float, kind: str, size: float) -> Any:
    """The model at any distance, None where it depends on more than the distance."""
    inner = model.correlation
    inner = inner.inner if isinstance(inner, WithNugget) else inner
    smooth = isinstance(inner, Decay) and not inner.per_axis
    if isinstance(inner, FirstOrder) or not smooth or getattr(inner, "metric", "") == "l1":
        return None
    apart = np.linspace(longest / 400.0, longest, 200)
    if kind == "normalized":
        return apart, np.ones(len(apart))
    there = np.zeros((len(apart), model.points.shape[1]))
    there[:, 0] = apart
    return apart, size * (1.0 - model.between(np.zeros_like(there), there))


def _has_variances(fit: Any) -> bool:
    variances = fit.state.residual.variances()
    return variances is not None and bool(np.ptp(variances) > 0)


def _places(fit: Any, place: Any, model: Model | None) -> FloatArray:
    """Places of the rows, (n, d)."""
    if place is None:
        if model is None:
            raise ArgumentError(
                "place: this fit has no residual structure: name the columns of times or "
                "coordinates, such as place='time' or place=[data['x'], data['y']]."
            )
        return model.points
    is_one = isinstance(place, str) or (np.ndim(place[0]) == 0 and not isinstance(place[0], str))
    columns = [place] if is_one else list(place)
    return np.column_stack([numbers_of(column_of(fit, c, "place"), "place") for c in columns])


@named_arguments
def correlation_heatmap(fit: Any, ax: Any = None) -> Axes:
    """The fitted correlation matrix of the residuals of a series.

    Parameters
    ----------
    fit : MixedModelResults
        With correlated residuals.
    ax : matplotlib Axes, optional
        Default: of a new figure.

    Returns
    -------
    Axes
        Rows and columns are all times, visits or places of the data; up to ten of them have the
        numbers written in.

    Raises
    ------
    ArgumentError
        Residuals are uncorrelated, or there are more than 200 places.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> growth = lf.datasets.load("Orthodont")
    >>> fit = lf.lmer("distance ~ age*Sex", growth, residual="ar1(age | Subject)")
    >>> [t.get_text() for t in lf.plot.correlation_heatmap(fit).get_xticklabels()]
    ['8', '10', '12', '14']
    """
    fit = linear_fit(fit, "correlation_heatmap")
    model = needed_model(fit, "correlation_heatmap")
    points = np.unique(model.points, axis=0)
    if len(points) > MOST_PLACES:
        raise ArgumentError(
            f"correlation_heatmap: there are {len(points)} places, and {MOST_PLACES} can be drawn: "
            "use semivariogram(fit), which shows the correlation by distance."
        )
    values = model.correlation.matrix(model.phi, points)
    return _draw_correlations(values, place_labels(fit, points), fit, ax)


def _draw_correlations(values: FloatArray, labels: list[str], fit: Any, ax: Any) -> Axes:
    m = len(values)
    side = float(np.clip(1.6 + 0.42 * m, 3.2, 6.5))
    ax = single_axes(ax, (side + 0.9, side))
    image = ax.imshow(values, cmap=DIVERGING, vmin=-1.0, vmax=1.0)
    ax.figure.colorbar(image, ax=ax, label="correlation", fraction=0.046, pad=0.03)
    places, texts = thinned_labels(labels, MOST_TICK_LABELS // 2)
    size = "small" if m > MOST_NUMBERS else "medium"
    ax.set_xticks(places, texts, rotation=90 if max(map(len, texts)) > 3 else 0, fontsize=size)
    ax.set_yticks(places, texts, fontsize=size)
    columns = [c for term in fit.state.design.structure.spec.correlations for c in term.columns]
    ax.set(xlabel=plain_text(", ".join(columns)), ylabel=plain_text(", ".join(columns)))
    if m <= MOST_NUMBERS:
        for i in range(m):
            for j in range(m):
                shade = "white" if abs(values[i, j]) > 0.6 else "black"
                text = signed(values[i, j], ".2f")
                ax.text(j, i, text, ha="center", va="center", color=shade, fontsize=8)
    return ax
