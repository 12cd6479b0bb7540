"""Rows of delimited text files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..data.file_dialect import MISSING
from ..errors import DataError, FileError
from .arrow_types import (
    UNKNOWN,
    SeenTypes,
    failing_as,
    kind_of,
    missing_column,
    plain_batches,
    plain_schema,
    reason,
)
from .columnar_sources import FirstFile
from .file_paths import FoundFile
from .source import Partition

if TYPE_CHECKING:
    import pyarrow as pa

BYTES_OF_BLOCK = 1 << 22
"""Text that is parsed at a time; the first of it says what types the columns have."""

_COLUMN = re.compile(r"column #(\d+)")
"""How Arrow says which column cannot be converted."""


def csv_schema(file: FoundFile) -> pa.Schema:
    """Names of columns, and types that the first block of a file suggests.

    Raises
    ------
    FileError
        It is empty or no text.
    DataError
        Its delimiter is another one.
    """
    with failing_as(FileError, file.path), _stream(file) as handle, _opened(file, handle) as rows:
        schema = plain_schema(rows.schema, file.path)
    if len(schema) == 1:
        _check_delimiter(file, schema.names[0])
    return schema


def _check_delimiter(file: FoundFile, header: str) -> None:
    """Refuse a single column whose name looks like several."""
    other = next((sep for sep in (";", "\t", "|", ",") if sep in header), None)
    if other is not None:
        raise DataError(
            f"{file.path} has one column, named {header!r}: its delimiter seems to be {other!r}, "
            "and is a comma in .csv and a tab in .tsv. Write it again, or as Parquet."
        )


def csv_partitions(file: FoundFile, first: FirstFile) -> list[Partition]:
    """A delimited text file, which is read from its beginning to its end."""
    return [Partition(file.path, partial(_csv_rows, file, first))]


def _stream(file: FoundFile) -> Any:
    """The text of a file."""
    import pyarrow as pa

    packed = "gzip" if file.path.lower().endswith(".gz") else None
    return pa.input_stream(file.path, compression=packed)


def _opened(
    file: FoundFile,
    handle: Any,
    columns: Sequence[str] | None = None,
    types: dict[str, pa.DataType] | None = None,
) -> Any:
    """A reader of some columns."""
    from pyarrow import csv

    tabs = file.path.lower().removesuffix(".gz").endswith(".tsv")
    return csv.open_csv(
        handle,
        csv.ReadOptions(use_threads=False, block_size=BYTES_OF_BLOCK),
        csv.ParseOptions(delimiter="\t" if tabs else ","),
        csv.ConvertOptions(
            include_columns=columns and list(columns),
            column_types=types,
            null_values=MISSING,
            strings_can_be_null=True,
        ),
    )


def _csv_rows(
    file: FoundFile, first: FirstFile, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Rows of some columns, in the types of the first file.

    A column whose type was guessed too narrowly is read again from its beginning in a wider one,
    and the rows that had been given are passed over.
    """
    import pyarrow as pa

    file.check_unchanged()
    own = csv_schema(file)
    lacking = next((name for name in columns if name not in own.names), None)
    if lacking is not None:
        raise missing_column(lacking, own.names, file.path)
    types = _expected_types(first.schema, columns)
    given = 0
    while True:
        try:
            for batch in _rows_after(file, columns, types, given):
                given += batch.num_rows
                yield batch
            return
        except pa.ArrowInvalid as exc:
            widened = _widened(file, first, own, columns, types, exc)
        types = types | widened


def _rows_after(
    file: FoundFile, columns: Sequence[str], types: dict[str, pa.DataType], given: int
) -> Iterator[pa.RecordBatch]:
    """Rows after the first `given`; values that do not fit are an error of Arrow."""
    import pyarrow as pa

    try:
        with _stream(file) as handle, _opened(file, handle, columns, types) as rows:
            for batch in plain_batches(rows, columns):
                passed = min(given, batch.num_rows)
                given -= passed
                if passed < batch.num_rows:
                    yield batch.slice(passed)
    except pa.ArrowInvalid as exc:
        if _COLUMN.search(str(exc)):
            raise
        raise FileError(f"{file.path} cannot be read: {reason(exc)}.") from None
    except OSError as exc:
        raise FileError(f"{file.path} cannot be read: {reason(exc)}.") from None


def _expected_types(schema: pa.Schema, columns: Sequence[str]) -> dict[str, pa.DataType]:
    """Types of the first file as far as text is read into them."""
    import pyarrow as pa

    types = {}
    for name in columns:
        found = schema.field(name).type if name in schema.names else pa.null()
        kind = kind_of(found)
        if kind == UNKNOWN:
            continue
        if kind == "number":
            whole = pa.types.is_integer(found)
            found = pa.int64() if whole else pa.float64()
        elif kind == "text":
            found = pa.string()
        types[name] = found
    return types


def _widened(
    file: FoundFile,
    first: FirstFile,
    own: pa.Schema,
    columns: Sequence[str],
    types: dict[str, pa.DataType],
    exc: Exception,
) -> dict[str, pa.DataType]:
    """The next wider type of the column that an error of Arrow names.

    Raises
    ------
    DataError
        There is none that is of the same kind.
    """
    import pyarrow as pa

    found = _COLUMN.search(str(exc))
    name = own.names[int(found[1])] if found else columns[0]
    present = types.get(name, own.field(name).type)
    wider = {
        pa.int64(): pa.float64(),
        pa.date32(): pa.timestamp("s"),
        pa.timestamp("s"): pa.timestamp("ns"),
        pa.null(): pa.float64(),
    }
    if present in wider:
        return {name: wider[present]}
    never_seen = name not in first.schema.names or kind_of(first.schema.field(name).type) == UNKNOWN
    if never_seen and present == pa.float64():
        return {name: pa.string()}
    SeenTypes(first.schema, first.name).check(own, [name], file.path, _advice(name))
    where = "its first rows" if file.path == first.name else first.name
    raise DataError(
        f"`{name}` of {file.path} cannot be read as {kind_of(present)} ({present}), as in {where}: "
        f"{reason(exc).rpartition(': ')[2]}. {_advice(name)}"
    )


def _advice(name: str) -> str:
    """How to read a column whose type is guessed otherwise than it is meant."""
    return (
        "Correct the value, or say that the column is text: give pyarrow.dataset.dataset(files, "
        "format=pyarrow.dataset.CsvFileFormat(convert_options=pyarrow.csv.ConvertOptions("
        f'column_types={{"{name}": pyarrow.string()}}))).'
    )
