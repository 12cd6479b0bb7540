"""Levels of grouping factors: codes of the rows, and labels made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import IndexArray
from .group_codes import distinct_numbers, group_codes


@dataclass(frozen=True, eq=False)
class LevelLabels:
    """Labels of the levels of a grouping factor, one or several for each level.

    Attributes
    ----------
    name : str
        Of the grouping factor.
    parts : tuple of pandas.Index
        Labels of its components, each name once.
    pairs : tuple of ndarray of int
        For each component but the first, which combinations with those before it occur: the
        number of the combination before times the size of the component, plus the own number.
    """

    name: str
    parts: tuple[pd.Index, ...]
    pairs: tuple[IndexArray, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs[-1]) if self.pairs else len(self.parts[0])

    @cached_property
    def index(self) -> pd.Index:
        """All labels; a MultiIndex for several components."""
        if not self.pairs:
            return self.parts[0].rename(self.name)
        at: IndexArray = np.arange(len(self))
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


def level_codes(components: Sequence[pd.Series], name: str) -> tuple[IndexArray, LevelLabels]:
    """Codes and labels of the combinations of levels that occur.

    Parameters
    ----------
    components : sequence of Series
        Columns of labels, whose interaction is the grouping factor.
    name : str
        Its name.

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
    coded = [group_codes(component) for component in components]
    for (codes, _), part in zip(coded, name.split(":"), strict=False):
        if codes.min(initial=0) < 0:
            raise DataError(f"the grouping factor `{part}` has missing labels after evaluation.")
    where = coded[0][0]
    pairs: list[IndexArray] = []
    for codes, levels in coded[1:]:  # recoded at each step, so that no product overflows
        before = len(pairs[-1]) if pairs else len(coded[0][1])
        size = len(levels)
        present, where = distinct_numbers(where * size + codes, before * size)
        pairs.append(present)
    return where, LevelLabels(name, tuple(levels for _, levels in coded), tuple(pairs))
