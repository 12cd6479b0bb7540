"""Files in, the same rows out, whatever they are cut into."""

from __future__ import annotations

import gzip
import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms.errors import ColumnError, DataError, FileError
from lmforms.sources import columnar_sources
from lmforms.sources.source import ROWS_OF_CHUNK

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from lmforms.sources.arrow_sources import FileSource  # noqa: E402


def table_of(rows: int, start: int = 0) -> pa.Table:
    i = np.arange(start, start + rows)
    return pa.table(
        {
            "x": pa.array(i * 0.5, mask=i % 7 == 3),
            "k": i.astype(np.int32),
            "g": pa.array([f"g{v % 5}" if v % 11 else None for v in i]),
            "b": pa.array(i % 2 == 0),
        }
    )


def write(table: pa.Table, path: Path, rows: int = 1 << 20) -> None:
    if path.suffix in (".parquet", ".pq"):
        pq.write_table(table, path, row_group_size=rows)
    elif path.suffix in (".arrow", ".ipc", ".feather"):
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table, max_chunksize=rows)
    else:
        from pyarrow import csv

        tabs = csv.WriteOptions(delimiter="\t" if ".tsv" in path.name else ",")
        with pa.output_stream(path) as file:  # compresses by the name
            csv.write_csv(table, file, tabs)


def read(source, columns=("x", "g", "k")):
    parts = [b for p in source.partitions() for b in p.read(list(columns))]
    assert all(b.schema.names == list(columns) and b.num_rows <= ROWS_OF_CHUNK for b in parts)
    return {c: [v for b in parts for v in b.column(c).to_pylist()] for c in columns}


def wanted(table, columns=("x", "g", "k")):
    return table.select(list(columns)).to_pydict()


@settings(max_examples=25)
@given(
    st.sampled_from([".parquet", ".pq", ".arrow", ".feather", ".csv", ".tsv", ".csv.gz"]),
    st.lists(st.integers(0, 60), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(1, 50),
)
def test_rows_are_those_written(ending, sizes, group, of_partition):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar_sources, "ROWS_OF_PARTITION", of_partition)
        starts = np.cumsum([0, *sizes])
        for i, size in enumerate(sizes):
            write(table_of(size, starts[i]), Path(folder, f"{i}{ending}"), group)
        source = FileSource(f"{folder}/*{ending}")
        assert source.repeatable
        for _ in range(2):
            assert read(source) == wanted(table_of(starts[-1]))
        if "csv" not in ending and max(sizes) > group + of_partition:
            assert len(source.partitions()) > len(sizes)


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv", ".csv.gz"])
def test_rows_of_a_large_file(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(columnar_sources, "ROWS_OF_PARTITION", 1)
    table = table_of(300_000)
    write(table, tmp_path / f"a{ending}", 150_000)
    source = FileSource(tmp_path / f"a{ending}")
    assert len(source.partitions()) == (1 if "csv" in ending else 2)
    columns = ("k", "x")
    assert read(source, columns) == wanted(table, columns)


def test_names_of_partitions_say_where(tmp_path, monkeypatch):
    write(table_of(100), tmp_path / "a.parquet", 10)
    monkeypatch.setattr(columnar_sources, "ROWS_OF_PARTITION", 60)
    names = [Path(p.name).name for p in FileSource(tmp_path).partitions()]
    assert names == ["a.parquet, row groups 1 to 6", "a.parquet, row groups 7 to 10"]


def test_only_needed_columns_are_read(tmp_path):
    """Bytes of the others may be anything."""
    write(table_of(1000), tmp_path / "a.parquet")
    columns = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    x = columns.column(0)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    start = min(x.data_page_offset, x.dictionary_page_offset or x.data_page_offset)
    data[start : start + x.total_compressed_size] = b"\xff" * x.total_compressed_size
    (tmp_path / "a.parquet").write_bytes(data)
    source = FileSource(tmp_path / "a.parquet")
    assert read(source, ["k", "b"]) == wanted(table_of(1000), ["k", "b"])
    with pytest.raises(FileError, match=r"a\.parquet, row group 1 cannot be read"):
        read(source, ["x"])


def test_a_list_a_folder_and_globs(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write(table_of(10), tmp_path / "a.parquet")
    write(table_of(10, 10), tmp_path / "deep" / "er" / "b.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".hidden.parquet").write_text("")
    whole = wanted(table_of(20))
    assert read(FileSource(tmp_path)) == whole
    assert read(FileSource(str(tmp_path / "**" / "*"))) == whole
    both = FileSource([tmp_path / "a.parquet", str(tmp_path / "deep" / "er" / "b.parquet")])
    assert read(both) == whole
    assert Path(both.name).name == "a.parquet and 1 other file"
    assert both.schema.names == ["x", "k", "g", "b"]
    assert len(read(FileSource(str(tmp_path / "*.parquet")))["x"]) == 10


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    write(table_of(3), tmp_path / "a[1].parquet")
    assert read(FileSource(tmp_path / "a[1].parquet")) == wanted(table_of(3))


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_files_without_rows(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    if ending == ".parquet":
        pq.ParquetWriter(path, table_of(0).schema).close()
    elif ending == ".arrow":
        pa.ipc.new_file(path, table_of(0).schema).close()
    else:
        write(table_of(0), path)
    source = FileSource(path)
    assert len(source.partitions()) == 1
    assert read(source) == {"x": [], "g": [], "k": []}


def test_streams_in_files(tmp_path):
    table = table_of(50)
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=20)
    assert read(FileSource(tmp_path / "a.arrow")) == wanted(table)


def test_partitions_pickle(tmp_path):
    for name in ("a.parquet", "b.arrow", "c.csv"):
        write(table_of(10), tmp_path / name)
    source = FileSource([tmp_path / name for name in ("a.parquet", "b.arrow", "c.csv")])
    parts = pickle.loads(pickle.dumps(source.partitions()))
    found = [b.column("k").to_pylist() for p in parts for b in p.read(["k", "g"])]
    assert found == [[*range(10)]] * 3


def test_results_of_threads_keep_their_order(tmp_path):
    for i in range(5):
        write(table_of(10, 10 * i), tmp_path / f"{i}.parquet")

    def work(partitions):
        return [v for p in partitions for b in p.read(["k"]) for v in b.column("k").to_pylist()]

    assert FileSource(tmp_path).reduced(work, lambda a, b: a + b) == [*range(50)]


# --- types over files ----------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
@pytest.mark.parametrize(
    "types",
    [
        [pa.int64(), pa.int32(), pa.float32(), pa.float64(), pa.decimal128(25, 2)],
        [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())],
    ],
)
def test_types_of_one_kind_agree(tmp_path, ending, types):
    texts = pa.types.is_string(types[0])
    for i, kind in enumerate(types):
        values = pa.array(["u", "v", None] if texts else [1, 2, None])
        column = values.dictionary_encode() if pa.types.is_dictionary(kind) else values.cast(kind)
        write(pa.table({"c": column}), tmp_path / f"{i}{ending}")
    found = read(FileSource(str(tmp_path / f"*{ending}")), ["c"])["c"]
    assert found == (["u", "v", None] if texts else [1, 2, None]) * len(types)


def test_a_column_without_values_has_any_kind(tmp_path):
    write(pa.table({"c": pa.nulls(2)}), tmp_path / "a.parquet")
    write(pa.table({"c": ["u"]}), tmp_path / "b.parquet")
    write(pa.table({"c": pa.nulls(1)}), tmp_path / "c.parquet")
    source = FileSource(tmp_path)
    assert source.schema.field("c").type == pa.string()
    assert read(source, ["c"])["c"] == [None, None, "u", None]


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_types_of_several_kinds(tmp_path, ending):
    write(pa.table({"x": [1], "c": [1.0]}), tmp_path / f"a{ending}")
    write(pa.table({"x": [1], "c": ["u"]}), tmp_path / f"b{ending}")
    source = FileSource(str(tmp_path / "*"))
    assert read(source, ["x"])["x"] == [1, 1]
    with pytest.raises(
        DataError,
        match=rf"`c` has two types: number \(double\) in .*a{ending}, and text \(string\) in "
        rf".*b{ending}. Write one",
    ):
        read(source, ["c"])


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_a_column_that_one_file_lacks(tmp_path, ending):
    write(pa.table({"x": [1], "Days": [1.0]}), tmp_path / f"a{ending}")
    write(pa.table({"x": [1], "days": [2.0]}), tmp_path / f"b{ending}")
    source = FileSource(str(tmp_path / "*"))
    with pytest.raises(ColumnError, match=rf"b{ending} has no column `Days`. Did you .*`days`"):
        read(source, ["x", "Days"])
    with pytest.raises(ColumnError, match=rf"a{ending} has no column `nothing`."):
        read(source, ["nothing"])


def test_two_columns_of_one_name(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    write(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet has two columns named `x`"):
        FileSource(tmp_path / "a.parquet")


# --- files that cannot be read -------------------------------------------------------------


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv.gz", ".csv"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
def test_damaged_files(tmp_path, ending, damage):
    path = tmp_path / f"b{ending}"
    rng = np.random.default_rng(1)
    write(pa.table({"k": rng.integers(0, 1 << 40, 2000)}), path)
    data = path.read_bytes()
    made = {"cut": data[: len(data) // 2], "empty": b"", "noise": b"\x00\xff" * 100}[damage]
    if ending == ".csv" and damage == "cut":
        made = data + b"1,2,3\n"
    path.write_bytes(made)
    write(pa.table({"k": [1]}), tmp_path / f"a{ending}")
    source = FileSource(str(tmp_path / "*"))
    with pytest.raises((FileError, ColumnError), match=rf"{path.name}"):
        read(source, ["k"])


def test_no_file(tmp_path):
    for given_, message in [
        (tmp_path / "*.parquet", r"no file matches .*\*\.parquet\."),
        (tmp_path / "a.parquet", r"there is no file .*a\.parquet\."),
        (tmp_path, "the folder .* has no Parquet, Arrow or CSV files"),
        ([], "no file is named"),
        ("s3://bucket/a.parquet", r"give pyarrow\.dataset\.dataset\('s3://bucket/a\.parquet'\)"),
    ]:
        with pytest.raises(FileError, match=message):
            FileSource(given_)
    with pytest.raises(FileError, match="item 1 of the files is int, not a path"):
        FileSource([1])


def test_names_that_say_nothing_or_too_much(tmp_path):
    (tmp_path / "a.xlsx").write_text("")
    with pytest.raises(FileError, match=r"a\.xlsx is no Parquet, Arrow or CSV file by its name"):
        FileSource(tmp_path / "a.xlsx")
    (tmp_path / "a.xlsx").unlink()
    write(table_of(3), tmp_path / "a.parquet")
    write(table_of(3), tmp_path / "a.csv")
    with pytest.raises(FileError, match=r"several kinds, CSV and Parquet.*such as .*/\*\.csv\."):
        FileSource(tmp_path)
    with pytest.raises(FileError, match=r"a\.parquet is named twice"):
        FileSource([tmp_path / "a.parquet", str(tmp_path / "*.parquet")])
    assert len(FileSource(tmp_path / "*.csv").files) == 1


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_files_that_change(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write(table_of(5), path)
    source = FileSource(path)
    parts = source.partitions()
    os.utime(path, ns=(0, 0))
    with pytest.raises(FileError, match=rf"a{ending} was changed while the model"):
        list(parts[0].read(["x"]))
    path.unlink()
    with pytest.raises(FileError, match=rf"a{ending} can no longer be read: No such file"):
        list(parts[0].read(["x"]))


# --- delimited text ------------------------------------------------------------------------


def test_text_files_have_the_types_of_the_first(tmp_path):
    (tmp_path / "a.csv").write_text("x,g,d\n1,01,2020-01-01\n2,a,NA\nNA,,\n")
    (tmp_path / "b.csv").write_text("d,g,x\n2020-01-02,02,4\n")
    found = read(FileSource(tmp_path), ["g", "x"])
    assert found == {"g": ["01", "a", None, "02"], "x": [1, 2, None, 4]}


def test_whole_numbers_that_become_others_later(tmp_path):
    """In the same file after the first block, and in another file: every row once."""
    first = "x,z\n" + "1,2\n" * 1_200_000 + "2.5,3\n"
    (tmp_path / "a.csv").write_text(first)
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write("x,z\n7,8\n8.25,9\n")
    found = read(FileSource([tmp_path / "a.csv", tmp_path / "b.csv.gz"]), ["z", "x"])
    assert found["x"] == [1] * 1_200_000 + [2.5, 7, 8.25]
    assert found["z"][-3:] == [3, 8, 9]


def test_large_whole_numbers_are_exact(tmp_path):
    (tmp_path / "a.csv").write_text(f"k,x\n{2**60 + 1},1\n{2**60},1.5\n")
    assert read(FileSource(tmp_path), ["k"])["k"] == [2**60 + 1, 2**60]


def test_text_where_numbers_were(tmp_path):
    (tmp_path / "a.csv").write_text("y,x\n1,1\n")
    (tmp_path / "b.csv").write_text("y,x\n1,many\n")
    with pytest.raises(DataError, match=r"number \(int64\) in .*a.csv, and text \(string\) in .*b"):
        read(FileSource(tmp_path), ["x"])


def test_text_after_the_first_block_and_the_way_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("y,x\n" + "1,1\n" * 1_200_000 + "2,many\n")
    with pytest.raises(DataError) as caught:
        read(FileSource(path), ["y", "x"])
    message = str(caught.value)
    assert "`x` of" in message
    assert "invalid value 'many'" in message
    assert "its first rows" in message
    import pyarrow.dataset

    from lmforms.sources.dataset_sources import DatasetSource

    code = message[message.index("pyarrow.dataset.dataset(") :].rstrip(".")
    dataset = eval(code, {"pyarrow": pyarrow, "files": [str(path)]})
    assert read(DatasetSource(dataset), ["x"])["x"][-2:] == ["1", "many"]


def test_columns_that_begin_without_values(tmp_path):
    block = "1,\n" * 2_000_000
    (tmp_path / "a.csv").write_text("y,x\n" + block + "1,2.5\n")
    (tmp_path / "b.csv").write_text("y,x\n" + block + "1,text\n")
    assert read(FileSource(tmp_path / "a.csv"), ["x"])["x"][-2:] == [None, 2.5]
    assert read(FileSource(tmp_path / "b.csv"), ["x"])["x"][-2:] == [None, "text"]


def test_days_that_become_times(tmp_path):
    (tmp_path / "a.csv").write_text("d\n2020-01-01\n")
    (tmp_path / "b.csv").write_text("d\n2020-01-01 10:30:00\n2020-01-01 10:30:00.5\n")
    found = read(FileSource(tmp_path), ["d"])["d"]
    assert [str(v) for v in found[1:]] == ["2020-01-01 10:30:00", "2020-01-01 10:30:00.500000"]


def test_another_delimiter(tmp_path):
    (tmp_path / "a.csv").write_text("x;y\n1;2\n")
    with pytest.raises(DataError, match="one column, named 'x;y': its delimiter seems to be ';'"):
        FileSource(tmp_path)
