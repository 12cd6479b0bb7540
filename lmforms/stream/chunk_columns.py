"""A chunk of Arrow columns as the plain columns that formulas are evaluated on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.plain_types import plain_table
from ..errors import DataError, listed
from ..sources.arrow_types import kind_of
from ..support.arrays import BoolArray
from ..support.column_table import LateColumns, Levels, Table
from .plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

MOST_NAMED_LEVELS = 5
"""Levels that a message names."""


@dataclass(frozen=True, eq=False)
class ChunkColumns:
    """The complete rows of a chunk.

    Attributes
    ----------
    table : Table
        Numbers, booleans and factors, and columns that calls in grouping factors use.
    labels : mapping of str to array
        Columns of labels: whole numbers, text of Arrow, or Series.
    n_read : int
        Number of rows that were read.
    missing : mapping of str to int
        Rows in which a column is missing, for those with gaps.
    """

    table: Table
    labels: Mapping[str, Any]
    n_read: int
    missing: Mapping[str, int]


def chunk_columns(
    batch: pa.RecordBatch,
    *,
    predictors: Collection[str],
    factors: Mapping[str, pd.CategoricalDtype],
    labels: Collection[str],
    may_be_missing: Collection[str] = (),
) -> ChunkColumns:
    """Complete rows of a batch in plain types.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    predictors : collection of str
        Columns of the table.
    factors : mapping of str to CategoricalDtype
        Those among them that are factors, with all levels.
    labels : collection of str
        Columns of labels.
    may_be_missing : collection of str
        Columns whose gaps do not make a row incomplete.

    Raises
    ------
    DataError
        A level that is not known, or a type that cannot enter a model.
    """
    n = batch.num_rows
    gaps = {name: _gaps(batch.column(name)) for name in batch.schema.names}
    own = {name: where for name, where in gaps.items() if where is not None and where.any()}
    counted = [name for name in own if name not in may_be_missing]
    if counted:
        complete = ~np.logical_or.reduce([own[name] for name in counted])
        batch = batch.filter(_arrow_mask(complete))
    index = pd.RangeIndex(batch.num_rows)
    arrays: dict[str, Any] = {}
    others: dict[str, pd.Series] = {}
    for name in predictors:
        column = batch.column(name)
        if name in factors:
            arrays[name] = Levels(_factor_codes(name, column, factors[name]), factors[name])
        else:
            values = _plain_values(name, column)
            if isinstance(values, pd.Series):
                others[name] = values.set_axis(index)
            else:
                arrays[name] = values
    columns = LateColumns(arrays, index)
    table = Table({**columns, **others} if others else columns, index, dict(arrays))
    return ChunkColumns(
        table=table,
        labels={name: label_values(name, batch.column(name)) for name in labels},
        n_read=n,
        missing={name: int(own[name].sum()) for name in counted},
    )


def complete_rows(plan: Plan, batch: pa.RecordBatch) -> ChunkColumns:
    """The columns of a plan in the rows that have all of them.

    Missing weights do not make a row incomplete: they are refused.
    """
    weights = plan.formula_data.weights_column
    return chunk_columns(
        batch,
        predictors=dict.fromkeys([*plan.predictors, *plan.beside]),
        factors=plan.factors,
        labels=plan.labels,
        may_be_missing=() if weights is None else (weights,),
    )


def label_values(name: str, column: pa.Array) -> Any:
    """Labels without gaps as :meth:`.level_index.LevelIndex.codes` takes them."""
    import pyarrow as pa

    kind = kind_of(column.type)
    if pa.types.is_integer(column.type):
        return column.to_numpy(zero_copy_only=False)
    return column if kind == "text" else column.to_pandas().rename(name)


def _gaps(column: pa.Array) -> BoolArray | None:
    """Where a column is null or NaN; None if it is nowhere."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: BoolArray | None = None
    if column.null_count:
        found = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False)
        if np.isnan(np.add.reduce(values)):  # faster than asking each
            return np.isnan(values)
    elif pa.types.is_dictionary(column.type) and column.dictionary.null_count:
        return np.asarray(pc.is_null(column.cast(column.type.value_type)))
    return found


def _arrow_mask(rows: BoolArray) -> pa.Array:
    import pyarrow as pa

    return pa.array(rows)


def _plain_values(name: str, column: pa.Array) -> Any:
    """Numbers and booleans as arrays; other types as Series."""
    import pyarrow as pa

    kind, of_column = kind_of(column.type), column.type
    if kind == "number":
        if pa.types.is_integer(of_column):
            values = column.to_numpy(zero_copy_only=False)
            return values if values.dtype == np.uint64 else values.astype(np.int64, copy=False)
        if pa.types.is_decimal(of_column):
            column = column.cast(pa.float64())
        return column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    series = column.to_pandas().rename(name)
    return plain_table(Table({name: series}, series.index))[name]


def _factor_codes(name: str, column: pa.Array, dtype: pd.CategoricalDtype) -> Any:
    """Codes of a factor whose levels are known."""
    coded = column if hasattr(column, "dictionary") else column.dictionary_encode()
    levels = pd.Index(coded.dictionary.to_pylist(), dtype=object)
    places = dtype.categories.astype(object).get_indexer(levels)
    where = coded.indices.to_numpy(zero_copy_only=False)
    codes = places[where]
    if len(codes) and codes.min() < 0:
        new = [str(x) for x in levels[np.unique(where[codes < 0])]]
        known = [str(x) for x in dtype.categories]
        raise DataError(
            f"`{name}` has the level {listed(new, MOST_NAMED_LEVELS)}, which is not among those "
            f"known: {listed(known, MOST_NAMED_LEVELS)}. Levels are those that the first pass "
            "found, or that levels= gives: did the source change, or is levels= incomplete?"
        )
    return codes
