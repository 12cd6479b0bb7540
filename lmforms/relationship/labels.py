"""Labels of levels: unique, none missing, found again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from ..errors import ArgumentError, RelationshipError
from ..support.arguments import shown
from ..support.arrays import IndexArray

Labels = tuple[Hashable, ...]

SHOWN = 5
"""Culprits that a message names."""


def values_of(column: Any) -> list[Any]:
    """A column of any kind as a list of plain Python values.

    Examples
    --------
    >>> values_of(np.arange(3))
    [0, 1, 2]
    """
    if isinstance(column, (list, tuple)):
        return list(column)
    if hasattr(column, "__len__") and not isinstance(column, (str, Mapping, Set)):
        from ..data.exact_columns import exact_column  # pandas, which bare labels do without

        return list(exact_column("labels", column).tolist())
    return list(column)


def listed_values(name: str, column: Any) -> list[Any]:
    """A column of any kind as a list, or an ArgumentError that names it."""
    try:
        return values_of(column)
    except TypeError:
        raise ArgumentError(f"{name} must be a sequence, not {shown(column)}.") from None


def named(culprits: Sequence[Any]) -> str:
    """The first few culprits for a message, and how many there are.

    Examples
    --------
    >>> named(["a", "b"]), named(range(1000))
    ("'a', 'b'", '0, 1, 2, 3, 4, … (1,000 in all)')
    """
    shown = ", ".join(repr(c) for c in culprits[:SHOWN])
    return shown + (f", … ({len(culprits):,} in all)" if len(culprits) > SHOWN else "")


def absent(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA will not say
        return True


def check_hashable(values: Iterable[Any]) -> None:
    """Refuse lists and the like as labels."""
    for value in values:
        if not isinstance(value, Hashable):
            raise ArgumentError(f"A label must be hashable, like text or a number: {shown(value)}.")


def checked_labels(labels: Any, what: str = "Labels") -> Labels:
    """The labels as a tuple, if none is missing and none there twice."""
    values = listed_values(what, labels)
    missing = [i for i, value in enumerate(values) if absent(value)]
    if missing:
        raise RelationshipError(f"{what} are missing at position {named(missing)}.")
    check_hashable(values)
    if len(set(values)) < len(values):
        twice = [value for value, count in Counter(values).items() if count > 1]
        raise RelationshipError(f"{what} must be unique. More than once: {named(twice)}.")
    return tuple(values)


def positions(index: Mapping[Hashable, int], levels: Iterable[Any]) -> IndexArray:
    """Where each level is among the labels of `index`.

    Raises
    ------
    RelationshipError
        If a level has no label; the message names the first few.
    """
    values = listed_values("levels", levels)
    check_hashable(values)
    found = [index.get(value, -1) for value in values]
    missing = [value for value, at in zip(values, found, strict=True) if at < 0]
    if missing:
        missing = list(dict.fromkeys(missing))
        raise RelationshipError(
            f"The relationship has no label for the levels {named(missing)}."
            + other_type(missing, index)
        )
    return np.array(found, dtype=np.intp)


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
