"""Results as Typst markup."""

from __future__ import annotations

from .shown import ALIGN_WORDS, CODE, ShownResult, ShownTable


def typst(result: ShownResult, caption: str | None = None, label: str | None = None) -> str:
    """Tables below each other; with a caption a ``figure``, which a label can name."""
    title = result.title if caption is None else ""
    parts = [f"strong({_string(title)})"] if title else []
    if result.facts:
        parts.append(_facts(result))
    for table in result.tables:
        parts += [f"strong({_string(table.title)})"] if table.title else []
        parts.append(_table(table))
    parts += [f"text(size: 0.85em, {_sentence(note)})" for note in result.notes]
    body = "stack(dir: ttb, spacing: 0.8em,\n" + "".join(f"{part},\n" for part in parts) + ")"
    if caption is None:
        return f"#{body}"
    named = f" <{label}>" if label else ""
    above = f"figure.caption(position: top, {_string(caption)})"
    return f"#figure(kind: table, caption: {above},\n{body},\n){named}"


def _table(table: ShownTable) -> str:
    aligns = ", ".join(ALIGN_WORDS[align] for align in table.line_aligns)
    lines = [
        f"table(columns: {len(table.line_aligns)}, stroke: none, align: ({aligns},),",
        "table.hline(),",
    ]
    if table.has_spans:
        cells = ['""'] * table.has_stubs + [
            f"table.cell(colspan: {count}, align: center, {_string(header)})"
            for header, count in table.spans
        ]
        lines.append(f"{', '.join(cells)},")
    if any(table.headers):
        lines += [
            f"table.header({', '.join(map(_string, table.line_headers))}),",
            "table.hline(stroke: 0.5pt),",
        ]
    for i, line in enumerate(table.lines):
        lines += ["table.hline(stroke: 0.5pt),"] * (i in table.rules)
        lines.append(f"{_row(line, table.line_aligns)},")
    return "\n".join([*lines, "table.hline())"])


def _facts(result: ShownResult) -> str:
    rows = [
        f"{_string(fact.name)}, {f'raw({value})' if fact.code else value},"
        for fact, value in ((fact, _string(fact.value)) for fact in result.facts)
    ]
    return "\n".join(["table(columns: 2, stroke: none, align: left,", *rows, ")"])


def _row(values: tuple[str, ...], aligns: str) -> str:
    return ", ".join(
        _sentence(value) if align == "p" else _string(value)
        for value, align in zip(values, aligns, strict=True)
    )


def _sentence(text: str) -> str:
    """A sum of strings, with what stands in backticks as code."""
    parts = [_string(part) for part in CODE.split(text)]
    return " + ".join(f"raw({part})" if i % 2 else part for i, part in enumerate(parts))


def _string(text: str) -> str:
    """A string of Typst, in which nothing is markup."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
