"""Data frames and delayed tables of dask as sources, whose work is done where dask does it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from ..errors import DataError
from .arrow_tables import batches_of, schema_of
from .arrow_types import UNKNOWN, SeenTypes, kind_of, missing_column, require_pyarrow, with_types_of
from .source import Partition, Source

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

SAME_TYPE = "Give all partitions the same type, as with astype()."


class DaskSource(Source):
    """Tables that dask loads, each of them one partition."""

    repeatable = True
    in_threads = False

    @abstractmethod
    def delayed(self) -> list[Any]:
        """The tables, as dask's delayed objects."""

    @abstractmethod
    def loader(self, number: int) -> Callable[[Sequence[str]], Any]:
        """What loads some columns of one table."""

    def partitions(self) -> list[Partition]:
        """One for each of dask, which dask loads when it is read."""
        count = len(self.delayed())
        made = []
        for i in range(count):
            name = self._name_of(i, count)
            made.append(Partition(name, _Rows(self.loader(i), name, self.schema)))
        return made

    def reduced(
        self,
        work: Callable[[Sequence[Partition]], T],
        combine: Callable[[T, T], T],
        partitions: Sequence[Partition] | None = None,
    ) -> T:
        """What `work` makes of each partition, combined in pairs of neighbours.

        The cluster of the present client does it, or else threads of this process. `work` and
        `combine` have to pickle for a cluster.
        """
        from dask.delayed import delayed

        assert partitions is None, "dask works on all partitions"
        tables = self.delayed()
        # one object in the graph, whatever the number of partitions
        shared = delayed((work, self.schema), name=f"lmforms-work-{uuid4().hex}", traverse=False)
        on_table, joined = delayed(_work_on, pure=False), delayed(combine, pure=False)
        parts = [
            on_table(shared, self._name_of(i, len(tables)), table) for i, table in enumerate(tables)
        ]
        while len(parts) > 1:
            pairs = [joined(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
            parts = pairs + parts[2 * len(pairs) :]
        result: T = parts[0].compute()
        return result

    def _name_of(self, number: int, count: int) -> str:
        """A partition's name for messages."""
        return f"partition {number + 1} of {count} of {self.name}"


class DaskFrameSource(DaskSource):
    """Rows of a :class:`dask.dataframe.DataFrame`.

    Types are those that dask knows; a column of Python objects has those of the first partition.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    """

    name = "the dask data frame"

    def __init__(self, frame: Any) -> None:
        require_pyarrow("reading a dask data frame")
        self.frame = frame
        schema = schema_of(frame._meta, self.name)
        unknown = [field.name for field in schema if kind_of(field.type) == UNKNOWN]
        if unknown:
            first = frame[unknown].get_partition(0).compute()
            schema = with_types_of(schema, [schema_of(first, self.name)])
        self.schema = schema

    def with_columns(self, columns: Sequence[str]) -> DaskFrameSource:
        """A source of only some columns, so that what reads files reads no others.

        Raises
        ------
        ColumnError
            One is not there.
        """
        lacking = next((name for name in columns if name not in self.schema.names), None)
        if lacking is not None:
            raise missing_column(lacking, self.schema.names, self.name)
        return _of_frame(self, columns)

    def delayed(self) -> list[Any]:
        """The partitions, as dask's delayed objects."""
        return list(self.frame.to_delayed())

    def loader(self, number: int) -> Callable[[Sequence[str]], Any]:
        """What loads some columns of one partition."""
        return _FramePart(self.frame, number)


def _of_frame(source: DaskFrameSource, columns: Sequence[str]) -> DaskFrameSource:
    """A source of some columns, whose types need not be found again."""
    import pyarrow as pa

    made = DaskFrameSource.__new__(DaskFrameSource)
    made.frame = source.frame[list(columns)]
    made.schema = pa.schema([source.schema.field(name) for name in columns])
    return made


class DelayedSource(DaskSource):
    """Rows of tables of pandas, polars or pyarrow that :func:`dask.delayed` functions give.

    The columns and their types are those of the first table, which is loaded to look at them.

    Parameters
    ----------
    tables : sequence of dask.delayed.Delayed
    """

    name = "the delayed tables"

    def __init__(self, tables: Sequence[Any]) -> None:
        require_pyarrow("reading delayed tables")
        if not tables:
            raise DataError(f"{self.name} are none: give a list of at least one.")
        for i, table in enumerate(tables, 1):
            if not is_delayed(table):
                raise DataError(
                    f"item {i} of {self.name} is {type(table).__name__}: dask.delayed makes one."
                )
        from dask.delayed import delayed

        self._delayed = list(tables)
        where = self._name_of(0, len(tables))
        self.schema = delayed(schema_of, pure=False)(tables[0], where).compute()

    def delayed(self) -> list[Any]:
        """The tables."""
        return self._delayed

    def loader(self, number: int) -> Callable[[Sequence[str]], Any]:
        """What loads one table; columns are chosen afterwards."""
        return _DelayedTable(self._delayed[number])


def is_delayed(data: Any) -> bool:
    """Whether data are a table that dask has yet to make."""
    kind = type(data)
    return kind.__module__.startswith("dask") and kind.__name__.startswith("Delayed")


@dataclass(frozen=True)
class _FramePart:
    """Loads some columns of one partition of a data frame."""

    frame: Any
    number: int

    def __call__(self, columns: Sequence[str]) -> Any:
        known = [str(name) for name in self.frame.columns]
        present = [name for name in self.frame.columns if str(name) in columns]
        lacking = next((name for name in columns if name not in known), None)
        if lacking is not None:
            raise missing_column(lacking, known, "the dask data frame")
        return self.frame[present].get_partition(self.number).compute()


@dataclass(frozen=True)
class _DelayedTable:
    """Loads one delayed table."""

    table: Any

    def __call__(self, columns: Sequence[str]) -> Any:
        return self.table.compute()


@dataclass(frozen=True)
class _Loaded:
    """A table that dask has loaded."""

    table: Any

    def __call__(self, columns: Sequence[str]) -> Any:
        return self.table


@dataclass(frozen=True)
class _Rows:
    """Reads the rows of a table that something loads."""

    load: Callable[[Sequence[str]], Any]
    name: str
    schema: pa.Schema

    def __call__(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        seen = SeenTypes(self.schema, "the first partition")
        for batch in batches_of(self.load(columns), columns, self.name):
            seen.check(batch.schema, columns, self.name, SAME_TYPE)
            yield batch


def _work_on(shared: tuple[Callable[[Sequence[Partition]], T], Any], name: str, table: Any) -> T:
    """What the work makes of a table where dask has loaded it."""
    work, schema = shared
    return work([Partition(name, _Rows(_Loaded(table), name, schema))])
