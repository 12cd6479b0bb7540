"""pandas labels of any kind as plain JSON, and back, for files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .errors import DataError


def encode(index: pd.Index) -> dict[str, Any]:
    """An index as JSON values that :func:`decode` restores with its type.

    Raises
    ------
    DataError
        Labels that are objects of the user's own.

    Examples
    --------
    >>> decode(encode(pd.Index([1.5, 2.5], name="dose")))
    Index([1.5, 2.5], dtype='float64', name='dose')
    """
    if isinstance(index, pd.MultiIndex):
        parts = [encode(index.get_level_values(i)) for i in range(index.nlevels)]
        return {"kind": "multi", "parts": parts, "names": [_element(n) for n in index.names]}
    facts: dict[str, Any] = {"name": _element(index.name)}
    if isinstance(index, pd.RangeIndex):
        return {**facts, "kind": "range", "span": [index.start, index.stop, index.step]}
    if isinstance(index, pd.CategoricalIndex):
        return {
            **facts,
            "kind": "category",
            "codes": index.codes.tolist(),
            "levels": encode(index.categories),
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
        ends = {"left": encode(index.left), "right": encode(index.right)}
        return {**facts, "kind": "interval", "closed": index.closed, **ends}
    if index.dtype == object:
        return {**facts, "kind": "objects", "values": [_element(v) for v in index]}
    values = [None if v is pd.NA else v for v in index.tolist()]
    return {**facts, "kind": "values", "dtype": str(index.dtype), "values": values}


def decode(facts: dict[str, Any]) -> pd.Index:
    """The index that :func:`encode` described."""
    kind = facts["kind"]
    if kind == "multi":
        parts = [decode(part) for part in facts["parts"]]
        return pd.MultiIndex.from_arrays(parts, names=[_restored(n) for n in facts["names"]])
    name = _restored(facts["name"])
    if kind == "range":
        return pd.RangeIndex(*facts["span"], name=name)
    if kind == "category":
        levels = decode(facts["levels"])
        values = pd.Categorical.from_codes(facts["codes"], levels, ordered=facts["ordered"])
        return pd.CategoricalIndex(values, name=name)
    if kind == "time":
        index = pd.Index(np.asarray(facts["values"], dtype=np.int64).view(facts["dtype"]))
        if facts["zone"]:
            index = pd.DatetimeIndex(index).tz_localize("UTC").tz_convert(facts["zone"])
        return index.rename(name)
    if kind == "period":
        dtype = pd.PeriodDtype(facts["freq"])
        ordinals = np.asarray(facts["values"], dtype=np.int64)
        return pd.PeriodIndex(pd.arrays.PeriodArray(ordinals, dtype=dtype), name=name)
    if kind == "interval":
        ends = decode(facts["left"]), decode(facts["right"])
        return pd.IntervalIndex.from_arrays(*ends, closed=facts["closed"], name=name)
    if kind == "objects":
        values = [_restored(v) for v in facts["values"]]
        return pd.Index(values, dtype=object, name=name, tupleize_cols=False)
    return pd.Index(facts["values"], dtype=facts["dtype"], name=name)


def _element(value: Any) -> Any:
    """One label: JSON's own kinds as they are, the others as [kind, text or parts]."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, tuple):
        return ["tuple", [_element(v) for v in value]]
    if isinstance(value, pd.Timestamp):
        return ["time", value.isoformat()]
    if isinstance(value, pd.Timedelta):
        return ["span", value.isoformat()]
    raise DataError(f"labels of type {type(value).__name__} cannot be written: {value!r}.")


def _restored(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "tuple":
        return tuple(_restored(v) for v in content)
    return pd.Timestamp(content) if kind == "time" else pd.Timedelta(content)
