"""A sparse symmetric m×m matrix as numbers on a pattern that is determined once.

The remaining factors' levels are nodes of a graph: two are neighbours if both occur together
with one level of the leading factor. B, S and the stored part of S⁻¹ are full blocks at these
places; only the lower triangle is stored, by columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IntArray
from ..linalg.batched import multiply
from ..linalg.compiled import compiled_kernels
from .coupling_pattern import SparsityPattern


@dataclass(frozen=True, eq=False)
class PatternBlocks:
    """All blocks of the pattern between a level of factor `row` and one of factor `col`.

    Attributes
    ----------
    row, col : int
        Grouping factors.
    keys : ndarray of int (blocks,)
        Level of `col` × levels of `row` + level of `row`, ascending.
    at : ndarray of int (blocks, k_row, k_col)
        Where the numbers are stored. In blocks on the diagonal an entry and its mirror
        image have one place.
    own : ndarray of int
        Which blocks are diagonal, level by level.
    """

    row: int
    col: int
    keys: IntArray
    at: IntArray
    own: IntArray


@dataclass(frozen=True, eq=False)
class SymmetricPattern:
    """Pattern of the lower triangle of a symmetric matrix, in CSC order.

    Attributes
    ----------
    indptr, indices : ndarray of int
        Rows ascend within a column, so the diagonal entry comes first.
    blocks : tuple of PatternBlocks
    spans : dict of int to slice
        Rows of each factor.
    """

    indptr: IntArray
    indices: IntArray
    blocks: tuple[PatternBlocks, ...]
    spans: Mapping[int, slice]

    @property
    def m(self) -> int:
        return len(self.indptr) - 1

    @property
    def nnz(self) -> int:
        return len(self.indices)

    def two_sided(
        self, values: FloatArray, lams: Sequence[FloatArray], outer: bool = False
    ) -> FloatArray:
        """Λ'xΛ, or with `outer` ΛxΛ', for a block-diagonal Λ."""
        out = np.empty_like(values)
        for b in self.blocks:
            left, right = lams[b.row], lams[b.col]
            if not outer:
                left, right = left.T, right.T
            block = multiply(left, values[b.at])
            out[b.at] = multiply(block, right.T)
        return out


@dataclass(frozen=True, eq=False)
class PatternMatrix:
    """A symmetric matrix by its numbers on a pattern."""

    values: FloatArray
    pattern: SymmetricPattern

    def lower(self) -> Any:
        """The lower triangle as a CSC matrix."""
        import scipy.sparse as sp

        p = self.pattern
        return sp.csc_matrix((self.values, p.indices, p.indptr), shape=(p.m, p.m))

    def full(self) -> Any:
        """Both triangles as a CSR matrix."""
        import scipy.sparse as sp

        lower = self.lower()
        return (lower + sp.tril(lower, -1).T).tocsr()


def node_pattern(
    places: SparsityPattern, check: Callable[[float], None]
) -> tuple[IntArray, IntArray]:
    """Lower triangle of the pattern of PP' + I, P = `places`: (indptr, indices).

    `check` is called with the number of entries before they are allocated (or with an upper
    bound, without compiled loops).
    """
    compiled = compiled_kernels("factor.pattern_kernels", places.work)
    if compiled is not None:
        return compiled.neighbours(places, check)  # type: ignore[no-any-return]
    import scipy.sparse as sp

    check(min(places.work, float(places.m) ** 2))
    ones = np.ones(len(places.rows), dtype=np.int32)
    p = sp.csc_matrix((ones, places.rows, places.indptr), (places.m, len(places.indptr) - 1))
    lower = sp.tril(p @ p.T + sp.identity(places.m, dtype=np.int32), format="csc")
    lower.sort_indices()
    return lower.indptr.astype(np.int64), lower.indices.astype(np.int32)


def scalar_pattern(
    nodes: tuple[IntArray, IntArray],
    shapes: Sequence[tuple[int, int]],
    spans: Mapping[int, slice],
) -> SymmetricPattern:
    """The pattern of scalars, with a block in the place of each pair of levels.

    Parameters
    ----------
    nodes : tuple of ndarray
        :func:`node_pattern`, with the levels of the factors of `spans` one after the other.
    shapes : sequence of (q, k)
        Of every grouping factor.
    spans : dict of int to slice
        Rows of the remaining factors, in order.
    """
    indptr, rows = nodes
    rest = list(spans)
    counts = [shapes[i][0] for i in rest]
    factor_of = np.repeat(np.arange(len(rest), dtype=np.int8), counts)
    first = np.concatenate([[0], np.cumsum(counts)])
    width = np.repeat([shapes[i][1] for i in rest], counts)
    first_scalar = np.concatenate([[0], np.cumsum(width)])  # of each node
    cols = np.repeat(np.arange(len(width), dtype=np.int32), np.diff(indptr))
    # a column of nodes of width k is k columns, each one entry shorter than the one before
    above = np.concatenate([[0], np.cumsum(width[rows])])
    offset = above[:-1] - above[indptr[:-1]][cols]  # numbers above, within the column
    length = above[indptr[1:]] - above[indptr[:-1]]
    base = np.concatenate([[0], np.cumsum(width * length - width * (width - 1) // 2)])
    small = np.int32 if base[-1] < 2**31 else np.int64
    indices = np.empty(base[-1], dtype=np.int32)
    blocks = []
    key = factor_of[cols] * len(rest) + factor_of[rows]
    for c, j in enumerate(rest):
        for r, i in enumerate(rest[c:], start=c):
            here = np.flatnonzero(key == c * len(rest) + r)
            if not len(here):
                continue
            k_row, k_col = shapes[i][1], shapes[j][1]
            b, a = np.arange(k_row)[:, None], np.arange(k_col)[None, :]
            col, row = cols[here], rows[here]
            places = (base[col] + offset[here])[:, None, None] + b
            places = places + a * (length[col][:, None, None] - 1) - a * (a - 1) // 2
            own = np.flatnonzero(row == col)
            if len(own):
                low = np.tril(places[own])
                places[own] = low + np.triu(low.swapaxes(1, 2), 1)
            scalars = np.broadcast_to(first_scalar[row][:, None, None] + b, places.shape).copy()
            scalars[own] = np.maximum(scalars[own], first_scalar[row[own]][:, None, None] + a)
            indices[places] = scalars
            keys = (col.astype(np.int64) - first[c]) * shapes[i][0] + (row - first[r])
            blocks.append(PatternBlocks(i, j, keys, places.astype(small), own))
    starts = base[np.repeat(np.arange(len(width)), width)]
    within = np.arange(first_scalar[-1]) - np.repeat(first_scalar[:-1], width)
    starts = starts + within * np.repeat(length, width) - within * (within - 1) // 2
    return SymmetricPattern(np.append(starts, base[-1]), indices, tuple(blocks), spans)
