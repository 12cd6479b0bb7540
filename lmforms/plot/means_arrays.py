"""Arrays that pictures of means and contrasts show, from their tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ..data.input_table import column_names, raw_table
from ..errors import ArgumentError, ColumnError, listed, near_matches
from ..support.arguments import one_of, short_repr
from .interval_arrays import Intervals, level_text

RESULT_COLUMNS = frozenset(
    {
        *("contrast", "estimate", "std_error", "df", "statistic", "p_value", "lower", "upper"),
        "letters",
    }
)
"""Columns of a table of means that are no factors."""

NEEDED_COLUMNS = ("estimate", "lower", "upper")

MOST_COLOURS = 7
"""A number with more values than this is on the x axis, unless it is named elsewhere."""

ROLES = ("x", "color", "panels")
"""What may show a factor, in the order in which factors of the table get it."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Which factor is shown how; None where there is none.

    Attributes
    ----------
    x, color, panels : str, optional
    """

    x: str | None = None
    color: str | None = None
    panels: str | None = None


@dataclass(frozen=True, eq=False)
class MeansPanel:
    """The means of one panel.

    Attributes
    ----------
    title : str
    x : ndarray (r,)
        Numbers, or positions among the categories.
    shown : Intervals
        A row for each x, a column for each colour.
    letters : ndarray of str (r, s), optional
    """

    title: str
    x: np.ndarray
    shown: Intervals
    letters: np.ndarray | None = None


def means_frame(table: Any) -> pd.DataFrame:
    """The table as a plain frame.

    Raises
    ------
    ArgumentError
        It is none, or lacks the estimates or their limits.
    """
    if not isinstance(table, pd.DataFrame):
        raise ArgumentError(
            f"table must be one of emmeans or contrasts, not {short_repr(table)}: draw "
            "fit.emmeans(…)."
        )
    absent = [name for name in NEEDED_COLUMNS if name not in table]
    if absent:
        raise ArgumentError(
            f"the table has no column {listed(absent)}: draw the table that fit.emmeans(…) returns."
        )
    if table.empty:
        raise ArgumentError("the table has no rows.")
    return pd.DataFrame(table)


def layout(table: pd.DataFrame, given: dict[str, Any], roles: Sequence[str] = ROLES) -> Layout:
    """Which factor is x, colour and panels: those named, then the others in their order.

    Numbers of many values come before the others.

    Factors with one value in the table need not be shown.

    Raises
    ------
    ArgumentError
        No such factor, one in two places, or too many.
    """
    factors = [name for name in table.columns if name not in RESULT_COLUMNS]
    chosen: dict[str, str] = {}
    for role, name in given.items():
        if name is None:
            continue
        chosen[role] = one_of(role, name, factors)
        if list(chosen.values()).count(name) > 1:
            raise ArgumentError(f"{role}={name!r}: each factor can be shown once.")
    named = set(chosen.values())
    varying = [f for f in factors if f not in named and table[f].nunique(dropna=False) > 1]
    if not varying and not chosen:
        varying = factors[:1]
    varying.sort(
        key=lambda name: not _is_scale(table[name])
    )  # stable: numbers of many values first
    free = [role for role in roles if role not in chosen]
    if len(varying) > len(free):
        last = varying[-1]
        raise ArgumentError(
            f"the table has {len(named) + len(varying)} factors with several values, "
            f"{listed([*named, *varying])}, and {len(roles)} can be shown. Draw some of the rows, "
            f"as table[table[{last!r}] == {table[last].iloc[0]!r}]."
        )
    chosen |= dict(zip(free, varying, strict=False))
    return Layout(**chosen)


def _is_scale(values: pd.Series) -> bool:
    """Whether values are numbers, and more than could have colours."""
    return is_numeric(values) and values.nunique() > MOST_COLOURS


def levels_of(table: pd.DataFrame, name: str | None) -> list[Any]:
    """Values of a factor in the order of the table; ``[None]`` without one."""
    return [None] if name is None else list(dict.fromkeys(table[name]))


def is_numeric(values: pd.Series) -> bool:
    """Whether values stand on an axis of numbers."""
    is_bool = pd.api.types.is_bool_dtype(values.dtype)
    return bool(pd.api.types.is_numeric_dtype(values.dtype) and not is_bool)


def means_panels(table: pd.DataFrame, shown: Layout) -> list[MeansPanel]:
    """The means of each panel."""
    out = []
    categories, colours = levels_of(table, shown.x), levels_of(table, shown.color)
    numeric = shown.x is not None and is_numeric(table[shown.x])
    if numeric:
        categories = sorted(categories)
    at = np.array(categories, dtype=np.float64) if numeric else np.arange(float(len(categories)))
    for level in levels_of(table, shown.panels):
        own = table if level is None else table[table[shown.panels] == level]
        places = cell_places(own, shown.x, categories, shown.color, colours)
        letters = None
        if "letters" in own:
            letters = np.full((len(categories), len(colours)), "", dtype=object)
            letters[places] = own["letters"].to_numpy()
        title = "" if level is None else f"{shown.panels}: {level}"
        found = _intervals(own, places, categories, colours)
        out.append(MeansPanel(title, at, found, letters))
    return out


def contrast_panels(table: pd.DataFrame, shown: Layout) -> list[tuple[str, Intervals]]:
    """Title and contrasts of each panel."""
    out = []
    contrasts, colours = levels_of(table, "contrast"), levels_of(table, shown.color)
    for level in levels_of(table, shown.panels):
        own = table if level is None else table[table[shown.panels] == level]
        places = cell_places(own, "contrast", contrasts, shown.color, colours)
        title = "" if level is None else f"{shown.panels}: {level}"
        out.append((title, _intervals(own, places, contrasts, colours)))
    return out


def cell_places(
    table: pd.DataFrame,
    row: str | None,
    rows: Sequence[Any],
    column: str | None,
    columns: Sequence[Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each line of the table.

    Raises
    ------
    ArgumentError
        Two lines have the same.
    """
    i, j = (
        np.zeros(len(table), dtype=np.intp) if name is None else _codes(table[name], levels)
        for name, levels in ((row, rows), (column, columns))
    )
    if len(set(zip(i.tolist(), j.tolist(), strict=True))) < len(table):
        factors = " and ".join(f"`{name}`" for name in (row, column) if name is not None)
        raise ArgumentError(
            f"several rows of the table have the same {factors or 'place'}: draw those of one "
            "table of means."
        )
    return i, j


def _codes(values: pd.Series, levels: Sequence[Any]) -> np.ndarray:
    places = {level: place for place, level in enumerate(levels)}
    return np.array([places[value] for value in values], dtype=np.intp)


def _intervals(
    table: pd.DataFrame,
    places: tuple[np.ndarray, np.ndarray],
    rows: Sequence[Any],
    columns: Sequence[Any],
) -> Intervals:
    def filled(name: str) -> np.ndarray:
        values = np.full((len(rows), len(columns)), np.nan)
        values[places] = table[name].to_numpy(dtype=np.float64)
        return values

    labels, series = (
        tuple("" if label is None else str(label) for label in labels) for labels in (rows, columns)
    )
    return Intervals(labels, series, filled("estimate"), filled("lower"), filled("upper"))


# --- notes of the tables ------------------------------------------------------------------------


def limits_text(table: Any) -> str:
    """What the limits of a table are, as its notes say.

    Examples
    --------
    >>> from lmforms.tables.result_table import ResultTable
    >>> limits_text(ResultTable(notes=["Limits: 90 %."])), limits_text(pd.DataFrame())
    ('90 % interval', 'interval')
    """
    for note in getattr(table, "notes", ()):
        found = re.match(r"Limits: ([\d.]+) %(, simultaneous)?", note)
        if found:
            text = level_text(float(found[1]) / 100.0)
            return f"simultaneous {text}" if found[2] else text
    return "interval"


def estimate_text(table: Any) -> str:
    """What the estimates of a table are, as its title says.

    Examples
    --------
    >>> from lmforms.tables.result_table import ResultTable
    >>> estimate_text(ResultTable(title="Slopes of temp for recipe"))
    'slope of temp'
    >>> estimate_text(ResultTable(title="Average slopes")), estimate_text(pd.DataFrame())
    ('average slope', 'estimate')
    >>> estimate_text(ResultTable(notes=["Estimates are odds ratios; tests on …"]))
    'odds ratio'
    """
    title = str(getattr(table, "title", "") or "")
    ratios = _ratios(table)
    if ratios is not None:
        return ratios.replace("ratios", "ratio", 1)
    found = re.match(r"Slopes of (.+?) for ", title + " for ")
    if found:
        return f"slope of {found[1]}"
    if title.startswith("Average slopes"):
        return "average slope"
    back = any(note.startswith("Back-transformed") for note in getattr(table, "notes", ()))
    return "estimate, response scale" if back else "estimate"


def has_ratios(table: Any) -> bool:
    """Whether the estimates are ratios, as the notes of their table say."""
    return _ratios(table) is not None


def _ratios(table: Any) -> str | None:
    """Such as ``"odds ratios"``; None of a table without."""
    for note in getattr(table, "notes", ()):
        found = re.match(r"Estimates are ((?:\w+ )?ratios(?: of [^;]+)?)", note)
        if found:
            return found[1]
    return None


# --- raw data -----------------------------------------------------------------------------------


def raw_points(
    data: Any, y: Any, table: pd.DataFrame, shown: Layout
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """For each panel and colour the places on the x axis and the responses of the rows there.

    Raises
    ------
    ArgumentError, ColumnError
        A column is not there, or no numbers.
    """
    if not isinstance(y, str):
        raise ArgumentError(f"y={short_repr(y)}: the name of the response in `data` is needed.")
    names = column_names(data)
    if y not in names:
        raise ColumnError(f"y={y!r} is not a column of the data.{near_matches(y, names)}")
    factors = [name for name in (shown.x, shown.color, shown.panels) if name is not None]
    for name in factors:
        if name not in names:
            raise ColumnError(f"the data have no column `{name}`.{near_matches(name, names)}")
    wanted = list(dict.fromkeys([y, *factors]))
    rows = raw_table(data, wanted)
    if not is_numeric(rows[y]):
        raise ArgumentError(f"y={y!r}: the column holds {rows[y].dtype}, not numbers.")
    response = rows[y].to_numpy(dtype=np.float64, na_value=np.nan)
    if shown.x is None:
        at = np.zeros(len(response))
    elif is_numeric(table[shown.x]):
        at = rows[shown.x].to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        places = {str(level): float(i) for i, level in enumerate(levels_of(table, shown.x))}
        at = rows[shown.x].astype(object).map(lambda v: places.get(str(v), np.nan)).to_numpy(float)
    drawn = np.isfinite(at) & np.isfinite(response)
    found = []
    for level in levels_of(table, shown.panels):
        inside = drawn & _rows_with(rows, shown.panels, level)
        colours = levels_of(table, shown.color)
        chosen = [inside & _rows_with(rows, shown.color, colour) for colour in colours]
        found.append([(at[own], response[own]) for own in chosen])
    if not any(len(x) for panel in found for x, _ in panel):
        raise ArgumentError(
            f"no row of the data has the values of the table and a `{y}`: compare the labels in "
            f"{listed(factors)}."
        )
    return found


def _rows_with(rows: Any, name: str | None, level: Any) -> np.ndarray:
    if name is None:
        return np.ones(rows.n, dtype=bool)
    if is_numeric(rows[name]) and isinstance(level, Real):
        return np.asarray(rows[name].to_numpy(dtype=np.float64, na_value=np.nan) == float(level))
    return np.array([str(value) == str(level) for value in rows[name]])
