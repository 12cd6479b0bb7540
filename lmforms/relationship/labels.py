"""Labels of levels: checks that they are unique and complete, and their positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from ..data.label_messages import named, other_type, values_of
from ..errors import ArgumentError, RelationshipError
from ..support.arguments import short_repr
from ..support.arrays import IndexArray

Labels = tuple[Hashable, ...]


def listed_values(name: str, column: Any) -> list[Any]:
    """A column of any kind as a list, or an ArgumentError that names it."""
    try:
        return values_of(column)
    except TypeError:
        raise ArgumentError(f"{name} must be a sequence, not {short_repr(column)}.") from None


def absent(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA has no truth value
        return True


def check_hashable(values: Iterable[Any]) -> None:
    """Refuse lists and the like as labels."""
    for value in values:
        if not isinstance(value, Hashable):
            raise ArgumentError(
                f"A label must be hashable, like text or a number: {short_repr(value)}."
            )


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
