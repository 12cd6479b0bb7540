"""Iterables of tables as a source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .arrow_tables import batches_of, is_table, row_count, schema_of
from .arrow_types import SeenTypes, require_pyarrow, with_types_of
from .source import Partition, Source

if TYPE_CHECKING:
    import pyarrow as pa

SAME_TYPE = "Give all chunks the same type, as with astype() of pandas or cast() of polars."


class ChunkSource(Source):
    """Rows of tables that come one after the other.

    Chunks are pandas or polars data frames, Arrow tables or record batches, or mappings of
    arrays. The columns and their types are those of the first chunk that has rows.

    Parameters
    ----------
    chunks : iterable or callable
        A list can be read again, and so can what a function without arguments gives, which is
        called for each reading; an iterator can be read once.

    Raises
    ------
    DataError
        There are no chunks, or the first is no table.

    Examples
    --------
    >>> source = ChunkSource([{"x": [1.0, 2.0]}, {"x": [3.0]}])
    >>> [batch.num_rows for batch in source.partitions()[0].read(["x"])]
    [2, 1]
    """

    name = "the chunks"

    def __init__(self, chunks: Iterable[Any] | Callable[[], Iterable[Any]]) -> None:
        require_pyarrow("reading chunks of rows")
        if not isinstance(chunks, Iterable) and not callable(chunks):
            raise DataError(
                f"{self.name} are {type(chunks).__name__}: a list, an iterator, or a function that "
                "gives one is needed."
            )
        self._chunks = chunks
        self._before: Iterator[Any] | None = None
        self.repeatable = not isinstance(chunks, Iterator)
        opened = self._opened()
        looked_at, self.schema = _looked_at(opened)
        # a function may have loaded them at some cost, and an iterator gives them once
        kept = not isinstance(chunks, Sequence)
        self._first: Iterator[Any] | None = chain(looked_at, opened) if kept else None

    def partitions(self) -> list[Partition]:
        """All rows, as one partition."""
        return [Partition(self.name, self._read)]

    def _read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        chunks, self._first = self._first, None
        if chunks is None:
            if not self.repeatable:
                raise DataError(
                    f"{self.name} have been read and cannot be read again: give a function that "
                    "makes the iterator, such as lambda: chunks()."
                )
            chunks = self._opened()
        return self._batches(chunks, columns)

    def _opened(self) -> Iterator[Any]:
        """The chunks from the beginning."""
        made = self._chunks
        if callable(made) and not isinstance(made, Iterable):
            made = _called(made)
        opened = iter(made)
        if opened is self._before and self.repeatable:
            raise DataError(
                f"{self.name} come from one iterator, which was read before: the function, or the "
                "object's __iter__, must make a new one each time."
            )
        self._before = opened
        return opened

    def _batches(self, chunks: Iterator[Any], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        seen = SeenTypes(self.schema, "chunk 1")
        number = 0
        for number, chunk in enumerate(chunks, 1):
            where = f"chunk {number}"
            for batch in batches_of(chunk, columns, where):
                seen.check(batch.schema, columns, where, SAME_TYPE)
                yield batch
        if not number:
            raise _no_chunks()


def _called(function: Callable[[], Iterable[Any]]) -> Iterable[Any]:
    """What a function gives, as an iterable of chunks."""
    try:
        inspect.signature(function).bind()
    except TypeError:
        raise DataError(
            "the function that gives the chunks needs arguments: wrap it in one without, such as "
            "lambda: chunks(…)."
        ) from None
    except ValueError:  # functions of C that do not say
        pass
    made = function()
    if is_table(made):
        return [made]
    if isinstance(made, str) or not isinstance(made, Iterable):
        raise DataError(
            f"the function that gives the chunks gave {type(made).__name__}: a list or an iterator "
            "of tables is needed."
        )
    return made


def _looked_at(opened: Iterator[Any]) -> tuple[list[Any], pa.Schema]:
    """Chunks up to the first that has rows, and the schema of them."""
    looked_at, schemas = [], []
    for chunk in opened:
        looked_at.append(chunk)
        schemas.append(schema_of(chunk, f"chunk {len(looked_at)}"))
        if row_count(chunk):
            break
    if not schemas:
        raise _no_chunks()
    return looked_at, with_types_of(schemas[0], schemas[1:])


def _no_chunks() -> DataError:
    return DataError(
        "there are no chunks: at least one table is needed, and a function that gives them is to "
        "make a new iterator each time."
    )
