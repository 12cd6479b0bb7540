"""pandas labels of any kind as plain JSON, and back, for files.

What is read back is data from outside: :func:`decode_index` builds labels of it and nothing else,
and anything that it does not know is a :class:`~.errors.DataError`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError

_ZONE = re.compile(r"(?!dateutil|tzlocal|/)[A-Za-z0-9_+\-/:]+")
"""Names of time zones: some others would make pandas open a file of that name."""


def encode_index(index: pd.Index) -> dict[str, Any]:
    """An index as JSON values that :func:`decode_index` restores with its type.

    Raises
    ------
    DataError
        Labels that are objects of the user's own, or would not come back as they are.

    Examples
    --------
    >>> decode_index(encode_index(pd.Index([1.5, 2.5], name="dose")))
    Index([1.5, 2.5], dtype='float64', name='dose')
    """
    facts = _index_facts(index)
    if not _same(decode_index(facts), index):
        raise DataError(f"labels of type {index.dtype} cannot be written.")
    return facts


def decode_index(facts: Any) -> pd.Index:
    """The index that :func:`encode_index` described.

    Raises
    ------
    DataError
        It describes none.
    """
    try:
        return _index_of(facts)
    except Exception as exc:  # each kind of index has errors of its own
        raise DataError(f"labels cannot be read ({type(exc).__name__}: {exc})") from None


def _same(found: pd.Index, index: pd.Index) -> bool:
    if isinstance(index, pd.MultiIndex):
        parts = range(index.nlevels)
        return found.nlevels == index.nlevels and all(
            _same(found.get_level_values(i), index.get_level_values(i)) for i in parts
        )
    names = found.name == index.name or (found.name is None and index.name is None)
    return bool(names and found.dtype == index.dtype and found.equals(index))


def _index_facts(index: pd.Index) -> dict[str, Any]:
    if isinstance(index, pd.MultiIndex):
        parts = [_index_facts(index.get_level_values(i)) for i in range(index.nlevels)]
        return {"kind": "multi", "parts": parts, "names": [_encode_element(n) for n in index.names]}
    facts: dict[str, Any] = {"name": _encode_element(index.name)}
    if isinstance(index, pd.RangeIndex):
        return {**facts, "kind": "range", "span": [index.start, index.stop, index.step]}
    if isinstance(index, pd.CategoricalIndex):
        return {
            **facts,
            "kind": "category",
            "codes": index.codes.tolist(),
            "levels": _index_facts(index.categories),
            "ordered": bool(index.ordered),
        }
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        zone = None if getattr(index, "tz", None) is None else str(index.tz)
        moments = index.tz_convert("UTC").tz_localize(None) if zone else index
        kind, values = str(moments.dtype), moments.asi8.tolist()
        return {**facts, "kind": "time", "dtype": kind, "zone": zone, "values": values}
    if isinstance(index, pd.PeriodIndex):
        return {**facts, "kind": "period", "freq": index.freqstr, "values": index.asi8.tolist()}
    if isinstance(index, pd.IntervalIndex):
        ends = {"left": _index_facts(index.left), "right": _index_facts(index.right)}
        return {**facts, "kind": "interval", "closed": index.closed, **ends}
    values = [_encode_element(v) for v in index]
    if index.dtype == object:
        return {**facts, "kind": "objects", "values": values}
    facts |= {"kind": "values", "dtype": str(index.dtype), "values": values}
    if isinstance(index.dtype, pd.StringDtype):
        return {**facts, "storage": index.dtype.storage}
    if isinstance(index.dtype, pd.ArrowDtype):  # of two types pandas cannot read the name
        arrow, name = index.dtype.pyarrow_dtype, facts["dtype"]
        if name.startswith("dictionary"):
            kinds = [str(arrow.index_type), str(arrow.value_type), bool(arrow.ordered)]
            return {**facts, "kind": "dictionary", "dtype": kinds}
        if name.startswith("string"):
            return {**facts, "storage": "arrow"}
    return facts


def _index_of(facts: dict[str, Any]) -> pd.Index:
    kind = facts["kind"]
    if kind == "multi":
        parts = [_index_of(part) for part in facts["parts"]]
        return pd.MultiIndex.from_arrays(parts, names=[_decode_element(n) for n in facts["names"]])
    name = _decode_element(facts["name"])
    if kind == "range":
        return pd.RangeIndex(*facts["span"], name=name)
    if kind == "category":
        levels = _index_of(facts["levels"])
        values = pd.Categorical.from_codes(facts["codes"], levels, ordered=facts["ordered"])
        return pd.CategoricalIndex(values, name=name)
    if kind == "time":
        zone, counts = facts["zone"], np.asarray(facts["values"], dtype=np.int64)
        index = pd.Index(counts.view(_temporal(facts["dtype"])))
        if zone:
            if not _ZONE.fullmatch(zone):
                raise ValueError(f"{zone!r} is no time zone")
            index = pd.DatetimeIndex(index).tz_localize("UTC").tz_convert(zone)
        return index.rename(name)
    if kind == "period":
        period = pd.PeriodDtype(facts["freq"])
        ordinals = np.asarray(facts["values"], dtype=np.int64)
        return pd.PeriodIndex(pd.arrays.PeriodArray(ordinals, dtype=period), name=name)
    if kind == "interval":
        ends = _index_of(facts["left"]), _index_of(facts["right"])
        return pd.IntervalIndex.from_arrays(*ends, closed=facts["closed"], name=name)
    values = [_decode_element(v) for v in facts["values"]]
    if kind == "objects":
        return pd.Index(values, dtype=object, name=name, tupleize_cols=False)
    if kind == "dictionary":
        return pd.Index(_arrow_dictionary(values, *facts["dtype"]), name=name)
    if kind != "values":
        raise ValueError(f"{kind!r} is no kind of labels")
    dtype = facts["dtype"]
    if "storage" in facts:
        dtype = _text_type(dtype, facts["storage"])
    return pd.Index(values, dtype=dtype, name=name)


def _text_type(name: str, storage: str) -> Any:
    """pandas' type of text as it was saved, or the nearest one where that is not installed."""
    try:
        if storage == "arrow":
            import pyarrow as pa  # type: ignore[import-untyped]

            return pd.ArrowDtype(pa.string())
        return (
            pd.StringDtype(storage, na_value=np.nan) if name == "str" else pd.StringDtype(storage)
        )
    except (ImportError, TypeError):  # no pyarrow, or a pandas with one kind of missing text
        return name


def _temporal(name: str) -> np.dtype[Any]:
    dtype = np.dtype(name)
    if dtype.kind not in "mM":
        raise TypeError(f"{name!r} is no type of dates")
    return dtype


def _arrow_dictionary(values: list[Any], codes: str, kind: str, ordered: bool) -> Any:
    import pyarrow as pa  # type: ignore[import-untyped]

    dtype = pa.dictionary(pa.type_for_alias(codes), pa.type_for_alias(kind), ordered=ordered)
    plain = pa.array(values, type=dtype.value_type).dictionary_encode().cast(dtype)
    return pd.arrays.ArrowExtensionArray(plain)


_TEMPORAL: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "time": (pd.Timestamp, pd.Timestamp),
    "span": (pd.Timedelta, pd.Timedelta),
    "moment": (datetime.datetime, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.fromisoformat),
    "clock": (datetime.time, datetime.time.fromisoformat),
}
"""Types that are written as ISO text, the special ones first, and what reads it."""

MAX_INTEGER_BITS = 10_000
"""Bits of a label; Python reads no more than 4,300 digits from text."""


def _encode_element(value: Any) -> Any:
    """One label: JSON's own kinds as they are, the others as [kind, text or parts]."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return ["numpy", [str(value.dtype), int(value.view(np.int64))]]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise DataError(f"whole numbers of {value.bit_length()} bits cannot be written as labels.")
    if value is None or type(value) in (str, bool, int, float):
        return value
    if value is pd.NA:
        return ["absent", None]
    if value is pd.NaT:
        return ["time", "NaT"]
    if isinstance(value, tuple):
        return ["tuple", [_encode_element(v) for v in value]]
    if isinstance(value, complex):
        return ["complex", [value.real, value.imag]]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, Decimal):
        return ["decimal", str(value)]
    for kind, (of, _) in _TEMPORAL.items():
        if isinstance(value, of):
            return [kind, value.isoformat()]
    raise DataError(f"labels of type {type(value).__name__} cannot be written: {value!r}.")


def _decode_element(value: Any) -> Any:
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise TypeError("a mapping is no label")
        return value
    kind, content = value
    if kind == "tuple":
        return tuple(_decode_element(v) for v in content)
    if kind == "absent":
        return pd.NA
    if kind == "complex":
        return complex(*content)
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind == "decimal":
        return Decimal(content)
    if kind == "numpy":
        return np.int64(content[1]).view(_temporal(content[0]))
    if not isinstance(content, str):
        raise TypeError(f"{content!r} is no {kind}")
    return _TEMPORAL[kind][1](content)
