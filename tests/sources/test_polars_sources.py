"""Lazy frames of polars."""

from __future__ import annotations

import pytest

from lmforms.errors import ColumnError, DataError
from lmforms.sources.source import ROWS_OF_CHUNK

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

from lmforms.sources import polars_sources  # noqa: E402
from lmforms.sources.polars_sources import LazyFrameSource  # noqa: E402


def read(source, columns):
    (part,) = source.partitions()
    parts = list(part.read(list(columns)))
    assert all(b.schema.names == list(columns) and b.num_rows <= ROWS_OF_CHUNK for b in parts)
    return {c: [v for b in parts for v in b.column(c).to_pylist()] for c in columns}


@pytest.fixture(params=["as it is", "by a file"])
def way(request, monkeypatch):
    """Also the way of versions that give no chunks."""
    if request.param == "by a file":
        monkeypatch.setattr(polars_sources, "_collected", polars_sources._by_file)


def test_rows_are_those_of_the_frame(tmp_path, way):
    frame = pl.DataFrame(
        {"x": range(300_000), "g": [f"g{i % 4}" if i % 9 else None for i in range(300_000)]}
    )
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=70_000)
    lazy = pl.scan_parquet(tmp_path / "a.parquet").with_columns(y=pl.col("x") * 0.5)
    source = LazyFrameSource(lazy.filter(pl.col("x") >= 10))
    assert source.repeatable
    assert source.schema == pa.schema(
        [("x", pa.int64()), ("g", pa.large_string()), ("y", pa.float64())]
    )
    for _ in range(2):
        found = read(source, ["y", "g"])
        assert found["y"] == [i * 0.5 for i in range(10, 300_000)]
        assert found["g"] == frame["g"][10:].to_list()


def test_only_needed_columns_are_made(way):
    lazy = pl.LazyFrame({"x": [1], "s": ["u"]}).with_columns(bad=pl.col("s").cast(pl.Int64))
    source = LazyFrameSource(lazy)
    assert read(source, ["x"])["x"] == [1]
    with pytest.raises(DataError, match=r"the lazy frame cannot be read: .*conversion"):
        read(source, ["bad"])


def test_types(way):
    lazy = pl.LazyFrame(
        {
            "c": pl.Series(["u", "v"], dtype=pl.Categorical),
            "e": pl.Series(["u", "v"], dtype=pl.Enum(["v", "u"])),
            "b": [True, None],
            "t": pl.Series([0, 1]).cast(pl.Date),
            "d": pl.Series(["1.50", "2.25"]).cast(pl.Decimal(10, 2)),
            "o": pl.Series([1, "a"], dtype=pl.Object),
        }
    )
    source = LazyFrameSource(lazy.select("c", "e", "b", "t", "d"))
    found = read(source, ["c", "e", "b", "d"])
    assert found["c"] == found["e"] == ["u", "v"]
    assert found["b"] == [True, None]
    assert [float(v) for v in found["d"]] == [1.5, 2.25]
    assert source.schema.field("c").type.value_type == pa.large_string()
    assert source.schema.field("t").type == pa.date32()


def test_columns_that_are_not_there(tmp_path):
    source = LazyFrameSource(pl.LazyFrame({"Days": [1]}))
    with pytest.raises(ColumnError, match=r"the lazy frame has no column `days`. Did you mean"):
        read(source, ["days"])
    with pytest.raises(DataError, match=r"the lazy frame cannot be read: .*nothing"):
        LazyFrameSource(pl.LazyFrame({"x": [1]}).select("nothing"))
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "a.parquet")
    source = LazyFrameSource(pl.scan_parquet(tmp_path / "a.parquet"))
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match="the lazy frame cannot be read"):
        read(source, ["x"])


def test_no_rows(way):
    source = LazyFrameSource(pl.LazyFrame({"x": [1.0]}).filter(pl.col("x") > 1))
    assert read(source, ["x"]) == {"x": []}


def test_versions_that_cannot_make_chunks_say_so(monkeypatch):
    def refusing(self, *args, **options):
        raise pl.exceptions.InvalidOperationError(
            "sink_Parquet not yet supported in standard engine. Use 'collect().write_parquet()'"
        )

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", refusing)
    monkeypatch.setattr(polars_sources, "_collected", polars_sources._by_file)
    with pytest.raises(DataError, match=r"update polars, or write them first: frame\.collect"):
        read(LazyFrameSource(pl.LazyFrame({"x": [1]})), ["x"])
