"""Files as a source: Parquet, Arrow and delimited text."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from .arrow_types import require_pyarrow, with_types_of
from .columnar_sources import (
    FirstFile,
    arrow_partitions,
    arrow_schema,
    parquet_partitions,
    parquet_schema,
)
from .csv_sources import csv_partitions, csv_schema
from .file_paths import found_files, is_path
from .source import Partition, Source

_SCHEMAS = {"Parquet": parquet_schema, "Arrow": arrow_schema, "CSV": csv_schema}
_PARTITIONS = {"Parquet": parquet_partitions, "Arrow": arrow_partitions, "CSV": csv_partitions}


class FileSource(Source):
    """Rows of Parquet, Arrow, Feather or CSV files, one file after the other.

    The columns and their types are those of the first file. Files are not to change between
    readings.

    Parameters
    ----------
    paths : str, path-like, or sequence of them
        A file, a glob such as ``"rows/**/*.parquet"``, a folder, or a list of them.

    Raises
    ------
    FileError
        There is no such file, or the first cannot be read.
    MissingPackageError
        pyarrow is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa
    >>> from pyarrow import parquet
    >>> with TemporaryDirectory() as folder:
    ...     parquet.write_table(pa.table({"x": [1, 2, 3]}), f"{folder}/a.parquet")
    ...     source = FileSource(f"{folder}/*.parquet")
    ...     [batch.num_rows for part in source.partitions() for batch in part.read(["x"])]
    [3]
    """

    repeatable = True

    def __init__(self, paths: str | os.PathLike[str] | Sequence[Any]) -> None:
        require_pyarrow("reading rows of files")
        self.files = found_files(paths)
        self.name = str(paths) if is_path(paths) else _name_of_list([f.path for f in self.files])
        schemas = (_SCHEMAS[file.kind](file) for file in self.files)
        self.schema = with_types_of(next(schemas), schemas)

    @property
    def fingerprint(self) -> str:
        """A digest of the names, sizes and times of the files."""
        facts = repr([(f.path, f.size, f.modified) for f in self.files])
        return hashlib.sha256(facts.encode()).hexdigest()

    def partitions(self) -> list[Partition]:
        """Runs of row groups of Parquet files, runs of batches of Arrow files, and CSV files."""
        return list(self._partitions)

    @cached_property
    def _partitions(self) -> list[Partition]:
        first = FirstFile(self.files[0].path, self.schema)
        parts = []
        for file in self.files:
            file.check_unchanged()
            parts += _PARTITIONS[file.kind](file, first)
        return parts


def _name_of_list(paths: Sequence[str]) -> str:
    """A name for some files."""
    more = len(paths) - 1
    return paths[0] + (f" and {more} other file{'s' * (more > 1)}" if more else "")
