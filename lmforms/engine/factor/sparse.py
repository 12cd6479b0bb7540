"""A sparse Schur complement: its pattern is analysed once, and factored for every θ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...support.arrays import FloatArray, LinearMap
from ..linalg.compiled import compiled_kernels
from ..linalg.factor_pattern import entry_keys
from ..linalg.sparse_cholesky import SparseCholesky, SparseFactored
from .coupling import SparseCoupling
from .pattern import PatternMatrix, SymmetricPattern

STRIPS = 2_000
"""Up to this size dense strips of BΛ₂ are solved for, where λ is singular."""

CHUNK = 1 << 22
"""Numbers in such a strip."""


class SparseSolver:
    """S = I + Λ₂'BΛ₂ on the pattern of CC'.

    Parameters
    ----------
    pattern : Pattern
    gram : ndarray (pattern.nnz,)
        Z₂'Z₂.
    cholesky : SparseCholesky
        Of the same pattern.
    """

    def __init__(
        self, pattern: SymmetricPattern, gram: FloatArray, cholesky: SparseCholesky
    ) -> None:
        self.pattern = pattern
        self._gram = gram
        self._full = PatternMatrix(gram, pattern).full()
        self._full.eliminate_zeros()  # most of the pattern is fill
        self._cholesky = cholesky
        own = cholesky.backend == "sparse"
        self.kind = "sparse" if own else f"sparse ({cholesky.backend})"
        self.nnz = cholesky.nnz
        self.work = cholesky.work
        self.largest = int(cholesky.counts.max())

    def with_gram(self, gram: FloatArray) -> SparseSolver:
        """The same pattern and order for another Z₂'Z₂."""
        return SparseSolver(self.pattern, gram, self._cholesky)

    def times(self, x: FloatArray) -> FloatArray:
        return np.asarray(self._full @ x)

    def remaining(self, k: SparseCoupling) -> PatternMatrix:
        values = self._gram.copy()
        compiled = compiled_kernels("factor.coupling_kernels", k.places.work)
        if compiled is not None:
            compiled.subtract_gram(self.pattern, values, k)
        else:
            keys = entry_keys(self.pattern.indptr, self.pattern.indices)
            fill = k.gram().tocsc()
            fill.sort_indices()
            of = np.repeat(np.arange(self.pattern.m), np.diff(fill.indptr))
            low = fill.indices >= of
            at = np.searchsorted(keys, entry_keys(fill.indptr, fill.indices)[low])
            values[at] -= fill.data[low]
        return PatternMatrix(values, self.pattern)

    def factor(self, b: PatternMatrix, lams: Sequence[FloatArray]) -> SparseFactored:
        values = self.pattern.two_sided(b.values, lams)
        values[self.pattern.indptr[:-1]] += 1.0
        return self._cholesky.factor(values)

    def _kept(self, z: FloatArray) -> FloatArray:
        return z[self._cholesky.where]

    def outer(self, z: FloatArray, lams: Sequence[FloatArray]) -> PatternMatrix:
        return PatternMatrix(self.pattern.two_sided(self._kept(z), lams, outer=True), self.pattern)

    def level_blocks(self, values: PatternMatrix | FloatArray, i: int) -> FloatArray:
        block = next(b for b in self.pattern.blocks if b.row == b.col == i)
        places = block.at[block.own]
        if isinstance(values, PatternMatrix):
            return values.values[places]
        return values[self._cholesky.where[places]]

    def singular_level_sum(
        self,
        b: PatternMatrix,
        factored: SparseFactored,
        lams: Sequence[FloatArray],
        shrink: LinearMap,
        i: int,
    ) -> FloatArray | None:
        m = self.pattern.m
        if m > STRIPS:
            return None
        own = self.level_blocks(b, i)
        q, k = own.shape[:2]
        columns = b.full()[:, self.pattern.spans[i]]
        total = own.sum(axis=0)
        step = max(1, CHUNK // (m * k)) * k
        for start in range(0, q * k, step):
            right = shrink(columns[:, start : start + step].toarray())
            solved = factored.solve(right).reshape(m, -1, k)
            total = total - np.tensordot(right.reshape(m, -1, k), solved, axes=([0, 1], [0, 1]))
        return np.asarray(total)
