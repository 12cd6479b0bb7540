"""Other names for coefficients, effects and grouping factors, where a result is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import ArgumentError, near_matches
from ..support.arguments import mapping, short_repr
from .shown import ShownResult, ShownTable


def renamed(result: ShownResult, labels: Any) -> ShownResult:
    """A result with other names: of rows, columns, and in cells of text.

    A name is also replaced where it is part of one, as in ``sd(Days | Subject)`` or
    ``Days:condition[T.control]``.

    Parameters
    ----------
    result : ShownResult
    labels : mapping of str to str, or None

    Raises
    ------
    ArgumentError
        It is no such mapping, or has a name that does not occur in the result.
    """
    if labels is None:
        return result
    given = mapping("labels", labels, "names to labels")
    for name, label in given.items():
        if not isinstance(name, str) or not isinstance(label, str) or not name:
            raise ArgumentError(
                f"labels: {short_repr(name)}: {short_repr(label)} is no pair of texts. "
                'Write labels={"x": "Age"}.'
            )
    if not given:
        return result
    names = _Names(given)
    facts = tuple(
        replace(fact, value=names.replaced(fact.value)) if fact.has_names else fact
        for fact in result.facts
    )
    tables = tuple(_renamed_table(table, names) for table in result.tables)
    unknown = next((name for name in given if name not in names.found), None)
    if unknown is not None:
        known = _known_names(result)
        hint = near_matches(unknown, known) or f" It has: {', '.join(known)}."
        raise ArgumentError(f"labels: nothing here is called {unknown!r}.{hint}")
    notes = tuple(names.in_backticks(note) for note in result.notes)
    return replace(result, facts=facts, tables=tables, notes=notes)


def _renamed_table(table: ShownTable, names: _Names) -> ShownTable:
    rows = tuple(
        tuple(
            value if align == "r" else names.replaced(value)
            for value, align in zip(row, table.aligns, strict=True)
        )
        for row in table.rows
    )
    return replace(
        table,
        headers=tuple(map(names.replaced, table.headers)),
        stubs=tuple(map(names.replaced, table.stubs)),
        spans=tuple((names.replaced(header), count) for header, count in table.spans),
        rows=rows,
    )


def _known_names(result: ShownResult) -> list[str]:
    """All names of rows and columns, and cells of text."""
    found: dict[str, None] = {}
    for table in result.tables:
        texts = [value for row in table.rows for value, a in zip(row, table.aligns) if a != "r"]
        found |= dict.fromkeys([*table.stubs, *table.headers, *texts])
    return [name for name in found if name]


class _Names:
    """Names with their labels, and which of them were found so far."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = labels
        self.found: set[str] = set()
        longest = sorted(labels, key=len, reverse=True)
        alternatives = "|".join(map(re.escape, longest))
        # not within a longer name: what stands beside it is no letter, digit, dot or bracket
        self.pattern = re.compile(rf"(?<![\w.])({alternatives})(?![\w.\[(])")

    def replaced(self, text: str) -> str:
        """A text with all names in it replaced."""
        if text in self.labels:
            return self._label(text)
        return self.pattern.sub(lambda match: self._label(match[1]), text)

    def in_backticks(self, text: str) -> str:
        """A sentence with names replaced that stand in backticks."""
        return re.sub(r"`([^`]+)`", lambda m: f"`{self.labels.get(m[1], m[1])}`", text)

    def _label(self, name: str) -> str:
        self.found.add(name)
        return self.labels[name]
