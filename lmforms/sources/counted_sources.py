"""A source whose rows are counted as they are read, for a bar that shows how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .source import Partition, Source

if TYPE_CHECKING:
    import pyarrow as pa


class CountedSource(Source):
    """The same rows, told to somebody.

    Parameters
    ----------
    source : Source
        Whose partitions are read by threads of this process.
    tell : callable
        Gets the number of rows of each chunk after it was worked on; from several threads.
    """

    def __init__(self, source: Source, tell: Callable[[int], object]) -> None:
        self.name, self.schema, self.repeatable = source.name, source.schema, source.repeatable
        self._source, self._tell = source, tell

    @property
    def fingerprint(self) -> str:
        """That of the source."""
        return self._source.fingerprint

    def partitions(self) -> list[Partition]:
        """Those of the source."""
        return [Partition(p.name, partial(self._read, p)) for p in self._source.partitions()]

    def _read(self, partition: Partition, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in partition.read(columns):
            yield batch
            self._tell(batch.num_rows)
