"""Arrow columns as pandas Series that hold exactly the same values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import AnyArray, BoolArray

NANOSECONDS_PER_MICROSECOND = 1_000
"""Python's `datetime.time` holds whole microseconds."""


def arrow_column(name: str, values: Any) -> pd.Series:
    """A chunked Arrow array."""
    import pyarrow as pa

    kind, types = values.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _listed(name, values)
    if types.is_dictionary(kind):
        return _from_dictionary(name, values)
    if types.is_integer(kind):
        return integer_column(*_filled(values, 0))
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
        return time_column(name, ticks, absent, letter, kind.unit, zone)
    if kind == pa.time64("ns"):
        check_times(name, _filled(values.cast(pa.int64()), 0)[0])
    return _listed(name, values)


def _filled(values: Any, filler: Any) -> tuple[AnyArray, BoolArray]:
    """Values of a chunked Arrow array with something in the gaps, and where these are."""
    absent = values.is_null().to_numpy()
    return values.fill_null(filler).to_numpy(), absent


def _listed(name: str, values: Any) -> pd.Series:
    import pyarrow as pa

    try:
        return object_column(values.to_pylist())
    except (ValueError, OverflowError, TypeError, pa.ArrowException) as exc:
        refuse_type(name, f"values of type {values.type} that Python cannot hold ({exc})")


def _from_dictionary(name: str, values: Any) -> pd.Series:
    """Codes of an Arrow dictionary, which may differ between chunks and hold a value twice."""
    import pyarrow as pa

    kind = values.type
    chunks = values.chunks
    levels = arrow_column(
        name, pa.chunked_array([c.dictionary for c in chunks], type=kind.value_type)
    )
    try:
        codes, distinct = pd.factorize(levels)
    except TypeError:  # lists and the like, which are no labels
        refuse_type(name, f"values of type {kind}")
    codes = np.append(codes, -1)  # what is missing has no code
    found, start = [np.empty(0, dtype=np.intp)], 0
    for chunk in chunks:
        indices, absent = _filled(pa.chunked_array([chunk.indices]), 0)
        found.append(codes[np.where(absent, -1, start + indices.astype(np.intp))])
        start += len(chunk.dictionary)
    categories = pd.Index(distinct, tupleize_cols=False)
    ordered = bool(kind.ordered)
    return pd.Series(pd.Categorical.from_codes(np.concatenate(found), categories, ordered=ordered))


def check_times(name: str, nanoseconds: AnyArray) -> None:
    """Refuse times of day that are no whole microseconds."""
    if (nanoseconds % NANOSECONDS_PER_MICROSECOND).any():
        refuse_type(name, "times of day with nanoseconds")


def integer_column(values: AnyArray, absent: BoolArray) -> pd.Series:
    """Whole numbers, with gaps where they are absent."""
    if not absent.any():
        return pd.Series(values)
    return pd.Series(pd.arrays.IntegerArray(np.array(values), np.array(absent)))


def time_column(
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
        refuse_type(name, f"times of a zone that is not known here ({exc})")


def refuse_type(name: str, held: str) -> NoReturn:
    """Raise for values that no type of pandas holds exactly."""
    raise DataError(
        f"`{name}` holds {held}, which cannot be read exactly: make text or numbers of them."
    )


def object_column(values: Iterable[Any]) -> pd.Series:
    """Values as they are, in a column of objects."""
    return pd.Series(list(values), dtype=object)
