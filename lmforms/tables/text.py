"""Results as plain text, 80 characters wide."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .shown import FIGURE_SPACE, ShownResult, ShownTable

WIDTH = 80
"""Characters of a line."""

GAP = "  "

LIMITS = (("lower", "upper"), ("conf.low", "conf.high"))

LEAST_LABEL = 20
"""Characters that a row label has at least before it is broken into lines."""


def text(result: ShownResult, width: int = WIDTH) -> str:
    """Title, facts, tables and notes, one below the other."""
    blocks = []
    if result.title:
        title = wrapped(result.title, width)
        underlined = [*title, "=" * max(map(len, title))] if result.facts else title
        blocks.append("\n".join([*underlined, *_fact_lines(result, width)]))
    for table in result.tables:
        heading = [table.title] if table.title else []
        blocks.append("\n".join([*heading, *table_lines(table, width)]))
    if not result.facts:  # a single table: its title and notes stand close to it
        return "\n".join([*blocks, *(x for n in result.notes for x in wrapped(n, width))])
    blocks += ["\n".join(wrapped(f"Note: {note}", width)) for note in result.notes]
    return "\n\n".join(blocks)


def wrapped(line: str, width: int = WIDTH, first: str = "", indent: str = "") -> list[str]:
    """A long line as several; words are left whole."""
    return textwrap.wrap(
        line,
        width,
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _one_line(value: str) -> str:
    """A cell without line ends and tabs, which labels of the data may have."""
    return re.sub(r"[\t\n\r\v\f\x85\u2028\u2029]", " ", value)


def _fact_lines(result: ShownResult, width: int) -> Iterator[str]:
    names = [f"{fact.name}:" for fact in result.facts]
    indent = max(map(len, names), default=0) + 1
    for name, fact in zip(names, result.facts, strict=True):
        yield from wrapped(fact.value, width, name.ljust(indent), " " * indent)


def table_lines(table: ShownTable, width: int = WIDTH) -> list[str]:
    """Lines of a table; a wide one has its row labels broken, then columns in blocks."""
    table = replace(
        table,
        headers=tuple(map(_one_line, table.headers)),
        stubs=tuple(map(_one_line, table.stubs)),
        rows=tuple(tuple(map(_one_line, row)) for row in table.rows),
        spans=tuple((_one_line(header), count) for header, count in table.spans),
    )
    labels, columns = _label_columns(table)
    widths = [
        max(_size(header), *(_size(row[j]) for row in table.rows), 0)
        for j, header in enumerate(table.headers)
    ]
    widths = _with_spans(table, widths)
    fixed = sum(widths[j] + len(GAP) for j in labels)
    room = width - fixed - sum(widths[j] + len(GAP) for j in columns)
    stub_width = _stub_width(max(map(_size, table.stubs), default=0), room, width)
    blocks = _blocks(table, widths, fixed + stub_width, width)
    lines: list[str] = []
    for block in blocks:
        if lines:
            lines.append("")
        lines += _block_lines(table, [*labels, *block], widths, stub_width)
    return lines


def _stub_width(longest: int, room: int, width: int) -> int:
    """Characters of the row labels: as many as the columns leave, or half of the line.

    Labels are not broken where the columns would need several blocks all the same.
    """
    least = min(longest, LEAST_LABEL)
    return min(longest, room if room >= least else width // 2)


def _label_columns(table: ShownTable) -> tuple[list[int], list[int]]:
    """Columns of text in front, which every block repeats, and the others."""
    count = len(table.aligns) - len(table.aligns.lstrip("l"))
    if count == len(table.aligns) or table.spans:
        count = 0
    return list(range(count)), list(range(count, len(table.headers)))


def _with_spans(table: ShownTable, widths: list[int]) -> list[int]:
    """Widths of columns, the last of a span wide enough for its header."""
    out, start = list(widths), 0
    for header, count in table.spans:
        own = sum(out[start : start + count]) + len(GAP) * (count - 1)
        out[start + count - 1] += max(0, _size(header) - own)
        start += count
    return out


def _blocks(table: ShownTable, widths: Sequence[int], used: int, width: int) -> list[list[int]]:
    """Columns side by side as far as there is room; a pair of limits is not parted."""
    blocks: list[list[int]] = [[]]
    room = width - used
    for j in _label_columns(table)[1]:
        with_next = table.headers[j : j + 2] in LIMITS
        need = sum(size + len(GAP) for size in widths[j : j + 1 + with_next])
        if blocks[-1] and need > room:
            blocks.append([])
            room = width - used
        blocks[-1].append(j)
        room -= widths[j] + len(GAP)
    return blocks


def _block_lines(
    table: ShownTable, columns: Sequence[int], widths: Sequence[int], stub_width: int
) -> list[str]:
    def line(stub: str, cells: Sequence[str]) -> str:
        padded = [_padded(cells[j], widths[j], table.aligns[j]) for j in columns]
        return GAP.join([_padded(stub, stub_width, "l")] * bool(stub_width) + padded).rstrip()

    total = sum(widths[j] for j in columns) + len(GAP) * (len(columns) - (not stub_width))
    rule = "-" * (stub_width + total)
    lines = _span_lines(table, columns, widths, stub_width)
    if any(table.headers):
        lines += [line("", table.headers), rule]
    empty = [""] * len(table.headers)
    for i, (stub, row) in enumerate(zip(table.stubs, table.rows, strict=True)):
        if i in table.rules:
            lines.append(rule)
        parts = _broken(stub, stub_width)
        lines += [line(part, empty) for part in parts[:-1]]
        lines.append(line(parts[-1], row))
    return lines


def _span_lines(
    table: ShownTable, columns: Sequence[int], widths: Sequence[int], stub_width: int
) -> list[str]:
    """The headers above headers, each with a rule below it; empty without any."""
    if not table.has_spans:
        return []
    owner = [k for k, (_, count) in enumerate(table.spans) for _ in range(count)]
    names, rules = [" " * stub_width] * bool(stub_width), [" " * stub_width] * bool(stub_width)
    for k in dict.fromkeys(owner[j] for j in columns):
        own = [widths[j] for j in columns if owner[j] == k]
        size = sum(own) + len(GAP) * (len(own) - 1)
        header = table.spans[k][0]
        names.append(f"{header[:size]:^{size}}")
        rules.append(("-" if header else " ") * size)
    return [GAP.join(names).rstrip(), GAP.join(rules).rstrip()]


def _broken(label: str, width: int) -> list[str]:
    """A row label as lines of at most so many characters, cut behind colons and spaces."""
    if _size(label) <= width:
        return [label]
    lines = [""]
    for part in re.findall(r".+?(?::| |$)", label):
        if lines[-1].strip() and _size(lines[-1] + part.rstrip()) > width:
            lines.append("  ")
        lines[-1] += part
        while _size(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], "  " + lines[-1][width:]]
    return [line.rstrip() for line in lines]


def _size(value: str) -> int:
    """Places that a text takes in a terminal."""
    if value.isascii():
        return len(value)
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in value
    )


def _padded(value: str, width: int, align: str) -> str:
    value = value.replace(FIGURE_SPACE, " ")
    space = " " * (width - _size(value))
    return space + value if align == "r" else value + space
