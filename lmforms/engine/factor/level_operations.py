"""Arithmetic on the blocks of very many levels: noted once, then carried out tile by tile.

NumPy's products of stacks of small blocks read and write memory for each of them. Here the numbers
of a tile of levels are copied into the rows of a work array, one row for every entry of a block.
What is to be computed is a list of operations on rows, which stay in the cache until the tile is
done. A list is written for one size of blocks and one pattern of zeros; λ and other numbers that
all levels share are parameters. :mod:`.level_passes` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IntArray
from .operation_kinds_kernels import (
    GATHER,
    LOAD,
    LOAD_MORE,
    MORE_PRODUCT,
    MORE_SCALED,
    NUMBER,
    PRODUCT,
    ROOT,
    SCALED,
    SCATTER,
    STORE,
)

PIVOTS, LEAST_PIVOT, FIRST_SUM = range(3)
"""Rows of the product of all pivots, of the least pivot, and of the first sum over levels."""

ONE, ZERO = 0, -1
"""The parameter that is 1, and the place of a parameter that is zero."""

Rows = Any  # an IntArray, or a row of one
"""Numbers of rows of the work array, in the shape of the block whose entries they hold."""

Places = Any  # an IntArray
"""Places among the parameters, in the shape of a matrix of them; `ZERO` for a zero."""


@dataclass(frozen=True, eq=False)
class OperationList:
    """Operations that can be carried out.

    Attributes
    ----------
    codes : ndarray of int64 (operations, 4)
        The kind, the row that is written or stored, and two rows, or a table and a column.
    places : ndarray of int (operations,)
        Of the parameter that an operation takes.
    signs : ndarray (operations,)
        Its sign, or its share.
    rows : int
        Rows of the work array.
    shapes : tuple of tuple of int
        Of the sums over levels.
    """

    codes: IntArray
    places: IntArray
    signs: FloatArray
    rows: int
    shapes: tuple[tuple[int, ...], ...]


class LevelOperations:
    """Notes operations. An array of rows stands for the block of a level."""

    def __init__(self) -> None:
        self._codes: list[tuple[int, int, int, int]] = []
        self._places: list[int] = []
        self._signs: list[float] = []
        self._count = FIRST_SUM
        self._shapes: list[tuple[int, ...]] = []

    # --- tables -----------------------------------------------------------------------------

    def load(self, table: int, columns: IntArray) -> Rows:
        """Columns of a table, of the levels themselves."""
        return self._each(LOAD, self._new(columns.shape), table, columns)

    def load_more(self, rows: Rows, table: int, columns: IntArray) -> None:
        """Add columns of a table."""
        self._each(LOAD_MORE, rows, table, columns)

    def gather(self, table: int, columns: IntArray) -> Rows:
        """Columns of a table, of the levels' parents."""
        return self._each(GATHER, self._new(columns.shape), table, columns)

    def store(self, rows: Rows, table: int, columns: IntArray) -> None:
        """Write columns of a table."""
        self._each(STORE, rows, table, columns)

    def scatter(self, rows: Rows, table: int, columns: IntArray) -> None:
        """Add to columns of a table, of the levels' parents."""
        self._each(SCATTER, rows, table, columns)

    # --- algebra ----------------------------------------------------------------------------

    def sums(self, *shape: int) -> Rows:
        """Entries that are summed over all levels. They come before any other rows."""
        self._shapes.append(shape)
        return self._new(shape)

    def numbers(self, places: Places) -> Rows:
        """The same block at every level."""
        out = self._new(places.shape)
        for row, place in zip(out.ravel().tolist(), places.ravel().tolist(), strict=True):
            self._note(NUMBER, row, place=max(place, ONE), sign=float(place != ZERO))
        return out

    def combined(
        self, places: Places, rows: Rows, onto: int | None = None, sign: float = 1.0
    ) -> int:
        """Rows times parameters, summed, and added to `onto` if it is given."""
        terms = [(p, x) for p, x in zip(places, rows, strict=True) if p != ZERO]
        kind, out = self._target(SCALED, onto, len(terms))
        for place, x in terms:
            self._note(kind, out, x, place=place, sign=sign)
            kind = MORE_SCALED
        return out

    def inner(self, x: Rows, y: Rows, onto: int | None = None, sign: float = 1.0) -> int:
        """Rows times rows, summed, and added to `onto` if it is given."""
        kind, out = self._target(PRODUCT, onto, len(x))
        for a, b in zip(x, y, strict=True):
            self._note(kind, out, a, b, sign=sign)
            kind = MORE_PRODUCT
        return out

    def left(self, places: Places, x: Rows, sign: float = 1.0) -> Rows:
        """A matrix of parameters times a block."""
        out: Rows = np.empty((len(places), x.shape[1]), dtype=np.intp)
        for i, row in enumerate(places.tolist()):
            for j, column in enumerate(x.T.tolist()):
                out[i, j] = self.combined(row, column, sign=sign)
        return out

    def product(self, x: Rows, y: Rows, onto: Rows | None = None, sign: float = 1.0) -> Rows:
        """x y, added to `onto` if it is given."""
        out: Rows = np.empty((x.shape[0], y.shape[1]), dtype=np.intp)
        for i, row in enumerate(x.tolist()):
            for j, column in enumerate(y.T.tolist()):
                out[i, j] = self.inner(row, column, None if onto is None else onto[i, j], sign)
        return out

    def symmetric_product(
        self, x: Rows, y: Rows, onto: Rows | None = None, sign: float = 1.0
    ) -> Rows:
        """The same where it is symmetric: entries (i, j) and (j, i) are one row."""
        out: Rows = np.empty((x.shape[0], y.shape[1]), dtype=np.intp)
        for i, row in enumerate(x.tolist()):
            for j in range(i + 1):
                before = None if onto is None else onto[i, j]
                out[i, j] = out[j, i] = self.inner(row, y[:, j].tolist(), before, sign)
        return out

    def copied(self, row: int) -> int:
        """Another row with the same numbers."""
        return self.combined([ONE], [row])

    def inverse_root(self, a: Rows) -> Rows:
        """L⁻¹ of a = LL'; its entries above the diagonal are no rows. Keeps the pivots."""
        k = len(a)
        out = np.full((k, k), ZERO, dtype=np.intp)
        for i in range(k):
            # row i of L is that of `a` times the inverse of what is above
            root = [self.inner(a[i, : j + 1], out[j, : j + 1]) for j in range(i)]
            pivot = self.inner(root, root, self.copied(a[i, i]), -1.0) if i else int(a[i, i])
            diagonal = self._new(())
            self._note(ROOT, diagonal, pivot)
            for j in range(i):
                entry = self.inner(root[j:], out[j:i, j].tolist(), sign=-1.0)
                out[i, j] = self.inner([entry], [diagonal])
            out[i, i] = diagonal
        return out

    # --- notes ------------------------------------------------------------------------------

    def _new(self, shape: tuple[int, ...]) -> Rows:
        first, self._count = self._count, self._count + prod(shape)
        return np.arange(first, self._count).reshape(shape)

    def _note(
        self, kind: int, out: int, x: int = 0, y: int = 0, place: int = ONE, sign: float = 1.0
    ) -> None:
        self._codes.append((kind, int(out), int(x), int(y)))
        self._places.append(place)
        self._signs.append(sign)

    def _each(self, kind: int, rows: Rows, table: int, columns: IntArray) -> Rows:
        for row, column in zip(rows.ravel().tolist(), columns.ravel().tolist(), strict=True):
            self._note(kind, row, table, column)
        return rows

    def _target(self, kind: int, onto: int | None, terms: int) -> tuple[int, int]:
        """What the first operation of a sum is, and the row that it writes."""
        if onto is not None:
            return (MORE_SCALED if kind == SCALED else MORE_PRODUCT), int(onto)
        out = int(self._new(()))
        if not terms:
            self._note(NUMBER, out, sign=0.0)
        return kind, out

    def finished(self) -> OperationList:
        """The list, with rows used again once nothing reads them any more."""
        first = FIRST_SUM + sum(prod(shape) for shape in self._shapes)
        used = [_rows_of(*code) for code in self._codes]
        last = {row: at for at, rows in enumerate(used) for row in rows}
        place = {row: row for row in range(first)}
        free: list[int] = []
        count = first
        codes: Rows = np.empty((len(self._codes), 4), dtype=np.int64)
        for at, (kind, out, x, y) in enumerate(self._codes):
            for row in used[at]:
                if row not in place:
                    place[row] = free.pop() if free else count
                    count = max(count, place[row] + 1)
            if kind < LOAD:
                x, y = place.get(x, 0), place.get(y, 0)
            codes[at] = kind, place[out], x, y
            free += [place[row] for row in set(used[at]) if last[row] == at and row >= first]
        signs: Rows = np.array(self._signs)
        return OperationList(codes, np.array(self._places), signs, count, tuple(self._shapes))


def _rows_of(kind: int, out: int, x: int, y: int) -> tuple[int, ...]:
    """Rows that an operation reads or writes."""
    if kind in (PRODUCT, MORE_PRODUCT):
        return out, x, y
    if kind in (SCALED, MORE_SCALED, ROOT):
        return out, x
    return (out,)
