"""HTML tables that need no style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

CELL_PADDING = "padding:2px 8px"


def html_table(
    headers: Sequence[str], stubs: Sequence[str], cells: Sequence[Sequence[str]], aligns: str
) -> str:
    """An HTML table that reads well without a style sheet, in light and dark themes."""
    width = max((len(row) for row in cells), default=len(headers))
    aligns = (aligns + "r" * width)[:width]
    word = {"l": "left", "r": "right"}

    def cell(tag: str, value: str, align: str) -> str:
        rule = ";border-bottom:1px solid currentColor" if tag == "th" else ""
        text = escape(_with_minus_signs(value))
        return f'<{tag} style="text-align:{word[align]};{CELL_PADDING}{rule}">{text}</{tag}>'

    head = ""
    if headers:
        shown = [cell("th", h, a) for h, a in zip(headers, aligns, strict=True)]
        head = f"<thead><tr><td></td>{''.join(shown)}</tr></thead>"
    body = "".join(
        "<tr>"
        + f'<th scope="row" style="text-align:left;{CELL_PADDING}">{escape(stub)}</th>'
        + "".join(cell("td", value, a) for value, a in zip(row, aligns, strict=True))
        + "</tr>"
        for stub, row in zip(stubs, cells, strict=True)
    )
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums"
    return f'<table style="{style}">{head}<tbody>{body}</tbody></table>'


def _with_minus_signs(text: str) -> str:
    """Minus signs in a number, or in numbers with commas between and a remark behind."""
    numbers, bracket, remark = text.partition(" (")
    if not all(_is_number(part) for part in numbers.split(", ")):
        return text
    return numbers.replace("-", "\N{MINUS SIGN}") + bracket + remark


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
