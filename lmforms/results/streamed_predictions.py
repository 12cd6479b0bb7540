"""Predictions for the rows of a source, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO

from ..data.design import Design
from ..errors import ArgumentError, ColumnError, DataError, LmformsError, near_matches
from ..sources.source import Source
from ..storage.atomic import checked_path, write_whole

if TYPE_CHECKING:
    import pyarrow as pa


def predicted_chunks(
    design: Design, predict: Callable[[Any], Any], source: Source, keep: Sequence[str]
) -> tuple[pa.Table, Iterator[pa.Table]]:
    """A table of predictions without rows, and one for each chunk of a source in its order.

    Parameters
    ----------
    design : Design
        Of the fit.
    predict : callable
        Gives the predictions of a table, a column or a table of Arrow.
    source : Source
    keep : sequence of str
        Columns of the source that come before the predictions.

    Raises
    ------
    ColumnError
        A column that is to be kept is not there.
    ArgumentError
        A column that is to be kept has the name of one of the predictions.
    """
    keep = [keep] if isinstance(keep, str) else list(keep)
    names = source.schema.names
    for name in keep:
        if name not in names:
            raise ColumnError(
                f"predict: keep has `{name}`, which is not a column of the source."
                f"{near_matches(str(name), names)}"
            )
    given = design.formula_data
    used = [*given.columns, given.weights_column, given.offset_column]
    columns = [name for name in names if name in used or name in keep] or names[:1]
    none = source.schema.empty_table().select(columns)
    first = _predicted(predict, none, keep)  # columns that lack are told before rows are read
    return first, _chunks(predict, source, columns, keep, first)


def _predicted(predict: Callable[[Any], Any], rows: pa.Table, keep: list[str]) -> pa.Table:
    """Predictions of some rows, behind the columns that are kept."""
    import pyarrow as pa

    found = predict(rows)
    if not isinstance(found, pa.Table):
        found = pa.table({"predicted": found})
    twice = [name for name in keep if name in found.column_names]
    if twice:
        raise ArgumentError(
            f"predict: keep has `{twice[0]}`, which the predictions have too: rename it."
        )
    for place, name in enumerate(keep):
        found = found.add_column(place, name, rows[name])
    return found


def _chunks(
    predict: Callable[[Any], Any],
    source: Source,
    columns: list[str],
    keep: list[str],
    first: pa.Table,
) -> Iterator[pa.Table]:
    import pyarrow as pa

    for partition in source.partitions():
        for batch in partition.read(columns):
            rows = pa.Table.from_batches([batch])
            try:
                found = _predicted(predict, rows, keep)
                yield found.cast(_types(first, found))
            except LmformsError as error:
                raise type(error)(f"{partition.name}: {error.args[0]}") from error
            except pa.ArrowException as error:
                raise DataError(
                    f"{partition.name}: a column of keep= has another type than in the first rows "
                    f"({error}): give it one type."
                ) from None


def _types(first: pa.Table, found: pa.Table) -> pa.Schema:
    """Types of the first table; those of dictionaries, whose values differ, of their own."""
    import pyarrow as pa

    fields = []
    for field, own in zip(first.schema, found.schema, strict=True):
        is_text = pa.types.is_dictionary(own.type) or pa.types.is_null(field.type)
        fields.append(own if is_text else field)
    return pa.schema(fields)


def _written_types(first: pa.Table) -> pa.Schema:
    """Types of a file, in which the values of dictionaries are written out."""
    import pyarrow as pa

    return pa.schema(
        [
            (
                field.name,
                field.type.value_type if pa.types.is_dictionary(field.type) else field.type,
            )
            for field in first.schema
        ]
    )


def write_predictions(
    first: pa.Table, chunks: Iterator[pa.Table], path: str | PathLike[str]
) -> int:
    """Write tables to a file of Parquet, which appears when it is complete; the number of rows.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    import pyarrow.parquet as pq

    count = 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        with pq.ParquetWriter(file, _written_types(first)) as writer:
            for table in chunks:
                writer.write_table(table.cast(writer.schema))
                count += table.num_rows

    write_whole(checked_path(path, "predict"), write, "predict")
    return count
