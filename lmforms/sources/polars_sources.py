"""Lazy frames of polars as a source."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .arrow_tables import batches_of, schema_of
from .arrow_types import missing_column, reason, require_pyarrow
from .source import ROWS_OF_CHUNK, Partition, Source

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


class LazyFrameSource(Source):
    """Rows of a :class:`polars.LazyFrame`, which polars makes in chunks.

    Versions of polars without ``collect_batches`` write the columns that are needed to a
    temporary file, which is read in chunks.

    Parameters
    ----------
    frame : polars.LazyFrame

    Raises
    ------
    DataError
        polars cannot say what columns it has.
    """

    name = "the lazy frame"
    repeatable = True

    def __init__(self, frame: pl.LazyFrame) -> None:
        import polars as pl

        require_pyarrow("reading a lazy frame")
        self.frame = frame
        with _failing(self.name):
            empty = pl.DataFrame(schema=frame.collect_schema())
        self.schema = schema_of(empty, self.name)

    def partitions(self) -> list[Partition]:
        """All rows, as one partition: polars has threads of its own."""
        return [Partition(self.name, self._read)]

    def _read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        lacking = next((name for name in columns if name not in self.schema.names), None)
        if lacking is not None:
            raise missing_column(lacking, self.schema.names, self.name)
        needed = self.frame.select(columns)
        chunks = _collected if hasattr(needed, "collect_batches") else _by_file
        with _failing(self.name):
            for chunk in chunks(needed):
                yield from batches_of(chunk, columns, self.name)


def _collected(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Chunks as polars makes them."""
    yield from frame.collect_batches(chunk_size=ROWS_OF_CHUNK, maintain_order=True)


def _by_file(frame: Any) -> Iterator[pa.RecordBatch]:
    """Chunks of a temporary file, since older versions give all rows at once or none."""
    from pyarrow import parquet

    with TemporaryDirectory(prefix="lmforms-") as folder:
        path = os.path.join(folder, "rows.parquet")
        try:
            frame.sink_parquet(path, compression="lz4", maintain_order=True)
        except BaseException as exc:  # what is raised of Rust is no Exception
            if "standard engine" not in str(exc):
                raise
            raise DataError(
                "this version of polars cannot make the rows of the lazy frame in chunks: update "
                "polars, or write them first: frame.collect().write_parquet('rows.parquet'), and "
                "give 'rows.parquet'."
            ) from None
        with parquet.ParquetFile(path, pre_buffer=False) as rows:
            yield from rows.iter_batches(ROWS_OF_CHUNK)


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Errors of polars as ours; those of functions inside it are left as they are."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as exc:
        if isinstance(exc, DataError):
            raise
        raise DataError(f"{what} cannot be read: {reason(exc)}.") from None
