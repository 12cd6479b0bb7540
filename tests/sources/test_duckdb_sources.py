"""Relations and queries of DuckDB."""

from __future__ import annotations

import pytest

from lmforms.errors import ColumnError, DataError
from lmforms.sources.source import ROWS_OF_CHUNK

pa = pytest.importorskip("pyarrow")
duckdb = pytest.importorskip("duckdb")

from lmforms.sources.duckdb_sources import DuckDBSource  # noqa: E402


@pytest.fixture
def connection():
    with duckdb.connect() as made:
        made.execute(
            'CREATE TABLE rows AS SELECT i AS "a b", \'g\' || (i % 3) AS "q""q", '
            "(i / 2.0)::DECIMAL(12, 2) AS d, i % 2 = 0 AS b FROM range(300000) r(i)"
        )
        yield made


def read(source, columns):
    (part,) = source.partitions()
    parts = list(part.read(list(columns)))
    assert all(b.schema.names == list(columns) and b.num_rows <= ROWS_OF_CHUNK for b in parts)
    return {c: [v for b in parts for v in b.column(c).to_pylist()] for c in columns}


@pytest.mark.parametrize("how", ["table", "sql", "query"])
def test_rows_are_those_of_the_table(connection, how):
    select = 'SELECT * FROM rows ORDER BY "a b" -- all'
    made = {
        "table": lambda: connection.table("rows"),
        "sql": lambda: connection.sql(select),
        "query": lambda: (connection, select),
    }[how]()
    source = DuckDBSource(made)
    assert source.repeatable
    assert source.schema.names == ["a b", 'q"q', "d", "b"]
    for _ in range(2):
        found = read(source, ['q"q', "a b"])
        assert found["a b"] == [*range(300_000)]
        assert found['q"q'] == [f"g{i % 3}" for i in range(300_000)]


def test_only_needed_columns_are_made(connection):
    made = (connection, "SELECT 1 AS x, error('it was asked for')::INTEGER AS y FROM range(3)")
    source = DuckDBSource(made)
    assert read(source, ["x"])["x"] == [1, 1, 1]
    with pytest.raises(DataError, match="it was asked for"):
        read(source, ["y"])


def test_a_reading_that_is_left_frees_the_connection(connection):
    source = DuckDBSource(connection.table("rows"))
    reading = source.partitions()[0].read(["a b"])
    next(reading)
    reading.close()
    assert connection.sql("SELECT 1").fetchall() == [(1,)]


def test_errors_while_rows_are_read(connection):
    text = "SELECT CASE WHEN i = 250000 THEN ('a' || i)::INT ELSE 1 END x FROM range(300000) r(i)"
    with pytest.raises(DataError, match=r"the DuckDB query cannot be read: .*a250000"):
        read(DuckDBSource((connection, text)), ["x"])


def test_columns_that_are_not_there(connection):
    with pytest.raises(ColumnError, match=r"the DuckDB relation has no column `a_b`. Did you mean"):
        read(DuckDBSource(connection.table("rows")), ["a_b"])


def test_a_table_that_is_dropped(connection):
    source = DuckDBSource(connection.table("rows"))
    connection.execute("DROP TABLE rows")
    with pytest.raises(DataError, match=r"rows does not exist.*What it reads must stay"):
        read(source, ["b"])


def test_a_connection_that_is_closed():
    connection = duckdb.connect()
    source = DuckDBSource((connection, "SELECT 1 AS x"))
    connection.close()
    with pytest.raises(DataError, match=r"cannot be read: .*[cC]losed"):
        read(source, ["x"])


def test_rows_that_can_be_read_once(connection):
    source = DuckDBSource(connection.from_arrow(pa.table({"x": [1, 2]}).to_reader()))
    assert read(source, ["x"])["x"] == [1, 2]
    with pytest.raises(DataError, match="Its rows can be read once: make a table"):
        read(source, ["x"])


def test_what_gives_no_rows(connection):
    with pytest.raises(DataError, match="the DuckDB query cannot be read: Parser Error"):
        DuckDBSource((connection, "SELEC 1"))
    with pytest.raises(DataError, match=r"frame.*register\(name, frame\)"):
        DuckDBSource((connection, "SELECT * FROM frame"))
    for second in ("x", "X"):
        with pytest.raises(DataError, match=r"two columns named `x`, as DuckDB does not tell"):
            DuckDBSource((connection, f"SELECT 1 AS x, 2 AS {second}"))


def test_a_frame_is_known_after_it_is_registered(connection):
    import pandas as pd

    connection.register("frame", pd.DataFrame({"x": [1.5]}))
    assert read(DuckDBSource((connection, "SELECT * FROM frame")), ["x"])["x"] == [1.5]


def test_types(connection):
    source = DuckDBSource(
        (connection, "SELECT 'u'::ENUM('u', 'v') e, DATE '2020-01-01' t, 1::HUGEINT h, 1.5 d")
    )
    from lmforms.sources.arrow_types import kind_of

    kinds = [kind_of(t) for t in source.schema.types]
    assert kinds == ["text", "date or time", "number", "number"]
