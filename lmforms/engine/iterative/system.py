"""Crossed grouping factors as sparse matrices, whose products with vectors are all that is needed.

The grouping factor with most columns is eliminated exactly, as in
:class:`lmforms.engine.factor.System`. What remains, S = I + Λ₂'BΛ₂ with B = Z₂'Z₂ − CMC' and
C = Z₂'Z₁, is never formed: its products with vectors need C alone, which has as many
entries as there are pairs of levels that occur together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from ..factor import BlockInfo
from ..factor.layout import Blocks, Layout
from ..linalg.batched import multiply, transposed
from ..sums.cross_products import CrossProducts

PRODUCT_ENTRY_BYTES = 40
"""Bytes for every entry of a sparse CC' while its pattern is analysed."""

SEPARABLE_SHARE = 0.01
"""Conjugate gradients are not used if the connected parts of the Schur complement fill less than
this share of it."""


class IterativeSystem(Layout):
    """Cross-products of crossed factors, ready to be multiplied with vectors.

    Parameters
    ----------
    cp : CrossProducts
    like : Layout, optional
        Of the same cross-products (see :class:`~lmforms.engine.factor.layout.Layout`).
    """

    def __init__(self, cp: CrossProducts, like: Layout | None = None) -> None:
        super().__init__(cp, like=like)

    def _set_numbers(self) -> None:
        for name in ("_coupling", "_coupling_transposed", "_between_rest"):
            self.__dict__.pop(name, None)

    @cached_property
    def _coupling(self) -> Any:
        import scipy.sparse as sp

        return sp.vstack([self.matrix(i, self.lead).tocsr() for i in self.rest]).tocsr()

    @cached_property
    def _coupling_transposed(self) -> Any:
        return self._coupling.T.tocsr()

    @cached_property
    def _between_rest(self) -> Any:
        """Z₂'Z₂ without the blocks of a factor with itself; None if there is one factor."""
        if len(self.rest) == 1:
            return None
        import scipy.sparse as sp

        def block(i: int, j: int) -> Any:
            if i != j:
                return self.matrix(i, j).tocsr()
            size = self.shapes[i][0] * self.shapes[i][1]
            return sp.csr_matrix((size, size))

        return sp.bmat([[block(i, j) for j in self.rest] for i in self.rest]).tocsr()

    # --- products -------------------------------------------------------------------------

    def coupling_transposed_times(self, x: FloatArray) -> FloatArray:
        """C'x, (m, r) to (q₁, k₁, r)."""
        return np.asarray(self._coupling_transposed @ x).reshape(*self.shapes[self.lead], -1)

    def coupling_times(self, x: FloatArray) -> FloatArray:
        """C x, (q₁, k₁, r) to (m, r)."""
        return np.asarray(self._coupling @ x.reshape(-1, x.shape[-1]))

    def between_rest_times(self, x: FloatArray) -> FloatArray | float:
        """Products of the remaining factors with each other, (m, r); 0 if there is one only."""
        return 0.0 if self._between_rest is None else np.asarray(self._between_rest @ x)

    def within_rest_times(self, x: FloatArray) -> FloatArray:
        """The block-diagonal part of Z₂'Z₂ times x, (m, r)."""
        return self.by_level([self.cp.factors[i].zz for i in self.rest], x)

    def gram_times(self, v: Blocks) -> Blocks:
        """Z'Z v for a list of arrays (q, k, r)."""
        out = [multiply(f.zz, x) for f, x in zip(self.cp.factors, v, strict=True)]
        if not self.rest:
            return out
        flat = self.flatten(v)
        out[self.lead] = out[self.lead] + self.coupling_transposed_times(flat)
        below = self.coupling_times(v[self.lead]) + self.between_rest_times(flat)
        for i in self.rest:
            out[i] = out[i] + below[self.spans[i]].reshape(v[i].shape)
        return out

    # --- sums over the pairs of levels that occur together --------------------------------

    def rest_diagonal_blocks(self, inner: FloatArray) -> list[FloatArray]:
        """Diagonal blocks of C N C', for N block-diagonal with blocks (q₁, k₁, k₁)."""
        out = []
        for i in self.rest:
            pair = self.pair(i, self.lead)
            products = _two_sided(pair.blocks, inner, pair.cols)
            out.append(_sums(products, pair.rows, self.shapes[i][0]))
        return out

    def lead_diagonal_blocks(self, inner: Sequence[FloatArray]) -> FloatArray:
        """Diagonal blocks of C'N C, (q₁, k₁, k₁), for N with blocks (q, k, k) by factor."""
        q, k = self.shapes[self.lead]
        total = np.zeros((q, k, k))
        for i, block in zip(self.rest, inner, strict=True):
            pair = self.pair(i, self.lead)
            products = _two_sided(transposed(pair.blocks), block, pair.rows)
            total += _sums(products, pair.cols, q)
        return total

    # --- its structure --------------------------------------------------------------------

    def is_separate(self) -> bool:
        """Whether S consists of small independent blocks, as it does with nested factors.

        An exact factor is cheap then, and conjugate gradients are slow: with many independent
        blocks the eigenvalues do not cluster.
        """
        if not self.rest:
            return True
        q1 = self.shapes[self.lead][0]
        if all(len(self.pair(i, self.lead).rows) <= q1 for i in self.rest):
            return True  # each level of the lead occurs with one level of each of the others
        import scipy.sparse as sp
        from scipy.sparse.csgraph import connected_components

        graph = sp.bmat([[None, self._coupling], [self._coupling_transposed, None]])
        _, part = connected_components(graph, directed=False)
        sizes = np.bincount(part[: self.m]).astype(np.float64)
        return bool((sizes**2).sum() < SEPARABLE_SHARE * float(self.m) ** 2)

    @property
    def pattern_bytes(self) -> float:
        """Upper bound of what analysing the pattern of CC' would take."""
        if not self.rest:
            return 0.0
        entries = np.diff(self._coupling_transposed.indptr).astype(np.float64)
        k = self.shapes[self.lead][1]
        pairs = float((entries**2).sum()) / k  # the k columns of a level have one pattern
        return PRODUCT_ENTRY_BYTES * min(pairs, float(self.m) ** 2)

    def blocks(self, names: Sequence[str]) -> list[BlockInfo]:
        """The table of blocks: kind, size, nonzeros, bytes."""
        q, k = self.shapes[self.lead]
        own = self.cp.factors[self.lead].zz
        rest = ", ".join(names[i] for i in self.rest)
        size = _bytes(self._coupling) + _bytes(self._coupling_transposed)
        small = [self.cp.factors[i].zz for i in self.rest]
        held = sum(z.nbytes for z in small)
        between = 0
        if self._between_rest is not None:
            held += _bytes(self._between_rest)
            between = int(self._between_rest.nnz)
        return [
            BlockInfo(names[self.lead], f"diagonal of {k}×{k}", q * k, own.size, own.nbytes),
            BlockInfo(
                f"{rest} × {names[self.lead]}", "sparse", self.m, int(self._coupling.nnz), size
            ),
            BlockInfo(
                rest, "conjugate gradients", self.m, between + sum(z.size for z in small), held
            ),
        ]


def _bytes(matrix: Any) -> int:
    return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)


def _two_sided(blocks: FloatArray, inner: FloatArray, at: IndexArray) -> FloatArray:
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
