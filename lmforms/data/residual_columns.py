"""Columns of the data as series, times, visits and places of the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..residual.specification import CorrelationTerm
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Table
from .group_codes import group_codes
from .label_messages import named

_NUMBERED = re.compile(r"(?P<before>\D*)(?P<number>\d+)(?P<after>\D*)", re.ASCII)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Where the rows stand for one correlation.

    Attributes
    ----------
    points : ndarray (n, d)
        Times in steps from the first of the series, numbers of visits 0 … k − 1, or coordinates.
    labels : tuple
        What visits 0 … k − 1 are called; empty for times and places.
    step : float
        Length of one step of time in the units of the column.
    """

    points: FloatArray
    labels: tuple[str, ...] = ()
    step: float = 1.0


def series_codes(table: Table, group: Sequence[str]) -> tuple[IndexArray, list[IndexArray]]:
    """Codes 0, 1, … of the series of rows, and those of each column of the group."""
    if not group:
        return np.zeros(table.n, dtype=np.intp), []
    coded = [group_codes(table[name])[0] for name in group]
    codes = coded[0]
    for more in coded[1:]:  # recoded at each step, so that no product overflows
        codes = np.unique(codes * (int(more.max()) + 1) + more, return_inverse=True)[1].ravel()
    return np.asarray(codes, dtype=np.intp), coded


def coordinates(table: Table, term: CorrelationTerm, series: IndexArray) -> Coordinates:
    """Where the rows stand for a correlation structure.

    Parameters
    ----------
    table : Table
        The rows of the model.
    term : CorrelationTerm
    series : ndarray of int (n,)

    Raises
    ------
    DataError
        The column is not what the structure needs.
    """
    if not term.columns:  # exchangeable rows: numbered as they come
        return Coordinates(_counted(series)[:, None])
    if term.facts.kind == "place":
        places = [real_column(table[c], f"{term.structure}({c})") for c in term.columns]
        return Coordinates(np.column_stack(places))
    column = table[term.columns[0]]
    if term.facts.kind == "visit":
        if term.facts.ordered:
            _refuse_alphabetical(column, term)
        codes, labels = group_codes(column)
        names = tuple(map(label_text, labels))
        return Coordinates(codes.astype(np.float64)[:, None], names)
    times = whole_times(column, term)
    first = np.full(int(series.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, series, times)
    gaps = times - first[series]
    step = int(np.gcd.reduce(gaps)) or 1
    return Coordinates((gaps // step).astype(np.float64)[:, None], step=float(step))


def sorted_rows(series: IndexArray, points: FloatArray) -> tuple[IndexArray, BoolArray]:
    """Rows by series and points, and whether each of them has the place of the one after it."""
    order = np.lexsort([*points.T[::-1], series])
    same = np.diff(series[order]) == 0
    for column in points.T:
        same &= np.diff(column[order]) == 0
    return order, same


def label_text(label: Any) -> str:
    """A label in names of parameters: whole numbers as such.

    Examples
    --------
    >>> label_text(8.0), label_text(0.5), label_text("week 1")
    ('8', '0.5', 'week 1')
    """
    if isinstance(label, float):
        return str(int(label)) if label.is_integer() else str(float(label))
    return str(label)


def _counted(series: IndexArray) -> FloatArray:
    """Number of each row in its series, from 0."""
    order = np.argsort(series, kind="stable")
    first = np.searchsorted(series[order], series[order])
    out = np.empty(len(series))
    out[order] = np.arange(len(series)) - first
    return out


def real_column(column: pd.Series, what: str) -> FloatArray:
    """A column of finite numbers.

    Raises
    ------
    DataError
    """
    if column.dtype.kind not in "iuf":
        raise DataError(
            f"residual: {what} needs numbers, and `{column.name}` holds {_held(column)}."
            f"{_way(column)}"
        )
    values = column.to_numpy(dtype=np.float64)
    infinite = ~np.isfinite(values)
    if infinite.any():
        raise DataError(
            f"residual: `{column.name}` is infinite in {int(infinite.sum())} rows: correct or drop "
            "them."
        )
    return values


def _held(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "labels"
    kind = {"M": "dates", "m": "time spans", "b": "True and False"}.get(column.dtype.kind)
    return kind or f"values of type {column.dtype}"


def _way(column: pd.Series) -> str:
    """How to make numbers of a column, for a message."""
    name = str(column.name)
    if column.dtype.kind == "M":
        return f" Make it days: (data[{name!r}] - data[{name!r}].min()).dt.days."
    if column.dtype.kind == "m":
        return f" Make it days: data[{name!r}].dt.days."
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return ""
    if _are_numerals(column.cat.categories):
        return f" Make numbers of them: pandas.to_numeric(data[{name!r}])."
    first = column.cat.categories[0]
    return f" Put numbers in their place: data[{name!r}].map({{{first!r}: 0.0, …}}).astype(float)."


def _are_numerals(labels: pd.Index) -> bool:
    """Whether the labels are texts that are numbers."""
    return bool(np.isfinite(pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce")).all())


# --- times ----------------------------------------------------------------------------------


def whole_times(column: pd.Series, term: CorrelationTerm) -> IndexArray:
    """Whole times, of numbers or of ordered labels.

    Raises
    ------
    DataError
    """
    name = str(column.name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        _refuse_alphabetical(column, term)
        return labelled_times(column)
    if column.dtype.kind == "b":
        return column.to_numpy(dtype=np.int64)
    if column.dtype.kind in "Mm" or column.dtype.kind not in "iuf":
        raise DataError(
            f"residual: {term.structure}({name}) needs whole numbers or ordered labels, and "
            f"`{name}` holds {_held(column)}.{_way(column)}"
        )
    values = column.to_numpy(dtype=np.float64)
    whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) < 2**53)
    if not whole.all():
        first = values[~whole][0]
        raise DataError(
            f"residual: {term.structure}({name}) needs whole times, and `{name}` has {first:g}. "
            f"Use exp({name}), the same correlation in continuous time, or number the times."
        )
    return column.to_numpy(dtype=np.int64) if column.dtype.kind in "iu" else values.astype(np.int64)


def labelled_times(column: pd.Series) -> IndexArray:
    """Times of a column of labels: the numbers in them, or their places in the order."""
    codes, labels = group_codes(column)
    numbers = _numbers_of(labels)
    return codes if numbers is None else numbers[codes]


def times_of_labels(column: pd.Series, labels: Sequence[Any]) -> dict[Any, int]:
    """Times of other labels on the scale of a column of labels; without those that have none.

    Examples
    --------
    >>> times_of_labels(pd.Series(["week 1", "week 4"], dtype="category"), ["week 6", "end"])
    {'week 6': 6}
    """
    known = group_codes(column)[1]
    numbers = _numbers_of(known)
    if numbers is None:
        return {label: i for i, label in enumerate(known.tolist()) if label in labels}
    if known.dtype.kind in "iu":
        return {label: label for label in labels if isinstance(label, int)}
    pattern = _NUMBERED.fullmatch(str(known[0]))
    assert pattern is not None
    found = {}
    for label in labels:
        match = _NUMBERED.fullmatch(str(label))
        if match is not None and all(match[p] == pattern[p] for p in ("before", "after")):
            found[label] = int(match["number"])
    return found


def _numbers_of(labels: pd.Index) -> IndexArray | None:
    """Times that labels such as 1, 2, 4 or ``week 1``, ``week 2``, ``week 4`` stand for."""
    if labels.dtype.kind in "iu":
        numbers = labels.to_numpy(dtype=np.int64)
    else:
        found = [_NUMBERED.fullmatch(str(label)) for label in labels]
        around = {(m["before"], m["after"]) for m in found if m is not None}
        if any(m is None for m in found) or len(around) != 1:
            return None
        if max(len(m["number"]) for m in found if m) > 15:
            return None
        numbers = np.array([int(m["number"]) for m in found if m], dtype=np.int64)
    return numbers if (np.diff(numbers) > 0).all() else None


def _refuse_alphabetical(column: pd.Series, term: CorrelationTerm) -> None:
    """Refuse labels whose order is that of the alphabet and need not be that of time."""
    if not isinstance(column.dtype, pd.CategoricalDtype) or column.cat.ordered:
        return
    labels = column.cat.categories
    if len(labels) < 3 or _numbers_of(labels) is not None:
        return
    if not all(isinstance(label, str) for label in labels):
        return
    if list(labels) != sorted(labels):  # somebody has put them in this order
        return
    name = str(column.name)
    way = (
        f" Say their order by data[{name!r}] = pandas.Categorical(data[{name!r}], "
        "[first, second, …], ordered=True), or number them."
    )
    raise DataError(
        f"residual: {term.structure}({name}) needs the order of `{name}`, whose labels are in that "
        f"of the alphabet: {named(list(labels))}.{_way(column) if _are_numerals(labels) else way}"
    )
