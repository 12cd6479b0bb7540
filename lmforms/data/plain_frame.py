"""Columns of a pandas frame that need nothing done to them: of plain types, without gaps.

Most tables are of such columns. Each is looked at once; :mod:`.frame` does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray
from ..support.column_table import Levels, Table
from .input_table import has_plain_names

NUMBERS = (np.dtype(np.float64), np.dtype(np.int64))
"""Types of numbers that stay as they are."""


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
    series: dict[str, pd.Series] = {}
    plain: dict[str, FloatArray | Levels | None] = {}
    for name in columns:
        column = series[name] = data[name]
        found = _complete(column)
        if found is None:
            return None
        plain[name] = found
    return Table(series, data.index, plain)


def _complete(column: pd.Series) -> FloatArray | Levels | None:
    """Numbers or levels without gaps, None for all else."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        values, kind = column.array, dtype.categories.dtype
        codes, categories = values.codes, values.categories
        # text of pandas' other types is read as objects
        held = isinstance(kind, np.dtype) or kind == "str"
        if not held or codes.min() < 0 or not np.bincount(codes, minlength=len(categories)).all():
            return None
        return Levels(codes, categories, all_occur=True)
    if not isinstance(dtype, np.dtype) or dtype not in NUMBERS:
        return None
    numbers = column.to_numpy()
    return None if dtype.kind == "f" and np.isnan(numbers).any() else numbers
