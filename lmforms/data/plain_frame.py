"""Columns of a pandas frame that need nothing done to them: of plain types, without gaps.

Most tables are of such columns. Each is looked at once; :mod:`.frame` does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray
from ..support.column_table import LateColumns, Levels, Table
from .input_table import has_plain_names

NUMBERS = (np.dtype(np.float64), np.dtype(np.int64))
"""Types of numbers that stay as they are."""

MOST_COPIED_ROWS = 10_000
"""Shorter columns are copied: that is faster than to have pandas watch over a view of them."""


def complete_plain_table(data: Any, columns: Sequence[str]) -> Table | None:
    """The named columns as a table; None where one has gaps, unused categories or another type.

    Parameters
    ----------
    data : pandas, polars or pyarrow table, or mapping of arrays
        Only frames of pandas have such columns.
    columns : sequence of str
        Names of columns that are there.
    """
    if not isinstance(data, pd.DataFrame) or not len(data) or not has_plain_names(data):
        return None
    short = len(data) <= MOST_COPIED_ROWS and hasattr(data, "_get_column_array")
    series: dict[str, pd.Series] = {}
    arrays: dict[str, FloatArray | Levels | None] = {}
    for name in columns:
        if short:
            values = data._get_column_array(data.columns.get_loc(name)).copy()
        else:
            column = series[name] = data[name]
            values = column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
        arrays[name] = _complete(values)
        if arrays[name] is None:
            return None
    return Table(LateColumns(arrays, data.index) if short else series, data.index, arrays)


def _complete(values: Any) -> FloatArray | Levels | None:
    """Numbers or levels of a column; None if it is of another type, or one is missing or unused."""
    if isinstance(values, np.ndarray):
        incomplete = values.dtype.kind == "f" and np.isnan(values).any()
        return values if values.dtype in NUMBERS and not incomplete else None
    if not isinstance(values, pd.Categorical):
        return None
    codes, categories = values.codes, values.categories
    # text of pandas' other types is read as objects
    held = isinstance(categories.dtype, np.dtype) or categories.dtype == "str"
    if not held or codes.min() < 0 or not np.bincount(codes, minlength=len(categories)).all():
        return None
    return Levels(codes, values.dtype, all_occur=True)
