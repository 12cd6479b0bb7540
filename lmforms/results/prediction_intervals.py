"""Intervals of predictions: what is predicted, and the errors of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.residual_new_rows import residual_places
from ..data.residual_new_variances import new_variances
from ..errors import ArgumentError, DataError
from ..inference.predictions.intervals import prediction_errors
from ..inference.predictions.residual_rows import ResidualRows, SeriesRows
from ..residual.parametric import ParametricResidual
from ..support.arguments import proportion
from ..support.arrays import FloatArray

if TYPE_CHECKING:
    from ..data.design_rows import DesignRows
    from .state import FitState

INTERVALS = ("confidence", "prediction")

LEVEL = 0.95
"""Of intervals, if nothing else is asked for."""

COLUMNS = ("estimate", "std_error", "lower", "upper")
"""Columns of a table of predictions."""


def interval_columns(
    state: FitState,
    rows: DesignRows,
    estimate: FloatArray,
    residuals: ResidualRows | None,
    *,
    level: float,
    ddf: str,
) -> dict[str, FloatArray]:
    """Columns of a table of predictions.

    Parameters
    ----------
    state : FitState
    rows : DesignRows
        New rows or those of the fit; for a prediction interval with all random terms.
    estimate : ndarray (n,)
        The predictions, NaN where they are missing.
    residuals : ResidualRows or None
        See :func:`residuals_of_rows`.
    level : float
    ddf : str
        See :meth:`lmforms.MixedModelResults.predict`.
    """
    refuse_new_places(rows)
    complete = rows.complete & ~np.isnan(estimate)
    if residuals is not None:
        complete &= np.isin(np.arange(len(complete)), residuals.rows)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite predictors, and huge ones
        errors = prediction_errors(state, rows, residuals, ddf)
        half = np.where(complete, errors.half_widths(level), np.nan)
        made = (
            estimate,
            np.where(complete, errors.std_error, np.nan),
            estimate - half,
            estimate + half,
        )
    return dict(zip(COLUMNS, made, strict=True))


def residuals_of_rows(
    state: FitState, data: Any, rows: DesignRows, *, interval: str, series: bool, weights: Any
) -> ResidualRows | None:
    """What of the residuals is predicted, with its variances; None for nothing.

    Parameters
    ----------
    state : FitState
    data : table or None
    rows : DesignRows
        Of `data` or of the fit.
    interval : {"confidence", "prediction"}
    series : bool
        Whether residuals of the series are predicted.
    weights : number, array, str or None
        Known weights of new rows.
    """
    is_new = interval == "prediction"
    if not is_new and not series:
        return None
    if data is None:
        return _own_residuals(state, series, is_new)
    return _new_residuals(state, data, rows, series, is_new, weights)


def has_series(state: FitState) -> bool:
    """Whether residuals are correlated in series or fields."""
    residual = state.residual
    return isinstance(residual, ParametricResidual) and residual.correlation is not None


def _own_residuals(state: FitState, series: bool, is_new: bool) -> ResidualRows:
    """Residuals of new observations in the rows of the fit."""
    residual, every = state.residual, np.arange(state.design.n)
    if not isinstance(residual, ParametricResidual):
        variances = residual.variances()
        return ResidualRows(every, None, None if variances is None else 1.0 / variances)
    placed = None
    if series and residual.correlation is not None:
        placed = SeriesRows(every, residual.points, residual.series, residual.correlation)
    return ResidualRows(every, residual.variance, residual.weights, placed, is_new)


def _new_residuals(
    state: FitState, data: Any, rows: DesignRows, series: bool, is_new: bool, weights: Any
) -> ResidualRows:
    """Residuals of new rows."""
    design = state.design
    found = new_variances(design, data, rows.complete, weights, "predict")
    there = np.flatnonzero(found.complete)
    if not series:
        return ResidualRows(there, found.variance, found.weights, None, is_new)
    places = residual_places(design, data, weights, "predict")
    kept = places.complete[there]
    there = there[kept]
    inside = np.isin(places.rows, there)
    return ResidualRows(
        rows=there,
        variance=None if found.variance is None else found.variance.subset(kept),
        weights=None if found.weights is None else found.weights[kept],
        series=SeriesRows(
            np.searchsorted(there, places.rows[inside]),
            places.points[inside],
            places.series[inside],
            places.correlation,
        ),
        with_nugget=is_new,
    )


def refuse_new_places(rows: DesignRows) -> None:
    """Refuse rows whose places have no random effect: its variance depends on where it is."""
    for t, own in rows.terms.items():
        term = rows.design.terms[t]
        if term.places is not None and (rows.complete & ~own.basis.any(axis=1)).any():
            raise DataError(
                f"predict: new rows are at places where the random term {term.written} has no "
                "random effect, and errors of predictions there are not known. Leave `interval` "
                "out, or predict at the places of the fit."
            )


def check_interval_arguments(
    interval: str | None, level: float, ddf: str | None, weights: Any, data: Any, *, series: bool
) -> None:
    """Refuse arguments that would have no effect."""
    idle = "ddf" if ddf is not None else "level" if proportion("level", level) != LEVEL else None
    if interval is None and idle is not None:
        raise ArgumentError(f"{idle} is for intervals: add interval='confidence' or 'prediction'.")
    if weights is None:
        return
    if data is None:
        raise ArgumentError("predict: weights need new data; the rows of the fit have their own.")
    if interval != "prediction" and not series:
        raise ArgumentError(
            "predict: weights are those of new observations and have no effect here: add "
            "interval='prediction'."
        )
