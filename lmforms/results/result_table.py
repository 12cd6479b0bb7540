"""`ResultTable`: a DataFrame that is shown with a title and notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, ClassVar

import pandas as pd


class ResultTable(pd.DataFrame):
    """A table of results: a DataFrame with a title above and notes below where it is shown.

    Whatever is computed from it is a plain DataFrame.

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
    >>> from lmforms.results.result_table import ResultTable
    >>> print(ResultTable({"df": [17.0]}, index=["Days"], title="Tests", notes=["df: residual"]))
    Tests
            df
    Days  17.0
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

    def __str__(self) -> str:
        return "\n".join([*filter(None, [self.title]), self.to_string(), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        title = f"<p><strong>{escape(self.title)}</strong></p>" if self.title else ""
        notes = "".join(f"<p><em>{escape(note)}</em></p>" for note in self.notes)
        return f"<div class='lmforms-table'>{title}{pd.DataFrame(self)._repr_html_()}{notes}</div>"
