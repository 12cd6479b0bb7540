"""A sparse Schur complement: CHOLMOD where scikit-sparse is installed, else SciPy's SuperLU.

The pattern is analysed once; every θ then gives a frozen factored state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import MemoryLimitError, NumericalError
from ...support.arrays import FloatArray, IndexArray, IntArray, LinearMap
from ..linalg.compiled import compiled_kernels
from ..linalg.takahashi import SelectedInverse, column_counts, entry_keys
from .coupling import SparseCoupling
from .pattern import PatternMatrix, SymmetricPattern

STRIPS = 2_000
"""Up to this size dense strips of BΛ₂ are solved for, where λ is singular."""

CHUNK = 1 << 22
"""Numbers in such a strip."""


def have_cholmod() -> bool:
    """Whether scikit-sparse is installed."""
    try:
        import sksparse.cholmod  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def _cholmod_memory(what: str) -> Iterator[None]:
    """CHOLMOD's errors of memory, or of integers that cannot count so many entries, as ours."""
    from sksparse.cholmod import CholmodOutOfMemoryError, CholmodTooLargeError

    try:
        yield
    except (CholmodOutOfMemoryError, CholmodTooLargeError):
        raise MemoryLimitError(
            f"CHOLMOD found no memory for {what}: use "
            "Control(factor='cg'), fewer levels or fewer random slopes."
        ) from None


class SparseCholesky:
    """Fill-reducing order of a symmetric pattern, and factors of matrices on it.

    Parameters
    ----------
    indptr, indices : ndarray of int
        Lower triangle by columns with the whole diagonal, rows ascending.
    backend : {"cholmod", "superlu"}
    most : float
        Entries of L beyond which they are not counted to the end.

    Attributes
    ----------
    order : ndarray of int (m,)
    counts : ndarray of int (m,)
        Entries of every column of L.
    """

    def __init__(
        self, indptr: IntArray, indices: IntArray, backend: str, most: float = np.inf
    ) -> None:
        # CHOLMOD and SuperLU want 32 bits
        self._indptr, self._indices = indptr.astype(np.int32), indices.astype(np.int32)
        self.backend = backend
        self.order: IndexArray
        if backend == "cholmod":
            from sksparse.cholmod import analyze

            with _cholmod_memory(f"the pattern of {len(indices):,} entries"):
                self._symbolic = analyze(self._lower(self._generic()), mode="auto")
            self.order = np.asarray(self._symbolic.P(), dtype=np.intp)
        else:
            self._full, self._from_lower = self._both_triangles()
            self.order = self._superlu_order()
        self.counts = column_counts(indptr, indices, self.order, most)
        self._plan: SelectedInverse | None = None

    @property
    def m(self) -> int:
        return len(self._indptr) - 1

    @property
    def nnz(self) -> int:
        return int(self.counts.sum())

    @property
    def plan(self) -> SelectedInverse:
        """The pattern of L, found by factoring a matrix in which no entry can cancel."""
        if self._plan is None:
            lower = self._factor(self._generic())[0]
            self._plan = SelectedInverse(lower.indptr.astype(np.int64), lower.indices)
        return self._plan

    def factor(self, values: FloatArray) -> SparseFactored:
        """LL' = S[order][:, order] for the S with these numbers on the pattern."""
        lower, solve = self._factor(values)
        plan = self.plan
        data = lower.data
        if len(data) != len(plan.indices):  # exact zeros left out
            data = np.zeros(len(plan.indices))
            data[np.searchsorted(plan.keys, entry_keys(lower.indptr, lower.indices))] = lower.data
        log_det = 2.0 * float(np.log(data[plan.indptr[:-1]]).sum())
        return SparseFactored(data, log_det, solve, plan)

    def _generic(self) -> FloatArray:
        """An M-matrix on the pattern: −1 off a dominant diagonal."""
        starts = self._indptr[:-1]
        values = np.full(len(self._indices), -1.0)
        degree = np.bincount(self._indices, minlength=self.m) + np.diff(self._indptr)
        values[starts] = degree
        return values

    def _lower(self, values: FloatArray) -> Any:
        import scipy.sparse as sp

        return sp.csc_matrix((values, self._indices, self._indptr), shape=(self.m, self.m))

    def _factor(self, values: FloatArray) -> tuple[Any, Any]:
        return self._cholmod(values) if self.backend == "cholmod" else self._superlu(values)

    def _cholmod(self, values: FloatArray) -> tuple[Any, Any]:
        from sksparse.cholmod import CholmodNotPositiveDefiniteError

        try:
            with _cholmod_memory(f"a factor with {self.nnz:,} entries"):
                factored = self._symbolic.cholesky(self._lower(values))
                lower = factored.L()
        except CholmodNotPositiveDefiniteError:
            raise NumericalError("the Schur complement is not positive definite.") from None
        lower.sort_indices()
        return lower, factored

    # --- SuperLU ----------------------------------------------------------------------------

    def _both_triangles(self) -> tuple[Any, IntArray]:
        """The full pattern, and where in the lower triangle its numbers are."""
        import scipy.sparse as sp

        lower = self._lower(np.arange(1.0, len(self._indices) + 1.0))
        full = (lower + sp.tril(lower, -1).T).tocsc()
        full.sort_indices()
        return full, full.data.astype(np.int64) - 1

    def _superlu_order(self) -> IndexArray:
        # an incomplete factorisation that drops everything orders like the complete one
        from scipy.sparse.linalg import spilu

        full = self._full.copy()
        full.data = self._generic()[self._from_lower]
        factored = spilu(full, drop_tol=1.0, fill_factor=1.0, **_SUPERLU)
        return np.argsort(np.asarray(factored.perm_c, dtype=np.intp))

    def _superlu(self, values: FloatArray) -> tuple[Any, Any]:
        import scipy.sparse as sp
        from scipy.sparse.linalg import splu

        self._full.data = values[self._from_lower]
        try:
            factored = splu(self._full, **_SUPERLU)
        except RuntimeError:  # an exactly zero pivot
            raise NumericalError("the Schur complement is not positive definite.") from None
        pivots = factored.U.diagonal()
        if not (pivots > 0).all() or (factored.perm_r != factored.perm_c).any():
            raise NumericalError("the Schur complement is not positive definite.")
        lower = (factored.L @ sp.diags(np.sqrt(pivots))).tocsc()
        lower.sort_indices()
        return lower, factored.solve


_SUPERLU: dict[str, Any] = {
    "permc_spec": "MMD_AT_PLUS_A",
    "diag_pivot_thresh": 0.0,
    "options": {"SymmetricMode": True},
}


@dataclass(frozen=True, eq=False)
class SparseFactored:
    """S[order][:, order] = LL' with a sparse L, by its numbers on the plan's pattern."""

    values: FloatArray
    log_det: float
    solver: Any
    plan: SelectedInverse

    @property
    def lower(self) -> Any:
        """L as a CSC matrix."""
        import scipy.sparse as sp

        plan = self.plan
        return sp.csc_matrix((self.values, plan.indices, plan.indptr), shape=(plan.m, plan.m))

    def solve(self, rhs: FloatArray) -> FloatArray:
        return np.asarray(self.solver(rhs)).reshape(rhs.shape)

    def inverse(self) -> FloatArray:
        """S⁻¹ on the pattern of L."""
        return self.plan(self.values)


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
        place = np.empty(pattern.m, dtype=np.int64)
        place[cholesky.order] = np.arange(pattern.m)
        rows = place[pattern.indices]
        cols = np.repeat(place, np.diff(pattern.indptr))
        where = cholesky.plan.places(np.minimum(rows, cols), np.maximum(rows, cols))
        self._where = where.astype(np.int32 if cholesky.nnz < 2**31 else np.int64)
        self.kind = f"sparse ({cholesky.backend})"
        self.nnz = cholesky.nnz
        self.largest = int(cholesky.counts.max())

    def times(self, x: FloatArray) -> FloatArray:
        return np.asarray(self._full @ x)

    def remaining(self, k: SparseCoupling) -> PatternMatrix:
        values = self._gram.copy()
        compiled = compiled_kernels("factor.sparse_kernels", k.places.work)
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
        return z[self._where]

    def outer(self, z: FloatArray, lams: Sequence[FloatArray]) -> PatternMatrix:
        return PatternMatrix(self.pattern.two_sided(self._kept(z), lams, outer=True), self.pattern)

    def level_blocks(self, values: PatternMatrix | FloatArray, i: int) -> FloatArray:
        block = next(b for b in self.pattern.blocks if b.row == b.col == i)
        places = block.at[block.own]
        if isinstance(values, PatternMatrix):
            return values.values[places]
        return values[self._where[places]]

    def singular_level_sum(
        self, b: PatternMatrix, factored: SparseFactored, shrink: LinearMap, i: int
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
