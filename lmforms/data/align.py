"""Match the rows of Series, frames and arrays that are given beside a table.

A pandas Series or frame has row labels. If they are those of the table, in whatever order, its
rows are put in the table's order; anything else is refused. Arrays have no labels and are taken
row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, listed
from ..support.arrays import IndexArray

MAX_LABELS_SHOWN = 5
"""Labels that a message lists."""


def row_positions(
    what: str, labels: pd.Index, rows: pd.Index, *, allow_more: bool = False
) -> IndexArray:
    """Where each row of a table is among labels.

    Parameters
    ----------
    what : str
        What has the labels, for messages.
    labels, rows : pandas.Index
        Of the given object, and of the table.
    allow_more : bool
        Whether there may be labels that the table does not have.

    Raises
    ------
    DataError
        Other labels, or labels that are there twice in another order.

    Examples
    --------
    >>> row_positions("weights", pd.Index(["b", "a"]), pd.Index(["a", "b"]))
    array([1, 0])
    """
    if labels.equals(rows):
        return np.arange(len(rows))
    known = labels.is_unique and rows.is_unique
    at = _positions(labels, rows) if known else np.empty(0, dtype=np.intp)
    lost = rows[at < 0].tolist() if known else []
    if len(labels) != len(rows) and not (allow_more and known):
        way = " Select them by `.loc[data.index]`." if known and not lost else ""
        if not known and allow_more:
            way = " Some row labels are there twice: give one value for each row by `.to_numpy()`."
        raise DataError(f"{what} has {len(labels)} rows; the data have {len(rows)} rows.{way}")
    way = "Give `.to_numpy()` if its rows are those of the data one by one."
    if not known:
        raise DataError(
            f"{what} has its row labels in another order than the data, and some are there "
            f"twice. {way}"
        )
    if lost:
        shown = listed([repr(label) for label in lost], MAX_LABELS_SHOWN)
        raise DataError(f"{what} has other row labels than the data: no {shown}. {way}")
    return at


def _positions(labels: pd.Index, rows: pd.Index) -> IndexArray:
    """Places of `rows` among unique labels, −1 where there is none."""
    try:
        return np.asarray(labels.get_indexer(rows), dtype=np.intp)
    except (TypeError, ValueError):  # labels that cannot be compared
        return np.full(len(rows), -1, dtype=np.intp)


def in_row_order(what: str, values: Any, rows: pd.Index, *, allow_more: bool = False) -> Any:
    """The same values with their rows in the order of a table's.

    Parameters
    ----------
    what : str
    values : any
        A Series or frame of pandas is put in order; others are returned as they are.
    rows : pandas.Index
    allow_more : bool
        As for :func:`row_positions`.
    """
    if not isinstance(values, (pd.Series, pd.DataFrame)) or values.index.equals(rows):
        return values
    return values.iloc[row_positions(what, values.index, rows, allow_more=allow_more)]


def in_name_order(what: str, values: Any, names: pd.Index) -> Any:
    """A Series of one value for each name in their order; others as they are.

    A Series that is only numbered (0, 1, …) has no names.

    Raises
    ------
    DataError
        Other names.
    """
    if not isinstance(values, pd.Series) or values.index.equals(pd.RangeIndex(len(values))):
        return values
    known = values.index.is_unique and names.is_unique
    at = _positions(values.index, names) if known else np.full(len(names), -1)
    if len(values) != len(names) or (at < 0).any():
        raise DataError(
            f"{what} has the names {listed(list(values.index), MAX_LABELS_SHOWN)}; there must be "
            f"one value for each of {listed(list(names), MAX_LABELS_SHOWN)}."
        )
    return values.iloc[at]
