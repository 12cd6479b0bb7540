"""Results as GitHub-flavoured Markdown."""

from __future__ import annotations

import re

from .shown import ShownResult, ShownTable, cells_with_code, with_code

SPECIAL = re.compile(r"([\\`*_~|$])")


def markdown(result: ShownResult, caption: str | None = None) -> str:
    """Title or caption in bold type, facts as a list, tables and notes."""
    title = result.title if caption is None else caption
    blocks = [f"**{escaped(title)}**"] if title else []
    if result.facts:
        blocks.append(
            "\n".join(
                f"- {fact.name}: {code(fact.value) if fact.code else escaped(fact.value)}"
                for fact in result.facts
            )
        )
    for table in result.tables:
        blocks += [f"**{escaped(table.title)}**"] if table.title else []
        blocks.append(markdown_table(table))
    blocks += [f"*{with_code(note, escaped, code)}*" for note in result.notes]
    return "\n\n".join(blocks)


def markdown_table(table: ShownTable) -> str:
    """One table; headers over several columns stand in a first row."""

    def line(values: tuple[str, ...]) -> str:
        cells = cells_with_code(values, table.line_aligns, escaped, code)
        return "| " + " | ".join(cell.strip(" ") for cell in cells) + " |"

    rows = table.lines
    headers = table.line_headers
    if table.has_spans:
        above = [""] * table.has_stubs
        for header, count in table.spans:
            above += [header, *[""] * (count - 1)]
        headers, rows = tuple(above), [headers, *rows]
    aligns = ["---:" if align == "r" else ":---" for align in table.line_aligns]
    return "\n".join([line(headers), f"| {' | '.join(aligns)} |", *map(line, rows)])


def escaped(text: str) -> str:
    r"""Text in which Markdown finds neither marks nor HTML: labels come with the data.

    Examples
    --------
    >>> escaped("a_b | <c>")
    'a\\_b \\| &lt;c>'
    """
    text = SPECIAL.sub(r"\\\1", text.replace("&", "&amp;"))
    text = text.replace("<", "&lt;").replace("](", "]\\(").replace("[^", "\\[^")
    return text.replace("\n", " ")


def code(text: str) -> str:
    """Text as it is typed."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"
