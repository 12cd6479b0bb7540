"""Results as Typst markup."""

from __future__ import annotations

from .shown import ShownResult, ShownTable

WORDS = {"l": "left", "r": "right", "p": "left"}


def typst(result: ShownResult, caption: str | None = None, label: str | None = None) -> str:
    """Tables below each other; with a caption a ``figure``, which a label can name."""
    title = result.title if caption is None else ""
    parts = [f"strong({_string(title)})"] if title else []
    if result.facts:
        parts.append(_facts(result))
    for table in result.tables:
        parts += [f"strong({_string(table.title)})"] if table.title else []
        parts.append(_table(table))
    parts += [f"text(size: 0.85em, {_string(note)})" for note in result.notes]
    body = "stack(dir: ttb, spacing: 0.8em,\n" + "".join(f"{part},\n" for part in parts) + ")"
    if caption is None:
        return f"#{body}"
    named = f" <{label}>" if label else ""
    above = f"figure.caption(position: top, {_string(caption)})"
    return f"#figure(kind: table, caption: {above},\n{body},\n){named}"


def _table(table: ShownTable) -> str:
    aligns = ", ".join(WORDS[align] for align in table.line_aligns)
    lines = [
        f"table(columns: {len(table.line_aligns)}, stroke: none, align: ({aligns},),",
        "table.hline(),",
    ]
    if any(header for header, _ in table.spans):
        cells = ['""'] * table.has_stubs + [
            f"table.cell(colspan: {count}, align: center, {_string(header)})"
            for header, count in table.spans
        ]
        lines.append(f"{', '.join(cells)},")
    if any(table.headers):
        lines += [f"table.header({_row(table.line_headers)}),", "table.hline(stroke: 0.5pt),"]
    for i, line in enumerate(table.lines):
        lines += ["table.hline(stroke: 0.5pt),"] * (i in table.rules)
        lines.append(f"{_row(line)},")
    return "\n".join([*lines, "table.hline())"])


def _facts(result: ShownResult) -> str:
    rows = [
        f"{_string(fact.name)}, {f'raw({value})' if fact.code else value},"
        for fact, value in ((fact, _string(fact.value)) for fact in result.facts)
    ]
    return "\n".join(["table(columns: 2, stroke: none, align: left,", *rows, ")"])


def _row(values: tuple[str, ...]) -> str:
    return ", ".join(map(_string, values))


def _string(text: str) -> str:
    """A string of Typst, in which nothing is markup."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
