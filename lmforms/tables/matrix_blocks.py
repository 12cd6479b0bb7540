"""Matrices as cells of text, with rows and columns left out in the middle of large ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from ..support.label_texts import cut_at_end
from .number_format import signed

LARGEST_DIGITS, SMALLEST_DIGITS = 4, 2
"""Significant digits that the largest and the smallest number of a matrix have at least."""

MOST_DIGITS = 6
"""Digits of the largest number, beyond which the smallest is not considered."""

MOST_DECIMALS = 12
"""Beyond, numbers have exponents."""

NEGLIGIBLE = 1e-13
"""Numbers of a smaller share of the largest are zero but for rounding."""

NAME_LENGTH = 14
"""Characters of the name of a row or column."""

COLUMNS_LEFT_OUT = "⋯"
ROWS_LEFT_OUT = "⋮"
BOTH_LEFT_OUT = "⋱"

OTHER_NAMES = {"β": "beta", "Λ": "Lambda"}
"""Symbols of matrices that have a name in code."""

Entries = Callable[[IndexArray, IndexArray], Any]
Names = Callable[[IndexArray], Sequence[str]]


@dataclass(frozen=True)
class MatrixPiece:
    """A matrix that is to be shown.

    Attributes
    ----------
    symbol : str
        Such as ``Λ`` or ``R_X``.
    shape : (int, int)
    entries : callable
        Some rows and columns of it, dense: numbers, or text.
    row_names, column_names : callable, optional
        Names of some rows or columns.
    zero : str
        How an entry that is zero is written.
    decimals : int, optional
        Of numbers that are not all whole. By default as few as show the largest and the smallest.
    """

    symbol: str
    shape: tuple[int, int]
    entries: Entries
    row_names: Names | None = None
    column_names: Names | None = None
    zero: str = "0"
    decimals: int | None = None


@dataclass(frozen=True)
class MatrixBlock:
    """A matrix as text.

    Attributes
    ----------
    symbol : str
    shape : (int, int)
        Of the whole matrix.
    cells : tuple of tuple of str
        Rows of what is shown; all have the same length.
    row_names, column_names : tuple of str
        Empty without names.
    """

    symbol: str
    shape: tuple[int, int]
    cells: tuple[tuple[str, ...], ...]
    row_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """Its numbers of rows and columns."""
        return f"{self.shape[0]:,}×{self.shape[1]:,}"


def matrix_block(piece: MatrixPiece, most_rows: int, most_columns: int) -> MatrixBlock:
    """The text of a matrix, at most so many rows and columns of it.

    Examples
    --------
    >>> piece = MatrixPiece("I", (9, 9), lambda i, j: np.eye(9)[np.ix_(i, j)])
    >>> for row in matrix_block(piece, 3, 4).cells:
    ...     print(*row)
    1 0 ⋯ 0
    ⋮ ⋮ ⋱ ⋮
    0 0 ⋯ 1
    """
    rows, row_gap = shown_places(piece.shape[0], most_rows)
    columns, column_gap = shown_places(piece.shape[1], most_columns)
    cells = [list(row) for row in _texts(piece, rows, columns)]
    row_names = [] if piece.row_names is None else _short(piece.row_names(rows))
    names = [] if piece.column_names is None else _short(piece.column_names(columns))
    if column_gap is not None:
        for row in cells:
            row.insert(column_gap, COLUMNS_LEFT_OUT)
        names[column_gap:column_gap] = [COLUMNS_LEFT_OUT] * bool(names)
    if row_gap is not None:
        left_out = [ROWS_LEFT_OUT] * len(columns)
        left_out[column_gap or 0 : column_gap or 0] = [BOTH_LEFT_OUT] * (column_gap is not None)
        cells.insert(row_gap, left_out)
        row_names[row_gap:row_gap] = [ROWS_LEFT_OUT] * bool(row_names)
    shown = tuple(tuple(row) for row in cells)
    return MatrixBlock(piece.symbol, piece.shape, shown, tuple(row_names), tuple(names))


def shown_places(count: int, most: int) -> tuple[IndexArray, int | None]:
    """Places from both ends, and where others are left out between them.

    Examples
    --------
    >>> shown_places(9, 5)
    (array([0, 1, 7, 8]), 2)
    >>> shown_places(4, 5)
    (array([0, 1, 2, 3]), None)
    """
    if count <= most:
        return np.arange(count), None
    head, tail = most // 2, (most - 1) // 2
    return np.r_[:head, count - tail : count], head


def spelled_out(name: Any) -> Any:
    """The name of a matrix in code; anything else as it is.

    Examples
    --------
    >>> spelled_out("Λ"), spelled_out("X")
    ('Lambda', 'X')
    """
    return OTHER_NAMES.get(name, name) if isinstance(name, str) else name


def number_texts(values: Any, decimals: int | None = None, zero: str = "0") -> list[str]:
    """Numbers of one matrix with common decimals and a true minus sign.

    Examples
    --------
    >>> number_texts([0.1662317, -3.466743e-05, 0.0])
    ['0.166232', '−0.000035', '0']
    >>> number_texts([1.0, -12.0])
    ['1', '−12']
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    sizes = np.abs(numbers[np.isfinite(numbers)])
    tiny = NEGLIGIBLE * sizes.max(initial=0.0)
    sizes = sizes[sizes > tiny]
    if decimals is None or _are_whole(sizes):
        decimals = _decimals(sizes)

    def text(value: float) -> str:
        if abs(value) <= tiny:
            return zero
        return signed(value, f".{LARGEST_DIGITS}g" if decimals is None else f".{decimals}f")

    return [text(value) for value in numbers.tolist()]


def _decimals(sizes: FloatArray) -> int | None:
    """Decimals that numbers of these sizes need; None if they are written one by one."""
    if _are_whole(sizes):
        return 0
    low, high = (int(np.floor(np.log10(size))) for size in (sizes.min(), sizes.max()))
    needed = max(LARGEST_DIGITS - 1 - high, min(SMALLEST_DIGITS - 1 - low, MOST_DIGITS - 1 - high))
    return None if needed > MOST_DECIMALS or high > MOST_DECIMALS else max(needed, 0)


def _are_whole(sizes: FloatArray) -> bool:
    whole = bool((sizes == np.round(sizes)).all())
    return whole and float(sizes.max(initial=0.0)) < 10.0**MOST_DIGITS


def _texts(piece: MatrixPiece, rows: IndexArray, columns: IndexArray) -> list[list[str]]:
    values = np.asarray(piece.entries(rows, columns))
    if values.dtype.kind in "OU":
        return [[str(v) for v in row] for row in values]
    texts = number_texts(values, piece.decimals, piece.zero)
    width = len(columns)
    return [texts[i * width : (i + 1) * width] for i in range(len(rows))]


def _short(names: Sequence[str]) -> list[str]:
    return [cut_at_end(str(name), NAME_LENGTH) for name in names]
