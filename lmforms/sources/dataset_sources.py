"""Datasets and readers of record batches of pyarrow as sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import DataError, FileError
from .arrow_types import failing_as, missing_column, plain_batches, plain_schema, require_pyarrow
from .columnar_sources import ROWS_OF_PARTITION
from .source import ROWS_OF_CHUNK, Partition, Source

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import dataset as ds


class DatasetSource(Source):
    """Rows of a :class:`pyarrow.dataset.Dataset`, on any file system, with keys of folders.

    Types are those of the dataset, which says how its files are read. A list of Parquet files on
    disk is read faster as such.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
    """

    name = "the dataset"
    repeatable = True

    def __init__(self, dataset: ds.Dataset) -> None:
        require_pyarrow("reading a dataset")
        self.dataset = dataset
        self.schema = plain_schema(dataset.schema, self.name)
        self._stamps = _stamps(dataset) if _is_of_files(dataset) else {}

    def partitions(self) -> list[Partition]:
        """Runs of row groups of Parquet files, or files; other datasets are one partition."""
        if not _is_of_files(self.dataset):
            return [Partition(self.name, partial(_scanned, self.dataset, self.name))]
        parts = []
        for fragment in self.dataset.get_fragments():
            stamp = self._stamps[fragment.path]
            for name, part in _parts_of(fragment):
                rows = _FragmentRows(part, fragment.path, name, self.dataset.schema, stamp)
                parts.append(Partition(name, rows))
        return parts or [Partition(self.name, partial(_scanned, self.dataset, self.name))]


def _is_of_files(dataset: ds.Dataset) -> bool:
    """Whether rows are those of all files: a filter would be lost by reading them one by one."""
    import pyarrow.dataset as ds

    filtered = bool(getattr(dataset, "_scan_options", None))
    return isinstance(dataset, ds.FileSystemDataset) and not filtered


def _stamps(dataset: ds.FileSystemDataset) -> dict[str, tuple[Any, Any]]:
    """Sizes and times of the files of a dataset."""
    with failing_as(FileError, "the dataset"):
        infos = dataset.filesystem.get_file_info(dataset.files)
    return {info.path: (info.size, info.mtime_ns) for info in infos}


def _parts_of(fragment: Any) -> Iterator[tuple[str, Any]]:
    """Runs of row groups of a fragment, with names for messages."""
    if not hasattr(fragment, "row_groups"):
        yield fragment.path, fragment
        return
    with failing_as(FileError, fragment.path):
        groups = fragment.row_groups
    run: list[int] = []
    rows = 0
    for group in groups:
        run.append(group.id)
        rows += group.num_rows
        if rows >= ROWS_OF_PARTITION or group is groups[-1]:
            upto = f"s {run[0] + 1} to {run[-1] + 1}" if len(run) > 1 else f" {run[0] + 1}"
            yield f"{fragment.path}, row group{upto}", fragment.subset(row_group_ids=run)
            run, rows = [], 0


@dataclass(frozen=True)
class _FragmentRows:
    """Rows of a part of a file of a dataset."""

    fragment: Any
    path: str
    name: str
    schema: pa.Schema
    stamp: tuple[Any, Any]

    def __call__(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        import pyarrow.dataset as ds

        with failing_as(FileError, self.path):
            info = self.fragment.filesystem.get_file_info(self.path)
            if (info.size, info.mtime_ns) != self.stamp:
                raise FileError(
                    f"{self.path} was changed while the model was being made: keep files as they "
                    "are until it is fitted, and begin again."
                )
            keys = ds.get_partition_keys(self.fragment.partition_expression)
            known = [*self.fragment.physical_schema.names, *keys]
        lacking = next((name for name in columns if name not in known), None)
        if lacking is not None:
            # the dataset would take it for a column without any value
            raise missing_column(lacking, known, self.path)
        yield from _scanned(self.fragment, self.name, columns, schema=self.schema)


def _scanned(
    rows: Any, name: str, columns: Sequence[str], schema: pa.Schema | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows of a dataset, or of a fragment as a schema has them."""
    of_schema = {} if schema is None else {"schema": schema}
    lacking = next((c for c in columns if c not in (schema or rows.schema).names), None)
    if lacking is not None:
        raise missing_column(lacking, (schema or rows.schema).names, name)
    with failing_as(FileError, name):
        scanner = rows.scanner(
            columns=list(columns),
            batch_size=ROWS_OF_CHUNK,
            batch_readahead=2,
            fragment_readahead=1,
            use_threads=schema is None,
            **of_schema,
        )
        yield from plain_batches(scanner.to_batches(), columns)


class ReaderSource(Source):
    """Rows of a :class:`pyarrow.RecordBatchReader`, which can be read once.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
    """

    name = "the reader of record batches"
    repeatable = False

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        require_pyarrow("reading record batches")
        self.schema = plain_schema(reader.schema, self.name)
        self._reader: pa.RecordBatchReader | None = reader

    def partitions(self) -> list[Partition]:
        """All rows, as one partition."""
        return [Partition(self.name, self._read)]

    def _read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        reader, self._reader = self._reader, None
        if reader is None:
            raise DataError(
                f"{self.name} has been read and cannot be read again: give a function that makes "
                "one, such as lambda: make_reader()."
            )
        lacking = next((name for name in columns if name not in self.schema.names), None)
        if lacking is not None:
            raise missing_column(lacking, self.schema.names, self.name)
        return self._batches(reader, columns)

    def _batches(
        self, reader: pa.RecordBatchReader, columns: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        with failing_as(DataError, self.name):
            yield from plain_batches(reader, columns)
