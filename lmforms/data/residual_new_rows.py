"""New rows in the series of a fit: their times, visits or places, coded as those of the fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..correlation import ARMA, Correlation, Product, Toeplitz
from ..correlation.nugget import WithNugget
from ..errors import ColumnError, DataError, listed, near_matches
from ..residual.specification import CorrelationTerm
from ..residual.variance_functions import VarianceFunction
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Table
from .design import Design
from .group_codes import group_codes
from .input_table import column_names
from .label_messages import named, values_of
from .new_rows import type_mismatch
from .residual_columns import label_text, labelled_times, real_column, times_of_labels, whole_times
from .residual_new_variances import (
    codes_as_fitted,
    complete_rows,
    found_labels,
    new_variance,
    new_weights,
    refuse_fitted_values,
    typed_as_fitted,
)
from .residual_structure import BoundResidual

WITHOUT_SERIES = "residual='none' predicts without the part of the series."


@dataclass(frozen=True, eq=False)
class ResidualPlaces:
    """Where new rows stand in the series of a fit.

    Attributes
    ----------
    complete : ndarray of bool (n,)
        Rows without missing values in the columns of the structure.
    rows : ndarray of int (m,)
        Complete rows of series that the fit has.
    points : ndarray (m, d)
    series : ndarray of int (m,)
    correlation : Correlation
        That of the fit, for as many lags as are needed.
    variance : VarianceFunction or None
        Of the m rows.
    weights : ndarray (m,) or None
    """

    complete: BoolArray
    rows: IndexArray
    points: FloatArray
    series: IndexArray
    correlation: Correlation
    variance: VarianceFunction | None
    weights: FloatArray | None


def residual_places(design: Design, data: Any, weights: Any, what: str) -> ResidualPlaces:
    """Find new rows in the series of a fit.

    Parameters
    ----------
    design : Design
        With a correlation of the residuals.
    data : table
    weights : number, array, str or None
        Known weights of the new rows; None takes them from the column that the fit had.
    what : str
        Method that the user called, for messages.

    Raises
    ------
    ColumnError
        A column of the structure is not there.
    DataError
        A time, visit or stratum that the structure has no correlation or variance for.
    ArgumentError
        The model was fitted with weights that are no column, or its variances depend on the
        fitted values.
    """
    bound = design.structure
    assert bound is not None
    assert bound.correlation is not None
    spec = bound.spec
    refuse_fitted_values(spec, what, WITHOUT_SERIES)
    names = column_names(data)
    absent = [c for c in spec.columns if c not in names]
    if absent:
        raise ColumnError(
            f"{what}: the new data lack `{absent[0]}`, by which residual={str(spec)!r} finds the "
            f"observed rows of the same series.{near_matches(absent[0], names)} Columns needed: "
            f"{listed(spec.columns)}. Add it, or leave that part out: {WITHOUT_SERIES}"
        )
    table, complete = complete_rows(spec, data, list(spec.columns))
    fitted = design.frame.rows_used(design.in_model)
    table = typed_as_fitted(table, fitted)
    series = _series(bound, fitted, table, what)
    known = series >= 0
    rows = np.flatnonzero(complete)[known]
    table, series = table.rows(known), series[known]
    own, correlation, start = [], bound.correlation, 0
    for k, term in enumerate(spec.correlations):
        stop = start + max(len(term.columns), 1)
        before = bound.points[:, start:stop]
        own.append(_points(bound, k, before, fitted, table, series, what))
        lags = _longest_lags(bound, before, own[-1], series)
        correlation = _for_lags(bound, correlation, k, lags, what)
        start = stop
    points = np.hstack(own)
    return ResidualPlaces(
        complete=complete,
        rows=rows,
        points=points,
        series=series,
        correlation=correlation,
        variance=new_variance(bound, fitted, table, what, WITHOUT_SERIES),
        weights=new_weights(design, data, rows, weights, what, WITHOUT_SERIES),
    )


def _series(bound: BoundResidual, fitted: Table, table: Table, what: str) -> IndexArray:
    """Series of new rows as coded in the fit, −1 for others."""
    if not bound.spec.group:
        return np.zeros(table.n, dtype=np.intp)
    return codes_as_fitted(bound.spec.group, bound.series, fitted, table, what)


def _points(
    bound: BoundResidual,
    k: int,
    points: FloatArray,
    fitted: Table,
    table: Table,
    series: IndexArray,
    what: str,
) -> FloatArray:
    """New rows in the coordinates of the k-th factor of the structure."""
    term, step = bound.spec.correlations[k], bound.steps[k]
    if not term.columns:  # rows that are numbered as they come: other ones than those observed
        return (len(bound.points) + np.arange(table.n, dtype=np.float64))[:, None]
    if term.facts.kind == "place":
        return np.column_stack(
            [real_column(table[c], f"{term.structure}({c})") for c in term.columns]
        )
    column, before = table[term.columns[0]], fitted[term.columns[0]]
    if term.facts.kind == "visit":
        return _visits(term, column, before, what)
    if isinstance(before.dtype, pd.CategoricalDtype):
        times = _labelled(term, column, before, what)
        old = labelled_times(before).astype(np.float64)
    else:
        if isinstance(column.dtype, pd.CategoricalDtype):
            raise DataError(
                f"{what}: `{column.name}` was numbers in the fit and holds labels now: make it "
                f"numbers, as by pandas.to_numeric(data[{str(column.name)!r}])."
            )
        times = whole_times(column, term).astype(np.float64)
        old = whole_times(before, term).astype(np.float64)
    first = np.empty(int(bound.series.max()) + 1)
    first[bound.series] = old - points[:, 0] * step
    steps = (times - first[series]) / step
    between = steps != np.floor(steps)
    if between.any():
        bad = column[between].iloc[0]
        raise DataError(
            f"{what}: `{column.name}` {label_text(bad)} lies between the steps of {step:g} that "
            f"the times of its series have in the fit, and {term.structure}() is defined at whole "
            f"steps. Fit exp({column.name}), or leave the series out: {WITHOUT_SERIES}"
        )
    return steps[:, None]


def _visits(term: CorrelationTerm, column: pd.Series, before: pd.Series, what: str) -> FloatArray:
    """Numbers of visits; visits that only exchangeable rows can have are new numbers."""
    levels = group_codes(before)[1]
    codes = found_labels(column, levels, what).astype(np.float64)
    new = codes < 0
    if not new.any():
        return codes[:, None]
    if term.structure != "cs":
        unknown = list(dict.fromkeys(column[new].tolist()))
        raise DataError(
            f"{what}: `{column.name}` has visits that the fit does not have: {named(unknown)}. "
            f"It has {named(values_of(levels))}; {term.structure}() has no correlations of "
            f"others. For these rows {WITHOUT_SERIES}"
        )
    codes[new] = len(levels) + pd.factorize(column[new])[0]
    return codes[:, None]


def _labelled(term: CorrelationTerm, column: pd.Series, before: pd.Series, what: str) -> FloatArray:
    """Times of labels such as ``week 5``."""
    labels = list(dict.fromkeys(column.tolist()))
    found = times_of_labels(before, labels)
    unknown = [label for label in labels if label not in found]
    if unknown:
        levels = group_codes(before)[1]
        way = type_mismatch(unknown, levels)
        raise DataError(
            f"{what}: `{column.name}` has times that the fit does not have: {named(unknown)}. It "
            f"has {named(values_of(levels))}.{way or f' For these rows {WITHOUT_SERIES}'}"
        )
    return np.array([found[label] for label in column.tolist()], dtype=np.float64)


def _longest_lags(
    bound: BoundResidual, old: FloatArray, new: FloatArray, series: IndexArray
) -> FloatArray:
    """Longest distance of each new row from the observed ones of its series, by one coordinate."""
    count = int(bound.series.max()) + 1
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, bound.series, old[:, 0])
    np.maximum.at(high, bound.series, old[:, 0])
    lags = np.maximum(np.abs(new[:, 0] - low[series]), np.abs(new[:, 0] - high[series]))
    return np.asarray(lags)


def _for_lags(
    bound: BoundResidual, correlation: Correlation, k: int, lags: FloatArray, what: str
) -> Correlation:
    """The correlation for lags beyond those of the fit, where it has any.

    Raises
    ------
    DataError
        It has none.
    """
    if isinstance(correlation, WithNugget):
        return WithNugget(_for_lags(bound, correlation.inner, k, lags, what))
    if isinstance(correlation, Product):
        if k == 0:
            return replace(correlation, left=_for_lags(bound, correlation.left, k, lags, what))
        return replace(correlation, right=_for_lags(bound, correlation.right, k, lags, what))
    longest = lags.max(initial=0.0)
    if isinstance(correlation, ARMA):
        return replace(correlation, span=max(correlation.span, int(longest)))
    if isinstance(correlation, Toeplitz) and longest >= correlation.k:
        name, step = bound.spec.correlations[k].columns[0], bound.steps[k]
        raise DataError(
            f"{what}: `{name}` has a time that is {longest * step:g} from an observed one of its "
            f"series, and toep() has no correlations beyond {(correlation.k - 1) * step:g}. "
            f"Fit ar1({name}), or leave the series out: {WITHOUT_SERIES}"
        )
    return correlation
