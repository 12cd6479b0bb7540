"""Types of Arrow columns: their kinds, and whether they agree over files and chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import (
    ColumnError,
    DataError,
    LmformsError,
    MissingPackageError,
    near_matches,
)
from .source import ROWS_OF_CHUNK

if TYPE_CHECKING:
    import pyarrow as pa

UNKNOWN = "missing"
"""Kind of a column without any value."""


def require_pyarrow(what: str) -> None:
    """Refuse to go on without pyarrow.

    Raises
    ------
    MissingPackageError
        It is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingPackageError(
            f"{what} needs pyarrow 15 or newer: pip install 'lmforms[stream]'."
        ) from None


def kind_of(of_column: pa.DataType) -> str:
    """What values of a type are: number, text, boolean, date or time, missing, or other.

    That of a dictionary is the kind of its values.

    Examples
    --------
    >>> import pyarrow as pa
    >>> kind_of(pa.decimal128(10, 2)), kind_of(pa.dictionary(pa.int8(), pa.string()))
    ('number', 'text')
    """
    import pyarrow as pa

    types = pa.types
    of_column = plain_type(of_column)
    if types.is_dictionary(of_column):
        return kind_of(of_column.value_type)
    if types.is_boolean(of_column):
        return "boolean"
    if types.is_integer(of_column) or types.is_floating(of_column) or types.is_decimal(of_column):
        return "number"
    if types.is_string(of_column) or types.is_large_string(of_column):
        return "text"
    if types.is_temporal(of_column):
        return "date or time"
    return UNKNOWN if types.is_null(of_column) else "other"


def plain_type(of_column: pa.DataType) -> pa.DataType:
    """The type to which a column is cast that few functions of Arrow can work with."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(of_column):
        values = plain_type(of_column.value_type)
        if values == of_column.value_type:
            return of_column
        return pa.dictionary(of_column.index_type, values, of_column.ordered)
    if types.is_float16(of_column):
        return pa.float32()
    # older versions of Arrow know no views
    if hasattr(types, "is_string_view") and types.is_string_view(of_column):
        return pa.large_string()
    if types.is_run_end_encoded(of_column):
        return plain_type(of_column.value_type)
    return of_column


def plain_schema(schema: pa.Schema, where: str) -> pa.Schema:
    """Names and types as batches will have them, without metadata.

    Raises
    ------
    DataError
        Two columns have one name.
    """
    import pyarrow as pa

    twice = [name for name, count in Counter(schema.names).items() if count > 1 and name]
    if twice:
        raise DataError(f"{where} has two columns named `{twice[0]}`: rename one.")
    return pa.schema([(field.name, plain_type(field.type)) for field in schema])


def plain_batches(
    batches: Iterable[pa.RecordBatch], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Some columns of batches in plain types, in pieces of at most :data:`ROWS_OF_CHUNK` rows."""
    import pyarrow as pa

    for batch in batches:
        arrays = [_plain_array(batch.column(name)) for name in columns]
        plain = pa.RecordBatch.from_arrays(arrays, names=list(columns))
        for start in range(0, plain.num_rows, ROWS_OF_CHUNK):
            yield plain.slice(start, ROWS_OF_CHUNK)


def _plain_array(array: pa.Array) -> pa.Array:
    """A column in its plain type."""
    import pyarrow as pa

    plain = plain_type(array.type)
    if plain == array.type:
        return array
    if pa.types.is_dictionary(plain):
        levels = array.dictionary.cast(plain.value_type)
        return pa.DictionaryArray.from_arrays(array.indices, levels, ordered=plain.ordered)
    if pa.types.is_run_end_encoded(array.type):
        import pyarrow.compute as pc

        array = pc.run_end_decode(array)
    return array.cast(plain)


class SeenTypes:
    """Types of columns that later files or chunks must agree with.

    Parameters
    ----------
    schema : pyarrow.Schema
    where : str
        Where it was seen, for messages.
    """

    def __init__(self, schema: pa.Schema, where: str) -> None:
        self.seen = {field.name: (field.type, where) for field in schema}

    def check(self, schema: pa.Schema, columns: Sequence[str], where: str, way: str) -> None:
        """Whether a file or chunk has the columns, of the kinds that are expected.

        Parameters
        ----------
        schema : pyarrow.Schema
            Of the file or chunk.
        columns : sequence of str
        where : str
            The file or chunk.
        way : str
            What to do about types that differ.

        Raises
        ------
        ColumnError
            A column is not there.
        DataError
            One is of another kind.
        """
        for name in columns:
            if name not in schema.names:
                raise missing_column(name, schema.names, where)
            found = schema.field(name).type
            expected, first = self.seen.get(name, (found, where))
            kinds = kind_of(expected), kind_of(found)
            if kinds[0] == UNKNOWN or name not in self.seen:
                self.seen[name] = found, where
            elif UNKNOWN not in kinds and kinds[0] != kinds[1]:
                raise DataError(
                    f"`{name}` has two types: {kinds[0]} ({expected}) in {first}, and {kinds[1]} "
                    f"({found}) in {where}. {way}"
                )


def missing_column(name: str, known: Sequence[str], where: str) -> ColumnError:
    """The error for a column that is not there."""
    return ColumnError(f"{where} has no column `{name}`.{near_matches(name, known)}")


def with_types_of(schema: pa.Schema, others: Iterable[pa.Schema]) -> pa.Schema:
    """A schema whose columns without any value get the types of the next that has some."""
    others = iter(others)
    while any(kind_of(field.type) == UNKNOWN for field in schema):
        other = next(others, None)
        if other is None:
            break
        for i, field in enumerate(schema):
            if kind_of(field.type) == UNKNOWN and field.name in other.names:
                schema = schema.set(i, field.with_type(other.field(field.name).type))
    return schema


@contextmanager
def failing_as(error: type[LmformsError], what: str, way: str = "") -> Iterator[None]:
    """Errors of Arrow and of the system as one of ours, with what cannot be read."""
    import pyarrow as pa

    try:
        yield
    except (LmformsError, MemoryError):
        raise
    except (pa.ArrowException, OSError) as exc:
        raise error(f"{what} cannot be read: {reason(exc)}.{way}") from None


def reason(exc: BaseException) -> str:
    """The first line of a message, without its stop."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".: ")
