"""Columns of one length on one index, and what formulas must know of their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from .arrays import BoolArray

MAX_EXACT_INTEGER = 2**53
"""Whole numbers up to this are exact in double precision."""

NO_ROWS = pd.RangeIndex(0)
"""The index of a table without rows."""


@dataclass(frozen=True, eq=False)
class Table(Mapping[str, pd.Series]):
    """Columns on one index, without the cost of a pandas frame.

    Attributes
    ----------
    columns : dict of str to Series
    index : pandas.Index
    """

    columns: dict[str, pd.Series] = field(default_factory=dict)
    index: pd.Index = field(default_factory=lambda: NO_ROWS)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.index)

    @cached_property
    def data(self) -> pd.DataFrame:
        """All of it as one frame."""
        return pd.DataFrame(self.columns, index=self.index)

    def rows(self, chosen: BoolArray) -> Table:
        """Some of the rows."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return Table(columns, self.index[chosen])

    def assign(self, changed: Mapping[str, pd.Series]) -> Table:
        """The same table with other columns under some of the names."""
        return Table({**self.columns, **changed}, self.index) if changed else self

    def named(self, name: str) -> pd.Series:
        """A column that is called as in the table, also where its own name is another."""
        column = self.columns[name]
        return column if column.name == name else column.rename(name)

    def __getitem__(self, name: str) -> pd.Series:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def is_dates(column: pd.Series) -> bool:
    """Whether a column of objects holds Python's dates."""
    if not isinstance(column.dtype, np.dtype) or column.dtype.kind != "O":
        return False
    return pd.api.types.infer_dtype(column, skipna=True) == "date"
