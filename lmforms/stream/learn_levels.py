"""The first pass over a source, where one is needed: the levels of factors among the predictors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from ..data.numeric_text import refuse_numbers_as_text
from ..errors import ArgumentError, DataError
from ..sources.source import Partition, Source


@dataclass(frozen=True)
class FoundLevels:
    """Levels of one column.

    Attributes
    ----------
    present : frozenset
        Those that occur.
    order : tuple or None
        Categories of the column, if they are the same in all chunks.
    is_empty : bool
        Whether nothing was found yet.
    """

    present: frozenset[Any] = frozenset()
    order: tuple[Any, ...] | None = None
    is_empty: bool = True

    def __add__(self, other: FoundLevels) -> FoundLevels:
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        return FoundLevels(
            self.present | other.present,
            self.order if self.order == other.order else None,
            is_empty=False,
        )

    def dtype(self, name: str, *, is_text: bool, as_is: bool) -> pd.CategoricalDtype:
        """Categories as those of a table in memory: in their own order, text in the alphabet's.

        Parameters
        ----------
        name : str
        is_text : bool
            Whether the column is text, also where it is read as dictionaries.
        as_is : bool
            Whether it enters the model as it is.
        """
        if not self.present:
            raise DataError(f"`{name}` is missing in all rows.")
        if self.order is not None and not is_text:
            found = [level for level in dict.fromkeys(self.order) if level in self.present]
        else:
            found = sorted(self.present)
        if is_text and as_is:
            refuse_numbers_as_text(name, pd.Series(pd.Categorical(found, found)))
        return pd.CategoricalDtype(pd.Index(found))


def learn_levels(source: Source, columns: Sequence[str]) -> dict[str, FoundLevels]:
    """Levels of text and categories, by one pass over these columns alone."""
    return source.reduced(partial(_levels_of, columns=tuple(columns)), _both)


def given_levels(
    levels: Mapping[str, Any] | None, columns: Sequence[str], known: Collection[str]
) -> dict[str, pd.Index]:
    """The argument `levels`, checked.

    Parameters
    ----------
    levels : mapping of str to sequence, optional
    columns : sequence of str
        Of the formula.
    known : collection of str
        Those that have levels.

    Raises
    ------
    ArgumentError
        It is no mapping of columns of the formula to labels.
    """
    if levels is None:
        return {}
    if not isinstance(levels, Mapping):
        raise ArgumentError("levels must map names of columns to their levels.")
    out = {}
    for name, given in levels.items():
        if name not in columns:
            raise ArgumentError(f"levels: `{name}` is not a column of the formula.")
        if isinstance(given, (str, bytes, Set, Mapping)):
            kind = "one text" if isinstance(given, (str, bytes)) else type(given).__name__
            raise ArgumentError(f"levels: `{name}` needs a list of levels, not {kind}.")
        if name not in known:
            raise ArgumentError(
                f"levels: `{name}` holds numbers and is no grouping factor: it has no levels. Make "
                "it text in the source, or write C(x, levels=[…]) in the formula."
            )
        found = pd.Index(list(given), tupleize_cols=False)
        if not len(found) or found.has_duplicates or found.hasnans:
            raise ArgumentError(f"levels: those of `{name}` are empty, missing or there twice.")
        out[name] = found
    return out


def _levels_of(partitions: Sequence[Partition], columns: tuple[str, ...]) -> dict[str, FoundLevels]:
    found = {name: FoundLevels() for name in columns}
    for partition in partitions:
        for batch in partition.read(columns):
            for name in columns:
                found[name] = found[name] + _of_column(batch.column(name))
    return found


def _of_column(column: Any) -> FoundLevels:
    if not len(column) or column.null_count == len(column):
        return FoundLevels()
    if not hasattr(column, "dictionary"):
        present = frozenset(column.unique().to_pylist()) - {None}
        return FoundLevels(present, None, is_empty=False)
    categories = column.dictionary.to_pylist()
    used = column.indices.unique().to_pylist()
    present = frozenset(categories[i] for i in used if i is not None) - {None}
    return FoundLevels(present, tuple(categories), is_empty=False)


def _both(a: dict[str, FoundLevels], b: dict[str, FoundLevels]) -> dict[str, FoundLevels]:
    return {name: own + b[name] for name, own in a.items()}
