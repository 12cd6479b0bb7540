"""Tables that come one after the other."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms.errors import ColumnError, DataError
from lmforms.sources.source import ROWS_OF_CHUNK

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

from lmforms.sources.chunk_sources import ChunkSource  # noqa: E402


def read(source, columns):
    (part,) = source.partitions()
    parts = list(part.read(list(columns)))
    assert all(b.num_rows <= ROWS_OF_CHUNK for b in parts)
    return {c: [v for b in parts for v in b.column(c).to_pylist()] for c in columns}


def frame_of(rows: int, start: int = 0) -> pd.DataFrame:
    i = np.arange(start, start + rows)
    return pd.DataFrame(
        {
            "x": np.where(i % 3 == 1, np.nan, i * 0.5),
            "n": pd.array(np.where(i % 4 == 1, None, i), dtype="Int64"),
            "g": pd.Series([f"g{v % 5}" for v in i], dtype=object),
            "b": i % 2 == 0,
        }
    )


AS = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.from_arrow(AS["arrow"](frame)),
    "arrow": lambda frame: pa.table(
        {
            "x": pa.array(frame["x"], pa.float64(), from_pandas=True),
            "n": pa.array(frame["n"], pa.int64(), from_pandas=True),
            "g": pa.array(frame["g"], pa.string()),
            "b": pa.array(frame["b"], pa.bool_()),
        }
    ),
    "mapping": lambda frame: {name: frame[name].array for name in frame},
}
AS["batch"] = lambda frame: AS["arrow"](frame).to_batches()[0] if len(frame) else AS["arrow"](frame)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([*AS])), min_size=1, max_size=5),
    st.sampled_from(["list", "iterator", "function"]),
)
def test_rows_are_those_of_the_chunks(kinds, given_as):
    starts = np.cumsum([0, *(rows for rows, _ in kinds)])
    chunks = [AS[kind](frame_of(n, s)) for (n, kind), s in zip(kinds, starts, strict=False)]
    made = {"list": chunks, "iterator": iter(chunks), "function": lambda: iter(chunks)}[given_as]
    source = ChunkSource(made)
    assert source.repeatable == (given_as != "iterator")
    whole = AS["arrow"](frame_of(starts[-1])).to_pydict()
    for _ in range(1 + source.repeatable):
        found = read(source, ["g", "x", "b", "n"])
        assert found == {name: whole[name] for name in ("g", "x", "b", "n")}


def test_large_chunks_are_cut():
    source = ChunkSource([pd.DataFrame({"x": np.arange(300_000.0)})])
    assert read(source, ["x"])["x"] == list(np.arange(300_000.0))


def test_types_of_pandas():
    days = pd.to_datetime(["2020-01-01", None])
    chunks = [
        pd.DataFrame(
            {
                "c": pd.Categorical(["u", "v"], categories=order),
                "b": pd.array([True, None], dtype="boolean"),
                "d": days,
                "s": pd.array(["a", None], dtype="string"),
                "f": pd.array([0.5, None], dtype="Float32"),
                "o": pd.Series(["a", np.nan], dtype=object),
                1: [1, 2],
            }
        )
        for order in (["v", "u"], ["u", "w", "v"])
    ]
    source = ChunkSource(chunks)
    found = read(source, ["c", "b", "s", "f", "o", "1"])
    assert found["c"] == ["u", "v"] * 2
    assert found["b"] == [True, None] * 2
    assert found["s"] == found["o"] == ["a", None] * 2
    assert found["f"] == [0.5, None] * 2
    assert found["1"] == [1, 2] * 2
    assert [d and d.date() for d in read(source, ["d"])["d"][:2]] == [dt.date(2020, 1, 1), None]
    assert pa.types.is_dictionary(source.schema.field("c").type)


def test_types_of_polars_are_known_everywhere():
    chunk = pl.DataFrame({"s": ["a"], "c": pl.Series(["u"], dtype=pl.Categorical)})
    source = ChunkSource([chunk])
    assert source.schema.field("s").type == pa.large_string()
    assert source.schema.field("c").type.value_type == pa.large_string()
    assert read(source, ["s", "c"]) == {"s": ["a"], "c": ["u"]}


def test_views_and_half_floats_are_made_plain():
    if not hasattr(pa, "string_view"):
        pytest.skip("this version of pyarrow has no views")
    table = pa.table(
        {
            "s": pa.array(["a", None], pa.string_view()),
            "h": pa.array(np.array([0.5, 1], np.float16)),
            "r": pa.RunEndEncodedArray.from_arrays([1, 2], [3.0, 4.0]),
        }
    )
    source = ChunkSource([table])
    assert source.schema.types == [pa.large_string(), pa.float32(), pa.float64()]
    (batch,) = source.partitions()[0].read(["s", "h", "r"])
    assert batch.schema == source.schema
    assert read(source, ["s", "h", "r"]) == {"s": ["a", None], "h": [0.5, 1], "r": [3, 4]}


def test_an_iterator_is_read_once_and_whole():
    made = []

    def chunks():
        for i in range(3):
            made.append(i)
            yield pd.DataFrame({"x": [float(i)]})

    source = ChunkSource(chunks())
    assert made == [0]
    assert read(source, ["x"])["x"] == [0, 1, 2]
    with pytest.raises(DataError, match=r"cannot be read again: give a function .* lambda: chunks"):
        read(source, ["x"])
    again = ChunkSource(lambda: chunks())
    assert read(again, ["x"]) == read(again, ["x"])


def test_the_schema_is_that_of_the_first_rows():
    chunks = [pd.DataFrame({"x": []}, dtype=object), pd.DataFrame({"x": [1.0]})]
    for given_ in (chunks, iter(chunks)):
        source = ChunkSource(given_)
        assert source.schema.field("x").type == pa.float64()
        assert read(source, ["x"])["x"] == [1.0]


def test_only_what_is_needed_has_to_be_readable():
    source = ChunkSource([pd.DataFrame({"x": [1.0, 2], "m": pd.Series(["a", 1], dtype=object)})])
    assert read(source, ["x"])["x"] == [1, 2]
    with pytest.raises(DataError, match=r"`m` of chunk 1 \(object\) cannot be read: .*Make text"):
        read(source, ["m"])


def test_there_are_no_chunks():
    for none in ([], iter([]), lambda: []):
        with pytest.raises(DataError, match="there are no chunks"):
            ChunkSource(none)
    spent = iter([{"x": [1]}])
    source = ChunkSource(lambda: spent)
    assert read(source, ["x"])["x"] == [1]
    with pytest.raises(DataError, match="must make a new one each time"):
        read(source, ["x"])


def test_a_function_may_give_one_table():
    assert read(ChunkSource(lambda: {"x": [1, 2]}), ["x"])["x"] == [1, 2]


def test_what_gives_no_chunks():
    with pytest.raises(DataError, match="needs arguments: wrap it"):
        ChunkSource(lambda path: [])
    with pytest.raises(DataError, match="gave int: a list or an iterator"):
        ChunkSource(lambda: 1)
    with pytest.raises(DataError, match="the chunks are int"):
        ChunkSource(1)
    with pytest.raises(DataError, match="chunk 1 is no table but str"):
        ChunkSource(iter(["a"]))
    with pytest.raises(DataError, match="chunk 2 is no table but ndarray"):
        read(ChunkSource([{"x": [1]}, np.arange(2)]), ["x"])


def test_chunks_that_differ():
    source = ChunkSource([{"Days": [1]}, {"Days": [1.5]}, {"days": [2]}])
    with pytest.raises(ColumnError, match=r"chunk 3 has no column `Days`. Did you mean `days`"):
        read(source, ["Days"])
    source = ChunkSource([{"x": [None]}, {"x": [1]}, {"x": [True]}])
    with pytest.raises(
        DataError,
        match=r"number \(int64\) in chunk 2, and boolean \(bool\) in chunk 3. Give all chunks",
    ):
        read(source, ["x"])


def test_columns_that_are_none():
    with pytest.raises(DataError, match=r"columns of chunk 1 differ in length: `x` 1, `y` 2"):
        read(ChunkSource([{"x": [1], "y": [1, 2]}]), ["x", "y"])
    with pytest.raises(DataError, match=r"`x` of chunk 1 is int, not a column"):
        read(ChunkSource([{"x": 1, "y": [1]}]), ["x"])
    twice = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(DataError, match="chunk 1 has two columns named `x`"):
        ChunkSource([twice])


def test_errors_of_an_iterator_are_its_own():
    def chunks():
        yield {"x": [1]}
        raise OSError("the line is dead")

    with pytest.raises(OSError, match=r"^the line is dead$"):
        read(ChunkSource(chunks()), ["x"])
