"""What is shown of a result, as text: title, facts, tables and notes, before any format."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIGURE_SPACE = "\N{FIGURE SPACE}"
"""As wide as a digit: stands where another cell of the column has a bracket or a star."""

ALIGN_WORDS = {"l": "left", "r": "right", "p": "left"}
"""Alignments of columns in words."""

CODE = re.compile(r"`([^`]+)`")
"""What stands in backticks in a sentence: a name or code."""


@dataclass(frozen=True)
class Fact:
    """A line of the head of a summary.

    Attributes
    ----------
    name, value : str
    code : bool
        Whether the value is a formula or another text as it is typed.
    has_names : bool
        Whether the value has names that can be replaced.
    """

    name: str
    value: str
    code: bool = False
    has_names: bool = False


@dataclass(frozen=True)
class ShownTable:
    """A table whose cells are text.

    Attributes
    ----------
    headers : tuple of str
        Of the columns, but for the row labels.
    stubs : tuple of str
        Labels of the rows; all are empty if rows have none.
    rows : tuple of tuple of str
    aligns : str
        "l" or "r" for each column, or "p" for one of sentences.
    title : str
    spans : tuple of (str, int)
        Headers above the headers, each over so many columns; together over all of them.
    rules : tuple of int
        Rows that a rule stands above.
    """

    headers: tuple[str, ...]
    stubs: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    aligns: str
    title: str = ""
    spans: tuple[tuple[str, int], ...] = ()
    rules: tuple[int, ...] = ()

    @property
    def has_stubs(self) -> bool:
        """Whether rows have labels."""
        return any(self.stubs)

    @property
    def has_spans(self) -> bool:
        """Whether there are headers above the headers."""
        return any(header for header, _ in self.spans)

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """Rows with their labels in front, where there are any."""
        if not self.has_stubs:
            return list(self.rows)
        return [(stub, *row) for stub, row in zip(self.stubs, self.rows, strict=True)]

    @property
    def line_headers(self) -> tuple[str, ...]:
        """Headers with an empty one above the row labels."""
        return ("", *self.headers) if self.has_stubs else self.headers

    @property
    def line_aligns(self) -> str:
        """Alignments of `line_headers`."""
        return "l" + self.aligns if self.has_stubs else self.aligns


@dataclass(frozen=True)
class ShownResult:
    """A result as text, which the formats typeset.

    Attributes
    ----------
    title : str
    tables : tuple of ShownTable
    facts : tuple of Fact
    notes : tuple of str
    """

    title: str
    tables: tuple[ShownTable, ...]
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()


def shown_table(
    headers: Sequence[str],
    stubs: Sequence[str],
    columns: Sequence[Sequence[str]],
    aligns: str,
    title: str = "",
) -> ShownTable:
    """A table of columns of text."""
    rows = tuple(zip(*columns, strict=True)) if columns else ((),) * len(stubs)
    return ShownTable(tuple(headers), tuple(stubs), rows, aligns, title)


Typeset = Callable[[str], str]


def with_code(sentence: str, plain: Typeset, code: Typeset) -> str:
    """A sentence with its text by `plain`, and what stands in backticks by `code`."""
    parts = CODE.split(sentence)
    return "".join((code if i % 2 else plain)(part) for i, part in enumerate(parts))


def cells_with_code(cells: Sequence[str], aligns: str, plain: Typeset, code: Typeset) -> list[str]:
    """The cells of a row, those of columns of sentences by :func:`with_code`."""
    return [
        with_code(cell, plain, code) if align == "p" else plain(cell)
        for cell, align in zip(cells, aligns, strict=True)
    ]


def with_space_behind(texts: Sequence[str]) -> list[str]:
    r"""Cells with space behind, so that digits stand below digits and brackets beside them.

    Examples
    --------
    >>> with_space_behind(["10.47**", "(1.55)", ""])
    ['10.47**', '(1.55)\u2007', '']
    """
    behind = [len(text) - len(text.rstrip(")]*")) for text in texts]
    most = max(behind, default=0)
    return [
        text + FIGURE_SPACE * (most - own) if text else ""
        for text, own in zip(texts, behind, strict=True)
    ]
