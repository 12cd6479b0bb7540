"""Rows of Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import FileError
from .arrow_types import SeenTypes, failing_as, kind_of, plain_batches, plain_schema
from .file_paths import FoundFile
from .source import ROWS_OF_CHUNK, Partition

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_OF_PARTITION = 1 << 20
"""About the rows of a part of a file; groups of rows are never divided."""

SAME_TYPE = "Write one of the files again with the type of the other."


@dataclass(frozen=True)
class FirstFile:
    """What other files are compared with.

    Attributes
    ----------
    name : str
    schema : pyarrow.Schema
    """

    name: str
    schema: pa.Schema


def parquet_schema(file: FoundFile) -> pa.Schema:
    """Columns of a Parquet file."""
    with _opened_parquet(file) as rows:
        return plain_schema(rows.schema_arrow, file.path)


def parquet_partitions(file: FoundFile, first: FirstFile) -> list[Partition]:
    """Runs of row groups of a Parquet file."""
    with _opened_parquet(file) as opened:
        counts = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
    return [
        Partition(name, partial(_parquet_rows, file, first, run, name))
        for name, run in _named_runs(file, counts, "row group")
    ]


def _opened_parquet(file: FoundFile, text: Sequence[str] = (), metadata: Any = None) -> Any:
    """A Parquet file, with some columns of text as codes and labels."""
    from pyarrow import parquet

    with failing_as(FileError, file.path):
        # buffers that are filled in advance hold all row groups of a run at once
        return parquet.ParquetFile(
            file.path, metadata=metadata, read_dictionary=list(text) or None, pre_buffer=False
        )


def _parquet_rows(
    file: FoundFile, first: FirstFile, groups: Sequence[int], name: str, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Rows of some row groups."""
    file.check_unchanged()
    with _opened_parquet(file) as opened:
        schema, metadata = plain_schema(opened.schema_arrow, file.path), opened.metadata
    SeenTypes(first.schema, first.name).check(schema, columns, file.path, SAME_TYPE)
    # files hold text as codes and labels already: to read it so is several times as fast
    text = [name for name in columns if kind_of(schema.field(name).type) == "text"]
    with _opened_parquet(file, text, metadata) as opened, failing_as(FileError, name):
        batches = opened.iter_batches(
            ROWS_OF_CHUNK, row_groups=list(groups), columns=list(columns), use_threads=False
        )
        yield from plain_batches(batches, columns)


def arrow_schema(file: FoundFile) -> pa.Schema:
    """Columns of an Arrow file."""
    with _open_file(file) as handle:
        return plain_schema(_opened_arrow(file, handle).schema, file.path)


def arrow_partitions(file: FoundFile, first: FirstFile) -> list[Partition]:
    """Runs of the batches of an Arrow file; a stream of batches is one."""
    import pyarrow as pa

    with _open_file(file) as handle:
        opened = _opened_arrow(file, handle)
        if isinstance(opened, pa.RecordBatchStreamReader):
            return [Partition(file.path, partial(_arrow_rows, file, first, None, file.path))]
        # the rows of other batches are in the batches, and most writers make them alike
        with failing_as(FileError, file.path):
            rows = opened.get_batch(0).num_rows if opened.num_record_batches else 0
        counts = [rows] * opened.num_record_batches
    return [
        Partition(name, partial(_arrow_rows, file, first, run, name))
        for name, run in _named_runs(file, counts, "batch")
    ]


def _open_file(file: FoundFile) -> Any:
    """A file that is read rather than mapped: one that shrinks while it is mapped ends Python."""
    import pyarrow as pa

    with failing_as(FileError, file.path):
        return pa.OSFile(file.path)


def _opened_arrow(file: FoundFile, handle: Any, fields: Sequence[int] | None = None) -> Any:
    """A reader of an Arrow file, or of a stream of batches in a file."""
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(included_fields=fields and list(fields))
    with failing_as(FileError, file.path, _rewritten(file)):
        try:
            return pa.ipc.open_file(handle, options=options)
        except pa.ArrowInvalid:
            if handle.size() and _begins_as_file(handle):
                raise
        handle.seek(0)
        return pa.ipc.open_stream(handle, options=options)


def _begins_as_file(handle: Any) -> bool:
    """Whether a file begins as Arrow files do, unlike streams."""
    handle.seek(0)
    return bool(handle.read(6) == b"ARROW1")


def _rewritten(file: FoundFile) -> str:
    """The way out for a file that is not as its name says."""
    return f" It is no Arrow file, or one of Feather's version 1: write {file.path} again."


def _arrow_rows(
    file: FoundFile,
    first: FirstFile,
    run: Sequence[int] | None,
    name: str,
    columns: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    """Rows of some batches of an Arrow file."""
    file.check_unchanged()
    schema = arrow_schema(file)
    SeenTypes(first.schema, first.name).check(schema, columns, file.path, SAME_TYPE)
    fields = sorted(schema.names.index(name) for name in columns)
    with _open_file(file) as handle:
        opened = _opened_arrow(file, handle, fields)
        with failing_as(FileError, name):
            batches = iter(opened) if run is None else (opened.get_batch(i) for i in run)
            yield from plain_batches(batches, columns)


def _named_runs(
    file: FoundFile, counts: Sequence[int], what: str
) -> Iterator[tuple[str, list[int]]]:
    """Neighbours with about the rows of a partition, with names for messages."""
    if not counts:
        yield file.path, []
    run: list[int] = []
    rows = 0
    for i, count in enumerate(counts):
        run.append(i)
        rows += count
        if rows >= ROWS_OF_PARTITION or i == len(counts) - 1:
            numbers = f"{what} {run[0] + 1}"
            if len(run) > 1:
                numbers = f"{what}{'es' if what == 'batch' else 's'} {run[0] + 1} to {run[-1] + 1}"
            yield f"{file.path}, {numbers}", run
            run, rows = [], 0
