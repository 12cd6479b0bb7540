"""A = Λ'Z'ZΛ + Q ⊗ I with all grouping factors ordered together, where levels are related.

A block of A that has a sparse precision Q is not block-diagonal, and eliminating another factor
before it would fill it. Nothing is eliminated first: A is one sparse symmetric matrix on a
pattern that is determined and ordered once, or a dense one where that is small or full.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...control import DEFAULT_MEMORY
from ...errors import MemoryLimitError
from ...support.arrays import Blocks, FloatArray, IntArray
from ..linalg.batched import mirrored
from ..linalg.factor_pattern import entry_keys
from ..linalg.sparse_cholesky import FACTOR_BYTES, SparseCholesky, check_backend
from ..prior import Prior
from ..sums.cross_products import CrossProducts
from .assembly import dense_gram, gram_on, meeting_effects
from .block_info import BlockInfo
from .layout import Layout
from .pattern import PatternBlocks, PatternMatrix, SymmetricPattern, scalar_pattern
from .system import DENSE_COPIES, DENSE_FILL, SPARSE_COST_RATIO, FactorMethod

ALWAYS_DENSE_EFFECTS = 300
"""Up to so many effects a dense factor is faster, however sparse the other would be."""


class JointSystem(Layout):
    """Cross-products and priors with the pattern of A analysed.

    Parameters
    ----------
    cp : CrossProducts
    priors : sequence of Prior
        One for each grouping factor.
    method : {"auto", "dense", "sparse", "cholmod", "superlu"}
    memory : int
        Bytes that the factor may take.

    Attributes
    ----------
    pattern : SymmetricPattern or None
        Of A; None if it is dense.
    gram : ndarray
        Z'Z on the pattern, or as an array.
    prior_values : ndarray
        Q ⊗ I likewise.

    Raises
    ------
    MemoryLimitError
        The factor does not fit.
    """

    def __init__(
        self,
        cp: CrossProducts,
        priors: Sequence[Prior],
        method: FactorMethod = "auto",
        memory: int = DEFAULT_MEMORY,
    ) -> None:
        super().__init__(cp, leads=False)
        self.priors = tuple(priors)
        self.memory = memory
        self.log_det_prior = float(
            sum(k * prior.log_det for prior, (_, k) in zip(self.priors, self.shapes, strict=True))
        )
        self.pattern: SymmetricPattern | None = None
        self.cholesky: SparseCholesky | None = None
        if method != "dense":
            check_backend(method)
            self._analyse(method)
        if self.pattern is None:
            self._check_memory(float(self.m) ** 2, DENSE_COPIES * 8)
            self.prior_values = self._dense_prior()
        self._set_numbers()

    def _analyse(self, method: FactorMethod) -> None:
        square = float(self.m) ** 2
        may_be_dense = method == "auto" and DENSE_COPIES * 8 * square <= self.memory
        if may_be_dense and self.m <= ALWAYS_DENSE_EFFECTS:
            return
        pattern = scalar_pattern(self._node_pattern(), self.shapes, self.spans)
        if may_be_dense and 2 * pattern.nnz > DENSE_FILL * square:
            return
        most = self.memory / FACTOR_BYTES
        cholesky = SparseCholesky(pattern.indptr, pattern.indices, method, most)
        full = not cholesky.is_counted or SPARSE_COST_RATIO * cholesky.work > self.m * square
        if may_be_dense and full:
            return
        self._check_memory(cholesky.nnz, FACTOR_BYTES, cholesky.is_counted)
        self.cholesky, self.pattern = cholesky, pattern
        self.prior_values = self._prior_on(pattern)

    def _set_numbers(self) -> None:
        self.__dict__.pop("_full", None)
        pattern = self.pattern
        self.gram = mirrored(dense_gram(self)) if pattern is None else gram_on(self, pattern)

    @cached_property
    def _full(self) -> Any:
        """Z'Z, with both triangles."""
        if self.pattern is None:
            return self.gram
        full = PatternMatrix(self.gram, self.pattern).full()
        full.eliminate_zeros()
        return full

    def _node_pattern(self) -> tuple[IntArray, IntArray]:
        """Levels that meet in rows or are related: lower triangle by columns."""
        import scipy.sparse as sp

        first = np.cumsum([0, *(q for q, _ in self.shapes)])
        rows, cols = [], []
        for i in self.rest:
            own = self.priors[i].precision(self.shapes[i][0]).tocoo()
            low = own.row >= own.col
            rows.append(own.row[low] + first[i])
            cols.append(own.col[low] + first[i])
            rows.append(np.arange(first[i], first[i + 1]))
            cols.append(rows[-1])
            if i in self.cp.own:
                rows.append(self.cp.own[i].rows + first[i])
                cols.append(self.cp.own[i].cols + first[i])
            for j in self.rest:
                if j > i:
                    pair = self.pair(j, i)
                    rows.append(pair.rows + first[j])
                    cols.append(pair.cols + first[i])
        row, col = np.concatenate(rows), np.concatenate(cols)
        ones = np.ones(len(row), dtype=np.int8)
        lower = sp.coo_matrix((ones, (row, col)), shape=(first[-1], first[-1])).tocsc()
        lower.sort_indices()
        return lower.indptr.astype(np.int64), lower.indices.astype(np.int32)

    def _prior_on(self, pattern: SymmetricPattern) -> FloatArray:
        """Q ⊗ I on the pattern."""
        import scipy.sparse as sp

        values = np.zeros(pattern.nnz)
        for b in pattern.blocks:
            if b.row == b.col:
                q, k = self.shapes[b.row]
                lower = sp.tril(self.priors[b.row].precision(q), format="csc")
                lower.sort_indices()
                at = b.at[np.searchsorted(b.keys, entry_keys(lower.indptr, lower.indices))]
                for a in range(k):
                    values[at[:, a, a]] = lower.data
        return values

    def _dense_prior(self) -> FloatArray:
        out = np.zeros((self.m, self.m))
        for i in self.rest:
            (q, k), span = self.shapes[i], self.spans[i]
            if self.priors[i].has_unit_precision:
                at = np.arange(span.start, span.stop)
                out[at, at] = 1.0
            else:
                out[span, span] = np.kron(self.priors[i].precision(q).toarray(), np.eye(k))
        return out

    @cached_property
    def meeting(self) -> Any:
        """Places of Z'Z, the same for all sums on this analysis."""
        return meeting_effects(self.cp).tocoo()

    def own_block(self, i: int) -> PatternBlocks:
        """Blocks of the pattern between levels of factor i."""
        assert self.pattern is not None
        return next(b for b in self.pattern.blocks if b.row == b.col == i)

    def _check_memory(self, entries: float, each: int, counted: bool = True) -> None:
        if counted and entries * each <= self.memory:
            return
        raise MemoryLimitError(
            f"the factor of {self.m:,} related random effects would have "
            f"{'' if counted else 'more than '}{entries:,.0f} entries and take "
            f"{'about' if counted else 'more than'} {entries * each / 2**30:.2g} GiB; "
            f"{self.memory / 2**30:.2g} GiB are allowed. Use fewer levels or random slopes, or "
            "raise Control(memory=…)."
        )

    @property
    def factor_work(self) -> float:
        """Multiplications that factoring and inverting A take, as many as if LAPACK did them."""
        if self.cholesky is None:
            return float(self.m) ** 3
        return SPARSE_COST_RATIO * float(self.cholesky.work)

    @property
    def is_dense(self) -> bool:
        """Whether the factor is dense."""
        return self.pattern is None

    @property
    def largest(self) -> int:
        """Size of the largest dense block that LAPACK and BLAS work on."""
        return self.m if self.cholesky is None else int(self.cholesky.counts.max())

    def blocks(self, names: Sequence[str]) -> list[BlockInfo]:
        """The table of blocks: kind, size, nonzeros, bytes."""
        all_names = ", ".join(names)
        if self.cholesky is None:
            return [BlockInfo(all_names, "dense", self.m, self.m**2, 8 * self.m**2)]
        own = self.cholesky.backend == "sparse"
        kind = "sparse" if own else f"sparse ({self.cholesky.backend})"
        return [BlockInfo(all_names, kind, self.m, self.cholesky.nnz, 12 * self.cholesky.nnz)]

    # --- algebra that does not depend on θ ------------------------------------------------

    def gram_times(self, v: Blocks) -> Blocks:
        """Z'Z v."""
        return self.unflatten(np.empty(0), np.asarray(self._full @ self.flatten(v)))

    def precision_times(self, i: int, x: FloatArray) -> FloatArray:
        """(Q ⊗ I)x of factor i."""
        return self.priors[i].precision_times(x)

    def covariance_times(self, x: Blocks) -> Blocks:
        """(K ⊗ I)x."""
        return [prior.covariance_times(y) for prior, y in zip(self.priors, x, strict=True)]
