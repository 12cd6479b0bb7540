"""Datasets and readers of pyarrow."""

from __future__ import annotations

import os
import pickle

import pytest

from lmforms.errors import ColumnError, DataError, FileError

pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")

from lmforms.sources import dataset_sources  # noqa: E402
from lmforms.sources.dataset_sources import DatasetSource, ReaderSource  # noqa: E402


def read(source, columns):
    parts = [b for p in source.partitions() for b in p.read(list(columns))]
    return {c: [v for b in parts for v in b.column(c).to_pylist()] for c in columns}


@pytest.fixture
def by_year(tmp_path):
    table = pa.table({"year": [1, 1, 2, 2, 2], "g": list("ababa"), "x": [1.0, 2, 3, 4, 5]})
    for year in (1, 2):
        (tmp_path / f"year={year}").mkdir()
        part = table.filter(pa.compute.equal(table["year"], year)).drop_columns(["year"])
        pq.write_table(part, tmp_path / f"year={year}" / "a.parquet", row_group_size=1)
    return tmp_path


def test_keys_of_folders_are_columns(by_year, monkeypatch):
    monkeypatch.setattr(dataset_sources, "ROWS_OF_PARTITION", 2)
    source = DatasetSource(ds.dataset(by_year, partitioning="hive"))
    assert len(source.partitions()) == 3
    assert source.partitions()[1].name.endswith("year=2/a.parquet, row groups 1 to 2")
    for _ in range(2):
        found = read(source, ["x", "year"])
        assert found == {"x": [1, 2, 3, 4, 5], "year": [1, 1, 2, 2, 2]}


def test_partitions_pickle(by_year):
    source = DatasetSource(ds.dataset(by_year, partitioning="hive"))
    parts = pickle.loads(pickle.dumps(source.partitions()))
    assert [v for p in parts for b in p.read(["x"]) for v in b.column(0).to_pylist()][-1] == 5


def test_filters_are_kept(by_year):
    dataset = ds.dataset(by_year, partitioning="hive").filter(ds.field("x") > 2)
    assert read(DatasetSource(dataset), ["g"]) == {"g": ["a", "b", "a"]}


def test_tables_in_memory(tmp_path):
    assert read(DatasetSource(ds.dataset(pa.table({"x": [1, 2]}))), ["x"]) == {"x": [1, 2]}


def test_no_files(tmp_path):
    source = DatasetSource(ds.dataset(tmp_path, schema=pa.schema([("x", pa.int64())])))
    assert len(source.partitions()) == 1
    assert read(source, ["x"]) == {"x": []}


def test_a_file_without_a_column_is_no_column_without_values(tmp_path):
    pq.write_table(pa.table({"x": [1], "y": [2]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "b.parquet")
    source = DatasetSource(ds.dataset(tmp_path))
    assert read(source, ["x"]) == {"x": [1, 1]}
    with pytest.raises(ColumnError, match=r"b\.parquet has no column `y`"):
        read(source, ["y"])


def test_files_that_change_or_are_damaged(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    source = DatasetSource(ds.dataset(tmp_path))
    os.utime(path, ns=(0, 0))
    with pytest.raises(FileError, match=r"a\.parquet was changed"):
        read(source, ["x"])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileError, match=r"a\.parquet"):
        read(source, ["x"])


def test_values_that_do_not_fit_the_dataset(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": ["u"]}), tmp_path / "b.parquet")
    with pytest.raises(FileError, match=r"b\.parquet.* cannot be read"):
        read(DatasetSource(ds.dataset(tmp_path)), ["x"])


def test_a_reader_is_read_once():
    table = pa.table({"x": [1, 2, 3], "g": ["a", "b", "c"]})
    source = ReaderSource(table.to_reader(max_chunksize=2))
    assert not source.repeatable
    assert source.schema.names == ["x", "g"]
    assert read(source, ["g"]) == {"g": ["a", "b", "c"]}
    with pytest.raises(DataError, match="has been read and cannot be read again"):
        read(source, ["g"])
    with pytest.raises(ColumnError, match="has no column `z`"):
        read(ReaderSource(table.to_reader()), ["z"])
