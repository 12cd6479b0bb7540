"""Patterns of sparse matrices as images, and the fill-in of a Cholesky factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from ..support.label_texts import with_subscript

MOST_PIXELS = 400
"""Rows and columns of an image; of a larger matrix several entries share a pixel."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Where a matrix has entries, by kind.

    Attributes
    ----------
    shape : (int, int)
    rows, columns : ndarray of int
        Place of each entry.
    kinds : ndarray of int
        Which of `names` it is.
    names : tuple of str
    """

    shape: tuple[int, int]
    rows: IndexArray
    columns: IndexArray
    kinds: IndexArray
    names: tuple[str, ...]

    @property
    def counts(self) -> IndexArray:
        """Entries of each kind."""
        return np.bincount(self.kinds, minlength=len(self.names))


def pattern_of(matrix: Any) -> Pattern:
    """The entries of one matrix that are not zero, all of one kind."""
    found = matrix.tocoo() if hasattr(matrix, "tocoo") else _dense_entries(matrix)
    there = found.data != 0
    rows, columns = found.row[there], found.col[there]
    return Pattern(matrix.shape, rows, columns, np.zeros(len(rows), dtype=np.intp), ("not zero",))


def _dense_entries(matrix: Any) -> Any:
    import scipy.sparse as sp

    return sp.coo_array(np.asarray(matrix))


def template_pattern(matrices: Any) -> Pattern:
    """Entries of Λ by the θ that they are; those that are no single θ come last."""
    template, factor = matrices.template.tocoo(), matrices.Lambda.tocoo()
    single = template.data > 0
    rows, columns = template.row[single], template.col[single]
    places = template.data[single].astype(np.intp)
    taken = np.isin(_keys(factor, factor.shape), rows.astype(np.int64) * factor.shape[1] + columns)
    others = ~taken & (factor.data != 0)
    known = np.unique(places)
    names = tuple(with_subscript("θ", p) for p in known) + ("function of θ",) * bool(others.any())
    return Pattern(
        factor.shape,
        np.concatenate([rows, factor.row[others]]),
        np.concatenate([columns, factor.col[others]]),
        np.concatenate([np.searchsorted(known, places), np.full(others.sum(), len(known))]),
        names,
    )


def factor_pattern(matrices: Any) -> Pattern:
    """Entries of L: those of PAP', and the fill-in, which are zero there.

    Entries of L that have a place in its pattern count also where they happen to be zero.
    """
    import scipy.sparse as sp

    lower = sp.tril(matrices.P @ matrices.A @ matrices.P.T).tocoo()
    factor = matrices.L.tocoo()
    is_fill = ~np.isin(_keys(factor, factor.shape), _keys(lower, factor.shape))
    kinds = is_fill.astype(np.intp)
    return Pattern(factor.shape, factor.row, factor.col, kinds, ("in PAP'", "fill-in"))


def _keys(matrix: Any, shape: tuple[int, int]) -> IndexArray:
    return matrix.row.astype(np.int64) * shape[1] + matrix.col


def kind_shares(pattern: Pattern, most: int = MOST_PIXELS) -> tuple[FloatArray, FloatArray]:
    """An image of at most `most` rows and columns: its edges share those of the matrix.

    Parameters
    ----------
    pattern : Pattern
    most : int

    Returns
    -------
    kinds : ndarray (h, w)
        The most frequent kind of each pixel; NaN where there is no entry.
    shares : ndarray (h, w)
        Entries by places of a pixel, from 0 to 1.

    Examples
    --------
    >>> here = np.arange(4)
    >>> diagonal = Pattern((4, 4), here, here, here * 0, ("not zero",))
    >>> kind_shares(diagonal, most=2)[1]
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    height, width = (min(size, most) for size in pattern.shape)
    down = (pattern.rows.astype(np.int64) * height) // max(pattern.shape[0], 1)
    across = (pattern.columns.astype(np.int64) * width) // max(pattern.shape[1], 1)
    count = len(pattern.names)
    keys = (down * width + across) * count + pattern.kinds
    entries = np.bincount(keys, minlength=height * width * count).reshape(height, width, count)
    total = entries.sum(axis=2)
    sizes = [
        np.bincount(np.arange(n) * m // max(n, 1), minlength=m)
        for n, m in zip(pattern.shape, (height, width), strict=True)
    ]
    kinds = np.where(total > 0, entries.argmax(axis=2), np.nan)
    return kinds, total / np.outer(*sizes)
