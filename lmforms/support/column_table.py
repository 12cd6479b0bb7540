"""Columns of one length on one index, and what formulas must know of their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .arrays import BoolArray, FloatArray, IndexArray

MAX_EXACT_INTEGER = 2**53
"""Whole numbers up to this are exact in double precision."""

NO_ROWS = pd.RangeIndex(0)
"""The index of a table without rows."""


@dataclass(frozen=True, eq=False)
class Levels:
    """A column of categories.

    Attributes
    ----------
    codes : ndarray of int (n,)
        Of any width; -1 where the value is missing.
    dtype : pandas.CategoricalDtype
    count_if_complete : int or None
        Number of categories, if it is known that each is there and no value is missing.
    """

    codes: IndexArray
    dtype: pd.CategoricalDtype
    count_if_complete: int | None = None

    @property
    def categories(self) -> pd.Index:
        """What the codes stand for."""
        return self.dtype.categories


Labels = pd.Series | Levels | IndexArray
"""What a grouping factor is made of."""


class LateColumns(Mapping[str, pd.Series]):
    """Arrays as columns of pandas, each made when it is asked for.

    Parameters
    ----------
    arrays : mapping of str to ndarray or Levels
    index : pandas.Index
    """

    def __init__(self, arrays: Mapping[str, Any], index: pd.Index) -> None:
        self._arrays, self._index = arrays, index
        self._made: dict[str, pd.Series] = {}

    def __getitem__(self, name: str) -> pd.Series:
        if name not in self._made:
            values: Any = self._arrays[name]
            if isinstance(values, Levels):
                values = pd.Categorical.from_codes(values.codes, dtype=values.dtype)
            self._made[name] = pd.Series(values, index=self._index, name=name, copy=False)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


@dataclass(frozen=True, eq=False)
class Table(Mapping[str, pd.Series]):
    """Columns on one index, without the cost of a pandas frame.

    Attributes
    ----------
    columns : mapping of str to Series
    index : pandas.Index
    """

    columns: Mapping[str, pd.Series] = field(default_factory=dict)
    index: pd.Index = field(default_factory=lambda: NO_ROWS)
    _plain: dict[str, FloatArray | Levels | None] = field(default_factory=dict)

    @cached_property
    def n(self) -> int:
        """Number of rows."""
        return len(self.index)

    @cached_property
    def data(self) -> pd.DataFrame:
        """All of it as one frame."""
        return pd.DataFrame(dict(self.columns), index=self.index)

    def rows(self, chosen: BoolArray) -> Table:
        """Some of the rows."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return Table(columns, self.index[chosen])

    def assign(self, changed: Mapping[str, pd.Series]) -> Table:
        """The same table with other columns under some of the names."""
        return Table({**self.columns, **changed}, self.index) if changed else self

    def plain(self, name: str) -> FloatArray | Levels | None:
        """A column of numbers or categories without pandas; None for other types or names."""
        if name not in self._plain:
            there = name in self.columns
            self._plain[name] = plain_array(self.columns[name]) if there else None
        return self._plain[name]

    def named(self, name: str) -> pd.Series:
        """A column that is called as in the table, also where its own name is another."""
        column = self.columns[name]
        return column if column.name == name else column.rename(name)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: what is made of the columns is not written beside them."""
        return Table, (dict(self.columns), self.index)

    def __getitem__(self, name: str) -> pd.Series:
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def texts_of(index: pd.Index) -> list[Any]:
    """The labels of an index of text as a list."""
    return index.array.to_numpy(dtype=object).tolist()  # pandas' tolist asks for types first


def plain_array(column: pd.Series) -> FloatArray | Levels | None:
    """A column of numbers or categories as it is in memory; None for other types."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return column.to_numpy() if dtype.kind in "fiu" else None
    if not isinstance(dtype, pd.CategoricalDtype):
        return None
    return Levels(column.array.codes, dtype)


def is_dates(column: pd.Series) -> bool:
    """Whether a column of objects holds Python's dates."""
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind != "O":
        return False
    return pd.api.types.infer_dtype(column, skipna=True) == "date"
