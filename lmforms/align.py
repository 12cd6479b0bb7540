"""The one rule for rows of what stands beside a table: found by their labels, or refused.

A pandas Series or frame has row labels. If they are those of the table, in whatever order, its
rows are put in the table's order; anything else is refused. Arrays have no labels and are taken
row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import DataError, listed

IntArray = npt.NDArray[np.intp]

SHOWN = 5
"""Labels that a message names."""


def row_places(what: str, labels: pd.Index, rows: pd.Index, *, more: bool = False) -> IntArray:
    """Where each row of a table is among labels.

    Parameters
    ----------
    what : str
        What has the labels, for messages.
    labels, rows : pandas.Index
        Of what stands beside the table, and of the table.
    more : bool
        Whether there may be labels that the table does not have.

    Raises
    ------
    DataError
        Other labels, or labels that are there twice in another order.

    Examples
    --------
    >>> row_places("weights", pd.Index(["b", "a"]), pd.Index(["a", "b"]))
    array([1, 0])
    """
    if labels.equals(rows):
        return np.arange(len(rows))
    way = (
        "Order its rows like those of the data, as by `.loc[data.index]`, or give `.to_numpy()` "
        "if they do match row by row."
    )
    if len(labels) != len(rows) and not more:
        raise DataError(f"{what} has {len(labels)} rows; the data have {len(rows)}. {way}")
    if not (labels.is_unique and rows.is_unique):
        raise DataError(
            f"the row labels of {what} are not those of the data in their order, and some are "
            f"there twice. {way}"
        )
    try:
        at = labels.get_indexer(rows)
    except (TypeError, ValueError):  # labels that cannot be compared
        at = np.full(len(rows), -1)
    if (at < 0).any():
        lost = [repr(label) for label in rows[at < 0].tolist()]
        raise DataError(
            f"the row labels of {what} are not those of the data: {listed(lost, SHOWN)} "
            f"{'is' if len(lost) == 1 else 'are'} not among them. {way}"
        )
    return np.asarray(at, dtype=np.intp)


def in_order(what: str, values: Any, rows: pd.Index, *, more: bool = False) -> Any:
    """The same values with their rows in the order of a table's.

    Parameters
    ----------
    what : str
    values : any
        A Series or frame of pandas is put in order; others are returned as they are.
    rows : pandas.Index
    more : bool
        As for :func:`row_places`.
    """
    if not isinstance(values, (pd.Series, pd.DataFrame)) or values.index.equals(rows):
        return values
    return values.iloc[row_places(what, values.index, rows, more=more)]


def by_name(what: str, values: Any, names: pd.Index) -> Any:
    """A Series of one value for each name in their order; others as they are.

    A Series that is only numbered (0, 1, …) has no names.

    Raises
    ------
    DataError
        Other names.
    """
    numbered = isinstance(values, pd.Series) and values.index.equals(pd.RangeIndex(len(values)))
    return values if numbered else in_order(what, values, names)
