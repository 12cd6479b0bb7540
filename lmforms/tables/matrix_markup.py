"""Matrices with brackets as HTML and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ..support.label_texts import SUBSCRIPTS
from .latex import greek_command
from .matrix_blocks import (
    BOTH_LEFT_OUT,
    COLUMNS_LEFT_OUT,
    ROWS_LEFT_OUT,
    MatrixBlock,
)
from .matrix_text import Item
from .number_format import MINUS

LATEX_COLUMNS = 10
"""Columns of a bmatrix, beyond which a counter has to be set."""

PLAIN_DIGITS = str.maketrans(SUBSCRIPTS, "0123456789")

LATEX_MARKS = {
    COLUMNS_LEFT_OUT: r"\cdots",
    ROWS_LEFT_OUT: r"\vdots",
    BOTH_LEFT_OUT: r"\ddots",
    "·": r"\cdot",
}

BRACKET = "border:1.5px solid currentColor;width:5px"
NAME = "font-size:0.85em;opacity:0.7"
FAINT = "opacity:0.4"
CAPTION = "justify-self:center;text-align:center;line-height:1.3;padding-top:4px"
CAPTION_HEIGHT = "2.6em"


# --- HTML -------------------------------------------------------------------------------------


def equation_html(items: Sequence[Item], title: str = "") -> str:
    """Matrices and operators in one line that scrolls if it is wide.

    Colours are those of the page, and no style sheet is needed.
    """
    parts = [_operator_html(i) if isinstance(i, str) else _block_html(i) for i in items]
    line = (
        "display:inline-flex;align-items:center;gap:0.5em;white-space:nowrap;line-height:1.4;"
        "font-variant-numeric:tabular-nums;padding:2px"
    )
    head = f"<p><strong>{escape(title)}</strong></p>" if title else ""
    return (
        f"<div class='lmforms-matrices' style='overflow-x:auto;max-width:100%'>{head}"
        f"<div style='{line}'>{''.join(parts)}</div></div>"
    )


def _operator_html(operator: str) -> str:
    return f"<span style='padding-bottom:{CAPTION_HEIGHT}'>{escape(operator)}</span>"


def _block_html(block: MatrixBlock) -> str:
    """A grid: names, a bracket, the cells row by row, a bracket, and the symbol below."""
    rows, columns = len(block.cells), len(block.cells[0]) if block.cells else 0
    named, first = bool(block.row_names), 2 if block.column_names else 1
    tracks = "auto " * named + f"5px repeat({max(columns, 1)},auto) 5px"
    left, right = named + 1, named + columns + 2
    span = f"grid-row:{first}/span {max(rows, 1)}"
    parts = [
        f"<span style='{span};grid-column:{left};{BRACKET};border-right:none'></span>",
        f"<span style='{span};grid-column:{right};{BRACKET};border-left:none'></span>",
    ]
    for j, name in enumerate(block.column_names):
        place = f"grid-area:1/{left + 1 + j}"
        parts.append(f"<span style='{place};{NAME}'>{escape(name)}</span>")
    for i, row in enumerate(block.cells):
        if named:
            place = f"grid-area:{first + i}/1;justify-self:start"
            parts.append(f"<span style='{place};{NAME}'>{escape(block.row_names[i])}</span>")
        for j, cell in enumerate(row):
            faint = f";{FAINT}" if cell in ("0", "·") else ""
            place = f"grid-area:{first + i}/{left + 1 + j}"
            parts.append(f"<span style='{place}{faint}'>{escape(cell)}</span>")
    foot = f"grid-row:{first + rows};grid-column:{left}/span {columns + 2};{CAPTION}"
    symbol = f"<em>{_symbol_html(block.symbol)}</em><br><span style='{NAME}'>{block.size}</span>"
    parts.append(f"<span style='{foot}'>{symbol}</span>")
    grid = (
        f"display:inline-grid;grid-template-columns:{tracks};column-gap:0.6em;justify-items:end;"
        "align-items:stretch"
    )
    label = escape(f"{block.symbol}, {block.shape[0]} by {block.shape[1]} matrix")
    return f"<div role='group' aria-label='{label}' style='{grid}'>{''.join(parts)}</div>"


def _symbol_html(symbol: str) -> str:
    stem, _, index = symbol.partition("_")
    return escape(stem) + (f"<sub>{escape(index)}</sub>" if index else "")


# --- LaTeX ------------------------------------------------------------------------------------


def equation_latex(items: Sequence[Item]) -> str:
    r"""A displayed equation of bmatrix environments; it needs ``\usepackage{amsmath}``.

    Names of rows and columns are left out.

    Examples
    --------
    >>> I = MatrixBlock("I", (2, 2), (("1", "0"), ("0", "1")))
    >>> print(equation_latex([I]))
    % \usepackage{amsmath}
    \[
    \underset{I}{\begin{bmatrix}
    1 & 0 \\
    0 & 1
    \end{bmatrix}}
    \]
    """
    blocks = [item for item in items if isinstance(item, MatrixBlock)]
    columns = max(len(row) for block in blocks for row in block.cells or ((),))
    counter = [f"\\setcounter{{MaxMatrixCols}}{{{columns}}}"] * (columns > LATEX_COLUMNS)
    body = [_latex(item) if isinstance(item, str) else _block_latex(item) for item in items]
    return "\n".join(["% \\usepackage{amsmath}", *counter, r"\[", *body, r"\]"])


def _block_latex(block: MatrixBlock) -> str:
    signed = any(cell.startswith(MINUS) for row in block.cells for cell in row)

    def cell_text(cell: str) -> str:
        space = r"\phantom{-}" if signed and cell[:1].isdigit() else ""
        return space + _latex(cell)

    rows = " \\\\\n".join(" & ".join(map(cell_text, row)) for row in block.cells)
    matrix = f"\\begin{{bmatrix}}\n{rows}\n\\end{{bmatrix}}"
    return f"\\underset{{{_latex(block.symbol)}}}{{{matrix}}}"


def _latex(text: str) -> str:
    """A number, a symbol or an operator in mathematics."""
    text = text.replace(MINUS, "-")
    text = re.sub(r"(?<=\d)e([-+]\d+)", lambda m: rf" \times 10^{{{int(m[1])}}}", text)
    for mark, command in LATEX_MARKS.items():
        text = text.replace(mark, command)
    text = re.sub("[Α-ω](?=([A-Za-z])?)", _greek, text)
    text = re.sub(r"[₀-₉]+", lambda m: f"_{{{m[0].translate(PLAIN_DIGITS)}}}", text)
    return re.sub(r"_([A-Z]+)", r"_{\1}", text)


def _greek(found: re.Match[str]) -> str:
    """A letter as a command, with a space where another letter follows."""
    return greek_command(found[0]) + " " * (found[1] is not None)
