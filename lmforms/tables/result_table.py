"""`ResultTable`: a DataFrame that is shown with a title and notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from .formats import TableFormats
from .html import html
from .number_format import DIGITS, P_VALUES, STARS_NOTE, frame_texts, star_texts
from .shown import ShownResult, shown_table, with_space_behind
from .text import text

MOST_ROWS = 200
"""Rows shown of a longer table: the first and the last half of them."""

HEADERS = {
    **dict.fromkeys(("std_error", "std.error"), "std. error"),
    **dict.fromkeys(P_VALUES, "p"),
    "conf.low": "lower",
    "conf.high": "upper",
    "num_df": "num. df",
    "den_df": "den. df",
    "sum_sq": "sum of squares",
    "mean_sq": "mean square",
    "npar": "parameters",
    "nobs": "N",
    "loglik": "log-likelihood",
    "logLik": "log-likelihood",
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "delta_aic": "ΔAIC",
    "std_dev": "std. dev.",
}
"""What readers of a paper see for names of columns."""


class ResultTable(TableFormats, pd.DataFrame):  # type: ignore[misc]  # to_html and others are ours
    """A table of results: a DataFrame with a title above and notes below where it is shown.

    Numbers are shown rounded; the table holds them in full. Whatever is computed from it is a
    plain DataFrame. `to_html`, `to_latex`, `to_markdown` and `to_typst` are those of
    summaries, with headers for readers; pandas' own are those of ``pd.DataFrame(table)``.

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
    >>> table = ResultTable({"p_value": [0.021]}, index=["Days"], title="Tests", notes=["Exact."])
    >>> table
    Tests
          p_value
    -------------
    Days   0.0210
    Exact.
    >>> print(table.to_markdown(labels={"Days": "Day"}))
    **Tests**
    <BLANKLINE>
    |  | p |
    | :--- | ---: |
    | Day | 0.0210 |
    <BLANKLINE>
    *Exact.*
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
        return text(self._on_screen())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html(self._on_screen())

    def _on_screen(self) -> ShownResult:
        """With the names of columns by which they are taken out of the table."""
        result = self._shown(False, None)
        names = [str(name) for name in self._known().columns]
        return replace(result, tables=(replace(result.tables[0], headers=tuple(names)),))

    def _known(self) -> pd.DataFrame:
        """Without columns of numbers that are all missing."""
        dtypes = list(self.dtypes)
        empty = [
            dtypes[j].kind == "f" and len(self) > 0 and bool(self.iloc[:, j].isna().all())
            for j in range(len(dtypes))
        ]
        return self.loc[:, np.logical_not(empty)] if any(empty) and not all(empty) else self

    def _shown(self, stars: bool, digits: int | None) -> ShownResult:
        kept = np.arange(len(self))
        if len(self) > MOST_ROWS:
            kept = np.r_[: MOST_ROWS // 2, len(self) - MOST_ROWS // 2 : len(self)]
        known = self._known()
        names = [str(name) for name in known.columns]
        columns = frame_texts(known, DIGITS if digits is None else digits)
        aligns = "".join("r" if dtype.kind in "iuf" else "l" for dtype in known.dtypes)
        notes = self.notes
        if stars:
            marked, marks = self._marked(names)
            columns[marked] = with_space_behind(
                [t + m if t else t for t, m in zip(columns[marked], marks, strict=True)]
            )
            notes = (*notes, STARS_NOTE)
        texts = [self._stubs(), *columns]
        shown = [[column[i] for i in kept] for column in texts]
        if len(kept) < len(self):
            for column in shown:
                column.insert(MOST_ROWS // 2, "…")
        headers = [HEADERS.get(name, name) for name in names]
        table = shown_table(headers, shown[0], shown[1:], aligns)
        return ShownResult(self.title, (table,), notes=notes)

    def _stubs(self) -> list[str]:
        if isinstance(self.index, pd.RangeIndex):
            return [""] * len(self)
        return [
            " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
            for label in self.index
        ]

    def _marked(self, names: Sequence[str]) -> tuple[int, list[str]]:
        """The column that stars stand behind, and the stars."""
        p = next((j for j, name in enumerate(names) if name in P_VALUES), None)
        if p is None:
            raise ArgumentError("stars=True: this table has no p-values; leave it out.")
        marked = next((names.index(name) for name in ("estimate", "statistic") if name in names), p)
        return marked, star_texts(self.iloc[:, p])
