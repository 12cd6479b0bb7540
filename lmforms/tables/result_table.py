"""`ResultTable`: a DataFrame that is shown with a title and notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from .html import html_table
from .number_format import column_texts, text_table

MOST_ROWS = 200
"""Rows shown of a longer table: the first and the last half of them."""


class ResultTable(pd.DataFrame):
    """A table of results: a DataFrame with a title above and notes below where it is shown.

    Numbers are shown rounded; the table holds them in full. Whatever is computed from it is a
    plain DataFrame.

    Parameters
    ----------
    data
        As for a DataFrame.
    title : str
        What the table shows.
    notes : sequence of str
        How it was computed: the method of the degrees of freedom, the adjustment.

    Examples
    --------
    >>> ResultTable({"df": [17.0]}, index=["Days"], title="Tests", notes=["df: residual"])
    Tests
          df
    Days  17
    df: residual
    """

    _metadata: ClassVar[list[str]] = ["title", "notes"]

    def __init__(
        self, *args: Any, title: str = "", notes: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.title = title
        self.notes = tuple(notes)

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __copy__(self, deep: bool = True) -> ResultTable:
        return type(self)(self.copy(deep=deep), title=self.title, notes=self.notes)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> ResultTable:
        return self.__copy__()

    def __str__(self) -> str:
        headers, stubs, columns, aligns = self._texts()
        table = text_table(headers, stubs, columns, aligns)
        return "\n".join([*filter(None, [self.title]), table, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        headers, stubs, columns, aligns = self._texts()
        rows = [list(row) for row in zip(*columns, strict=True)]
        title = f"<p><strong>{escape(self.title)}</strong></p>" if self.title else ""
        lines = "<br>".join(escape(note) for note in self.notes)
        notes = f"<p><em>{lines}</em></p>" if lines else ""
        table = html_table(headers, stubs, rows, aligns)
        return f"<div class='lmforms-table'>{title}{table}{notes}</div>"

    def _texts(self) -> tuple[list[str], list[str], list[list[str]], str]:
        """Headers, row labels, columns as text, and how columns are aligned."""
        kept = np.arange(len(self))
        if len(self) > MOST_ROWS:
            kept = np.r_[: MOST_ROWS // 2, len(self) - MOST_ROWS // 2 : len(self)]
        stubs = [""] * len(self)
        if not isinstance(self.index, pd.RangeIndex):
            stubs = [
                " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
                for label in self.index
            ]
        columns, aligns = [], ""
        for j, name in enumerate(self.columns):
            values = self.iloc[:, j].to_numpy()
            texts = column_texts(str(name), values)
            columns.append([texts[i] for i in kept])
            aligns += "r" if values.dtype.kind in "iuf" else "l"
        stubs = [stubs[i] for i in kept]
        if len(kept) < len(self):
            middle = MOST_ROWS // 2
            stubs.insert(middle, "…")
            for column in columns:
                column.insert(middle, "…")
        return [str(c) for c in self.columns], stubs, columns, aligns
