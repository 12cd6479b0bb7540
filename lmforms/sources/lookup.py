"""Which source data are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from .arrow_tables import is_of, is_table
from .file_paths import is_path, kind_by_name
from .source import Source

_OF_ARRAYS = ("shape", "dtype", "columns", "__array__", "__arrow_c_stream__", "__dataframe__")
"""What tables, columns and arrays of many libraries have, and iterables of chunks have not."""


def source_of(data: Any) -> Source | None:
    """The source of rows that data are; None for tables in memory and what is unknown.

    Parameters
    ----------
    data : object
        A path, glob or folder of Parquet, Arrow or CSV files; a dataset or reader of record
        batches of pyarrow; a lazy frame of polars; a relation of DuckDB, or a connection and a
        query; a data frame of dask; an iterator of tables, or a function that gives one; or a
        list of paths, of tables or of delayed tables.

    Returns
    -------
    Source or None

    Raises
    ------
    MissingPackageError
        pyarrow is not installed.
    DataError
        It is a source that cannot be read.
    FileError
        A file cannot be read.

    Examples
    --------
    >>> source_of({"x": [1, 2]}) is None
    True
    >>> source_of([{"x": [1, 2]}, {"x": [3]}]).name
    'the chunks'
    """
    # modules are imported here when they are needed: most data are no stream
    if is_table(data):
        return None
    if is_path(data):
        return _of_path(data)
    if _is_relation(data) or _is_query(data):
        from .duckdb_sources import DuckDBSource

        return DuckDBSource(data)
    if is_of(data, "pyarrow.dataset", "Dataset"):
        from .dataset_sources import DatasetSource

        return DatasetSource(data)
    if is_of(data, "pyarrow", "RecordBatchReader"):
        from .dataset_sources import ReaderSource

        return ReaderSource(data)
    if is_of(data, "polars", "LazyFrame"):
        from .polars_sources import LazyFrameSource

        return LazyFrameSource(data)
    if type(data).__module__.startswith("dask") and type(data).__name__ == "DataFrame":
        from .dask_sources import DaskFrameSource

        return DaskFrameSource(data)
    if isinstance(data, (list, tuple)):
        return _of_list(data)
    return _of_chunks(data) if _gives_chunks(data) else None


def _of_path(path: Any) -> Source:
    """Files, or a dataset of a folder whose folders have values of columns in their names."""
    from .arrow_sources import FileSource
    from .arrow_types import require_pyarrow

    text = os.path.expanduser(os.fspath(path))
    if os.path.isdir(text):
        names = sorted(p for p in Path(text).rglob("*=*/*") if kind_by_name(str(p)))
        if names:
            require_pyarrow("reading rows of files")
            from pyarrow import dataset

            from .dataset_sources import DatasetSource

            kind = {"Parquet": "parquet", "Arrow": "ipc", "CSV": "csv"}
            made = kind[str(kind_by_name(str(names[0])))]
            return DatasetSource(dataset.dataset(text, format=made, partitioning="hive"))
    return FileSource(path)


def _of_list(items: list[Any] | tuple[Any, ...]) -> Source | None:
    """Files, delayed tables or chunks, by the first of them."""
    if not items or is_table(items[0]):
        return _of_chunks(items)
    if is_path(items[0]):
        from .arrow_sources import FileSource

        return FileSource(items)
    from .dask_sources import DelayedSource, is_delayed

    if is_delayed(items[0]):
        return DelayedSource(items)
    return None


def _of_chunks(data: Any) -> Source:
    from .chunk_sources import ChunkSource

    return ChunkSource(data)


def _gives_chunks(data: Any) -> bool:
    """Whether data are an iterator, a function, or an iterable that is no column or array."""
    if isinstance(data, (type, str, bytes, bytearray, set, frozenset, Mapping)):
        return False
    if isinstance(data, Iterator):
        return True
    if any(hasattr(data, name) for name in _OF_ARRAYS):
        return False
    return callable(data) or isinstance(data, Iterable)


def _module_of(data: Any) -> str:
    """The package that a class is of, without its underscores."""
    return type(data).__module__.partition(".")[0].lstrip("_")


def _is_relation(data: Any) -> bool:
    return _module_of(data) == "duckdb" and type(data).__name__ == "DuckDBPyRelation"


def _is_query(data: Any) -> bool:
    """Whether data are a connection of DuckDB and a query."""
    if not isinstance(data, tuple) or not data or _module_of(data[0]) != "duckdb":
        return False
    if len(data) != 2 or not isinstance(data[1], str):
        raise DataError('a connection of DuckDB comes with one query: (connection, "SELECT …").')
    return True
