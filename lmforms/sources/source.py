"""What a stream of rows is: partitions with a schema, each read in chunks."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise
from threading import Event
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

ROWS_OF_CHUNK = 1 << 17
"""Rows that are read at a time: a few MiB for each column."""


@dataclass(frozen=True)
class Partition:
    """A part of a source that is read from its beginning to its end.

    Attributes
    ----------
    name : str
        For messages, such as ``2024.parquet, row group 3``.
    read : callable
        ``read(columns)`` gives the chunks with these columns in this order, as record batches of
        at most about :data:`ROWS_OF_CHUNK` rows. It may be called again if the source is
        repeatable. It pickles where the source is for other processes.
    """

    name: str
    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


class Source(ABC):
    """Rows somewhere else.

    Attributes
    ----------
    name : str
        For messages, such as ``rows/*.parquet`` or ``the DuckDB relation``.
    schema : pyarrow.Schema
        Names and types of all columns; types of iterables are those of the first chunk.
    repeatable : bool
        Whether it can be read more than once.
    in_threads : bool
        Whether threads of this process read it.
    """

    name: str
    schema: pa.Schema
    repeatable: bool
    in_threads: bool = True

    @abstractmethod
    def partitions(self) -> list[Partition]:
        """All rows, as one or more partitions that can be read side by side."""

    def with_columns(self, columns: Sequence[str]) -> Source:
        """The same for readers of these columns, where a source has to know them before."""
        return self

    @property
    def fingerprint(self) -> str:
        """What tells whether it is the same source later on; empty where nothing does."""
        return ""

    def reduced(
        self,
        work: Callable[[Sequence[Partition]], T],
        combine: Callable[[T, T], T],
        partitions: Sequence[Partition] | None = None,
    ) -> T:
        """What `work` makes of partitions, all by default, combined in their order.

        Threads of this process work side by side; which partitions one of them gets depends on
        their number alone, so that results are the same again.
        """
        if partitions is None:
            partitions = self.partitions()
        shares = evenly(partitions, min(len(partitions), processors()))
        if len(shares) == 1:
            return work(shares[0])
        stop = Event()
        with ThreadPoolExecutor(len(shares)) as threads:
            try:
                running = [threads.submit(work, _until(stop, share)) for share in shares]
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
                for one in done:
                    one.result()
                return reduce(combine, [one.result() for one in running])
            except BaseException:  # an interrupt too: the others need not go on
                stop.set()
                raise


class _StoppedError(Exception):
    """Another thread has failed."""


def _until(stop: Event, partitions: Sequence[Partition]) -> list[Partition]:
    """The same partitions, whose reading ends when it is told to."""

    def read(partition: Partition, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in partition.read(columns):
            if stop.is_set():
                raise _StoppedError
            yield batch

    return [Partition(p.name, partial(read, p)) for p in partitions]


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def evenly(items: Sequence[T], count: int) -> list[list[T]]:
    """Items in `count` runs of about the same length.

    Examples
    --------
    >>> evenly("abcde", 2)
    [['a', 'b', 'c'], ['d', 'e']]
    """
    ends = [-(-i * len(items) // count) for i in range(count + 1)]
    return [list(items[a:b]) for a, b in pairwise(ends)]
