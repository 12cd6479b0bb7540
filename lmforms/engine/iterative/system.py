"""Crossed grouping factors as sparse products: analysed once, an operator at every θ.

The grouping factor with most columns leads and is eliminated exactly, as in
:class:`lmforms.engine.factor.System`. What remains, S = I + Λ₂'BΛ₂ with B = Z₂'Z₂ − CMC' and
C = Z₂'Z₁, is never formed: its products with vectors need C alone, which has as many
entries as there are pairs of levels that meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from ..factor import BlockInfo
from ..factor.layout import Blocks, Layout
from ..linalg.batched import multiply, transposed
from ..sums.cross_products import CrossProducts

SPARSE_BYTES = 40
"""Bytes for every entry of a sparse CC' while its pattern is analysed."""

SEPARATE = 0.01
"""A Schur complement whose connected parts fill less than this share of it is not for CG."""


class IterativeSystem(Layout):
    """Cross-products of crossed factors, ready to be multiplied with vectors.

    Parameters
    ----------
    cp : CrossProducts

    Attributes
    ----------
    pairs : dict of int to PairMoments
        Z_i'Z₁ for each i of the rest, its levels in `rows`.
    """

    def __init__(self, cp: CrossProducts) -> None:
        super().__init__(cp)
        self.pairs = {i: self.pair(i, self.lead) for i in self.rest}
        if not self.rest:
            return
        import scipy.sparse as sp

        self._down = sp.vstack([self.matrix(i, self.lead).tocsr() for i in self.rest]).tocsr()
        self._up = self._down.T.tocsr()
        self._across = self._between() if len(self.rest) > 1 else None

    def _between(self) -> Any:
        """Z₂'Z₂ without the blocks of a factor with itself."""
        import scipy.sparse as sp

        def block(i: int, j: int) -> Any:
            if i != j:
                return self.matrix(i, j).tocsr()
            size = self.shapes[i][0] * self.shapes[i][1]
            return sp.csr_matrix((size, size))

        return sp.bmat([[block(i, j) for j in self.rest] for i in self.rest]).tocsr()

    # --- products -------------------------------------------------------------------------

    def up(self, x: FloatArray) -> FloatArray:
        """C'x, (m, r) to (q₁, k₁, r)."""
        return np.asarray(self._up @ x).reshape(*self.shapes[self.lead], -1)

    def down(self, x: FloatArray) -> FloatArray:
        """C x, (q₁, k₁, r) to (m, r)."""
        return np.asarray(self._down @ x.reshape(-1, x.shape[-1]))

    def across(self, x: FloatArray) -> FloatArray | float:
        """Products of the remaining factors with each other, (m, r); 0 if there is one only."""
        return 0.0 if self._across is None else np.asarray(self._across @ x)

    def own(self, x: FloatArray) -> FloatArray:
        """The block-diagonal part of Z₂'Z₂ times x, (m, r)."""
        return self.by_level([self.cp.factors[i].zz for i in self.rest], x)

    def by_level(self, blocks: Sequence[FloatArray], x: FloatArray) -> FloatArray:
        """Block-diagonal matrices, (q, k, k) or (k, k) for each of the rest, times x (m, r)."""
        out = np.empty_like(x)
        for i, block in zip(self.rest, blocks, strict=True):
            span = self.spans[i]
            part = x[span].reshape(*self.shapes[i], -1)
            out[span] = multiply(block, part).reshape(x[span].shape)
        return out

    def gram_times(self, v: Blocks) -> Blocks:
        """Z'Z v for a list of arrays (q, k, r)."""
        out = [multiply(f.zz, x) for f, x in zip(self.cp.factors, v, strict=True)]
        if not self.rest:
            return out
        flat = self.flatten(v)
        out[self.lead] = out[self.lead] + self.up(flat)
        below = self.down(v[self.lead]) + self.across(flat)
        for i in self.rest:
            out[i] = out[i] + below[self.spans[i]].reshape(v[i].shape)
        return out

    # --- sums over the pairs of levels that meet ------------------------------------------

    def gathered(self, inner: FloatArray) -> list[FloatArray]:
        """Diagonal blocks of C N C', for N block-diagonal with blocks (q₁, k₁, k₁)."""
        out = []
        for i in self.rest:
            pair = self.pairs[i]
            products = _sandwich(pair.blocks, inner, pair.cols)
            out.append(_sums(products, pair.rows, self.shapes[i][0]))
        return out

    def spread(self, inner: Sequence[FloatArray]) -> FloatArray:
        """Diagonal blocks of C'N C, (q₁, k₁, k₁), for N with blocks (q, k, k) by factor."""
        q, k = self.shapes[self.lead]
        total = np.zeros((q, k, k))
        for i, block in zip(self.rest, inner, strict=True):
            pair = self.pairs[i]
            products = _sandwich(transposed(pair.blocks), block, pair.rows)
            total += _sums(products, pair.cols, q)
        return total

    # --- what it is -----------------------------------------------------------------------

    def is_separate(self) -> bool:
        """Whether S falls apart into small blocks, as it does with nested factors.

        An exact factor is cheap then, and conjugate gradients are slow: with many unrelated
        blocks the eigenvalues do not cluster.
        """
        if not self.rest:
            return True
        if all(len(p.rows) <= self.shapes[self.lead][0] for p in self.pairs.values()):
            return True  # each level of the lead meets one level of each of the others
        import scipy.sparse as sp
        from scipy.sparse.csgraph import connected_components

        graph = sp.bmat([[None, self._down], [self._up, None]])
        _, part = connected_components(graph, directed=False)
        sizes = np.bincount(part[: self.m]).astype(np.float64)
        return bool((sizes**2).sum() < SEPARATE * float(self.m) ** 2)

    @property
    def pattern_bytes(self) -> float:
        """What analysing the pattern of CC' would take: at most its pairs of entries."""
        if not self.rest:
            return 0.0
        entries = np.diff(self._up.indptr).astype(np.float64)
        k = self.shapes[self.lead][1]
        pairs = float((entries**2).sum()) / k  # the k columns of a level have one pattern
        return SPARSE_BYTES * min(pairs, float(self.m) ** 2)

    def blocks(self, names: Sequence[str]) -> list[BlockInfo]:
        """The table of blocks: kind, size, nonzeros, bytes."""
        q, k = self.shapes[self.lead]
        own = self.cp.factors[self.lead].zz
        rest = ", ".join(names[i] for i in self.rest)
        size = _bytes(self._down) + _bytes(self._up)
        small = [self.cp.factors[i].zz for i in self.rest]
        held = sum(z.nbytes for z in small)
        across = 0
        if self._across is not None:
            held += _bytes(self._across)
            across = int(self._across.nnz)
        return [
            BlockInfo(names[self.lead], f"diagonal of {k}×{k}", q * k, own.size, own.nbytes),
            BlockInfo(f"{rest} × {names[self.lead]}", "sparse", self.m, int(self._down.nnz), size),
            BlockInfo(
                rest, "conjugate gradients", self.m, across + sum(z.size for z in small), held
            ),
        ]


def _bytes(matrix: Any) -> int:
    return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)


def _sandwich(blocks: FloatArray, inner: FloatArray, at: IndexArray) -> FloatArray:
    """``blocks[p] inner[at[p]] blocks[p]'`` for every pair p."""
    if blocks.shape[1:] == (1, 1):
        return blocks * blocks * inner[at]
    return blocks @ inner[at] @ transposed(blocks)


def _sums(values: FloatArray, at: IndexArray, size: int) -> FloatArray:
    """Sums of matrices by level, (size, k, k)."""
    k = values.shape[-1]
    out = np.empty((size, k, k))
    for a in range(k):
        for b in range(k):
            out[:, a, b] = np.bincount(at, values[:, a, b], size)
    return out
