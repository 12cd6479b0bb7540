"""After rows are dropped: columns as floats, integers, booleans or categories, for the model.

The second step, after :mod:`.exact_columns`, which keeps every value as it was given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import BoolArray
from ..support.column_table import MAX_EXACT_INTEGER, Table
from .numeric_text import refuse_missing_marks, refuse_numbers_as_text

PLAIN_DTYPES = (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.bool_))
"""Types that stay as they are."""

MAX_INT64 = np.iinfo(np.int64).max
"""Whole numbers up to this are int64."""

_REFUSED = {
    "datetime": "a date or time",
    "timedelta": "a time span",
    "period": "a period",
    "interval": "an interval",
    "complex": "complex numbers",
    "decimal": "decimal objects",
}


def plain_table(table: Table, *, direct: Iterable[str] = ()) -> Table:
    """Complete rows as floats, integers, booleans and categories without unused ones."""
    as_is = set(direct)
    plain = {c: _plain(column, c, as_is=c in as_is) for c, column in table.items()}
    return Table(plain, table.index)


def _plain(series: pd.Series, name: str, *, as_is: bool) -> pd.Series:
    """The column as float64/integer/bool/category; refuse what cannot enter a model."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return used_categories(series)
    if dtype in PLAIN_DTYPES:
        return series
    if pd.api.types.is_bool_dtype(dtype):
        return series.astype(bool)
    if pd.api.types.is_integer_dtype(dtype):
        beyond = dtype.kind == "u" and len(series) and series.max() > MAX_INT64
        return series.astype(np.uint64 if beyond else np.int64)
    if pd.api.types.is_float_dtype(dtype):
        return series.astype(np.float64)
    if dtype.kind == "O" or isinstance(dtype, pd.StringDtype) or dtype.kind in "UTS":
        return plain_objects(series, name, as_is=as_is)
    if not as_is:
        return series  # a call in the formula makes something of it, or a grouping does
    kind = next((k for k in _REFUSED if k in str(dtype)), str(dtype))
    raise DataError(
        f"`{name}` holds {_REFUSED.get(kind, f'values of type {dtype}')}: convert it to numbers "
        f"or to a category before it can enter the model{_in_days(dtype, name)}."
    )


def _in_days(dtype: Any, name: str) -> str:
    """How to make numbers of dates."""
    return f": (data[{name!r}] - data[{name!r}].min()).dt.days" if dtype.kind == "M" else ""


def plain_objects(series: pd.Series, name: str, *, as_is: bool) -> pd.Series:
    """A column of objects in a plain type, as one that enters the model `as_is` or not."""
    held = pd.api.types.infer_dtype(series, skipna=True)
    if held in ("string", "empty"):
        try:
            labels = _text_categories(series)
        except UnicodeEncodeError:
            raise DataError(f"`{name}` holds text that is no valid Unicode.") from None
        if as_is:
            refuse_numbers_as_text(name, labels)
        else:
            refuse_missing_marks(name, labels)
        return labels
    if held == "boolean":
        return series.astype(bool)
    if held == "integer":
        if series.abs().max() <= MAX_INT64:
            return series.astype(np.int64)
        if as_is:
            raise DataError(
                f"`{name}` holds whole numbers of more than 63 bits: make them floats, or text if "
                "they are labels."
            )
    if held == "floating":
        return series.astype(np.float64)
    if held == "mixed-integer-float":
        whole = (v for v in series if not isinstance(v, (float, np.floating)))
        if all(abs(v) <= MAX_EXACT_INTEGER for v in whole):
            return series.astype(np.float64)
        if as_is:
            raise DataError(
                f"`{name}` holds whole numbers beyond 2**53 among floats: make them all floats, or "
                "text if they are labels."
            )
    if not as_is:
        return series  # labels of a grouping factor, or the argument of a call
    if held in ("mixed", "mixed-integer"):
        refuse_numbers_as_text(name, series)
    raise DataError(f"`{name}` holds objects ({held}): convert it to numbers or to a category.")


def _text_categories(series: pd.Series) -> pd.Series:
    """Text as categories, in the order of the alphabet; equal rows that follow are one entry."""
    values, n = series.array, len(series)
    starts = np.ones(n, dtype=bool)
    starts[1:] = _differ(values[1:], values[:-1])
    first = series[starts] if 2 * np.count_nonzero(starts) <= n else series
    # of other types, the categories would be of these types too
    text = first if first.dtype == "str" else first.astype(object)
    labels = text.astype("category")
    if first is series:
        return labels
    codes = labels.array.codes[np.cumsum(starts) - 1]
    made = pd.Categorical.from_codes(codes, dtype=labels.dtype)
    return pd.Series(made, index=series.index, name=series.name)


def _differ(a: Any, b: Any) -> BoolArray:
    """Where two arrays of pandas differ; a missing value differs from everything."""
    return pd.Series(a != b).to_numpy(dtype=bool, na_value=True)


def used_categories(series: pd.Series) -> pd.Series:
    """Without categories that no row has (the same object if there are none)."""
    values = series.array
    codes, count = values.codes, len(values.categories)
    if codes.min(initial=0) < 0:
        codes = codes[codes >= 0]
    seen = np.bincount(codes, minlength=count)
    return series if seen.all() else series.cat.remove_unused_categories()
