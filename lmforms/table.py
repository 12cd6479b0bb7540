"""Any table as named pandas columns: pandas, polars, pyarrow or a mapping of arrays.

Libraries other than pandas come in through narwhals, the door that formulaic uses too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import DataError

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Table(Mapping[str, pd.Series]):
    """Columns on one index; a pandas frame only for those who need one.

    Attributes
    ----------
    columns : dict of str to Series
    index : pandas.Index
    """

    columns: dict[str, pd.Series] = field(default_factory=dict)
    index: pd.Index = field(default_factory=lambda: pd.RangeIndex(0))

    @classmethod
    def of(cls, data: pd.DataFrame) -> Table:
        """The columns of a pandas frame with unique names."""
        return cls({str(name): column for name, column in data.items()}, data.index)

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

    def __getitem__(self, name: str) -> pd.Series:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def column_names(data: Any) -> list[str]:
    """Names of the columns of any table.

    Raises
    ------
    DataError
        `data` is no table, or has two columns of one name.
    """
    if isinstance(data, pd.DataFrame):
        names = [c if isinstance(c, str) else str(c) for c in data.columns]
    elif isinstance(data, Mapping):
        names = [str(k) for k in data]
    else:
        names = list(_narwhals(data).columns)
    if len(set(names)) < len(names):
        twice = min(name for name, count in Counter(names).items() if count > 1)
        raise DataError(f"the data have two columns named `{twice}`: rename one.")
    return names


def _narwhals(data: Any) -> Any:
    import narwhals.stable.v1 as nw

    try:
        table = nw.from_native(data, eager_only=True)
    except TypeError:
        raise DataError(
            "data must be a pandas, polars or pyarrow table or a mapping of arrays, "
            f"not {type(data).__name__}."
        ) from None
    return table


def row_count(data: Any) -> int:
    """Number of rows of any table."""
    if isinstance(data, Mapping) and not isinstance(data, pd.DataFrame):
        return len(next(iter(data.values()), ()))
    return len(data)


def raw_table(data: Any, columns: list[str]) -> Table:
    """The named columns of any table, types as they came."""
    if isinstance(data, pd.DataFrame):
        names = [c if isinstance(c, str) else str(c) for c in data.columns]
        return Table({c: data.iloc[:, names.index(c)] for c in columns}, data.index)
    if isinstance(data, Mapping):
        given = {str(k): _rectangular(str(k), v) for k, v in data.items() if str(k) in columns}
        lengths = {c: len(np.atleast_1d(np.asarray(given[c]))) for c in columns}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"`{c}` {m}" for c, m in lengths.items())
            raise DataError(f"the arrays differ in length: {shown}.")
        return Table.of(pd.DataFrame({c: _one_dimensional(c, given[c]) for c in columns}))
    table = _narwhals(data)
    return Table.of(pd.DataFrame({c: _from_narwhals(table[c]) for c in columns}))


def _rectangular(name: str, values: Any) -> Any:
    try:
        np.shape(values)
    except ValueError:  # lists of different lengths
        raise DataError(
            f"`{name}` holds lists of different lengths; numbers or text are needed."
        ) from None
    return values


def _one_dimensional(name: str, values: Any) -> Any:
    if np.ndim(values) != 1:
        raise DataError(f"`{name}` has {np.ndim(values)} dimensions; one is needed.")
    return values


def _from_narwhals(series: Any) -> Any:
    """A column of any table library, without needing that library's own pandas bridge."""
    import narwhals.stable.v1 as nw

    dtype = series.dtype
    if dtype.is_float() or (dtype.is_numeric() and series.null_count() and not dtype.is_decimal()):
        return series.cast(nw.Float64).to_numpy()
    if dtype.is_numeric() and not dtype.is_decimal():
        return series.to_numpy()
    if dtype in (nw.Categorical, nw.Enum):
        categories = series.cat.get_categories().to_list()
        return pd.Categorical(series.cast(nw.String).to_list(), categories=categories)
    if dtype == nw.Boolean and not series.null_count():
        return np.asarray(series.to_list(), dtype=bool)
    if dtype.is_temporal():
        return pd.to_datetime(pd.Series(series.to_list()), errors="coerce")
    return pd.Series(series.to_list(), dtype=object)
