"""New rows in the series of a fit: their times, visits or places, coded as those of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..correlation import ARMA, Correlation, Product, Toeplitz
from ..correlation.nugget import WithNugget
from ..errors import ArgumentError, ColumnError, DataError, listed, near_matches
from ..residual.specification import CorrelationTerm
from ..residual.variance_functions import StrataVariance, VarianceFunction, VarianceProduct
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Table
from .design import Design
from .frame import column_or_array, group_codes, missing_by_column
from .input_table import column_names, raw_table
from .label_messages import named, values_of
from .new_rows import type_mismatch
from .plain_types import plain_table
from .residual_checks import positive_covariate
from .residual_columns import label_text, labelled_times, real_column, times_of_labels, whole_times
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


def residual_places(design: Design, data: Any, what: str) -> ResidualPlaces:
    """Find new rows in the series of a fit.

    Parameters
    ----------
    design : Design
        With a correlation of the residuals.
    data : table
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
    if spec.depends_on_fitted:
        raise ArgumentError(
            f"{what}: the variances of residual={str(spec)!r} depend on the fitted values, which "
            f"new rows do not have. {WITHOUT_SERIES}"
        )
    names = column_names(data)
    absent = [c for c in spec.columns if c not in names]
    if absent:
        raise ColumnError(
            f"{what}: the new data lack `{absent[0]}`, by which residual={str(spec)!r} finds the "
            f"observed rows of the same series.{near_matches(absent[0], names)} Columns needed: "
            f"{listed(spec.columns)}. Add it, or leave that part out: {WITHOUT_SERIES}"
        )
    given = raw_table(data, list(spec.columns))
    complete = np.ones(given.n, dtype=bool)
    for gaps in missing_by_column(given).values():
        complete &= ~gaps
    fitted = design.frame.rows_used(design.in_model)
    table = plain_table(given.rows(complete), direct=spec.numeric_columns)
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
        variance=_variance(bound, fitted, table, what),
        weights=_weights(design, data, rows, what),
    )


def _series(bound: BoundResidual, fitted: Table, table: Table, what: str) -> IndexArray:
    """Series of new rows as coded in the fit, −1 for others."""
    if not bound.spec.group:
        return np.zeros(table.n, dtype=np.intp)
    return _codes(bound.spec.group, bound.series, fitted, table, what)


def _codes(
    columns: Sequence[str], known: IndexArray, fitted: Table, table: Table, what: str
) -> IndexArray:
    """Codes of new rows by the labels of columns, as `known` for the fitted ones; else −1."""
    before, after = [], []
    for name in columns:
        codes, levels = group_codes(fitted[name])
        before.append(codes)
        after.append(_found(table[name], levels, what))
    labels = np.vstack([np.column_stack(before), np.column_stack(after)])
    which = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    of_labels = np.full(int(which.max(initial=0)) + 1, -1, dtype=np.intp)
    of_labels[which[: fitted.n]] = known
    return of_labels[which[fitted.n :]]


def _found(column: pd.Series, levels: pd.Index, what: str) -> IndexArray:
    """Codes of labels, −1 for those that the fit does not have, which must be of the same type."""
    given = pd.Index(column.astype(object), dtype=object)
    codes = levels.astype(object).get_indexer(given)
    new = list(dict.fromkeys(given[codes < 0].tolist()))
    way = type_mismatch(new, levels) if new else ""
    if way:
        raise DataError(f"{what}: `{column.name}` has labels that no row of the fit has.{way}")
    return np.asarray(codes, dtype=np.intp)


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
    codes = _found(column, levels, what).astype(np.float64)
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


def _variance(
    bound: BoundResidual, fitted: Table, table: Table, what: str
) -> VarianceFunction | None:
    """The variance function of the new rows."""
    variance = bound.variance
    if variance is None:
        return None
    factors = variance.factors if isinstance(variance, VarianceProduct) else (variance,)
    made: list[VarianceFunction] = []
    for term, factor in zip(bound.spec.variances, factors, strict=True):
        if isinstance(factor, StrataVariance):
            made.append(replace(factor, codes=_strata(term.columns, factor, fitted, table, what)))
            continue
        x = real_column(table[term.columns[0]], str(term))
        if term.function != "expvar":
            positive_covariate(term, x)
        made.append(replace(factor, x=x))  # type: ignore[type-var, call-arg]
    return made[0] if len(made) == 1 else VarianceProduct(tuple(made))


def _strata(
    columns: Sequence[str], factor: StrataVariance, fitted: Table, table: Table, what: str
) -> IndexArray:
    """Strata of the new rows, all of which the fit must have."""
    strata = _codes(columns, factor.codes, fitted, table, what)
    if (strata < 0).any():
        row = int(np.argmax(strata < 0))
        text = ":".join(label_text(table[name].iloc[row]) for name in columns)
        raise DataError(
            f"{what}: `{':'.join(columns)}` is {text} in a new row, a stratum that the fit has no "
            f"variance of. For such rows {WITHOUT_SERIES}"
        )
    return strata


def _weights(design: Design, data: Any, rows: IndexArray, what: str) -> FloatArray | None:
    """Known weights of the new rows, from the column that the fit had."""
    if "weights" not in design.frame.extra:
        return None
    column = design.formula_data.weights_column
    if column is None:
        raise ArgumentError(
            f"{what}: the model was fitted with an array of weights, so that those of the new rows "
            f"are not known: give the weights as a column in the fit. {WITHOUT_SERIES}"
        )
    if column not in column_names(data):
        raise ColumnError(
            f"{what}: the model was fitted with weights='{column}': the new data need that column. "
            f"{WITHOUT_SERIES}"
        )
    weights = column_or_array("weights", column, data)
    assert weights is not None
    weights = weights[rows]
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise DataError(f"{what}: weights must be positive and finite; `{column}` has others.")
    return weights
