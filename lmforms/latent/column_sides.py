"""Which columns of one table stand on the fixed side and which on the random side."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ColumnError, DataError, listed, near_matches
from ..support.arrays import AnyArray, IndexArray

Places = IndexArray


def divided(fixed: Any, random: Any, names: AnyArray | None, count: int) -> tuple[Places, Places]:
    """Places of the columns of both blocks; where one is None it is all that the other leaves.

    Parameters
    ----------
    fixed, random : str, int, slice, sequence of these, boolean mask, or None
    names : ndarray of str, optional
        Of the columns, where they have any.
    count : int
        Number of columns.

    Raises
    ------
    ArgumentError
        Both are None, or one is not a choice of columns.
    ColumnError, DataError
        There is no such column, or a block has none.

    Examples
    --------
    >>> divided(slice(0, 2), None, None, 5)
    (array([0, 1]), array([2, 3, 4]))
    >>> divided(None, ["b"], np.array(["a", "b", "c"]), 3)
    (array([0, 2]), array([1]))
    """
    if fixed is None and random is None:
        raise ArgumentError(
            "Say which columns of X are the fixed side (fixed=), the random side (random=), or "
            "both: the other columns make up the side that is not given."
        )
    sides = {"fixed": fixed, "random": random}
    found = {
        side: places(choice, names, count, side)
        for side, choice in sides.items()
        if choice is not None
    }
    for side in sides:
        other = next(name for name in sides if name != side)
        if side not in found:
            found[side] = np.setdiff1d(np.arange(count), found[other])
        if not len(found[side]):
            raise DataError(
                f"No column of X is left for the {side} side (n_features={count}): both sides need "
                "one at least."
            )
    return found["fixed"], found["random"]


def places(choice: Any, names: AnyArray | None, count: int, argument: str) -> Places:
    """Places of the columns that one choice names.

    Examples
    --------
    >>> places([True, False, True], None, 3, "fixed")
    array([0, 2])
    >>> places(slice("b", "c"), np.array(["a", "b", "c", "d"]), 4, "fixed")  # both ends, as in loc
    array([1, 2])
    """
    if isinstance(choice, slice):
        return _sliced(choice, names, count, argument)
    given = np.atleast_1d(np.asarray(choice, dtype=object))
    kinds = {_kind(item) for item in given}
    if given.ndim != 1 or len(kinds) > 1 or "other" in kinds:
        raise ArgumentError(
            f"{argument}={choice!r} must be names, places or a boolean mask of columns, a slice, "
            "or a function of X that returns one of these."
        )
    if kinds == {"mask"}:
        if len(given) != count:
            raise ArgumentError(f"{argument}= masks {len(given)} columns and X has {count}.")
        return np.flatnonzero(given.astype(bool))
    if kinds == {"name"}:
        found = np.array([_named(name, names, argument) for name in given], dtype=np.intp)
    else:
        found = given.astype(np.intp)
        beyond = [str(i) for i in found if not -count <= i < count]
        if beyond:
            raise ColumnError(f"{argument}= has place {listed(beyond)}: X has {count} columns.")
        found = np.where(found < 0, found + count, found)
    if len(np.unique(found)) < len(found):
        raise ArgumentError(f"{argument}={choice!r} names a column twice.")
    return found


def _kind(item: Any) -> str:
    if isinstance(item, (bool, np.bool_)):
        return "mask"
    if isinstance(item, str):
        return "name"
    return "place" if isinstance(item, (int, np.integer)) else "other"


def _named(name: str, names: AnyArray | None, argument: str) -> int:
    if names is None:
        raise ColumnError(
            f"{argument}= names the column {name!r}, and X has no names: pass a frame, or places."
        )
    found = np.flatnonzero(names == name)
    if len(found) != 1:
        raise ColumnError(
            f"{argument}=: X has no column {name!r}.{near_matches(name, names)}"
            if not len(found)
            else f"{argument}=: X has several columns {name!r}: pass places."
        )
    return int(found[0])


def _sliced(choice: slice, names: AnyArray | None, count: int, argument: str) -> Places:
    start, stop, step = choice.start, choice.stop, choice.step
    if isinstance(start, str):
        start = _named(start, names, argument)
    if isinstance(stop, str):
        stop = _named(stop, names, argument) + 1
    try:
        return np.arange(count)[slice(start, stop, step)]
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{argument}={choice!r} is not a slice of columns: {error}.") from error
