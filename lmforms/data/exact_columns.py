"""Reading: one column of any library as a pandas Series that holds exactly the same values.

This is the first step; :mod:`.plain_types` converts what is left after rows are dropped.

A column that cannot be held exactly is refused by name. So whole numbers are never converted to
floats, nanoseconds to microseconds, or labels to text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import AnyArray, BoolArray, FloatArray
from .arrow_columns import (
    arrow_column,
    check_times,
    integer_column,
    object_column,
    refuse_type,
    time_column,
)


def exact_column(name: str, values: Any) -> pd.Series:
    """The values of one column, in a type that holds each of them.

    Parameters
    ----------
    name : str
        For messages.
    values : Series of pandas, polars or pyarrow, array (also masked), list or tuple

    Returns
    -------
    Series
        A Series of pandas keeps its index; the others are numbered.

    Raises
    ------
    DataError
        No column, or values that no type here can hold.

    Examples
    --------
    >>> exact_column("id", [2**53 + 1, None]).tolist()
    [9007199254740993, None]
    """
    if isinstance(values, pd.Series):
        return _from_series(name, values)
    if isinstance(values, (pd.Index, pd.api.extensions.ExtensionArray)):
        return _from_series(name, pd.Series(values, index=pd.RangeIndex(len(values))))
    if isinstance(values, np.ndarray):
        return _from_array(name, values)
    if isinstance(values, Sequence):
        return _from_sequence(name, list(values))
    return _from_library(name, values)


def _from_series(name: str, series: pd.Series) -> pd.Series:
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        made = arrow_column(name, _arrow_of(series))
        return made.set_axis(series.index)
    if isinstance(dtype, pd.CategoricalDtype):
        levels = dtype.categories
        if isinstance(levels.dtype, (pd.ArrowDtype, pd.StringDtype)) and levels.dtype != "str":
            held = _from_series(name, pd.Series(levels.array)).to_numpy()
            levels = pd.Index(held.tolist() if held.dtype == object else held, tupleize_cols=False)
            codes = pd.Categorical.from_codes(series.cat.codes, levels, ordered=dtype.ordered)
            return pd.Series(codes, index=series.index)
        return series
    if isinstance(dtype, np.dtype):
        if not dtype.isnative:
            return series.astype(dtype.newbyteorder("="))
        if dtype.kind == "f" and dtype.itemsize > np.dtype(np.float64).itemsize:
            return pd.Series(_double(name, series.to_numpy()), index=series.index)
    return series


def _arrow_of(series: pd.Series) -> Any:
    """The Arrow column inside a pandas one."""
    import pyarrow as pa

    array = series.array.__arrow_array__()
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


# --- NumPy and Python -------------------------------------------------------------------------


def _from_array(name: str, array: AnyArray) -> pd.Series:
    if array.ndim != 1:
        raise DataError(f"`{name}` has {array.ndim} dimensions; one is needed.")
    if array.dtype.kind == "V":
        refuse_type(name, f"values of type {array.dtype}")
    if isinstance(array, np.ma.MaskedArray):
        absent = np.ma.getmaskarray(array)
        return _with_gaps(name, array.data, absent)
    return _from_series(name, pd.Series(array))


def _with_gaps(name: str, values: AnyArray, absent: BoolArray) -> pd.Series:
    """An array whose values are missing at some places."""
    kind = values.dtype.kind
    values = values.astype(values.dtype.newbyteorder("="))
    if not absent.any() or kind == "f":
        column = _from_series(name, pd.Series(values))
        return column.mask(absent) if absent.any() else column
    if kind in "iu":
        return pd.Series(pd.arrays.IntegerArray(values, absent.copy()))
    if kind == "b":
        return pd.Series(pd.arrays.BooleanArray(values, absent.copy()))
    if kind in "mM":
        return pd.Series(values).mask(absent)
    return object_column(None if gone else value for value, gone in zip(values.tolist(), absent))


def _from_sequence(name: str, values: list[Any]) -> pd.Series:
    kinds = set(map(type, values))
    if kinds == {int}:
        try:
            return pd.Series(np.array(values, dtype=np.int64))
        except OverflowError:
            return object_column(values)
    if kinds <= {float} or kinds == {bool}:
        return pd.Series(np.array(values, dtype=np.float64 if kinds <= {float} else bool))
    if len(kinds) == 1 and issubclass(next(iter(kinds)), (np.number, np.bool_)):
        return _from_array(name, np.array(values))
    times = kinds - {type(None), type(pd.NaT)}
    if times and all(issubclass(kind, (dt.datetime, dt.timedelta)) for kind in times):
        column = object_column(values)
        made = column.infer_objects()  # columns of times, unless of several zones
        return made if made.dropna().eq(column.dropna()).all() else column
    return object_column(values)


def _double(name: str, values: AnyArray) -> FloatArray:
    rounded = values.astype(np.float64)
    if not ((rounded == values) | np.isnan(values)).all():
        raise DataError(
            f"`{name}` holds numbers of more than double precision: round them, or make text of "
            "them if they are labels."
        )
    return rounded


# --- polars and what narwhals knows -----------------------------------------------------------


def _from_library(name: str, values: Any) -> pd.Series:
    import narwhals.stable.v1 as nw

    if type(values).__module__.partition(".")[0] == "pyarrow":
        import pyarrow as pa

        if isinstance(values, pa.Array):
            values = pa.chunked_array([values])
        if isinstance(values, pa.ChunkedArray):
            return arrow_column(name, values)
    try:
        series = nw.from_native(values, series_only=True)
    except TypeError:
        if hasattr(values, "__array__") and np.ndim(values) == 1:
            return _from_array(name, np.asarray(values))
        raise DataError(
            f"`{name}` is a {type(values).__name__}, not a column: a list, an array or a Series "
            "is needed."
        ) from None
    return from_narwhals(name, series)


def from_narwhals(name: str, series: Any) -> pd.Series:
    """A column of a table that narwhals reads."""
    if series.implementation.is_pyarrow():
        return arrow_column(name, series.to_native())
    if series.implementation.is_pandas_like():
        return _from_series(name, series.to_pandas())
    try:
        return _from_polars(name, series)
    except (ValueError, OverflowError, TypeError, RuntimeError) as exc:
        if isinstance(exc, DataError):
            raise
        refuse_type(name, f"values of type {series.dtype} that Python cannot hold ({exc})")


def _from_polars(name: str, series: Any) -> pd.Series:
    import narwhals.stable.v1 as nw

    dtype = series.dtype
    if dtype.is_float():
        return pd.Series(series.cast(nw.Float64).to_numpy())
    if dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128):
        return integer_column(series.fill_null(0).to_numpy(), series.is_null().to_numpy())
    if dtype in (nw.Categorical, nw.Enum):
        levels = series.cat.get_categories().to_list()
        texts = series.cast(nw.String).to_list()
        return pd.Series(pd.Categorical(texts, categories=levels, ordered=dtype == nw.Enum))
    if dtype == nw.Boolean and not series.null_count():
        return pd.Series(np.asarray(series.to_list(), dtype=bool))
    if dtype in (nw.Datetime, nw.Duration):
        ticks, absent = series.cast(nw.Int64), series.is_null().to_numpy()
        zone = dtype.time_zone if dtype == nw.Datetime else None
        letter = "M" if dtype == nw.Datetime else "m"
        return time_column(
            name, ticks.fill_null(0).to_numpy(), absent, letter, dtype.time_unit, zone
        )
    if dtype == nw.Time:
        check_times(name, series.cast(nw.Int64).fill_null(0).to_numpy())
    return object_column(series.to_list())
