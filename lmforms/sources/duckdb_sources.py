"""Relations and queries of DuckDB as a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .arrow_types import missing_column, plain_batches, plain_schema, reason, require_pyarrow
from .source import ROWS_OF_CHUNK, Partition, Source

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_READERS = ("to_arrow_reader", "fetch_arrow_reader", "fetch_record_batch")
"""What versions of DuckDB call the reader of record batches, the newest first."""


_ONCE = " Its rows can be read once: make a table of them first, and give that."


class DuckDBSource(Source):
    """Rows of a relation or query of DuckDB, which runs again for each reading.

    Only the columns that are needed are asked for. Other queries of the same connection may have
    to wait until all rows are read.

    Parameters
    ----------
    query : duckdb.DuckDBPyRelation or tuple
        A relation, or a connection and the text of a ``SELECT``.

    Raises
    ------
    DataError
        DuckDB cannot run the query, or it gives no rows.
    """

    repeatable = True

    def __init__(self, query: duckdb.DuckDBPyRelation | tuple[Any, str]) -> None:
        require_pyarrow("reading rows of DuckDB")
        if isinstance(query, tuple):
            self.name = "the DuckDB query"
            with _failing(self.name):
                relation = _relation(*query)
        else:
            self.name = "the DuckDB relation"
            relation = query
        if not hasattr(relation, "columns"):
            raise DataError(f"{self.name} gives no rows: a SELECT is needed.")
        names = Counter(str(name).lower() for name in relation.columns)
        twice = next((name for name, count in names.items() if count > 1), None)
        if twice is not None:
            raise DataError(
                f"{self.name} has two columns named `{twice}`, as DuckDB does not tell small "
                "letters from capitals: rename one."
            )
        self._relation = relation
        self._had_rows = False
        with _failing(self.name), _reader(relation.limit(0)) as reader:
            self.schema = plain_schema(reader.schema, self.name)

    def partitions(self) -> list[Partition]:
        """All rows, as one partition: a connection is of one thread."""
        return [Partition(self.name, self._read)]

    def _read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        lacking = next((name for name in columns if name not in self.schema.names), None)
        if lacking is not None:
            raise missing_column(lacking, self.schema.names, self.name)
        needed = ", ".join(_quoted(name) for name in columns)
        # closed as soon as nobody reads on: an open reader keeps others from the connection
        with _failing(self.name), _reader(self._relation.project(needed)) as reader:
            rows = 0
            for batch in plain_batches(reader, columns):
                rows += batch.num_rows
                yield batch
        if self._had_rows and not rows:
            # older versions find nothing in a reader of Arrow that has been read
            raise DataError(f"{self.name} had rows and has none now.{_ONCE}")
        self._had_rows = bool(rows)


def _relation(connection: Any, text: str, /) -> Any:
    # DuckDB takes names that are no tables for variables of its caller, so that this has few
    return connection.sql(text)


def _reader(relation: Any) -> Any:
    """A reader of the rows of a relation."""
    name = next(name for name in _READERS if hasattr(type(relation), name))
    return getattr(relation, name)(ROWS_OF_CHUNK)


def _quoted(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Errors of DuckDB as ours: while rows are read, they come as errors of Arrow."""
    import duckdb
    import pyarrow as pa

    try:
        yield
    except DataError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as exc:
        raise DataError(f"{what} cannot be read: {reason(exc)}.{_way_out(str(exc))}") from None


def _way_out(message: str) -> str:
    """What to do about some errors of DuckDB."""
    text = message.lower()
    if "does not exist" in text:
        return (
            " What it reads must stay as it was; a data frame is known to DuckDB after "
            "connection.register(name, frame)."
        )
    if "consumed" in text:
        return _ONCE
    if "open result" in text:
        return " Read or close the other result first, or use connection.cursor() for it."
    if "closed" in text:
        return " Keep the connection open until the model is fitted."
    return ""
