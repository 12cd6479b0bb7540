"""Results for the rows of a table, as the kind of table that it is.

pandas for pandas and for mappings of arrays; for any other library a column or a table of that
library, with missing values where there is no number. Made by narwhals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray, IndexArray
from .input_table import native_table


def column_like(data: Any, name: str, values: FloatArray, index: pd.Index) -> Any:
    """One column for the rows of `data`; a pandas Series on `index` for pandas and mappings."""
    if _is_pandas(data):
        return pd.Series(values, index=index, name=name)
    return table_like(data, {name: values}, index)[name]


def table_like(data: Any, columns: Mapping[str, FloatArray], index: pd.Index) -> Any:
    """A table for the rows of `data`; a pandas DataFrame on `index` for pandas and mappings."""
    if _is_pandas(data):
        return pd.DataFrame(dict(columns), index=index)
    import narwhals.stable.v1 as nw

    first, *others = _as_series(nw.get_native_namespace(native_table(data)), columns).values()
    table = first.to_frame()
    return (table.with_columns(*others) if others else table).to_native()


def with_columns_like(data: Any, rows: IndexArray, columns: Mapping[str, FloatArray]) -> Any:
    """Some rows of a table of any library, with more columns for these rows."""
    if isinstance(data, pd.DataFrame):
        return data.iloc[rows].assign(**columns)
    import narwhals.stable.v1 as nw

    table = native_table(data)
    made = _as_series(nw.get_native_namespace(table), columns)
    return table[rows.tolist()].with_columns(*made.values()).to_native()


def _as_series(space: Any, columns: Mapping[str, FloatArray]) -> dict[str, Any]:
    import narwhals.stable.v1 as nw

    return {
        name: nw.new_series(name, _with_gaps(values), nw.Float64, native_namespace=space)
        for name, values in columns.items()
    }


def _is_pandas(data: Any) -> bool:
    return data is None or isinstance(data, (pd.DataFrame, Mapping))


def _with_gaps(values: FloatArray) -> Any:
    """NaN as missing values, which other libraries tell from it."""
    absent = np.isnan(values)
    if not absent.any():
        return values
    return [None if gap else value for gap, value in zip(absent, values.tolist(), strict=True)]
