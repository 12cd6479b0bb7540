"""Which source data are, without importing what they are not of."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lmforms.errors import DataError, FileError, MissingPackageError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from lmforms.sources.lookup import source_of  # noqa: E402


def test_tables_in_memory_are_no_source():
    pl = pytest.importorskip("polars")
    tables = [pd.DataFrame({"x": [1]}), pl.DataFrame({"x": [1]}), pa.table({"x": [1]})]
    tables += [{"x": [1]}, pa.table({"x": [1]}).to_batches()[0]]
    others = [None, 1, 1.5, np.arange(3), pd.Series([1]), {1, 2}, b"a", pd.DataFrame, [1, 2], (1,)]
    for data in [*tables, *others, pl.Series([1]), pa.array([1]), object()]:
        assert source_of(data) is None


def name_of(data):
    return type(source_of(data)).__name__


def test_files(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    for data in (tmp_path, str(tmp_path), tmp_path / "a.parquet", f"{tmp_path}/*.parquet"):
        assert name_of(data) == "FileSource"
        assert name_of([data]) == "FileSource"
    with pytest.raises(FileError, match="there is no file nothing"):
        source_of("nothing")


def test_folders_with_keys_in_their_names(tmp_path):
    for year in (1, 2):
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(pa.table({"x": [1]}), tmp_path / f"year={year}" / "a.parquet")
    source = source_of(tmp_path)
    assert type(source).__name__ == "DatasetSource"
    assert source.schema.names == ["x", "year"]


def test_chunks():
    frame = pd.DataFrame({"x": [1]})

    class Loader:
        def __iter__(self):
            return iter([frame])

    for data in ([frame], (frame,), iter([frame]), lambda: [frame], Loader(), [{"x": [1]}]):
        assert name_of(data) == "ChunkSource"
    assert source_of(Loader()).repeatable
    with pytest.raises(DataError, match="there are no chunks"):
        source_of([])


def test_chunks_of_a_text_file(tmp_path):
    pd.DataFrame({"x": range(5)}).to_csv(tmp_path / "a.csv", index=False)
    source = source_of(pd.read_csv(tmp_path / "a.csv", chunksize=2))
    assert not source.repeatable
    assert [b.num_rows for p in source.partitions() for b in p.read(["x"])] == [2, 2, 1]


def test_arrow():
    ds = pytest.importorskip("pyarrow.dataset")
    assert name_of(ds.dataset(pa.table({"x": [1]}))) == "DatasetSource"
    assert name_of(pa.table({"x": [1]}).to_reader()) == "ReaderSource"


def test_polars():
    pl = pytest.importorskip("polars")
    assert name_of(pl.LazyFrame({"x": [1]})) == "LazyFrameSource"


def test_duckdb():
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        assert name_of(connection.sql("SELECT 1 AS x")) == "DuckDBSource"
        assert name_of((connection, "SELECT 1 AS x")) == "DuckDBSource"
        with pytest.raises(DataError, match=r'comes with one query: \(connection, "SELECT'):
            source_of((connection,))


def test_dask():
    dask = pytest.importorskip("dask")
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame({"x": [1]})
    assert name_of(dd.from_pandas(frame, npartitions=1)) == "DaskFrameSource"
    assert name_of([dask.delayed(frame)]) == "DelayedSource"
    assert name_of([dask.delayed(pd.DataFrame)({"x": [1]})]) == "DelayedSource"


def test_nothing_is_imported_to_look():
    code = (
        "import sys, pandas as pd; from lmforms.sources.lookup import source_of\n"
        "had = set(sys.modules)\n"
        "assert source_of(pd.DataFrame({'x': [1]})) is None and source_of([1]) is None\n"
        "new = {n.partition('.')[0] for n in set(sys.modules) - had}\n"
        "assert not new & {'polars', 'duckdb', 'dask', 'distributed'}, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pyarrow_is_missing(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("x\n1\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for data in (tmp_path / "a.csv", [{"x": [1]}], iter([])):
        with pytest.raises(MissingPackageError, match=r"pip install 'lmforms\[stream\]'"):
            source_of(data)
