"""Tables of any library, and mappings of arrays, as record batches."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .arrow_types import missing_column, plain_batches, plain_type, reason
from .source import ROWS_OF_CHUNK

if TYPE_CHECKING:
    import pyarrow as pa


def is_of(data: Any, module: str, *names: str) -> bool:
    """Whether data are of a class of a module, which is not imported for this."""
    found = sys.modules.get(module)
    classes = [getattr(found, name, None) for name in names]
    return any(isinstance(c, type) and isinstance(data, c) for c in classes)


def is_table(data: Any) -> bool:
    """Whether data are rows in memory that :func:`batches_of` can read."""
    return (
        isinstance(data, Mapping)
        or is_of(data, "pandas", "DataFrame")
        or is_of(data, "polars", "DataFrame")
        or is_of(data, "pyarrow", "Table", "RecordBatch")
    )


def row_count(data: Any) -> int:
    """Rows of a table; those of the first column of a mapping that is one."""
    if isinstance(data, Mapping):
        return next((len(values) for values in data.values() if hasattr(values, "__len__")), 0)
    return len(data) if hasattr(data, "__len__") else int(data.num_rows)


def schema_of(data: Any, where: str) -> pa.Schema:
    """Names and types of all columns of a table; what Arrow cannot hold is binary here.

    Raises
    ------
    DataError
        `data` is no table, or has two columns of one name.
    """
    import pyarrow as pa

    fields = []
    for name, column in _columns(data, where).items():
        try:
            found = plain_type(_array(column(), name, where).type)
        except DataError:
            found = pa.binary()  # of no use, as it is none for a model that needs it
        fields.append((name, found))
    return pa.schema(fields)


def batches_of(data: Any, columns: Sequence[str], where: str) -> Iterator[pa.RecordBatch]:
    """Some columns of a table.

    Raises
    ------
    ColumnError
        One is not there.
    DataError
        `data` is no table, or a column has values of several types.
    """
    import pyarrow as pa

    known = _columns(data, where)
    lacking = next((name for name in columns if name not in known), None)
    if lacking is not None:
        raise missing_column(lacking, list(known), where)
    arrays = [_array(known[name](), name, where) for name in columns]
    if len({len(array) for array in arrays}) > 1:
        shown = ", ".join(f"`{name}` {len(a)}" for name, a in zip(columns, arrays, strict=True))
        raise DataError(f"the columns of {where} differ in length: {shown}.")
    table = pa.Table.from_arrays(arrays, names=list(columns))
    return plain_batches(table.to_batches(ROWS_OF_CHUNK), columns)


def _columns(data: Any, where: str) -> dict[str, Callable[[], Any]]:
    """What gives each column of a table, by its name."""
    if not is_table(data):
        raise DataError(
            f"{where} is no table but {type(data).__name__}: a pandas, polars or pyarrow table or "
            "a mapping of arrays is needed."
        )
    found: list[tuple[str, Callable[[], Any]]]
    if isinstance(data, Mapping):
        found = [(str(key), partial(data.__getitem__, key)) for key in data]
    elif is_of(data, "pandas", "DataFrame"):
        # by place, since names may be other than text
        found = [(str(name), partial(_placed, data, i)) for i, name in enumerate(data.columns)]
    elif is_of(data, "polars", "DataFrame"):
        found = [(name, partial(data.get_column, name)) for name in data.columns]
    else:
        found = [(name, partial(data.column, i)) for i, name in enumerate(data.schema.names)]
    columns = dict(found)
    if len(columns) < len(found):
        counts = Counter(name for name, _ in found)
        twice = next(name for name, count in counts.items() if count > 1)
        raise DataError(f"{where} has two columns named `{twice}`: rename one.")
    return columns


def _placed(frame: Any, place: int) -> Any:
    """A column of a frame of pandas by its place."""
    return frame.iloc[:, place]


def _array(values: Any, name: str, where: str) -> Any:
    """A column of any library as one of Arrow."""
    import pyarrow as pa

    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
        raise DataError(f"`{name}` of {where} is {type(values).__name__}, not a column of values.")
    try:
        if is_of(values, "polars", "Series"):
            return from_polars(values)
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError, OverflowError) as exc:
        kind = getattr(values, "dtype", type(values).__name__)
        raise DataError(
            f"`{name}` of {where} ({kind}) cannot be read: {reason(exc)}. Make text or numbers "
            "of it."
        ) from None


def from_polars(data: Any) -> Any:
    """A frame or Series of polars in types that all versions of Arrow know."""
    level = getattr(sys.modules["polars"], "CompatLevel", None)
    return data.to_arrow() if level is None else data.to_arrow(compat_level=level.oldest())
