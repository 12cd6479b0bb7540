"""Results as HTML that needs no style sheet, in light and dark themes."""

from __future__ import annotations

from html import escape

from .shown import ALIGN_WORDS, ShownResult, ShownTable, cells_with_code, with_code

CELL = "padding:2px 8px"
RULE = "1px solid currentColor"


def html(result: ShownResult, caption: str | None = None) -> str:
    """Title or caption, facts, tables and notes in a ``div``."""
    title = result.title if caption is None else caption
    parts = [f"<p><strong>{escape(title)}</strong></p>"] if title else []
    if result.facts:
        parts.append(_facts(result))
    for table in result.tables:
        if table.title:
            parts.append(f"<p><strong>{escape(table.title)}</strong></p>")
        parts.append(html_table(table))
    word = "Note: " if result.facts else ""
    notes = "<br>".join(word + with_code(note, escape, _code) for note in result.notes)
    parts += [f"<p><em>{notes}</em></p>"] if notes else []
    kind = "summary" if result.facts else "table"
    return f'<div class="lmforms-{kind}">{"".join(parts)}</div>'


def html_table(table: ShownTable) -> str:
    """One table, with a rule below its headers."""
    aligns = table.line_aligns
    head = "".join(
        f"<tr>{line}</tr>"
        for line in (
            _spans(table) if table.has_spans else "",
            _headers(table) if any(table.headers) else "",
        )
        if line
    )
    body = []
    for i, line in enumerate(table.lines):
        style = f";border-top:{RULE}" if i in table.rules else ""
        style += ";vertical-align:top" * ("p" in aligns)
        cells = [
            _cell("th" if j == 0 and table.has_stubs else "td", value, aligns[j], style)
            for j, value in enumerate(cells_with_code(line, aligns, escape, _code))
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums"
    head = f"<thead>{head}</thead>" if head else ""
    return f'<table style="{style}">{head}<tbody>{"".join(body)}</tbody></table>'


def _cell(tag: str, value: str, align: str, style: str = "") -> str:
    scope = ' scope="row"' if tag == "th" else ""
    style = f"text-align:{ALIGN_WORDS[align]};{CELL}{style}"
    return f'<{tag}{scope} style="{style}">{value}</{tag}>'


def _headers(table: ShownTable) -> str:
    style = f"{CELL};border-bottom:{RULE}"
    return "".join(
        f'<th style="text-align:{ALIGN_WORDS[align]};{style}">{escape(header)}</th>'
        for header, align in zip(table.line_headers, table.line_aligns, strict=True)
    )


def _spans(table: ShownTable) -> str:
    first = "<td></td>" if table.has_stubs else ""
    return first + "".join(
        f'<th colspan="{count}" style="text-align:center;{CELL}'
        f'{f";border-bottom:{RULE}" if header else ""}">{escape(header)}</th>'
        for header, count in table.spans
    )


def _facts(result: ShownResult) -> str:
    rows = []
    for fact in result.facts:
        shown = _code(fact.value) if fact.code else escape(fact.value)
        rows.append(
            f'<tr><th scope="row" style="text-align:left;{CELL}">{escape(fact.name)}</th>'
            f'<td style="text-align:left;{CELL}">{shown}</td></tr>'
        )
    return f'<table style="border-collapse:collapse"><tbody>{"".join(rows)}</tbody></table>'


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
