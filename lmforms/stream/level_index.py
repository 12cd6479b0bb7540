"""Labels as codes, numbered as they appear: what a grouping factor of a stream is coded by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..data.group_codes import refuse_rounded
from ..errors import DataError
from ..support.arrays import IndexArray

MOST_NUMBERS = 1 << 26
"""Whole numbers from a range of up to this many are coded by a table of all of them."""

MOST_INTEGER = 2**63 - 1
"""Larger ones are labels like any other."""

NUMBERS_PER_LABEL = 64
"""Unless these are so few that the table would be empty for the most part."""

BITS_OF_CODE = 32
"""Two codes are one number: there are fewer labels than 2³¹."""


class LevelIndex:
    """Codes of the labels of one column, in order of appearance."""

    def __init__(self) -> None:
        self._known = pd.Index([], dtype=np.int64)
        self._low = 0
        self._table: IndexArray | None = np.full(0, -1, dtype=np.intp)
        self._dictionary: Any = None
        self._places = np.zeros(0, dtype=np.intp)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def labels(self) -> pd.Index:
        """The label of each code."""
        return self._known

    def codes(self, values: Any) -> IndexArray:
        """Codes of labels without gaps; new ones come behind those that are known.

        Parameters
        ----------
        values : ndarray of int, pyarrow.Array of text, or Series
        """
        if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
            return self._of_integers(values)
        if isinstance(values, pd.Series):
            if isinstance(values.dtype, pd.CategoricalDtype):
                return self._by_labels(values.array.codes, values.array.categories)
            where, labels = factorized(values)
            return self._by_labels(where, labels)
        coded = values.dictionary_encode() if not hasattr(values, "dictionary") else values
        return self._of_dictionary(coded.indices.to_numpy(zero_copy_only=False), coded.dictionary)

    def _of_dictionary(self, where: IndexArray, dictionary: Any) -> IndexArray:
        """Of places in a dictionary of Arrow, which may go on that of the chunk before."""
        known = self._dictionary
        if known is None or not dictionary.slice(0, len(known)).equals(known):
            self._places = np.zeros(0, dtype=np.intp)
        more = np.full(len(dictionary) - len(self._places), -1, dtype=np.intp)
        self._dictionary, self._places = dictionary, np.concatenate([self._places, more])
        codes = self._places[where]
        unknown = codes < 0
        if unknown.any():
            occurs = np.zeros(len(dictionary), dtype=bool)
            occurs[where[unknown]] = True
            (new,) = occurs.nonzero()
            labels = pd.Index(dictionary.take(new).to_pylist(), dtype=object)
            self._places[new] = self._by_labels(*factorized(pd.Series(labels)))
            codes = self._places[where]
        return codes

    def _of_integers(self, values: IndexArray) -> IndexArray:
        if not len(values):
            return np.zeros(0, dtype=np.intp)
        low, high = int(values.min()), int(values.max())
        if high > MOST_INTEGER or not self._covers(low, high, len(values)):
            where, labels = factorized(pd.Series(values))
            return self._by_labels(where, labels)
        assert self._table is not None
        places = values.astype(np.int64) - self._low
        codes = self._table[places]
        if codes.min() < 0:
            new = pd.unique(places[codes < 0])
            self._table[new] = np.arange(len(self), len(self) + len(new))
            self._append(pd.Index(new + self._low))
            codes = self._table[places]
        return codes

    def _covers(self, low: int, high: int, count: int) -> bool:
        """Whether the table has places for numbers from low to high, or can be given them."""
        if self._table is None:
            return False
        if not len(self._table):
            first, last = low, high
        else:
            first = min(low, self._low)
            last = max(high, self._low + len(self._table) - 1)
        size = last - first + 1
        if size == len(self._table):
            return True
        if size > min(MOST_NUMBERS, NUMBERS_PER_LABEL * max(count, len(self), 1 << 10)):
            self._table = None
            return False
        size = min(MOST_NUMBERS, size + len(self._table) // 2)  # it will not grow often
        table = np.full(size, -1, dtype=np.intp)
        table[self._low - first :][: len(self._table)] = self._table
        self._low, self._table = first, table
        return True

    def _by_labels(self, where: IndexArray, labels: pd.Index) -> IndexArray:
        """Of places among labels that need not all occur."""
        occurs = np.zeros(len(labels), dtype=bool)
        occurs[where] = True
        if not occurs.all():
            place = np.cumsum(occurs) - 1
            where, labels = place[where], labels[occurs]
        self._table = None
        codes = self._known.get_indexer(labels)
        (new,) = (codes < 0).nonzero()
        if len(new):
            codes[new] = np.arange(len(self), len(self) + len(new))
            self._append(labels[new])
        return np.asarray(codes[where], dtype=np.intp)

    def _append(self, labels: pd.Index) -> None:
        self._known = labels if not len(self._known) else self._known.append(labels)


def factorized(values: pd.Series) -> tuple[IndexArray, pd.Index]:
    """Places of values among the different ones, and these.

    Raises
    ------
    DataError
        Values that are no labels.
    """
    try:
        where, labels = pd.factorize(values)
    except TypeError:
        kind = type(values.iloc[0]).__name__
        raise DataError(
            f"the labels of `{values.name}` are {kind} objects; labels must be hashable, such as "
            "text or numbers."
        ) from None
    refuse_rounded(values.name, labels)
    return where, pd.Index(labels, tupleize_cols=False)


class CombinedIndex:
    """Codes of combinations of labels of several columns, as one grouping factor has them.

    Parameters
    ----------
    count : int
        Number of columns.
    """

    def __init__(self, count: int) -> None:
        self._columns = [LevelIndex() for _ in range(count)]
        self._pairs = [LevelIndex() for _ in range(count - 1)]

    def __len__(self) -> int:
        return len([*self._columns, *self._pairs][-1])

    def codes(self, columns: Sequence[Any]) -> IndexArray:
        """Codes of rows, by the labels of all columns (see :meth:`LevelIndex.codes`)."""
        each = zip(self._columns, columns, strict=True)
        codes, *others = (index.codes(labels) for index, labels in each)
        for index, own in zip(self._pairs, others, strict=True):
            codes = index.codes((codes << BITS_OF_CODE) | own)
        return codes

    @property
    def labels(self) -> pd.Index:
        """Labels of all combinations; a MultiIndex for several columns."""
        if not self._pairs:
            return self._columns[0].labels
        found: list[pd.Index] = []
        at: IndexArray = np.arange(len(self))
        for index, own in zip(self._columns[:0:-1], self._pairs[::-1], strict=True):
            keys = own.labels.to_numpy()[at]
            found.append(index.labels[keys & (1 << BITS_OF_CODE) - 1])
            at = keys >> BITS_OF_CODE
        found.append(self._columns[0].labels[at])
        return pd.MultiIndex.from_arrays(found[::-1])
