"""Levels of grouping factors: codes of the rows, and labels made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import IndexArray
from ..support.column_table import Labels, Levels
from .group_codes import codes_of_integers, distinct_numbers, group_codes


@dataclass(frozen=True, eq=False)
class LevelLabels:
    """Labels of the levels of a grouping factor, one or several for each level.

    Attributes
    ----------
    size : int
        Number of levels.
    name : str
        Of the grouping factor.
    parts : tuple of pandas.Index
        Labels of its components, each name once.
    pairs : tuple of ndarray of int
        For each component but the first, which combinations with those before it occur: the
        number of the combination before times the size of the component, plus the own number.
    """

    size: int
    name: str
    parts: tuple[pd.Index, ...]
    pairs: tuple[IndexArray, ...] = ()

    def __len__(self) -> int:
        return self.size

    @cached_property
    def index(self) -> pd.Index:
        """All labels; a MultiIndex for several components."""
        if not self.pairs:
            return self.parts[0].rename(self.name)
        at: IndexArray = np.arange(self.size)
        columns = []
        for labels, pairs in zip(self.parts[:0:-1], self.pairs[::-1], strict=True):
            at, own = np.divmod(pairs[at], len(labels))
            columns.append(labels[own])
        columns.append(self.parts[0][at])
        names = self.name.split(":")
        return pd.MultiIndex.from_arrays(
            columns[::-1], names=names if len(names) == len(columns) else None
        )


@dataclass(frozen=True, eq=False)
class GivenLabels:
    """Labels that are there.

    Attributes
    ----------
    index : pandas.Index
    """

    index: pd.Index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def size(self) -> int:
        """Number of levels."""
        return len(self.index)


CodedLabels = tuple[IndexArray, pd.Index, int]
"""Codes of the rows, the labels that they stand for, and their number."""


def level_codes(
    components: Sequence[Labels], name: str, known: dict[int, CodedLabels] | None = None
) -> tuple[IndexArray, LevelLabels]:
    """Codes and labels of the combinations of levels that occur.

    Parameters
    ----------
    components : sequence of Series, Levels or ndarray of int
        Columns of labels, whose interaction is the grouping factor.
    name : str
        Its name.
    known : dict, optional
        Codes of columns by their identity, for factors that share them; it is added to.

    Raises
    ------
    DataError
        Missing labels, or labels that are none.

    Examples
    --------
    >>> a, b = pd.Series(["u", "v", "u"]), pd.Series([2, 1, 1])
    >>> codes, labels = level_codes([a, b], "a:b")
    >>> codes, labels.index.tolist()
    (array([1, 2, 0]), [('u', 1), ('u', 2), ('v', 1)])
    """
    known = {} if known is None else known
    coded: list[CodedLabels] = []
    for place, component in enumerate(components):
        key = id(component)
        if key not in known:
            known[key] = _codes_of(component, name, place)
        coded.append(known[key])
    where, labels, size = coded[0]
    if len(coded) == 1:
        return where, LevelLabels(size, name, (labels,))
    pairs: list[IndexArray] = []
    for codes, _, own in coded[1:]:  # recoded at each step, so that no product overflows
        present, where = distinct_numbers(where * own + codes, size * own)
        pairs.append(present)
        size = len(present)
    return where, LevelLabels(size, name, tuple([labels for _, labels, _ in coded]), tuple(pairs))


def _codes_of(column: Labels, name: str, place: int) -> CodedLabels:
    """Codes of the levels that occur, and their labels; of a component at its place in the name."""
    if isinstance(column, Levels):
        codes, labels = column.codes.astype(np.intp), column.dtype.categories
        if column.count_if_complete is not None:
            return codes, labels, column.count_if_complete
        present, codes = distinct_numbers(codes, len(labels))
        labels = labels if len(present) == len(labels) else labels[present]
    elif isinstance(column, np.ndarray):
        codes, labels = codes_of_integers(column) or group_codes(pd.Series(column))
    else:
        codes, labels = group_codes(column)
    if codes.min(initial=0) < 0:
        part = name.split(":")[place]
        raise DataError(f"the grouping factor `{part}` has missing labels after evaluation.")
    return codes, labels, len(labels)
