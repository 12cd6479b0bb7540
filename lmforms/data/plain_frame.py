"""Columns of a table that need nothing done to them: of plain types, without gaps.

Most tables are of such columns. Each is looked at once; :mod:`.frame` does the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray
from ..support.column_table import LateColumns, Levels, Table
from .input_table import has_plain_names
from .numeric_text import are_surely_labels

NUMBERS = (np.dtype(np.float64), np.dtype(np.int64))
"""Types of numbers that stay as they are."""

MOST_COPIED_ROWS = 10_000
"""Shorter columns are copied, and text is coded in Python: pandas has a fixed cost that is more."""

FRAMES_GIVE_ARRAYS = hasattr(pd.DataFrame, "_get_column_array")
"""Whether a frame gives the array of a column, without a Series around it."""

REMEMBERED_LEVELS = 64
"""Sets of texts that are remembered as categories."""

MOST_REMEMBERED_LEVELS = 1_000
"""Larger sets are not: they take more memory than time is saved."""


def complete_plain_table(
    data: Any, columns: Sequence[str], direct: Collection[str]
) -> Table | None:
    """The named columns as a table; None where one has gaps, unused categories or another type.

    Parameters
    ----------
    data : pandas, polars or pyarrow table, or mapping of arrays
        Only frames of pandas, and short mappings of lists and arrays, have such columns.
    columns : sequence of str
        Names of columns that are there.
    direct : collection of str
        Columns that enter the model as they are.
    """
    if not isinstance(data, pd.DataFrame):
        return _of_mapping(data, columns, direct) if isinstance(data, Mapping) else None
    index = data.index
    n = len(index)
    if not n or not has_plain_names(data):
        return None
    if n > MOST_COPIED_ROWS or not FRAMES_GIVE_ARRAYS:
        return _of_long_frame(data, columns)
    place = data.columns.get_loc
    arrays: dict[str, FloatArray | Levels | None] = {}
    for name in columns:
        found = _copied(data._get_column_array(place(name)), name in direct)
        if found is None:
            return None
        arrays[name] = found
    return Table(LateColumns(arrays, index), index, arrays)


def _of_long_frame(data: pd.DataFrame, columns: Sequence[str]) -> Table | None:
    """The same where columns are not copied, and text is left to pandas."""
    series: dict[str, pd.Series] = {}
    arrays: dict[str, FloatArray | Levels | None] = {}
    for name in columns:
        column = series[name] = data[name]
        found: FloatArray | Levels | None = None
        if column.dtype in NUMBERS:
            values = column.to_numpy()
            found = None if _has_gaps(values) else values
        elif isinstance(column.dtype, pd.CategoricalDtype):
            found = _complete_levels(column.array)
        if found is None:
            return None
        arrays[name] = found
    return Table(series, data.index, arrays)


def _of_mapping(
    data: Mapping[Any, Any], columns: Sequence[str], direct: Collection[str]
) -> Table | None:
    """The same of lists and arrays by name, all of one length."""
    for name, values in data.items():
        kind = type(values)
        is_column = kind is list or (kind is np.ndarray and values.ndim == 1)
        if not is_column or type(name) is not str:
            return None
    lengths = set(map(len, data.values()))
    n = lengths.pop() if len(lengths) == 1 else 0
    if not 0 < n <= MOST_COPIED_ROWS:
        return None
    arrays: dict[str, FloatArray | Levels | None] = {}
    for name in columns:
        values, as_is = data[name], name in direct
        found = _of_list(values, as_is) if type(values) is list else _copied(values, as_is)
        if found is None:
            return None
        arrays[name] = found
    index = pd.RangeIndex(n)
    return Table(LateColumns(arrays, index), index, arrays)


# --- columns -----------------------------------------------------------------------------------


def _copied(values: Any, as_is: bool) -> FloatArray | Levels | None:
    """Numbers, levels or text, copied; None for other types, or if one is missing or unused."""
    if type(values) is np.ndarray:
        if values.dtype in NUMBERS:
            return None if _has_gaps(values) else values.copy()
        return _of_text(values.tolist(), as_is) if values.dtype.kind in "OU" else None
    if type(values) is pd.Categorical:
        return _complete_levels(values.copy())
    if values.dtype.name == "str":
        return _of_text(values.to_numpy(dtype=object).tolist(), as_is)
    return None


def _of_list(values: list[Any], as_is: bool) -> FloatArray | Levels | None:
    """Numbers or text; None for other objects."""
    kinds = set(map(type, values))
    if kinds == {float}:
        numbers = np.array(values)
        return None if _has_gaps(numbers) else numbers
    if kinds == {int}:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return None
    return _of_text(values, as_is)


def _has_gaps(numbers: FloatArray) -> bool:
    return numbers.dtype.kind == "f" and bool(np.logical_or.reduce(np.isnan(numbers)))


def _complete_levels(values: pd.Categorical) -> Levels | None:
    """Levels of a column; None if one is missing or unused, or they are text of other types."""
    codes, dtype = values.codes, values.dtype
    categories = dtype.categories
    # text of pandas' other types is read as objects
    if not isinstance(categories.dtype, np.dtype) and categories.dtype.name != "str":
        return None
    size = len(categories)
    try:
        counts = np.bincount(codes, minlength=size)
    except ValueError:  # codes of missing values are negative
        return None
    return None if 0 in counts else Levels(codes, dtype, size)


def _of_text(texts: list[Any], as_is: bool) -> Levels | None:
    """Text as levels in the order of the alphabet; None for other objects, or if it is refused."""
    if set(map(type, texts)) != {str}:
        return None
    levels = tuple(sorted(set(texts)))
    make = _labels if len(levels) <= MOST_REMEMBERED_LEVELS else _labels.__wrapped__
    dtype = make(levels, as_is)
    if dtype is None:
        return None
    place = {level: code for code, level in enumerate(levels)}
    codes = np.array([place[text] for text in texts], dtype=np.intp)
    return Levels(codes, dtype, len(levels))


@lru_cache(maxsize=REMEMBERED_LEVELS)
def _labels(levels: tuple[str, ...], as_is: bool) -> pd.CategoricalDtype | None:
    """Different texts as categories; None if they may be refused."""
    if not are_surely_labels(levels, as_is=as_is):
        return None
    try:
        return pd.CategoricalDtype(pd.Index(levels))
    except UnicodeEncodeError:
        return None
