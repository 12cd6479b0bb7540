"""The arguments `color=` and `labels=`: values of rows, in the order of a form's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, DataError, listed
from .axes import in_legend, plain_text, point_style, pyplot, short_label
from .series import ON_LIGHT, is_dark, series_colours

MOST_CATEGORIES = 20
"""Largest number of colours that can be distinguished."""

MOST_TEXTS = 400
"""Largest number of texts beside points."""

ON_LIGHT_PAGE, ON_DARK_PAGE = (0.0, 0.9), (0.25, 1.0)
"""Part of the scale of colours of numbers that stands out from the page."""

UNKNOWN_GREY = "0.7"
"""Colour of rows without a value."""


@dataclass(frozen=True, eq=False)
class Points:
    """Colours of rows.

    Attributes
    ----------
    values : ndarray, optional
        Numbers, for a continuous scale.
    codes : ndarray of int, optional
        Positions in `names`; −1 where not known.
    names : tuple of str
    plain : str, optional
        One colour for all rows.
    title : str, optional
        Name of the values.
    """

    values: np.ndarray | None = None
    codes: np.ndarray | None = None
    names: tuple[str, ...] = ()
    plain: str | None = None
    title: str | None = None


def values_by_row(values: Any, n: int, rows: pd.Index | None, argument: str) -> pd.Series:
    """One value for each row, matched by label where both sides have labels.

    Raises
    ------
    DataError
        Another number of values, or rows without one.

    Examples
    --------
    >>> values = pd.Series([1, 2], index=["b", "a"])
    >>> values_by_row(values, 2, pd.Index(["a", "b"]), "color").tolist()
    [2, 1]
    """
    if isinstance(values, pd.Series) and rows is not None and not values.index.equals(rows):
        absent = rows.difference(values.index)
        if len(absent) or not values.index.is_unique:
            what = f"none for {listed(list(absent))}" if len(absent) else "several for one row"
            raise DataError(
                f"{argument}= is matched to the rows of the form by label, and has {what}: "
                "index it like the form's K_, or pass an array in the order of its rows."
            )
        return values.reindex(rows).reset_index(drop=True)
    try:
        dimensions = np.ndim(values)
    except ValueError:  # lists of different lengths
        dimensions = 2
    if dimensions != 1:
        raise DataError(f"{argument}= must hold one value for each of the {n} rows of the form.")
    found = pd.Series(values).reset_index(drop=True)
    if len(found) != n:
        raise DataError(f"{argument}= has {len(found)} values and the form has {n} rows.")
    return found


def points(color: Any, n: int, rows: pd.Index | None) -> Points:
    """How n rows are coloured: alike, by category, or by number.

    Raises
    ------
    DataError
        Values do not match the rows, or are neither numbers nor categories.
    ArgumentError
        A string that is no colour; more categories than can be told apart.

    Examples
    --------
    >>> points(["b", "a", None], 3, None).codes
    array([ 1,  0, -1])
    """
    if color is None or isinstance(color, str):
        return Points(plain=_plain(color))
    found = values_by_row(color, n, rows, "color")
    title = None if found.name is None else str(found.name)
    kind = found.dtype
    if isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(kind):
        return _categories(pd.Categorical(found), title)
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return Points(values=found.to_numpy(dtype=np.float64, na_value=np.nan), title=title)
    if pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind):
        return _categories(pd.Categorical(found.astype("string")), title)
    raise DataError(f"color= holds {kind}: pass numbers, or categories as text.")


def row_texts(labels: Any, n: int, rows: pd.Index | None) -> list[str]:
    """The text beside each of n rows; none if `labels` is None or False.

    Examples
    --------
    >>> row_texts(True, 2, pd.Index(["a", "b"])), row_texts(["a", None], 2, None)
    (['a', 'b'], ['a', ''])
    """
    texts = _row_texts(labels, n, rows)
    count = sum(map(bool, texts))
    if count > MOST_TEXTS:
        raise ArgumentError(
            f"labels= has a text for {count:,} rows, and {MOST_TEXTS} can be read: pass None for "
            "the rows that need none."
        )
    return texts


def _row_texts(labels: Any, n: int, rows: pd.Index | None) -> list[str]:
    if labels is None or labels is False:
        return []
    if labels is True:
        return [short_label(label) for label in (range(n) if rows is None else rows)]
    if not np.iterable(labels) or isinstance(labels, str):
        raise ArgumentError(f"labels={labels!r} must be True or one text for each row.")
    if not isinstance(labels, pd.Series):
        labels = np.array(list(labels), dtype=object)  # keeps integers next to None
    found = values_by_row(labels, n, rows, "labels")
    return ["" if missing else short_label(text) for text, missing in zip(found, found.isna())]


def draw(panels: list[Any], places: list[np.ndarray], colours: Points) -> None:
    """Scatter (n, 2) `places` on each panel, with one legend or colour bar on the last."""
    style = point_style(len(places[0]))
    last = panels[-1]
    if colours.values is not None:
        _numbers(panels, places, colours, style)
    elif colours.codes is not None:
        shades = _shades(len(colours.names), last)
        for level in range(-1, len(colours.names)):
            chosen = colours.codes == level
            name = "not known" if level < 0 else in_legend(short_label(colours.names[level]))
            shade = UNKNOWN_GREY if level < 0 else shades[level]
            for ax, xy in zip(panels, places) if chosen.any() else ():
                ax.scatter(*xy[chosen].T, color=shade, label=name, **style)
        title = plain_text(colours.title or "")
        _legend(last, title=title, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        for ax, xy in zip(panels, places):
            ax.scatter(*xy.T, color=colours.plain, **style)


def _numbers(
    panels: list[Any], places: list[np.ndarray], colours: Points, style: dict[str, Any]
) -> None:
    values = colours.values
    assert values is not None
    known = np.isfinite(values)
    limits = {"vmin": values[known].min(), "vmax": values[known].max()} if known.any() else {}
    for ax, xy in zip(panels, places):
        if not known.all():
            ax.scatter(*xy[~known].T, color=UNKNOWN_GREY, label="not known", **style)
        drawn = ax.scatter(
            *xy[known].T, c=values[known], cmap=_scale(panels[-1]), **limits, **style
        )
    bar = panels[-1].figure.colorbar(
        drawn, ax=panels, label=plain_text(colours.title or ""), aspect=30, shrink=0.9
    )
    bar.solids.set_alpha(1.0)
    if not known.all():
        _legend(panels[-1], loc="lower right", bbox_to_anchor=(1.0, 1.0))


def _scale(ax: Any) -> Any:
    """Viridis without the end that is as dark or as light as the page."""
    from matplotlib.colors import ListedColormap

    ends = ON_DARK_PAGE if is_dark(ax) else ON_LIGHT_PAGE
    return ListedColormap(pyplot().get_cmap("viridis")(np.linspace(*ends, 256)))


def _legend(ax: Any, **options: Any) -> None:
    for handle in ax.legend(frameon=False, handletextpad=0.1, **options).legend_handles:
        handle.set(alpha=1.0, sizes=[30])  # also where points are small and transparent


def _plain(color: str | None) -> str:
    if color is None:
        return "C0"
    pyplot()
    from matplotlib.colors import is_color_like

    if not is_color_like(color):
        raise ArgumentError(
            f"color={color!r} is not a colour of matplotlib's: pass one, or the values to colour "
            "the rows by."
        )
    return color


def _categories(found: pd.Categorical, title: str | None) -> Points:
    found = found.remove_unused_categories()
    names = tuple(str(name) for name in found.categories)
    if len(names) > MOST_CATEGORIES:
        raise ArgumentError(
            f"color= has {len(names)} categories and {MOST_CATEGORIES} colours can be told apart: "
            "join the rare ones, or pass numbers."
        )
    return Points(codes=np.asarray(found.codes, dtype=np.intp), names=names, title=title)


def _shades(count: int, ax: Any) -> list[Any]:
    if count <= len(ON_LIGHT):
        return series_colours(max(count, 2), ax)
    return list(pyplot().get_cmap("tab10" if count <= 10 else "tab20").colors)
