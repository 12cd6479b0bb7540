"""The rows of a fit with what the model says of each: broom's ``augment``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..data.input_table import column_names, raw_table, row_labels
from ..data.output_table import with_columns_like
from ..data.plain_types import plain_table
from ..errors import ColumnError, DataError, listed, near_matches
from ..support.arrays import FloatArray, IndexArray
from ..support.column_table import Table
from .quantities import fitted_values, residuals
from .state import FitState


def augmented_rows(
    state: FitState, data: Any = None, columns: Mapping[str, FloatArray] | None = None
) -> Any:
    """The rows used, with columns of the fit: a table of the kind of `data`.

    Parameters
    ----------
    state : FitState
    data : pandas, polars or pyarrow table, or mapping of arrays, optional
        The table that the model was fitted to; by default the columns that the model uses.
    columns : mapping of str to ndarray (n,), optional
        Those of the fit; by default those of a linear model.

    Raises
    ------
    ColumnError, DataError
        The table is another one, or has columns of these names.
    """
    made = _columns(state) if columns is None else columns
    table = state.design.frame.table
    names = list(table) if data is None else column_names(data)
    taken = [name for name in made if name in names]
    if taken:
        raise DataError(
            f"augment: the data have columns {listed(taken)} already: drop or rename them."
        )
    if data is None:
        rows = table.data.loc[state.design.in_model]
    else:
        at = _rows_used(state, data)
        if not isinstance(data, Mapping):
            return with_columns_like(data, at, made)
        rows = raw_table(data, names).data.iloc[at]
    return rows.assign(**made)


def _columns(state: FitState) -> dict[str, FloatArray]:
    """Columns of ``augment`` in broom.mixed, but for ``.hat`` and ``.cooksd``."""
    design, fitted = state.design, fitted_values(state)
    variances = state.residual.variances()
    weights = np.ones(design.n) if variances is None else 1.0 / variances
    made = {
        ".fitted": fitted,
        ".resid": state.response - fitted,
        ".fixed": design.X @ state.estimate.beta + design.offset,
        ".mu": fitted,
        ".offset": design.offset,
        ".sqrtXwt": np.sqrt(weights),
        ".sqrtrwt": np.sqrt(weights),
        ".weights": weights,
        ".wtres": residuals(state, "pearson"),
    }
    if not np.array_equal(state.response, design.y):
        made[".response"] = state.response
    return made


def _rows_used(state: FitState, data: Any) -> IndexArray:
    """Places of the rows of `data` that the model uses."""
    design, names = state.design, column_names(data)
    needed = list(design.frame.table)
    absent = [name for name in needed if name not in names]
    if absent:
        raise ColumnError(
            f"augment: the data lack `{absent[0]}`.{near_matches(absent[0], names)} Give the table "
            f"that the model was fitted to. Columns of the model: {listed(needed)}."
        )
    at = _positions(state, row_labels(data))
    raw = raw_table(data, needed)
    chosen = Table({name: column.iloc[at] for name, column in raw.items()}, raw.index[at])
    plain = plain_table(chosen, direct=design.bound.direct_columns)
    for name, fitted in design.frame.table.items():
        other = _different(plain[name], fitted[design.in_model])
        if other.any():
            first = int(np.flatnonzero(other)[0])
            raise DataError(
                f"augment: `{name}` is not what the model was fitted to, first in the row "
                f"{chosen.index[first]!r}. Give the table of the fit; new rows are for predict()."
            )
    return at


def _positions(state: FitState, labels: pd.Index) -> IndexArray:
    """Where the rows used are among those of a table: in its order, else by their labels."""
    design = state.design
    complete, wanted = design.frame.complete, design.index
    if len(labels) == len(complete):
        at = np.flatnonzero(complete)[design.in_model]
        if labels[at].equals(wanted):
            return at
    if labels.equals(wanted):
        return np.arange(design.n)
    if labels.is_unique and wanted.is_unique:
        at = np.asarray(labels.get_indexer(wanted), dtype=np.intp)
        if (at >= 0).all():
            return at
    raise DataError(
        f"augment: the {len(labels)} rows of the table are not those of the fit, which used "
        f"{design.n} of {len(complete)} rows, by their order or labels. Give the table of the fit; "
        "new rows are for predict()."
    )


def _different(given: pd.Series, fitted: pd.Series) -> np.ndarray:
    """Where values are not the same; two missing ones are."""
    a, b = given.array, fitted.array
    if isinstance(given.dtype, pd.CategoricalDtype) or given.dtype != fitted.dtype:
        a, b = given.to_numpy(dtype=object), fitted.to_numpy(dtype=object)
    same = np.asarray(a == b, dtype=bool)
    return ~(same | np.asarray(pd.isna(a) & pd.isna(b)))
