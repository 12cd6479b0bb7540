"""Matrices as cells of text, with rows and columns left out in the middle of large ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import IndexArray
from ..support.label_texts import cut_at_end
from .matrix_numbers import are_whole, number_texts

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
    zero : str, optional
        How an entry that is zero is written where zeros are many; by default as other numbers.
    decimals : int, optional
        Of numbers that are not all whole. By default as few as show the largest and the smallest.
    row_units, column_units : ndarray of int, optional
        Which rows, or columns, are of one unit, so that others may have other decimals. Columns of
        a unit whose numbers are all whole have none. In rows of several units, which are those
        of coefficients, very small numbers have an exponent.
    """

    symbol: str
    shape: tuple[int, int]
    entries: Entries
    row_names: Names | None = None
    column_names: Names | None = None
    zero: str | None = None
    decimals: int | None = None
    row_units: IndexArray | None = None
    column_units: IndexArray | None = None


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


def _texts(piece: MatrixPiece, rows: IndexArray, columns: IndexArray) -> list[list[str]]:
    values = np.asarray(piece.entries(rows, columns))
    if values.dtype.kind in "OU":
        return [[str(v) for v in row] for row in values]
    down = None if piece.row_units is None else piece.row_units[rows]
    across = np.zeros(len(columns), dtype=np.intp)
    if piece.column_units is not None:
        across = piece.column_units[columns]
    whole = np.array([are_whole(np.abs(values[:, across == unit])) for unit in across], dtype=bool)
    texts = np.empty(values.shape, dtype=object)
    for part in (whole, ~whole):
        own = values[:, part]
        units = np.broadcast_to(across[part] if down is None else down[:, None], own.shape)
        given = number_texts(own, piece.decimals, piece.zero, units, exponents=down is not None)
        texts[:, part] = np.array(given, dtype=object).reshape(own.shape)
    return [list(row) for row in texts]


def _short(names: Sequence[str]) -> list[str]:
    return [cut_at_end(str(name), NAME_LENGTH) for name in names]
