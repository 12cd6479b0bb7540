"""The same fit from every kind of source, whatever its chunks are."""

import warnings

import numpy as np
import pandas as pd
import pytest
from test_stream_fits import same

import lmforms as lf
from lmforms.errors import DataError, FileError, RankWarning

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
csv = pytest.importorskip("pyarrow.csv")
ds = pytest.importorskip("pyarrow.dataset")

FORMULA = "y ~ x * f + (x | g) + (1 | name)"


def _data():
    random = np.random.default_rng(3)
    n = 2_000
    g, name = random.integers(0, 20, n), random.integers(0, 12, n)
    x = random.normal(size=n)
    effects = random.normal(size=(3, 20))
    y = 1.0 + x + effects[0, g] + effects[1, g] * x + effects[2, name] + random.normal(size=n)
    f = np.array(["u", "v", "w"])[random.integers(0, 3, n)]
    return pd.DataFrame(
        {"unused": 1, "y": y, "x": x, "f": f, "g": g, "name": np.array(list("abcdefghijkl"))[name]}
    )


DATA = _data()
CONNECTIONS = []


@pytest.fixture(scope="module")
def whole():
    return lf.lmer(FORMULA, DATA)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("rows")
    for i, part in enumerate((DATA[:900], DATA[900:1000], DATA[1000:])):
        table = pa.Table.from_pandas(part, preserve_index=False)
        pq.write_table(table, made / f"{i}.parquet", row_group_size=170)
        (made / "arrow").mkdir(exist_ok=True)
        with pa.ipc.new_file(made / "arrow" / f"{i}.arrow", table.schema) as writer:
            writer.write_table(table, max_chunksize=333)
        csv.write_csv(table, made / f"{i}.csv")
    ds.write_dataset(
        pa.Table.from_pandas(DATA, preserve_index=False),
        made / "hive",
        format="parquet",
        partitioning=ds.partitioning(pa.schema([("f", pa.string())]), flavor="hive"),
    )
    return made


def _duckdb(query):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    CONNECTIONS.append(connection)  # older ones close with their last reference
    connection.register("rows", DATA)
    return connection.sql("SELECT * FROM rows") if query is None else (connection, query)


def _polars(folder):
    return pytest.importorskip("polars").scan_parquet(folder / "*.parquet")


def _dask():
    pytest.importorskip("dask.dataframe")
    import dask.dataframe

    return dask.dataframe.from_pandas(DATA, npartitions=5)


def _delayed():
    dask = pytest.importorskip("dask")
    return [dask.delayed(DATA.iloc.__getitem__)(slice(i, i + 700)) for i in range(0, 2000, 700)]


def _parts(size=300):
    return [DATA[i : i + size] for i in range(0, len(DATA), size)]


SOURCES = {
    "one file": lambda folder: folder / "0.parquet",
    "glob": lambda folder: str(folder / "*.parquet"),
    "list of files": lambda folder: [folder / f"{i}.parquet" for i in range(3)],
    "arrow": lambda folder: folder / "arrow",
    "csv": lambda folder: str(folder / "*.csv"),
    "hive": lambda folder: folder / "hive",
    "dataset": lambda folder: ds.dataset([str(folder / f"{i}.parquet") for i in range(3)]),
    "relation": lambda folder: _duckdb(None),
    "query": lambda folder: _duckdb("SELECT y, x, f, g, name FROM rows ORDER BY random()"),
    "lazy frame": _polars,
    "pandas": lambda folder: _parts(),
    "arrow tables": lambda folder: [pa.Table.from_pandas(p) for p in _parts()],
    "mappings": lambda folder: [{c: p[c].to_numpy() for c in p} for p in _parts()],
    "function": lambda folder: lambda: iter(_parts(77)),
    "dask": lambda folder: _dask(),
    "delayed": lambda folder: _delayed(),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_the_same_fit(kind, folder, whole):
    found = lf.lmer(FORMULA, SOURCES[kind](folder))
    if kind == "one file":
        whole = lf.lmer(FORMULA, DATA[:900])
    same(found, whole)


@pytest.mark.parametrize("kind", ["iterator", "reader"])
def test_sources_that_are_read_once(kind, whole):
    rows = iter(_parts())
    if kind == "reader":
        tables = [pa.Table.from_pandas(p, preserve_index=False) for p in _parts()]
        batches = [batch for table in tables for batch in table.to_batches()]
        rows = pa.RecordBatchReader.from_batches(tables[0].schema, batches)
    same(lf.lmer(FORMULA, rows, levels={"f": ["u", "v", "w"]}), whole)


def test_a_source_that_changes_between_passes(tmp_path):
    """Groups far apart need a second pass."""
    random = np.random.default_rng(1)
    g = np.repeat(np.arange(20), 10)
    data = pd.DataFrame({"g": g, "y": 1e5 * random.normal(size=20)[g] + random.normal(size=200)})
    calls = []

    def chunks():
        calls.append(len(calls))
        return [data if len(calls) < 4 else data.assign(g=data["g"].replace(7, 99))]

    with pytest.raises(DataError, match=r"the level 99 .* was not there .* it has changed"):
        lf.lmer("y ~ 1 + (1 | g)", chunks)
    path = tmp_path / "rows.parquet"
    data.to_parquet(path)
    sums = lf.summarise("y ~ 1 + (1 | g)", path)
    data[:150].to_parquet(path)
    with pytest.raises(FileError, match="was changed"):
        lf.lmer(sums)


TRANSFORMED = "y ~ scale(x) * f + bs(x, knots=[0.1]) + (1 | g)"


@pytest.mark.parametrize("kind", ["glob", "relation", "query", "lazy frame", "dask"])
def test_transforms_of_every_source(kind, folder):
    """A plan is made while nothing else is read: a connection has one open result."""
    with pytest.warns(RankWarning):
        found = lf.lmer(TRANSFORMED, SOURCES[kind](folder))
    with pytest.warns(RankWarning):
        same(found, lf.lmer(TRANSFORMED, DATA))


def test_filters_of_warnings_stay(folder):
    """Several threads evaluate formulas at once; the filters belong to all of them."""
    before = list(warnings.filters)
    for _ in range(5):
        lf.summarise("y ~ scale(x) + I(x**2) + (1 | g)", str(folder / "*.parquet"))
    assert warnings.filters == before
