"""One column of any library as a pandas Series that holds exactly the same values.

A label survives being read, or is refused with the name of its column. So nothing here passes
whole numbers through floats, nanoseconds through microseconds, or labels through text.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import AnyArray, BoolArray, FloatArray

EXACT_FLOATS = 2**53
"""Up to here every whole number is a double; beyond it neighbours share one."""

NANOSECONDS = 1_000
"""In a microsecond, the least that Python's `datetime.time` holds."""


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


def is_dates(column: pd.Series) -> bool:
    """Whether a column of objects holds Python's dates."""
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind != "O":
        return False
    return pd.api.types.infer_dtype(column, skipna=True) == "date"


def _from_series(name: str, series: pd.Series) -> pd.Series:
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        made = _from_arrow(name, _arrow_of(series))
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
        _refuse(name, f"values of type {array.dtype}")
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
    return _objects(None if gone else value for value, gone in zip(values.tolist(), absent))


def _from_sequence(name: str, values: list[Any]) -> pd.Series:
    kinds = set(map(type, values))
    if kinds == {int}:
        try:
            return pd.Series(np.array(values, dtype=np.int64))
        except OverflowError:
            return _objects(values)
    if kinds <= {float} or kinds == {bool}:
        return pd.Series(np.array(values, dtype=np.float64 if kinds <= {float} else bool))
    if len(kinds) == 1 and issubclass(next(iter(kinds)), (np.number, np.bool_)):
        return _from_array(name, np.array(values))
    times = kinds - {type(None), type(pd.NaT)}
    if times and all(issubclass(kind, (dt.datetime, dt.timedelta)) for kind in times):
        column = _objects(values)
        made = column.infer_objects()  # columns of times, unless of several zones
        return made if made.dropna().eq(column.dropna()).all() else column
    return _objects(values)


def _objects(values: Iterable[Any]) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def _double(name: str, values: AnyArray) -> FloatArray:
    rounded = values.astype(np.float64)
    if not ((rounded == values) | np.isnan(values)).all():
        raise DataError(
            f"`{name}` holds numbers of more than double precision: round them, or make text of "
            "them if they are labels."
        )
    return rounded


# --- polars, pyarrow and what narwhals knows --------------------------------------------------


def _from_library(name: str, values: Any) -> pd.Series:
    import narwhals.stable.v1 as nw

    if type(values).__module__.partition(".")[0] == "pyarrow":
        import pyarrow as pa

        if isinstance(values, pa.Array):
            values = pa.chunked_array([values])
        if isinstance(values, pa.ChunkedArray):
            return _from_arrow(name, values)
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
        return _from_arrow(name, series.to_native())
    if series.implementation.is_pandas_like():
        return _from_series(name, series.to_pandas())
    try:
        return _from_polars(name, series)
    except (ValueError, OverflowError, TypeError, RuntimeError) as exc:
        if isinstance(exc, DataError):
            raise
        _refuse(name, f"values of type {series.dtype} that Python cannot hold ({exc})")


def _from_polars(name: str, series: Any) -> pd.Series:
    import narwhals.stable.v1 as nw

    dtype = series.dtype
    if dtype.is_float():
        return pd.Series(series.cast(nw.Float64).to_numpy())
    if dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128):
        return _whole(series.fill_null(0).to_numpy(), series.is_null().to_numpy())
    if dtype in (nw.Categorical, nw.Enum):
        levels = series.cat.get_categories().to_list()
        return pd.Series(pd.Categorical(series.cast(nw.String).to_list(), categories=levels))
    if dtype == nw.Boolean and not series.null_count():
        return pd.Series(np.asarray(series.to_list(), dtype=bool))
    if dtype in (nw.Datetime, nw.Duration):
        ticks, absent = series.cast(nw.Int64), series.is_null().to_numpy()
        zone = dtype.time_zone if dtype == nw.Datetime else None
        letter = "M" if dtype == nw.Datetime else "m"
        return _moments(name, ticks.fill_null(0).to_numpy(), absent, letter, dtype.time_unit, zone)
    if dtype == nw.Time:
        _check_times(name, series.cast(nw.Int64).fill_null(0).to_numpy())
    return _objects(series.to_list())


def _from_arrow(name: str, values: Any) -> pd.Series:
    """A chunked Arrow array."""
    import pyarrow as pa

    kind, types = values.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _listed(name, values)
    if types.is_dictionary(kind):
        return _from_dictionary(name, values)
    if types.is_integer(kind):
        return _whole(*_filled(values, 0))
    if types.is_boolean(kind):
        if not values.null_count:
            return pd.Series(values.to_numpy())
        return pd.Series(pd.arrays.BooleanArray(*_filled(values, False)))
    if types.is_floating(kind):
        return pd.Series(values.cast(pa.float64()).to_numpy().astype(np.float64))
    if types.is_timestamp(kind) or types.is_duration(kind):
        zone = kind.tz if types.is_timestamp(kind) else None
        letter = "M" if types.is_timestamp(kind) else "m"
        ticks, absent = _filled(values.cast(pa.int64()), 0)
        return _moments(name, ticks, absent, letter, kind.unit, zone)
    if kind == pa.time64("ns"):
        _check_times(name, _filled(values.cast(pa.int64()), 0)[0])
    return _listed(name, values)


def _filled(values: Any, filler: Any) -> tuple[AnyArray, BoolArray]:
    """Values of a chunked Arrow array with something in the gaps, and where these are."""
    absent = values.is_null().to_numpy()
    return values.fill_null(filler).to_numpy(), absent


def _listed(name: str, values: Any) -> pd.Series:
    import pyarrow as pa

    try:
        return _objects(values.to_pylist())
    except (ValueError, OverflowError, TypeError, pa.ArrowException) as exc:
        _refuse(name, f"values of type {values.type} that Python cannot hold ({exc})")


def _from_dictionary(name: str, values: Any) -> pd.Series:
    """Codes of an Arrow dictionary, which may differ between chunks and hold a value twice."""
    import pyarrow as pa

    kind = values.type
    chunks = values.chunks
    levels = _from_arrow(
        name, pa.chunked_array([c.dictionary for c in chunks], type=kind.value_type)
    )
    try:
        codes, distinct = pd.factorize(levels)
    except TypeError:  # lists and the like, which are no labels
        _refuse(name, f"values of type {kind}")
    codes = np.append(codes, -1)  # what is missing has no code
    found, start = [np.empty(0, dtype=np.intp)], 0
    for chunk in chunks:
        indices, absent = _filled(pa.chunked_array([chunk.indices]), 0)
        found.append(codes[np.where(absent, -1, start + indices.astype(np.intp))])
        start += len(chunk.dictionary)
    categories = pd.Index(distinct, tupleize_cols=False)
    ordered = bool(kind.ordered)
    return pd.Series(pd.Categorical.from_codes(np.concatenate(found), categories, ordered=ordered))


def _check_times(name: str, nanoseconds: AnyArray) -> None:
    if (nanoseconds % NANOSECONDS).any():
        _refuse(name, "times of day with nanoseconds")


def _whole(values: AnyArray, absent: BoolArray) -> pd.Series:
    if not absent.any():
        return pd.Series(values)
    return pd.Series(pd.arrays.IntegerArray(np.array(values), np.array(absent)))


def _moments(
    name: str, ticks: AnyArray, absent: BoolArray, letter: str, unit: str, zone: str | None
) -> pd.Series:
    """Points or spans of time from whole numbers of a unit."""
    ticks = np.array(ticks, dtype=np.int64)
    ticks[absent] = np.iinfo(np.int64).min  # NumPy's NaT
    made = pd.Series(ticks.view(f"{letter}8[{unit}]"))
    if zone is None:
        return made
    try:
        return made.dt.tz_localize("UTC").dt.tz_convert(zone)
    except Exception as exc:  # whatever the time zone database raises
        _refuse(name, f"times of a zone that is not known here ({exc})")


def _refuse(name: str, held: str) -> NoReturn:
    raise DataError(
        f"`{name}` holds {held}, which cannot be read exactly: make text or numbers of them."
    )
