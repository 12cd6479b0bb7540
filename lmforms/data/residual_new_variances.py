"""Variances of new rows: variance functions and known weights, coded as in the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, ColumnError, DataError, listed
from ..residual.specification import ResidualSpec
from ..residual.variance_functions import StrataVariance, VarianceFunction, VarianceProduct
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Table
from .design import Design
from .frame import column_or_array, missing_by_column
from .group_codes import group_codes
from .input_table import column_names, raw_table, row_count
from .new_rows import type_mismatch
from .plain_types import plain_table
from .residual_checks import positive_covariate
from .residual_columns import label_text, real_column
from .residual_structure import BoundResidual

WITHOUT_VARIANCE = (
    "Intervals of the mean and the random effects do not need it: interval='confidence', "
    "residual='none'."
)


@dataclass(frozen=True, eq=False)
class NewVariances:
    """Variances of new rows.

    Attributes
    ----------
    complete : ndarray of bool (n,)
        Rows without missing values in the columns of the variances.
    variance : VarianceFunction or None
        Of the complete rows.
    weights : ndarray or None
        Of the complete rows.
    """

    complete: BoolArray
    variance: VarianceFunction | None
    weights: FloatArray | None


def new_variances(
    design: Design, data: Any, complete: BoolArray, weights: Any, what: str
) -> NewVariances:
    """Find the variances of new rows.

    Parameters
    ----------
    design : Design
    data : table
    complete : ndarray of bool (n,)
        Rows that are needed.
    weights : number, array, str or None
        See :func:`new_weights`.
    what : str
        Method that the user called, for messages.

    Raises
    ------
    ColumnError
        A column of the variances is not there.
    DataError
        A stratum that the fit does not have.
    ArgumentError
        The model was fitted with weights that are no column, or its variances depend on the
        fitted values.
    """
    bound, variance = design.structure, None
    if bound is not None and bound.variance is not None:
        refuse_fitted_values(bound.spec, what, WITHOUT_VARIANCE)
        needed = list(dict.fromkeys(c for term in bound.spec.variances for c in term.columns))
        absent = [c for c in needed if c not in column_names(data)]
        if absent:
            raise ColumnError(
                f"{what}: the new data lack {listed([f'`{c}`' for c in absent])}, on which the "
                f"variance of residual={str(bound.spec)!r} depends. {WITHOUT_VARIANCE}"
            )
        table, complete = complete_rows(bound.spec, data, needed, complete)
        fitted = design.frame.rows_used(design.in_model)
        table = typed_as_fitted(table, fitted)
        variance = new_variance(bound, fitted, table, what, WITHOUT_VARIANCE)
    rows = np.flatnonzero(complete)
    known = new_weights(design, data, rows, weights, what, WITHOUT_VARIANCE)
    return NewVariances(complete, variance, known)


def typed_as_fitted(table: Table, fitted: Table) -> Table:
    """A table without rows, whose values have no type, with the types of the fit."""
    if table.n:
        return table
    types = {name: fitted[name].dtype for name in table}
    made = {name: pd.Series(index=table.index, dtype=kind) for name, kind in types.items()}
    return table.assign(made)


def complete_rows(
    spec: ResidualSpec, data: Any, columns: list[str], wanted: BoolArray | None = None
) -> tuple[Table, BoolArray]:
    """Some columns in the rows where none of them is missing, and which rows these are.

    Parameters
    ----------
    spec : ResidualSpec
    data : table
    columns : list of str
    wanted : ndarray of bool (n,), optional
        Other rows are left out.
    """
    given = raw_table(data, columns)
    complete = np.ones(given.n, dtype=bool) if wanted is None else wanted.copy()
    for gaps in missing_by_column(given).values():
        complete &= ~gaps
    return plain_table(given.rows(complete), direct=spec.numeric_columns), complete


def refuse_fitted_values(spec: ResidualSpec, what: str, way: str) -> None:
    """Refuse variances that depend on the fitted values."""
    if spec.depends_on_fitted:
        raise ArgumentError(
            f"{what}: the variances of residual={str(spec)!r} depend on the fitted values, which "
            f"new rows do not have. {way}"
        )


def new_variance(
    bound: BoundResidual, fitted: Table, table: Table, what: str, way: str
) -> VarianceFunction | None:
    """The variance function of the new rows; `way` is what to do where it has none."""
    variance = bound.variance
    if variance is None:
        return None
    factors = variance.factors if isinstance(variance, VarianceProduct) else (variance,)
    made: list[VarianceFunction] = []
    for term, factor in zip(bound.spec.variances, factors, strict=True):
        if isinstance(factor, StrataVariance):
            codes = _strata(term.columns, factor, fitted, table, what, way)
            made.append(replace(factor, codes=codes))
            continue
        x = real_column(table[term.columns[0]], str(term))
        if term.function != "expvar":
            positive_covariate(term, x)
        made.append(replace(factor, x=x))  # type: ignore[type-var, call-arg]
    return made[0] if len(made) == 1 else VarianceProduct(tuple(made))


def _strata(
    columns: Sequence[str], factor: StrataVariance, fitted: Table, table: Table, what: str, way: str
) -> IndexArray:
    """Strata of the new rows, all of which the fit must have."""
    strata = codes_as_fitted(columns, factor.codes, fitted, table, what)
    if (strata < 0).any():
        row = int(np.argmax(strata < 0))
        text = ":".join(label_text(table[name].iloc[row]) for name in columns)
        raise DataError(
            f"{what}: `{':'.join(columns)}` is {text} in a new row, a stratum that the fit has no "
            f"variance of. {way}"
        )
    return strata


def new_weights(
    design: Design, data: Any, rows: IndexArray, weights: Any, what: str, way: str
) -> FloatArray | None:
    """Known weights of some of the new rows.

    Parameters
    ----------
    design : Design
    data : table
    rows : ndarray of int (m,)
    weights : number, array, str or None
        None takes them from the column that the fit had.
    what, way : str
        For messages: the method that the user called, and how to do without weights.

    Returns
    -------
    ndarray (m,), or None for a model without weights.
    """
    if "weights" not in design.formula_data.frame.extra:
        if weights is not None:
            raise ArgumentError(f"{what}: the model was fitted without weights.")
        return None
    if weights is None:
        weights = design.formula_data.weights_column
        other = "give weights=1 for observations of the variance sigma², or their own weights"
        if weights is None:
            raise ArgumentError(
                f"{what}: the model was fitted with an array of weights, so that those of the new "
                f"rows are not known: {other}. {way}"
            )
        if weights not in column_names(data):
            raise ColumnError(
                f"{what}: the model was fitted with weights='{weights}', and the new data have no "
                f"such column: add it, or {other}. {way}"
            )
    if isinstance(weights, Real) and not isinstance(weights, bool):
        found: FloatArray | None = np.full(row_count(data), float(weights))
    else:
        found = column_or_array("weights", weights, data)
    assert found is not None
    found = found[rows]
    if not (np.isfinite(found) & (found > 0)).all():
        raise DataError(f"{what}: weights of new rows must be positive and finite.")
    return found


def codes_as_fitted(
    columns: Sequence[str], known: IndexArray, fitted: Table, table: Table, what: str
) -> IndexArray:
    """Codes of new rows by the labels of columns, as `known` for the fitted ones; else −1."""
    before, after = [], []
    for name in columns:
        codes, levels = group_codes(fitted[name])
        before.append(codes)
        after.append(found_labels(table[name], levels, what))
    labels = np.vstack([np.column_stack(before), np.column_stack(after)])
    which = np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    of_labels = np.full(int(which.max(initial=0)) + 1, -1, dtype=np.intp)
    of_labels[which[: fitted.n]] = known
    return of_labels[which[fitted.n :]]


def found_labels(column: pd.Series, levels: pd.Index, what: str) -> IndexArray:
    """Codes of labels, −1 for those that the fit does not have, which must be of the same type."""
    given = pd.Index(column.astype(object), dtype=object)
    codes = levels.astype(object).get_indexer(given)
    new = list(dict.fromkeys(given[codes < 0].tolist()))
    way = type_mismatch(new, levels) if new else ""
    if way:
        raise DataError(f"{what}: `{column.name}` has labels that no row of the fit has.{way}")
    return np.asarray(codes, dtype=np.intp)
