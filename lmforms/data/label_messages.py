"""Labels of levels in messages: the first few of them, and why one was not found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any

MAX_VALUES_SHOWN = 5
"""Values that a message lists."""


def values_of(column: Any) -> list[Any]:
    """A column of any kind as a list of plain Python values.

    Examples
    --------
    >>> values_of(range(3))
    [0, 1, 2]
    """
    if isinstance(column, (list, tuple)):
        return list(column)
    if getattr(column, "nlevels", 1) > 1:  # pandas' MultiIndex
        return list(column)
    if hasattr(column, "__len__") and not isinstance(column, (str, Mapping, Set)):
        from .exact_columns import exact_column  # imports pandas, which is not always needed

        return list(exact_column("labels", column).tolist())
    return list(column)


def named(values: Collection[Any]) -> str:
    """The first few values for a message, and how many there are.

    Examples
    --------
    >>> named(["a", "b"]), named(range(1000))
    ("'a', 'b'", '0, 1, 2, 3, 4, … (1,000 in all)')
    """
    shown = ", ".join(repr(v) for v in islice(values, MAX_VALUES_SHOWN))
    return shown + (f", … ({len(values):,} in all)" if len(values) > MAX_VALUES_SHOWN else "")


def row_of(index: Any, place: int) -> str:
    """A row for a message: by its label in the user's table, or by its place where that is unclear.

    Parameters
    ----------
    index : pandas.Index (n,)
        Labels of the rows used.
    place : int
        Among them.

    Examples
    --------
    >>> import pandas as pd
    >>> row_of(pd.Index([3, 17]), 1), row_of(pd.Index(["a", "a"]), 1)
    ('row 17', "row 'a' (the 2nd of the rows used)")
    """
    label = index[place : place + 1].tolist()[0]
    text = repr(label) if isinstance(label, (str, int, float, tuple)) else str(label)
    if index.is_unique:
        return f"row {text}"
    number = place + 1
    ending = "th" if number % 100 in (11, 12, 13) else _ENDINGS.get(number % 10, "th")
    return f"row {text} (the {number:,}{ending} of the rows used)"


_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def other_type(missing: Sequence[Any], known: Iterable[Any]) -> str:
    """What to do if what is missing is there as text, or as a number; or an empty string.

    Examples
    --------
    >>> other_type([1, 2], ["1", "2"])
    " There is a label '1' (str), but not 1 (int): give both the same type, by `.astype(str)`."
    """
    by_text = {_plain_text(label): label for label in known}
    for value in missing:
        label = by_text.get(_plain_text(value))
        if label is None:
            continue
        if type(label) is type(value):
            return f" There is a label {label!r}, but not {value!r}: write both in one way."
        return (
            f" There is a label {label!r} ({type(label).__name__}), but not {value!r} "
            f"({type(value).__name__}): give both the same type, {_conversion(missing, label)}."
        )
    return ""


def _plain_text(label: Any) -> str:
    """How a number, or the text of it, would be printed."""
    text = str(label).strip()
    whole, point, rest = text.partition(".")
    return whole if point and not rest.strip("0") and whole.lstrip("+-").isdigit() else text


def _conversion(missing: Sequence[Any], label: Any) -> str:
    """How a column that holds what is missing gets the type of a label."""
    if isinstance(label, str):
        whole = all(isinstance(value, float) and value.is_integer() for value in missing)
        return f"by `{'.astype(int)' if whole else ''}.astype(str)`"
    if all(isinstance(value, str) and value.lstrip("-").isdigit() for value in missing):
        return "by `.astype(int)`"
    return "as text, say"
