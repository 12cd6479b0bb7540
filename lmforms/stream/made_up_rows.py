"""Rows with made-up values, for what has to be evaluated without the rows of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import IndexArray
from ..support.column_table import Table

FEWEST_VALUES = 5
"""Different values that a made-up column has where nothing is known of it."""


def made_up_rows(
    columns: Mapping[str, pd.Index],
    n: int,
    counts: Mapping[str, int] | None = None,
    inside: Mapping[str, tuple[float, float]] | None = None,
) -> Table:
    """Rows in which the levels of every factor follow each other.

    Parameters
    ----------
    columns : mapping of str to Index
        Without values, for their types.
    n : int
        Number of rows; there may be none.
    counts : mapping of str to int, optional
        Different values of each column.
    inside : mapping of str to (float, float), optional
        Between which the numbers of a column lie.

    Examples
    --------
    >>> columns = {"x": pd.Index([], dtype=float), "f": pd.CategoricalIndex([], ["a", "b"])}
    >>> made_up_rows(columns, 3, {"x": 5, "f": 2}).data
         x  f
    0  1.0  a
    1  2.0  b
    2  3.0  a
    """
    made = {}
    for name, empty in columns.items():
        most = (counts or {}).get(name, FEWEST_VALUES)
        which = np.arange(n) % max(1, min(most, n))
        values = _values(which, empty, (inside or {}).get(name))
        made[name] = pd.Series(values, dtype=empty.dtype, name=name)
    return Table(made, pd.RangeIndex(n))


def _values(which: IndexArray, empty: pd.Index, inside: tuple[float, float] | None) -> Any:
    """Values of a column that has none: for each number another one, positive if they are numbers.

    Parameters
    ----------
    which : ndarray of int
    empty : Index
        For its type.
    inside : (float, float), optional
        Numbers between which they lie.
    """
    dtype: Any = empty.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Categorical.from_codes(which, dtype=dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.Series(which.astype("datetime64[D]")).dt.tz_localize("UTC").astype(dtype)
    if dtype.kind == "b":
        return which % 2 == 0
    if dtype.kind in "iuf" and inside is not None:
        low, high = inside
        return (low + (high - low) * (1 + which) / (2 + which.max(initial=0))).astype(dtype)
    if dtype.kind in "iuf":
        return (1 + which).astype(dtype)
    if dtype.kind in "mM":
        return which.astype(np.int64).view(dtype)
    if dtype.kind == "O" and isinstance(dtype, np.dtype):
        return np.array([f"level {i}" for i in which], dtype=object)
    raise DataError(f"a column of type {dtype} cannot be set up without its rows.")
