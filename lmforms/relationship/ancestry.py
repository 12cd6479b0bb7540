"""Parents of a pedigree as positions among the animals, ordered and without loops."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np

from ..data.numeric_text import is_missing_mark
from ..errors import ColumnError, DataError, RelationshipError, near_matches
from ..support.arrays import IntArray
from .labels import absent, check_hashable, named, other_type, values_of

Column = list[Any]

PEDIGREE_COLUMNS = "animal", "sire", "dam"
"""Columns of a pedigree in a frame."""

WORDS_FOR_NONE = frozenset(["none", "unknown", "unk", "missing", "-1", "-9", "-99", "-999"])
"""Marks of an unknown parent, besides those of missing values and numbers below one."""

LOOP_ANIMALS_SHOWN = 10
"""Largest number of animals of a loop that a message names."""


def columns_of(frame: Any) -> tuple[Column, Column, Column]:
    """The three columns of a table with names."""
    from ..data.input_table import column_names

    try:
        names = column_names(frame)
    except DataError:  # no table
        names = []
    for name in PEDIGREE_COLUMNS:
        if name not in names:
            raise ColumnError(
                f"A pedigree needs the columns `animal`, `sire` and `dam`; there is no `{name}`."
                + near_matches(name, names)
                + " Columns with other names: Pedigree.of(animal, sire, dam)."
            )
    animal, sire, dam = (values_of(frame[name]) for name in PEDIGREE_COLUMNS)
    return animal, sire, dam


def without_unknown(
    animal: Column, parents: Sequence[Column], unknown: Collection[Any]
) -> list[Column]:
    """The columns of parents with None for unknown ones."""
    for column in (*parents, unknown):
        check_hashable(column)
    marks = set(unknown)
    same = [label for label in animal if label in marks]
    if same:
        raise RelationshipError(
            f"Animal {named(same)} cannot be told from an unknown parent. Say what stands for "
            "unknown parents, like `unknown=()` for None and NaN only."
        )
    return [[None if absent(p) or p in marks else p for p in column] for column in parents]


def with_founders(
    animal: Column, parents: Sequence[Column], unknown: Collection[Any]
) -> tuple[Column, list[Column]]:
    """Add parents that are not listed as founders, in front.

    Raises
    ------
    RelationshipError
        A parent seems to be a mark of unknown parents, and would become a common ancestor; or is
        listed with another type.
    """
    known = set(animal)
    extra = list(dict.fromkeys(p for pair in zip(*parents) for p in pair if p is not None))
    extra = [p for p in extra if p not in known]
    way = _unknown_parents(extra, unknown) or other_type(extra, animal)
    if way:
        raise RelationshipError(f"Parents that are not listed as animals: {named(extra)}.{way}")
    return extra + animal, [[None] * len(extra) + column for column in parents]


def _unknown_parents(missing: Sequence[Any], unknown: Collection[Any]) -> str:
    """Advice if parents that are not listed seem to be marks of unknown ones; may be empty."""
    marks = [p for p in missing if _stands_for_none(p)]
    if not marks:
        return ""
    every = [*unknown, *marks]
    return (
        f" {named(marks)} seems to stand for unknown parents: say so by `unknown={every!r}`, or "
        "list it if it is an animal."
    )


def _stands_for_none(parent: Any) -> bool:
    """Whether a label is a common mark of unknown parents."""
    if isinstance(parent, str):
        text = parent.strip().lower()
        return is_missing_mark(text) or text in WORDS_FOR_NONE or not text.strip("0.")
    return isinstance(parent, (int, float)) and parent <= 0


def places(animal: Column, parents: Sequence[Column], unknown: Collection[Any]) -> list[IntArray]:
    """Parents as positions among the animals, −1 for unknown ones."""
    index: dict[Hashable, int] = {label: i for i, label in enumerate(animal)}
    index[None] = -1
    found = [[index.get(p, -2) for p in column] for column in parents]
    missing = [
        p for column, at in zip(parents, found, strict=True) for p, i in zip(column, at) if i == -2
    ]
    if missing:
        missing = list(dict.fromkeys(missing))
        raise RelationshipError(
            f"Parents that are not listed as animals: {named(missing)}."
            + (
                _unknown_parents(missing, unknown)
                or other_type(missing, animal)
                or " `add_parents=True` adds them as founders."
            )
        )
    return [np.array(at, dtype=np.int64) for at in found]


def parents_first(animal: Sequence[Any], sire: IntArray, dam: IntArray) -> IntArray:
    """An order with parents before their offspring that moves as few animals as possible.

    Raises
    ------
    RelationshipError
        If an animal is its own ancestor; the message names the loop.
    """
    parents = list(zip(sire.tolist(), dam.tolist()))
    NEW, OPEN, DONE = 0, 1, 2
    state = [NEW] * len(parents)
    order = []
    for start in range(len(parents)):
        stack = [start]
        while stack:
            i = stack[-1]
            if state[i] == DONE:
                stack.pop()
                continue
            state[i] = OPEN
            waiting = [p for p in parents[i] if p >= 0 and state[p] != DONE]
            if not waiting:
                state[i] = DONE
                order.append(i)
                stack.pop()
                continue
            for p in waiting:
                if state[p] == OPEN:
                    loop = [j for j in stack[stack.index(p) :] if state[j] == OPEN]
                    _refuse_loop([animal[j] for j in [*loop, p]])
            stack.append(waiting[0])
    return np.array(order, dtype=np.int64)


def _refuse_loop(loop: Sequence[Any]) -> None:
    shown = [repr(label) for label in loop]
    if len(shown) > LOOP_ANIMALS_SHOWN:
        shown = [*shown[: LOOP_ANIMALS_SHOWN - 2], "…", *shown[-2:]]
    raise RelationshipError(
        "An animal is its own ancestor, in the loop (each has the next as a parent) "
        f"{' → '.join(shown)}."
    )


def check_order(animal: Sequence[Any], sire: IntArray, dam: IntArray) -> bool:
    """Whether all parents are listed before their offspring."""
    own = np.arange(len(animal))
    return bool((np.maximum(sire, dam) < own).all())


def refuse_order(animal: Sequence[Any], sire: IntArray, dam: IntArray) -> None:
    """Name animals that are listed before a parent."""
    own = np.arange(len(animal))
    late = np.flatnonzero(np.maximum(sire, dam) >= own)
    shown = []
    for i in late[:5]:
        parent = sire[i] if sire[i] >= i else dam[i]
        shown.append(f"{animal[i]!r} before {animal[parent]!r}")
    more = f", … ({len(late):,} in all)" if len(late) > 5 else ""
    raise RelationshipError(
        f"Animals are listed before their parents: {', '.join(shown)}{more}. "
        "`sort=True` orders them."
    )


def generations(sire: IntArray, dam: IntArray) -> IntArray:
    """0 for founders, else one more than the later parent's."""
    found: list[int] = []
    for s, d in zip(sire.tolist(), dam.tolist()):
        a = found[s] if s >= 0 else -1
        b = found[d] if d >= 0 else -1
        found.append(1 + max(a, b))
    return np.array(found, dtype=np.int64)
