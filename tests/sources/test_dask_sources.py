"""Data frames and delayed tables of dask."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lmforms.errors import ColumnError, DataError

pa = pytest.importorskip("pyarrow")
dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")

from lmforms.sources.dask_sources import DaskFrameSource, DelayedSource  # noqa: E402

FRAME = pd.DataFrame(
    {
        "x": np.arange(50) * 0.5,
        "g": [f"g{i % 3}" for i in range(50)],
        "c": pd.Categorical([f"c{i % 2}" for i in range(50)]),
    }
)


def read(source, columns):
    parts = [b for p in source.partitions() for b in p.read(list(columns))]
    return {c: [v for b in parts for v in b.column(c).to_pylist()] for c in columns}


class Work:
    """Values of some columns, and which columns were loaded."""

    def __init__(self, columns):
        self.columns = columns

    def __call__(self, partitions):
        (part,) = partitions
        batches = list(part.read(self.columns))
        values = [v for b in batches for v in b.column(0).to_pylist()]
        return values, [[str(c) for c in part.read.load.table]]


def joined(a, b):
    return a[0] + b[0], a[1] + b[1]


@pytest.fixture(params=["threads", "cluster"])
def where(request):
    if request.param == "threads":
        yield request.param == "cluster"
        return
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.Client(processes=False, **options):
        yield request.param == "cluster"


def test_rows_are_those_of_the_frame(where):
    source = DaskFrameSource(dd.from_pandas(FRAME, npartitions=5))
    assert source.repeatable
    assert source.schema.names == ["x", "g", "c"]
    assert len(source.partitions()) == 5
    assert source.partitions()[1].name == "partition 2 of 5 of the dask data frame"
    assert read(source, ["g", "x"]) == {"g": FRAME["g"].tolist(), "x": FRAME["x"].tolist()}
    values, loaded = source.reduced(Work(["x"]), joined)
    assert values == FRAME["x"].tolist()
    assert loaded == [["x", "g", "c"]] * 5


def test_work_on_some_columns(where):
    source = DaskFrameSource(dd.from_pandas(FRAME, npartitions=3)).with_columns(["c", "x"])
    assert source.schema.names == ["c", "x"]
    for _ in range(2):
        values, loaded = source.reduced(Work(["c"]), joined)
        assert values == FRAME["c"].tolist()
        assert loaded == [["c", "x"]] * 3
    with pytest.raises(ColumnError, match="has no column `y`"):
        source.with_columns(["y"])


def test_files_are_read_as_far_as_needed(tmp_path):
    for i in range(2):
        FRAME[25 * i : 25 * i + 25].to_parquet(tmp_path / f"{i}.parquet")
    source = DaskFrameSource(dd.read_parquet(tmp_path)).with_columns(["g"])
    values, loaded = source.reduced(Work(["g"]), joined)
    assert values == FRAME["g"].tolist()
    assert [columns for columns in loaded if columns != ["g"]] == []


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars"])
def test_delayed_tables(where, kind):
    made = []

    @dask.delayed
    def part(i):
        made.append(i)
        rows = FRAME[["x", "g"]][10 * i : 10 * i + 10]
        if kind == "pandas":
            return rows
        table = pa.Table.from_pandas(rows, preserve_index=False)
        return table if kind == "arrow" else pytest.importorskip("polars").from_arrow(table)

    source = DelayedSource([part(i) for i in range(5)])
    assert made == [0] or where  # those of a cluster are appended to a copy
    assert source.schema.names == ["x", "g"]
    values = source.reduced(
        lambda parts: [v for b in parts[0].read(["g"]) for v in b.column(0).to_pylist()],
        lambda a, b: a + b,
    )
    assert values == FRAME["g"].tolist()
    assert read(source, ["x"])["x"] == FRAME["x"].tolist()


def test_partitions_pickle():
    cloudpickle = pytest.importorskip("cloudpickle")
    source = DaskFrameSource(dd.from_pandas(FRAME, npartitions=2))
    parts = cloudpickle.loads(cloudpickle.dumps(source.partitions()))
    assert [b.num_rows for p in parts for b in p.read(["x"])] == [25, 25]


def test_objects_have_the_type_of_the_first_partition():
    with dask.config.set({"dataframe.convert-string": False}):
        frame = pd.DataFrame({"g": pd.Series(["a", "b"], dtype=object), "x": [1, 2]})
        source = DaskFrameSource(dd.from_pandas(frame, npartitions=2))
        assert pa.types.is_string(source.schema.field("g").type)
        assert read(source, ["g"])["g"] == ["a", "b"]


def test_tables_that_differ():
    part = dask.delayed(lambda table: table)
    source = DelayedSource([part({"x": [1], "y": [1]}), part({"x": ["a"]})])
    with pytest.raises(DataError, match=r"number .* in the first partition, and text .*tion 2 of"):
        read(source, ["x"])
    with pytest.raises(ColumnError, match="partition 2 of 2 of the delayed tables has no column"):
        source.reduced(lambda parts: list(parts[0].read(["y"])), lambda a, b: a + b)
    with pytest.raises(DataError, match="partition 1 of 1 of the delayed tables is no table"):
        DelayedSource([part(3)])
    with pytest.raises(DataError, match="item 2 of the delayed tables is DataFrame"):
        DelayedSource([part({"x": [1]}), FRAME])
    with pytest.raises(DataError, match="give a list of at least one"):
        DelayedSource([])


def test_columns_that_are_not_there():
    source = DaskFrameSource(dd.from_pandas(FRAME, npartitions=1))
    with pytest.raises(ColumnError, match=r"has no column `X`. Did you mean `x`"):
        read(source, ["X"])


def test_one_partition():
    source = DaskFrameSource(dd.from_pandas(FRAME, npartitions=1))
    assert source.reduced(lambda parts: len(parts), joined) == 1
