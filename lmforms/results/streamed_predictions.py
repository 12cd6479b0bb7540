"""Predictions for the rows of a source, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO

from ..data.design import Design
from ..errors import ArgumentError, ColumnError, LmformsError, near_matches
from ..sources.source import Source
from ..storage.atomic import checked_path, write_whole

if TYPE_CHECKING:
    import pyarrow as pa


def predicted_chunks(
    design: Design, predict: Callable[[Any], Any], source: Source, keep: Sequence[str]
) -> Iterator[pa.Table]:
    """Tables of predictions, one for each chunk of a source in its order.

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
    names = source.schema.names
    for name in keep:
        if name not in names:
            raise ColumnError(
                f"predict: keep has `{name}`, which is not a column of the source."
                f"{near_matches(str(name), names)}"
            )
    given = design.formula_data
    used = [*given.columns, given.weights_column, given.offset_column]
    columns = [name for name in names if name in used or name in keep]
    return _chunks(predict, source, columns, list(keep))


def _chunks(
    predict: Callable[[Any], Any], source: Source, columns: list[str], keep: list[str]
) -> Iterator[pa.Table]:
    import pyarrow as pa

    for partition in source.partitions():
        for batch in partition.read(columns):
            rows = pa.Table.from_batches([batch])
            try:
                found = predict(rows)
            except LmformsError as error:
                raise type(error)(f"{partition.name}: {error.args[0]}") from error
            if not isinstance(found, pa.Table):
                found = pa.table({"predicted": found})
            twice = [name for name in keep if name in found.column_names]
            if twice:
                raise ArgumentError(
                    f"predict: keep has `{twice[0]}`, which the predictions have too: rename it."
                )
            for place, name in enumerate(keep):
                found = found.add_column(place, name, rows[name])
            yield found


def write_predictions(chunks: Iterator[pa.Table], path: str | PathLike[str]) -> int:
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
        writer = None
        try:
            for table in chunks:
                writer = writer or pq.ParquetWriter(file, table.schema)
                writer.write_table(table.cast(writer.schema))
                count += table.num_rows
        finally:
            if writer is not None:
                writer.close()

    write_whole(checked_path(path, "predict"), write, "predict")
    return count
