"""Any table as named pandas columns: pandas, polars, pyarrow or a mapping of arrays.

Libraries other than pandas are read by narwhals, as in formulaic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from os import PathLike
from typing import Any

import pandas as pd

from ..errors import DataError, listed
from ..support.column_table import Table, texts_of
from .align import in_row_order
from .exact_columns import exact_column, from_narwhals


def column_names(data: Any) -> list[str]:
    """Names of the columns of any table.

    Raises
    ------
    DataError
        `data` is no table, or has two columns of one name.
    """
    if isinstance(data, pd.DataFrame):
        if has_plain_names(data):
            names = texts_of(data.columns)
        else:
            names = [str(c) for c in data.columns.tolist()]
    elif isinstance(data, Mapping):
        names = [str(k) for k in data]
    elif isinstance(getattr(data, "column_names", None), list):  # Arrow allows a name twice
        names = data.column_names
    else:
        names = list(native_table(data).columns)
    if len(set(names)) < len(names):
        twice = min(name for name, count in Counter(names).items() if count > 1)
        raise DataError(f"the data have two columns named `{twice}`: rename one.")
    return names


def native_table(data: Any) -> Any:
    """A table of any library but pandas, as narwhals reads it."""
    import narwhals.stable.v1 as nw

    try:
        table = nw.from_native(data, eager_only=True)
    except TypeError:
        lazy = " Collect it first: data.collect()." if hasattr(data, "collect") else ""
        if isinstance(data, (str, PathLike)):
            lazy = " Read the file first; lf.lmer sums the rows of files up."
        raise DataError(
            "data must be a pandas, polars or pyarrow table or a mapping of arrays, "
            f"not {type(data).__name__}.{lazy}"
        ) from None
    return table


def row_labels(data: Any) -> pd.Index:
    """Labels of the rows of any table: numbers, unless pandas gave others.

    Those of a mapping are the labels of the first Series in it.

    Raises
    ------
    DataError
        An entry of a mapping is no column, or of another length than the others.
    """
    if isinstance(data, pd.DataFrame):
        return data.index
    if isinstance(data, Mapping):
        lengths = {str(name): _length(str(name), values) for name, values in data.items()}
        if len(set(lengths.values())) > 1:
            most = Counter(lengths.values()).most_common(1)[0][0]
            odd = [f"`{name}` has {count}" for name, count in lengths.items() if count != most]
            raise DataError(f"the columns differ in length: {listed(odd, 5)}, others have {most}.")
        indexes = (values.index for values in data.values() if isinstance(values, pd.Series))
        return next(indexes, pd.RangeIndex(next(iter(lengths.values()), 0)))
    return pd.RangeIndex(len(data))


def row_count(data: Any) -> int:
    """Number of rows of any table."""
    return len(row_labels(data))


def raw_table(data: Any, columns: list[str]) -> Table:
    """The named columns of any table, each value as it stood there."""
    rows = row_labels(data)
    if isinstance(data, pd.DataFrame):
        return Table({c: exact_column(c, v) for c, v in _of_frame(data, columns).items()}, rows)
    if isinstance(data, Mapping):
        return Table(_of_mapping({str(k): v for k, v in data.items()}, columns, rows), rows)
    table = native_table(data)
    return Table({c: from_narwhals(c, table[c]) for c in columns}, rows)


def _of_frame(data: pd.DataFrame, columns: list[str]) -> dict[str, pd.Series]:
    """Columns of a frame of pandas, whose names may be other than text."""
    if has_plain_names(data):
        return {c: data[c] for c in columns}
    names = column_names(data)
    return {c: data.iloc[:, names.index(c)] for c in columns}


def has_plain_names(data: pd.DataFrame) -> bool:
    """Whether the names of the columns are text."""
    labels = data.columns
    return type(labels) is pd.Index and labels.inferred_type == "string"


def _of_mapping(
    data: Mapping[str, Any], columns: list[str], rows: pd.Index
) -> dict[str, pd.Series]:
    """Columns of a mapping: Series by their labels, anything else row by row."""
    moved, placed = None, None
    made = {}
    for name, values in data.items():
        if isinstance(values, pd.Series):
            if not values.index.equals(rows):
                moved = name
                values = in_row_order(f"`{name}`", values, rows)
        else:
            placed = name
        if name in columns:
            made[name] = exact_column(name, values).set_axis(rows)
    if moved is not None and placed is not None:
        raise DataError(
            f"`{moved}` has its rows in another order than other Series, and `{placed}` has no "
            "labels to say in which: make one table of them."
        )
    return {name: made[name] for name in columns}


def _length(name: str, values: Any) -> int:
    """Number of rows of an entry of a mapping."""
    if isinstance(values, (str, bytes, Mapping, Set)) or not hasattr(values, "__len__"):
        count = None
    else:
        try:
            count = len(values)
        except TypeError:  # arrays without dimensions
            count = None
    if count is None:
        raise DataError(
            f"`{name}` is a {type(values).__name__}, not a column: a list, an array or a Series "
            "is needed."
        )
    return count
