"""Matrices with brackets as plain text, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from .matrix_blocks import (
    BOTH_LEFT_OUT,
    COLUMNS_LEFT_OUT,
    ROWS_LEFT_OUT,
    MatrixBlock,
)

Item = MatrixBlock | str
"""A matrix, or an operator between two."""

ROW_NAME_GAP = " "

MARKS = str.maketrans({ROWS_LEFT_OUT: ":", COLUMNS_LEFT_OUT: "…", BOTH_LEFT_OUT: "…"})
"""Marks of what is left out that fonts of equal width have: others are wider in some."""


def equation_text(items: Sequence[Item], width: int) -> str:
    """Matrices and operators on one line, or broken before operators if wider than `width`.

    Examples
    --------
    >>> I = MatrixBlock("I", (2, 2), (("1", "0"), ("0", "1")))
    >>> print(equation_text([I, "+", I], 80))
    ⎡1  0⎤ + ⎡1  0⎤
    ⎣0  1⎦   ⎣0  1⎦
      I        I
     2×2      2×2
    """
    height = max(len(item.cells) for item in items if isinstance(item, MatrixBlock))
    with_names = any(isinstance(item, MatrixBlock) and item.column_names for item in items)
    lines: list[list[list[str]]] = [[]]
    used = 0
    for part in _parts(items):
        drawn = [_lines(item, height, with_names) for item in part]
        wide = sum(len(block[0]) + 1 for block in drawn)
        if lines[-1] and used + wide > width + 1:
            lines.append([])
            used = 0
        lines[-1] += drawn
        used += wide
    return "\n\n".join(_beside(blocks) for blocks in lines)


def text_width(items: Sequence[Item]) -> int:
    """Characters of the longest line of an equation that is not broken."""
    return max(map(len, equation_text(items, 10**9).splitlines()))


def _parts(items: Sequence[Item]) -> list[list[Item]]:
    """What may not be broken: an operator with the matrices behind it."""
    parts: list[list[Item]] = [[]]
    for item in items:
        if isinstance(item, str) and parts[-1]:
            parts.append([])
        parts[-1].append(item)
    return parts


def _beside(blocks: Sequence[Sequence[str]]) -> str:
    lines = [" ".join(parts).rstrip().translate(MARKS) for parts in zip(*blocks, strict=True)]
    return "\n".join(line for line in lines if line)


def _lines(item: Item, height: int, with_names: bool) -> list[str]:
    """Lines of equal length: names of columns, rows, symbol and size."""
    if isinstance(item, str):
        middle = [" " * len(item)] * height
        middle[(height - 1) // 2] = item
        lines = [" " * len(item)] * with_names + middle + [" " * len(item)] * 2
        return lines
    rows = item.cells
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    if item.column_names:
        widths = [max(w, len(n)) for w, n in zip(widths, item.column_names, strict=True)]

    def joined(cells: Sequence[str]) -> str:
        return "  ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))

    stub = max(map(len, item.row_names), default=0)
    stubs = [f"{name:<{stub}}{ROW_NAME_GAP}" for name in item.row_names] or [""] * len(rows)
    left, right = _brackets(len(rows))
    body = [s + a + joined(r) + b for s, a, r, b in zip(stubs, left, rows, right, strict=True)]
    inner = len(joined([""] * len(widths))) + 2
    before = " " * (stub + len(ROW_NAME_GAP) if item.row_names else 0)
    above = (height - len(body)) // 2
    blank = [""] * above, [""] * (height - len(body) - above)
    heads = [before + " " + joined(item.column_names)] if item.column_names else [""] * with_names
    feet = [before + f"{text:^{inner}}" for text in (item.symbol, item.size)]
    lines = [*blank[0], *heads, *body, *blank[1], *feet]
    widest = max(map(len, lines))
    return [f"{line:<{widest}}" for line in lines]


def _brackets(rows: int) -> tuple[list[str], list[str]]:
    if rows == 0:
        return [], []
    if rows == 1:
        return ["["], ["]"]
    middle = rows - 2
    return ["⎡", *"⎢" * middle, "⎣"], ["⎤", *"⎥" * middle, "⎦"]
