"""Pictures of the residuals of a fit: by fitted value, their size, and normal quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, one_of, whole_number
from .accepted_fits import any_fit, is_generalized
from .axes import named_points, note_in_corner, point_style, single_axes
from .diagnostic_arrays import farthest_points
from .residual_arrays import (
    GENERALIZED_KINDS,
    FittedResiduals,
    fitted_residuals,
    quantiles_with_limits,
    smoothed,
)
from .series import reference_style, series_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = (5.0, 3.8)
"""Width and height of a panel."""


@named_arguments
def residuals_fitted(
    fit: Any,
    kind: str | None = None,
    ax: Any = None,
    *,
    labels: int = 3,
    smoother: bool = True,
    fixed: bool = False,
    seed: Any = 0,
) -> Axes:
    """Residuals by fitted value, with a smooth curve of their mean.

    Where the model is right the curve stays near zero. A bend tells of a curve that the fixed
    effects lack, a funnel of variances that change.

    Parameters
    ----------
    fit : MixedModelResults or GeneralizedResults
    kind : str, optional
        Of :meth:`lmforms.MixedModelResults.residuals`. Default: ``"normalized"`` where residuals
        have a structure, else ``"scaled"``. Marginal residuals are drawn by Xβ̂ + offset.
        Residuals of a generalised fit, by default ``"quantile"``, are drawn by the linear
        predictor; see :meth:`lmforms.GeneralizedResults.residuals`.
    ax : matplotlib Axes, optional
        Default: of a new figure.
    labels : int
        How many rows are named: those with the largest residuals.
    smoother : bool
        Draw the curve: robust local lines over two thirds of the rows, or the mean at each fitted
        value where there are fewer than eight.
    fixed : bool
        Draw residuals by the fixed part of the fitted value. Random effects are drawn to zero, so
        that with them the curve rises somewhat, the more so the fewer rows a level has.
    seed : int or numpy.random.Generator, optional
        Of the random part of quantile residuals; the same picture each time by default.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError
        It is no fit, or there is no such kind of residuals.
    ModelError
        Residuals of this kind are not known after conjugate gradients.
    MissingPackageError
        matplotlib is not there.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> ax = lf.plot.residuals_fitted(fit, labels=2)
    >>> ax.get_xlabel(), ax.get_ylabel(), [text.get_text() for text in ax.texts]
    ('fitted value', 'scaled residual', ['56', '7'])
    """
    labels, with_curve = whole_number("labels", labels), flag("smoother", smoother)
    shown = fitted_residuals(any_fit(fit), kind, seed, flag("fixed", fixed))
    ax = single_axes(ax, PANEL_INCHES)
    ax.axhline(0.0, **reference_style())
    _points(ax, shown, shown.residuals, labels, with_curve)
    ax.set_ylabel(shown.name)
    return ax


@named_arguments
def scale_location(
    fit: Any,
    kind: str | None = None,
    ax: Any = None,
    *,
    labels: int = 3,
    smoother: bool = True,
    fixed: bool = False,
    seed: Any = 0,
) -> Axes:
    """Size of residuals by fitted value: the square root of the absolute residual, and its curve.

    A curve that rises or falls tells of variances that go with the mean.

    Parameters
    ----------
    fit, kind, ax, labels, smoother, fixed, seed
        As of :func:`residuals_fitted`.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError, ModelError, MissingPackageError
        As of :func:`residuals_fitted`.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> lf.plot.scale_location(fit).get_ylabel()
    '√|scaled residual|'
    """
    labels, with_curve = whole_number("labels", labels), flag("smoother", smoother)
    shown = fitted_residuals(any_fit(fit), kind, seed, flag("fixed", fixed))
    ax = single_axes(ax, PANEL_INCHES)
    _points(ax, shown, np.sqrt(np.abs(shown.residuals)), labels, with_curve)
    ax.set_ylim(bottom=0.0)
    ax.set_ylabel(f"√|{shown.name}|")
    return ax


@named_arguments
def residuals_qq(
    fit: Any, kind: str | None = None, ax: Any = None, *, labels: int = 3, seed: Any = 0
) -> Axes:
    """Residuals beside normal quantiles, with the limits that 95 % of normal ones keep.

    The line goes through the quartiles. The limits hold at each rank, for independent values. Of a
    generalised fit these are quantile residuals, as the others are not normal under the model.

    Parameters
    ----------
    fit, kind, ax, seed
        As of :func:`residuals_fitted`.
    labels : int
        How many rows are named: those farthest from the line.

    Returns
    -------
    Axes

    Raises
    ------
    ArgumentError, ModelError, MissingPackageError
        As of :func:`residuals_fitted`.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("distance ~ age * Sex", lf.datasets.load("Orthodont"),
    ...               residual="ar1(age | Subject)")
    >>> lf.plot.residuals_qq(fit).get_ylabel()
    'normalized residual'
    """
    labels = whole_number("labels", labels)
    if is_generalized(fit) and kind not in (None, "quantile"):
        one_of("kind", kind, GENERALIZED_KINDS)
        raise ArgumentError(
            f"kind={kind!r}: these residuals of a generalised fit are not normal under the model. "
            "Leave kind= out for quantile residuals, which are."
        )
    shown = fitted_residuals(any_fit(fit), kind, seed)
    found = quantiles_with_limits(shown.residuals)
    ax = single_axes(ax, PANEL_INCHES)
    line = reference_style()
    ax.fill_between(found.at, found.lower, found.upper, color=line["color"], alpha=0.12, lw=0)
    ax.plot(found.expected[[0, -1]], found.line[[0, -1]], **line)
    (colour,) = series_colours(1, ax)
    ax.scatter(found.expected, found.observed, color=colour, **point_style(len(found.expected)))
    far = farthest_points(found.expected, found.observed, found.line, labels)
    above = found.observed[far] > found.line[far]
    texts = shown.labels[found.order[far]]
    named_points(ax, found.expected[far], found.observed[far], texts, above)
    _rows_without(ax, shown)
    ax.set(xlabel="normal quantile", ylabel=shown.name)
    return ax


def _points(
    ax: Axes, shown: FittedResiduals, heights: np.ndarray, labels: int, with_curve: bool
) -> None:
    """Points, the names of the largest, and the curve."""
    x = shown.fitted
    ax.scatter(x, heights, color=series_colours(1, ax)[0], **point_style(len(x)))
    far = farthest_points(x, heights, np.zeros(len(x)), labels)
    named_points(ax, x[far], heights[far], shown.labels[far], heights[far] >= 0)
    if with_curve:
        ax.plot(*smoothed(x, heights), color=series_colours(2, ax)[1], lw=2.0, zorder=3)
    _rows_without(ax, shown)
    ax.set_xlabel(shown.against)


def _rows_without(ax: Axes, shown: FittedResiduals) -> None:
    if shown.without:
        note_in_corner(ax, f"not drawn: rows with a coefficient of their own, {shown.without:,}")
