"""Blocks of cross-products: sums by level of one grouping factor, and by pairs of levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class FactorMoments:
    """Sums over the rows of one grouping factor.

    Attributes
    ----------
    zz : ndarray (q, k, k)
        Z'R⁻¹Z, one block per level.
    zr : ndarray (q, k, p + 1)
        Z'R⁻¹R*.
    """

    zz: FloatArray
    zr: FloatArray


@dataclass(frozen=True, eq=False)
class PairMoments:
    """Z_a'R⁻¹Z_b of two grouping factors: one block for each pair of levels that occur together.

    Attributes
    ----------
    rows, cols : ndarray of int (m,)
        The levels of a and b, sorted by row, then column.
    blocks : ndarray (m, k_a, k_b)
    counts : ndarray of int (m,), optional
        Rows of each pair, where they are counted.
    """

    rows: IndexArray
    cols: IndexArray
    blocks: FloatArray
    counts: IndexArray | None = None

    def times(self, x: FloatArray, levels: int) -> FloatArray:
        """Z_a'Z_b x, for x of shape (q_b, k_b, r); gives (levels, k_a, r)."""
        return _block_sums(self.blocks, self.rows, x[self.cols], levels)

    def matrix(self, levels_a: int, levels_b: int) -> Any:
        """Z_a'Z_b as a sparse matrix of blocks."""
        import scipy.sparse as sp

        ka, kb = self.blocks.shape[1:]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(self.rows, minlength=levels_a))])
        blocks = np.ascontiguousarray(self.blocks)
        return sp.bsr_matrix((blocks, self.cols, indptr), shape=(levels_a * ka, levels_b * kb))

    def array(self, levels_a: int, levels_b: int) -> FloatArray:
        """Z_a'Z_b as an array (levels_a × k_a, levels_b × k_b)."""
        ka, kb = self.blocks.shape[1:]
        out = np.zeros((levels_a, ka, levels_b, kb))
        out[self.rows, :, self.cols] = self.blocks
        return out.reshape(levels_a * ka, levels_b * kb)

    def transposed_times(self, x: FloatArray, levels: int) -> FloatArray:
        """Z_b'Z_a x, for x of shape (q_a, k_a, r); gives (levels, k_b, r)."""
        return _block_sums(self.blocks.swapaxes(1, 2), self.cols, x[self.rows], levels)


def _block_sums(blocks: FloatArray, at: IndexArray, x: FloatArray, levels: int) -> FloatArray:
    out = np.empty((levels, blocks.shape[1], x.shape[2]))
    for a in range(blocks.shape[1]):
        for c in range(x.shape[2]):
            terms = np.einsum("pb,pb->p", blocks[:, a], x[:, :, c])
            out[:, a, c] = np.bincount(at, terms, levels)
    return out


def symmetric_matrix(zz: FloatArray, own: PairMoments | None) -> Any:
    """Z'Z of one grouping factor as a sparse matrix."""
    import scipy.sparse as sp

    q, k = zz.shape[:2]
    diagonal = sp.bsr_matrix((zz, np.arange(q), np.arange(q + 1)), shape=(q * k, q * k))
    if own is None:
        return diagonal.tocsr()
    lower = own.matrix(q, q)
    return (diagonal + lower + lower.T).tocsr()


def merged(*parts: PairMoments) -> PairMoments:
    """The sum of blocks, each where it stands; of one alone, itself."""
    first, *others = parts
    if not others:
        return first
    rows, cols = (np.concatenate([getattr(x, name) for x in parts]) for name in ("rows", "cols"))
    blocks = np.concatenate([x.blocks for x in parts])
    counts = [x.counts for x in parts if x.counts is not None]
    whole = np.concatenate(counts) if len(counts) == len(parts) else None
    return sorted_pairs(rows, cols, blocks, whole)


def sorted_pairs(
    rows: IndexArray, cols: IndexArray, blocks: FloatArray, counts: IndexArray | None = None
) -> PairMoments:
    """Blocks of pairs in any order; those of one pair are added up."""
    width = 1 + int(cols.max(initial=0))
    keys = rows * width + cols
    order = np.argsort(keys, kind="stable")  # runs that are sorted already are merged
    keys = keys[order]
    is_first = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    (starts,) = is_first.nonzero()
    if not len(starts):
        return PairMoments(rows, cols, blocks, counts)
    return PairMoments(
        keys[starts] // width,
        keys[starts] % width,
        np.add.reduceat(blocks[order], starts, axis=0),
        None if counts is None else np.add.reduceat(counts[order], starts),
    )
