"""Labels of every type through every table: the exact levels come out, or a refusal by name.

Run as ``python tests/fuzz/labels.py --tries 2000 --seed 0``. Each try draws a type of column, a
role in the model, whether values are missing, and labels that are easily confused; levels are
compared with Python's own values.
"""

from __future__ import annotations

import argparse
import datetime as dt
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import lmforms as lf

N = 48
Values = list[Any]
Build = Callable[[Values], Any]

ZONE = "America/New_York"
BIG = 2**53
TIME = dt.datetime(2021, 3, 14, 1, 59, 26, 535897)
POOLS: dict[str, Values] = {
    "small": [1, 2, 3, 10, 11, 12, -1, 0],
    "big": [BIG + k for k in range(8)],
    "edge": [2**63 - 1 - k for k in range(4)] + [-(2**63) + k for k in range(4)],
    "unsigned": [2**63 + k for k in range(8)],
    "huge": [2**64 + k for k in range(8)],
    "float": [0.0, -0.5, 0.1, 0.1 + 2**-56, 1e-300, 5e-324, 1e15, 0.5],
    "float32": [0.5, 1.5, 2.5, float(np.float32(0.1)), 16777216.0, 16777218.0],
    "text": ["None", "nan", "NA", "<NA>", "", " ", "1", "01", "1.0", "True", "NaT", "é", "e\u0301"],
    "bool": [True, False],
    "bytes": [b"a", b"a\x00", b"", b"\xff", b"None", b"1"],
    "wide": [b"abcd", b"abc\x00", b"\x00bcd", b"\xff\xff\xff\xff"],
    "ascii": [b"a", b"b", b"None", b"1"],
    "date": [dt.date(2020, 1, 1), dt.date(2020, 1, 2), dt.date(1969, 12, 31), dt.date(1601, 1, 1)],
    "us": [TIME + dt.timedelta(microseconds=k) for k in range(6)],
    "far": [dt.datetime(y, 1, 1) for y in (1, 1500, 2262, 2300, 9999)],
    "ns": [pd.Timestamp(TIME) + pd.Timedelta(k, "ns") for k in range(6)],
    "zoned": [
        pd.Timestamp("2021-11-07 05:30", tz="UTC").tz_convert(ZONE) + pd.Timedelta(h, "h")
        for h in range(5)
    ],
    "time": [dt.time(1, 2, 3, k) for k in range(5)] + [dt.time(0), dt.time(23, 59)],
    "span": [dt.timedelta(microseconds=k) for k in range(-2, 4)],
    "span ns": [pd.Timedelta(k, "ns") for k in range(-2, 4)],
    "decimal": [Decimal(s) for s in ("1.1", "1.2", "0", "-3.5", "12345678901234567.0000000001",
                                     "12345678901234567.0000000002")],
    "uuid": [uuid.UUID(int=2**100 + k) for k in range(5)],
    "tuple": [("a", 1), ("a", 2), ("b",), ("b", 1), ()],
    "mixed": [1, "1", 2.5, "b", BIG + 1, BIG + 2, (1, 2)],
    "numbers": [BIG + 1, BIG + 2, 0.5, 1, 2.0],
    "period": [pd.Period(f"2020-0{m}", "M") for m in range(1, 7)],
    "interval": [pd.Interval(k, k + 1) for k in range(5)],
    "list": [[1], [2], [3]],
    "struct": [{"a": 1}, {"a": 2}],
}  # fmt: skip


def _series(dtype: Any) -> Build:
    return lambda v: pd.Series(v, dtype=dtype)


def _category(kind: Any = None, ordered: bool = False) -> Build:
    def build(v: Values) -> Any:
        levels = list(dict.fromkeys(x for x in v if x is not None))[::-1]
        own = object if kind is None and {type(x) for x in levels} == {int, float} else kind
        index = pd.Index(levels, dtype=own, tupleize_cols=False)
        codes = [-1 if x is None else levels.index(x) for x in v]
        return pd.Series(pd.Categorical.from_codes(codes, index, ordered=ordered))

    return build


def _polars(dtype: Any) -> Build:
    return lambda v: pl.Series(v, dtype=dtype, strict=False)


def _polars_ns(base: Any) -> Build:
    def build(v: Values) -> Any:
        raw = [None if x is None else x.value for x in v]
        return pl.Series(raw, dtype=pl.Int64).cast(base)

    return build


def _arrow(kind: Any, **options: Any) -> Build:
    return lambda v: pa.chunked_array([pa.array(v[:20], kind), pa.array(v[20:], kind)])


def _dictionary(kind: Any) -> Build:
    """Chunks with different dictionaries."""

    def build(v: Values) -> Any:
        parts = [pa.array(p, kind).dictionary_encode() for p in (v[:20], v[20:])]
        return pa.chunked_array(parts)

    return build


def _odd_dictionary(kind: Any) -> Build:
    """A dictionary with a value twice and a missing one."""

    def build(v: Values) -> Any:
        levels = list(dict.fromkeys(x for x in v if x is not None))
        levels = [*levels, levels[0], None]
        codes = [len(levels) - 1 if x is None else levels.index(x) for x in v]
        codes = [len(levels) - 2 if c == 0 and i % 2 else c for i, c in enumerate(codes)]
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(levels, kind))

    return build


def _masked(dtype: Any) -> Build:
    def build(v: Values) -> Any:
        fill = next(x for x in v if x is not None)
        plain = np.array([fill if x is None else x for x in v], dtype=dtype)
        return np.ma.array(plain, mask=[x is None for x in v])

    return build


def _objects(v: Values) -> Any:
    out = np.empty(len(v), dtype=object)
    out[:] = v
    return out


def _nan_for_none(build: Build) -> Build:
    return lambda v: build([float("nan") if x is None else x for x in v])


def _numpy(dtype: Any) -> Build:
    def build(v: Values) -> Any:
        return np.array(v, dtype=dtype)

    build.full = True  # type: ignore[attr-defined]
    return build


def _full(build: Build) -> Build:
    build.full = True  # type: ignore[attr-defined]
    return build


A = pd.ArrowDtype
INTEGERS = ("small", "big", "edge")
COLUMNS: dict[str, tuple[Build, tuple[str, ...]]] = {
    # pandas
    "pandas int64": (_full(_series("int64")), INTEGERS),
    "pandas uint64": (_full(_series("uint64")), ("unsigned",)),
    "pandas int8": (_full(_series("int8")), ("small",)),
    "pandas float64": (_series("float64"), ("float",)),
    "pandas float32": (_series("float32"), ("float32",)),
    "pandas Int64": (_series("Int64"), INTEGERS),
    "pandas UInt64": (_series("UInt64"), ("unsigned",)),
    "pandas Float64": (_series("Float64"), ("float",)),
    "pandas boolean": (_series("boolean"), ("bool",)),
    "pandas bool": (_full(_series("bool")), ("bool",)),
    "pandas string": (_series("string"), ("text",)),
    "pandas string pyarrow": (_series("string[pyarrow]"), ("text",)),
    "pandas str": (_series(str if pd.__version__ < "3" else "str"), ("text",)),
    "pandas object": (
        lambda v: pd.Series(_objects(v)),
        ("small", "big", "edge", "unsigned", "huge", "float", "text", "bool", "bytes", "date", "us",
         "far", "ns", "zoned", "time", "span", "decimal", "uuid", "tuple", "mixed", "numbers",
         "period", "interval", "list"),
    ),
    "pandas object nan": (
        _nan_for_none(lambda v: pd.Series(_objects(v))), ("big", "huge", "text", "mixed", "numbers")
    ),
    "pandas datetime ns": (_series("datetime64[ns]"), ("ns", "us")),
    "pandas datetime us": (_series("datetime64[us]"), ("us", "far")),
    "pandas datetime zone": (_series(f"datetime64[ns, {ZONE}]"), ("zoned",)),
    "pandas timedelta": (_series("timedelta64[ns]"), ("span ns", "span")),
    "pandas period": (_series("period[M]"), ("period",)),
    "pandas interval": (_series("interval"), ("interval",)),
    "pandas arrow int64": (_series(A(pa.int64())), INTEGERS),
    "pandas arrow uint64": (_series(A(pa.uint64())), ("unsigned",)),
    "pandas arrow double": (_series(A(pa.float64())), ("float",)),
    "pandas arrow bool": (_series(A(pa.bool_())), ("bool",)),
    "pandas arrow string": (_series(A(pa.string())), ("text",)),
    "pandas arrow large string": (_series(A(pa.large_string())), ("text",)),
    "pandas arrow binary": (_series(A(pa.binary())), ("bytes",)),
    "pandas arrow decimal": (_series(A(pa.decimal128(38, 10))), ("decimal",)),
    "pandas arrow timestamp ns": (_series(A(pa.timestamp("ns"))), ("ns",)),
    "pandas arrow timestamp us": (_series(A(pa.timestamp("us"))), ("us", "far")),
    "pandas arrow timestamp zone": (_series(A(pa.timestamp("ns", ZONE))), ("zoned",)),
    "pandas arrow date32": (_series(A(pa.date32())), ("date",)),
    "pandas arrow date64": (_series(A(pa.date64())), ("date",)),
    "pandas arrow time64": (_series(A(pa.time64("us"))), ("time",)),
    "pandas arrow duration": (_series(A(pa.duration("ns"))), ("span ns",)),
    "pandas arrow dictionary": (
        lambda v: pd.Series(pd.arrays.ArrowExtensionArray(pa.array(v).dictionary_encode())),
        ("text", "big", "bool", "float"),
    ),
    "pandas category": (
        _category(), ("small", "big", "edge", "unsigned", "huge", "float", "text", "bool", "bytes",
                      "date", "us", "ns", "zoned", "time", "span", "decimal", "uuid", "tuple",
                      "mixed", "numbers", "period", "interval"),
    ),
    "pandas ordered category": (_category(ordered=True), ("small", "big", "text", "ns")),
    "pandas category string": (_category("string"), ("text",)),
    "pandas category Int64": (_category("Int64"), INTEGERS),
    "pandas category object": (_category(object), ("text", "big", "date", "us")),
    "pandas category arrow": (_category(A(pa.string())), ("text",)),
    "pandas category arrow int": (_category(A(pa.int64())), INTEGERS),
    "pandas category arrow ns": (_category(A(pa.timestamp("ns"))), ("ns",)),
    # polars
    "polars Int64": (_polars(pl.Int64), INTEGERS),
    "polars Int8": (_polars(pl.Int8), ("small",)),
    "polars UInt64": (_polars(pl.UInt64), ("unsigned",)),
    "polars Float64": (_polars(pl.Float64), ("float",)),
    "polars Float32": (_polars(pl.Float32), ("float32",)),
    "polars Boolean": (_polars(pl.Boolean), ("bool",)),
    "polars String": (_polars(pl.String), ("text",)),
    "polars Categorical": (_polars(pl.Categorical), ("text",)),
    "polars Enum": (
        lambda v: pl.Series(v, dtype=pl.Enum(sorted({x for x in v if x is not None})[::-1])),
        ("text",),
    ),
    "polars Binary": (_polars(pl.Binary), ("bytes",)),
    "polars Decimal": (_polars(pl.Decimal(38, 10)), ("decimal",)),
    "polars Date": (_polars(pl.Date), ("date",)),
    "polars Datetime us": (_polars(pl.Datetime("us")), ("us", "far")),
    "polars Datetime ms": (_polars(pl.Datetime("ms")), ("far",)),
    "polars Datetime ns": (_polars_ns(pl.Datetime("ns")), ("ns",)),
    "polars Datetime zone": (_polars_ns(pl.Datetime("ns", ZONE)), ("zoned",)),
    "polars Time": (_polars(pl.Time), ("time",)),
    "polars Duration us": (_polars(pl.Duration("us")), ("span",)),
    "polars Duration ns": (_polars_ns(pl.Duration("ns")), ("span ns",)),
    "polars Object": (
        lambda v: pl.Series(v, dtype=pl.Object), ("uuid", "decimal", "tuple", "big", "text")
    ),
    "polars List": (lambda v: pl.Series(v, dtype=pl.List(pl.Int64)), ("list",)),
    "polars Struct": (lambda v: pl.Series(v), ("struct",)),
    # pyarrow
    "arrow int64": (_arrow(pa.int64()), INTEGERS),
    "arrow int8": (_arrow(pa.int8()), ("small",)),
    "arrow uint64": (_arrow(pa.uint64()), ("unsigned",)),
    "arrow double": (_arrow(pa.float64()), ("float",)),
    "arrow float": (_arrow(pa.float32()), ("float32",)),
    "arrow bool": (_arrow(pa.bool_()), ("bool",)),
    "arrow string": (_arrow(pa.string()), ("text",)),
    "arrow large string": (_arrow(pa.large_string()), ("text",)),
    "arrow binary": (_arrow(pa.binary()), ("bytes",)),
    "arrow large binary": (_arrow(pa.large_binary()), ("bytes",)),
    "arrow fixed binary": (_arrow(pa.binary(4)), ("wide",)),
    "arrow decimal128": (_arrow(pa.decimal128(38, 10)), ("decimal",)),
    "arrow decimal256": (_arrow(pa.decimal256(60, 10)), ("decimal",)),
    "arrow date32": (_arrow(pa.date32()), ("date",)),
    "arrow date64": (_arrow(pa.date64()), ("date",)),
    "arrow timestamp s": (_arrow(pa.timestamp("s")), ("far",)),
    "arrow timestamp us": (_arrow(pa.timestamp("us")), ("us", "far")),
    "arrow timestamp ns": (_arrow(pa.timestamp("ns")), ("ns",)),
    "arrow timestamp zone": (_arrow(pa.timestamp("ns", ZONE)), ("zoned",)),
    "arrow timestamp offset": (_arrow(pa.timestamp("us", "+05:30")), ("zoned",)),
    "arrow time32": (_arrow(pa.time32("s")), ()),
    "arrow time64 us": (_arrow(pa.time64("us")), ("time",)),
    "arrow time64 ns": (_arrow(pa.time64("ns")), ("time",)),
    "arrow duration us": (_arrow(pa.duration("us")), ("span",)),
    "arrow duration ns": (_arrow(pa.duration("ns")), ("span ns",)),
    "arrow list": (_arrow(pa.list_(pa.int64())), ("list",)),
    "arrow struct": (_arrow(pa.struct([("a", pa.int64())])), ("struct",)),
    "arrow dictionary string": (_dictionary(pa.string()), ("text",)),
    "arrow dictionary int64": (_dictionary(pa.int64()), INTEGERS),
    "arrow dictionary uint64": (_dictionary(pa.uint64()), ("unsigned",)),
    "arrow dictionary double": (_dictionary(pa.float64()), ("float",)),
    "arrow dictionary bool": (_dictionary(pa.bool_()), ("bool",)),
    "arrow dictionary ns": (_dictionary(pa.timestamp("ns")), ("ns",)),
    "arrow dictionary date": (_dictionary(pa.date32()), ("date",)),
    "arrow dictionary decimal": (_dictionary(pa.decimal128(38, 10)), ("decimal",)),
    "arrow dictionary binary": (_dictionary(pa.binary()), ("bytes",)),
    "arrow odd dictionary": (_odd_dictionary(pa.string()), ("text",)),
    "arrow odd dictionary int": (_odd_dictionary(pa.int64()), INTEGERS),
    "arrow extension": (
        lambda v: pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([None if x is None else x.bytes for x in v], pa.binary(16))
        ),
        ("uuid",),
    ),
    # values of a mapping
    "list": (
        list, ("small", "big", "edge", "unsigned", "huge", "float", "text", "bool", "bytes", "date",
               "us", "far", "ns", "zoned", "time", "span", "span ns", "decimal", "uuid", "tuple",
               "mixed", "numbers", "period", "interval", "list", "struct"),
    ),
    "list nan": (_nan_for_none(list), ("small", "big", "unsigned", "huge", "text", "numbers")),
    "tuple": (tuple, ("big", "text", "tuple", "numbers")),
    "array int64": (_numpy("int64"), INTEGERS),
    "array uint64": (_numpy("uint64"), ("unsigned",)),
    "array objects": (_objects, ("big", "unsigned", "huge", "text", "mixed", "numbers", "tuple")),
    "array U": (_numpy("U"), ("text",)),
    "array S": (_numpy("S4"), ("ascii",)),
    "array datetime": (lambda v: np.array(v, "datetime64[us]"), ("us", "far")),
    "array timedelta": (lambda v: np.array(v, "timedelta64[us]"), ("span",)),
    "masked int64": (_masked("int64"), INTEGERS),
    "masked uint64": (_masked("uint64"), ("unsigned",)),
    "masked float": (_masked("float64"), ("float",)),
    "masked bool": (_masked("bool"), ("bool",)),
    "masked text": (_masked("U"), ("text",)),
    "masked objects": (_masked(object), ("huge", "text", "big")),
    "masked datetime": (_masked("datetime64[us]"), ("us",)),
    "index": (lambda v: pd.Index(_objects(v), dtype=object), ("text", "big", "date")),
    "extension array": (lambda v: pd.array(v, dtype="Int64"), INTEGERS),
}  # fmt: skip
# types that the oldest polars and pyarrow do not have
if hasattr(pa, "string_view"):
    COLUMNS["arrow string view"] = (_arrow(pa.string_view()), ("text",))
if not hasattr(pa, "uuid"):
    COLUMNS.pop("arrow extension", None)
if hasattr(pl, "Int128"):
    COLUMNS["polars Int128"] = (
        _polars(pl.Int128),
        ("small", "big", "edge", "unsigned", "huge"),
    )

ROLES = ("group", "factor", "call", "nested", "relationship", "predict", "text")


def table(name: str, column: Any, **others: Any) -> Any:
    """The column and plain ones in a table of its own library."""
    if name.startswith("pandas"):
        return pd.DataFrame({"id": column, **others})
    if name.startswith("polars"):
        return pl.DataFrame({"id": column, **others})
    if name.startswith("arrow"):
        return pa.table({"id": column, **others})
    return {"id": column, **others}


def plain(value: Any) -> Any:
    """A label as Python's own value."""
    return value.item() if isinstance(value, np.generic) else value


def same(label: Any, value: Any) -> bool:
    """Whether a level is the value that stood in the table."""
    label = plain(label)
    if isinstance(label, str) != isinstance(value, str):
        return False
    return bool(label == value)


def check_levels(levels: Values, codes: Any, values: Values) -> str:
    """What is wrong with levels and codes of rows that hold these values."""
    if len(codes) != len(values):
        return f"{len(codes)} rows are left of {len(values)}"
    distinct = list(dict.fromkeys(values))
    if len(levels) != len(distinct):
        return f"{len(levels)} levels for {len(distinct)}"
    for code, value in zip(codes, values, strict=True):
        if not same(levels[code], value):
            return f"level {levels[code]!r} for {value!r}"
    return ""


def attempt(name: str, pool: str, role: str, gaps: bool, rng: np.random.Generator) -> str:
    """One try: an empty text, ``"refused: …"`` or ``"fault: …"``."""
    build, _ = COLUMNS[name]
    values = [POOLS[pool][i] for i in rng.permutation(np.arange(N) % len(POOLS[pool]))]
    if gaps and not getattr(build, "full", False):
        for i in rng.choice(N, 5, replace=False):
            values[i] = None
    kept = [i for i, v in enumerate(values) if v is not None]
    wanted = [values[i] for i in kept]
    y, g = rng.normal(size=N), [f"g{i % 3}" for i in range(N)]
    try:
        column = build(values)
    except Exception as exc:  # the library has no such column
        return f"not made: {exc!r}"
    data = table(name, column, y=y, g=g)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _outcome(name, pool, role, data, values, kept, wanted, build)
    except lf.errors.LmformsError as exc:
        text = str(exc)
        if "all 48 rows" in text or "id" not in text.replace("grid", ""):
            return f"fault: {type(exc).__name__} {text.splitlines()[0]}"
        return f"refused: {text.splitlines()[0]}"
    except Exception as exc:
        return f"fault: {type(exc).__name__} {str(exc).splitlines()[:1]}"
    return f"fault: {found}" if found else ""


def _outcome(
    name: str,
    pool: str,
    role: str,
    data: Any,
    values: Values,
    kept: Values,
    wanted: Values,
    build: Build,
) -> str:
    if role == "factor":
        model = lf.MixedModel("y ~ C(id) + (1 | g)", data)
        X = model.design.X
        if len(X) != len(wanted):
            return f"{len(X)} rows are left of {len(wanted)}"
        seen, where = np.unique(X, axis=0, return_inverse=True)
        pairs = set(zip(where.ravel().tolist(), [_key(v) for v in wanted], strict=True))
        ok = len(seen) == len(set(map(_key, wanted))) == len(pairs)
        return "" if ok else f"{len(seen)} levels for {len(set(map(_key, wanted)))}"
    if role == "call":
        model = lf.MixedModel("y ~ 1 + (1 | I(id))", data)
        group = model.design.groups[0]
        if isinstance(group.levels[0], pd.Timestamp) and pool == "date":  # as calls see dates
            wanted = [pd.Timestamp(v) for v in wanted]
        return check_levels(list(group.levels), group.codes, wanted)
    if role == "nested":
        model = lf.MixedModel("y ~ 1 + (1 | g:id)", data)
        group = model.design.groups[0]
        pairs = [(f"g{i % 3}", values[i]) for i in kept]
        return check_levels([tuple(map(plain, x)) for x in group.levels], group.codes, pairs)
    if role == "relationship":
        labels = list(dict.fromkeys(wanted)) if pool not in ("list", "struct") else ["a", "b"]
        K = lf.relationship.Relationship.of(np.eye(len(labels)), labels=labels[::-1])
        model = lf.MixedModel("y ~ 1 + (1 | id)", data, relationship={"id": K})
        group = model.design.groups[0]
        return check_levels(list(group.levels), group.codes, wanted)
    model = lf.MixedModel("y ~ 1 + (1 | id)", data)
    group = model.design.groups[0]
    found = check_levels(list(group.levels), group.codes, wanted)
    if role == "group" or found:
        return found
    fit = model.fit()
    effects = fit.random_effects["id"].iloc[:, 0].tolist()
    effect = {
        repr(v): effects[next(c for c, k in zip(group.codes, wanted) if same(k, v))] for v in wanted
    }
    mean = fit.params.iloc[0]
    if role == "text":  # text for what is no text, and a number for text
        other = [str(v) if not isinstance(v, str) else 1 for v in wanted]
        try:
            fit.predict({"id": other}, new_levels="zero")
        except lf.errors.DataError:
            return ""
        return "another type was taken for new levels"
    order = list(reversed(values))
    new = table(name, build(order))
    for rows in (new, {"id": [v for v in order if v is not None]}):
        got = fit.predict(rows).to_numpy()
        got = got[~np.isnan(got)]
        expected = [mean + effect[repr(v)] for v in order if v is not None]
        if len(got) != len(expected) or not np.allclose(got, expected, atol=1e-9):
            return "predictions belong to other levels"
    return ""


def _key(value: Any) -> Any:
    return (isinstance(value, str), value)


def cases() -> Iterator[tuple[str, str, str, bool]]:
    """Every type, pool of labels, role, with and without missing values."""
    for name, (_, pools) in COLUMNS.items():
        for pool in pools:
            for role in ROLES:
                for gaps in (False, True):
                    yield name, pool, role, gaps


def run(tries: int, seed: int) -> tuple[int, Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Number of tries; refusals and faults by case and text."""
    rng = np.random.default_rng(seed)
    every = list(cases())
    order = [int(i) for i in rng.permutation(len(every))]
    refused: Counter[tuple[str, str]] = Counter()
    faults: Counter[tuple[str, str]] = Counter()
    count = 0
    for k in range(tries):
        name, pool, role, gaps = every[order[k % len(order)]]
        found = attempt(name, pool, role, gaps, rng)
        if found.startswith("not made"):
            continue
        count += 1
        case = f"{name}, {pool}, {role}, gaps={gaps}"
        if found.startswith("fault"):
            faults[case, found] += 1
        elif found:
            refused[case, found] += 1
    return count, refused, faults


def main() -> None:
    """Count tries and faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", choices=("faults", "refused", "none"), default="faults")
    args = parser.parse_args()
    count, refused, faults = run(args.tries, args.seed)
    shown = {"faults": faults, "refused": refused, "none": Counter()}[args.show]
    lines = [f"{case}: {text}" for case, text in shown]
    lines.append(f"{count} tries, {refused.total()} refused by name, {faults.total()} faults")
    print("\n".join(sorted(lines[:-1]) + lines[-1:]))


if __name__ == "__main__":
    main()
