"""Columns in chunks: arrays, tables, names, or an iterator of arrays and tables."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ..data.align import row_positions
from ..errors import ArgumentError, ColumnError, DataError, near_matches
from ..relationship.labels import named
from ..support.arguments import whole_number
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.caller import caller_depth

CHUNK_ENTRIES = 1 << 22
"""Entries of a chunk of columns, unless the caller says how many columns it has."""

T = TypeVar("T")
Progress = bool | Callable[[int, int | None], Any]
Rows = Callable[[pd.DataFrame, str], IndexArray]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some columns: their labels and their numbers (n, c)."""

    names: list[Any]
    values: FloatArray


def chunk_size(chunk: Any, n: int) -> int:
    """Columns per chunk."""
    if chunk is None:
        return max(1, CHUNK_ENTRIES // max(1, n))
    return whole_number("chunk", chunk, least=1)


def read_chunks(given: Any, what: str, n: int, step: int, rows: Rows) -> Iterator[Chunk]:
    """Columns as chunks of floats, rows in the order of the data.

    Parameters
    ----------
    given : array (n, m), DataFrame, or iterator of these
    what : str
        For messages, in the plural: ``"responses"``.
    n : int
        Rows that each must have.
    step : int
        Columns per chunk.
    rows : callable
        For a table with row labels: the place of each row of the data in it.
    """
    if not is_stream(given):
        yield from _pieces(given, what, n, step, rows, 0)
        return
    done = 0
    for part in given:
        for piece in _pieces(part, what, n, step, rows, done):
            done += len(piece.names)
            yield piece


def is_stream(given: Any) -> bool:
    """Whether it is an iterator of chunks."""
    return isinstance(given, Iterator)


def column_count(given: Any) -> int | None:
    """Columns of an array or table, None for an iterator."""
    if is_stream(given):
        return None
    try:
        shape = np.shape(given)
    except ValueError:  # lists of different lengths, which are refused when they are read
        return None
    return int(shape[1]) if len(shape) == 2 else 1


def _pieces(given: Any, what: str, n: int, step: int, rows: Rows, first: int) -> Iterator[Chunk]:
    labelled = isinstance(given, (pd.Series, pd.DataFrame))
    if hasattr(given, "to_pandas"):  # polars, pyarrow
        given = given.to_pandas()
    if isinstance(given, pd.Series):
        given = given.to_frame()
    if isinstance(given, pd.DataFrame):
        _check_numeric(given, what)
        if not labelled and len(given) != n:
            raise DataError(f"the {what} have {len(given)} rows; the data have {n} rows.")
        at = rows(given, what) if labelled else np.arange(n)
        same = len(at) == len(given) and bool((at == np.arange(len(given))).all())
        for start in range(0, given.shape[1], step):
            part = given.iloc[:, start : start + step]
            values = part.to_numpy(dtype=np.float64, na_value=np.nan)
            yield Chunk(list(part.columns), values if same else values[at])
        return
    if hasattr(given, "tocsc"):
        raise DataError(f"the {what} are a sparse matrix: give chunks of `.toarray()`.")
    masked = isinstance(given, np.ma.MaskedArray)
    try:
        array = np.ma.asarray(given) if masked else np.asarray(given)
    except ValueError:
        raise DataError(f"the {what} are lists of different lengths.") from None
    if array.ndim == 1:
        array = array[:, None]
    if array.dtype.kind not in "fiub":
        raise DataError(f"the {what} are {array.dtype} values: real numbers are needed.")
    if array.ndim != 2 or len(array) != n:
        hint = ""
        if array.ndim == 2 and array.shape[1] == n:
            hint = " It looks transposed: use `.T`."
        raise DataError(
            f"the {what} have shape {array.shape}; one row for each of the {n} rows of the data "
            f"is needed.{hint}"
        )
    for start in range(0, array.shape[1], step):
        part = np.ma.filled(array[:, start : start + step].astype(np.float64), np.nan)
        yield Chunk(list(range(first + start, first + start + part.shape[1])), part)


def _check_numeric(table: pd.DataFrame, what: str) -> None:
    kinds = table.dtypes.to_numpy()
    strange = {
        kind
        for kind in set(kinds)
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_complex_dtype(kind)
    }
    if strange:
        bad = [name for name, kind in zip(table.columns, kinds, strict=True) if kind in strange]
        raise DataError(f"the {what} {named(bad)} are not numeric.")


def rows_like(index: pd.Index) -> Rows:
    """Tables have the rows of the data, found by their labels."""
    return lambda table, what: row_positions(f"the table of {what}", table.index, index)


def refuse_infinite(chunk: Chunk, what: str) -> None:
    """Refuse infinite values."""
    bad = np.isinf(chunk.values).any(axis=0)
    if bad.any():
        culprits = [chunk.names[j] for j in np.flatnonzero(bad)]
        raise DataError(f"infinite values in the {what} {named(culprits)}: correct or drop them.")


def columns_named(names: Sequence[str], known: Collection[str]) -> None:
    """Refuse names that occur twice or name no column."""
    there = set(known)
    for name in names:
        if name not in there:
            raise ColumnError(
                f"responses: `{name}` is not a column of the data.{near_matches(name, known)}"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ArgumentError(f"responses are named more than once: {named(twice)}.")


def chunk_results(
    pieces: Iterable[Chunk], work: Callable[[Chunk], T], report: Callable[[int], None]
) -> Iterator[T]:
    """What `work` returns for each chunk; `report` is called with the number of columns done."""
    done = 0
    for piece in pieces:
        yield work(piece)
        done += len(piece.names)
        report(done)


def warn_with_names(
    kinds: Iterable[tuple[BoolArray, type[Warning], str]], names: list[Any], what: str
) -> None:
    """One warning of each kind, with the number of columns and the first names.

    Parameters
    ----------
    kinds : iterable of (ndarray of bool (c,), category, text)
        The columns, the category of the warning, and its text.
    names : list (c,)
    what : str
        The columns in the plural: ``"responses"``.
    """
    for which, category, text in kinds:
        if which.any():
            culprits = named([names[j] for j in np.flatnonzero(which)])
            count = f"{int(which.sum()):,} of {len(names):,} {what}"
            warnings.warn(f"{count} {text}: {culprits}.", category, stacklevel=caller_depth())


def reporter(progress: Any, total: int | None, what: str) -> Callable[[int], None]:
    """A function to call with the number of columns that are done."""
    if progress is False or progress is None:
        return lambda done: None
    if callable(progress):
        return lambda done: progress(done, total)
    if progress is not True:
        raise ArgumentError("progress must be True, False or a function of (done, total).")

    def write(done: int) -> None:
        of = "" if total is None else f" of {total:,}"
        sys.stderr.write(f"\r{done:,}{of} {what}" + ("\n" if done == total else ""))
        sys.stderr.flush()

    return write
