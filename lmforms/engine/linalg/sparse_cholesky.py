"""Sparse Cholesky factors: a pattern is ordered once, and factored for any numbers on it.

Three backends find the numbers: compiled loops with LAPACK for large panels ("sparse", the
package's own), SciPy's SuperLU ("superlu"), CHOLMOD ("cholmod").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import ArgumentError, MemoryLimitError
from ...support.arrays import FloatArray, IntArray
from .cholmod import Cholmod, have_cholmod
from .compiled import compiled_kernels
from .elimination import (
    elimination_tree,
    pattern_of_factor,
    permuted_entries,
)
from .factor_pattern import PER_COLUMN, FactorPattern, entry_keys
from .not_positive_definite import NotPositiveDefiniteError
from .ordering import fill_reducing_order
from .takahashi import selected_inverse

FACTOR_BYTES = 80
"""Bytes for every entry of a factor, with copies, selected inverse and work space."""


def sparse_backend(asked: str, work: float) -> str:
    """Which backend factors a matrix.

    The package's own is the fastest wherever loading numba pays, so that CHOLMOD is only taken
    when it is asked for.

    Parameters
    ----------
    asked : {"auto", "sparse", "cholmod", "superlu"}
    work : float
        Pairs of entries of the columns of L, or what handling its columns costs if that is more.

    Raises
    ------
    ArgumentError
        What is asked for by name is not installed.
    """
    check_backend(asked)
    if asked != "auto":
        return asked
    return "sparse" if _have_numba(work) else "superlu"


def check_backend(asked: str) -> None:
    """Refuse a backend by name that is not installed.

    Raises
    ------
    ArgumentError
    """
    if asked == "cholmod" and not have_cholmod():
        raise ArgumentError(
            "factor='cholmod' needs scikit-sparse: pip install 'lmforms[cholmod]', or use "
            "'sparse', which needs nothing more."
        )
    if asked == "sparse" and not _have_numba(np.inf):
        raise ArgumentError("factor='sparse' needs numba, which cannot be imported.")


def _have_numba(work: float) -> bool:
    return compiled_kernels("linalg.cholesky_kernels", work) is not None


class SparseCholesky:
    """Fill-reducing order of a symmetric pattern, and factors of matrices on it.

    Parameters
    ----------
    indptr, indices : ndarray of int
        Lower triangle by columns with the whole diagonal, rows ascending.
    backend : {"auto", "sparse", "cholmod", "superlu"}
    most : float
        Entries of L beyond which they are not counted to the end; such a pattern cannot be
        factored.

    Attributes
    ----------
    backend : {"sparse", "cholmod", "superlu"}
    order : ndarray of int (m,)
    counts : ndarray of int (m,)
        Entries of every column of L.
    """

    def __init__(
        self, indptr: IntArray, indices: IntArray, backend: str = "auto", most: float = np.inf
    ) -> None:
        self._indptr = np.ascontiguousarray(indptr, dtype=np.int64)
        self._indices = np.ascontiguousarray(indices, dtype=np.int32)
        check_backend(backend)
        self.order: IntArray
        if backend == "cholmod":
            self._cholmod = Cholmod(self._indptr, self._indices)
            self.order = self._cholmod.order
            self._tree = elimination_tree(self._indptr, self._indices, self.order, most)
        else:
            self.order, self._tree = fill_reducing_order(self._indptr, self._indices, most)
        work = max(self.work, PER_COLUMN * len(indices))
        self.backend = sparse_backend(backend, work)

    @property
    def m(self) -> int:
        return len(self._indptr) - 1

    @property
    def counts(self) -> IntArray:
        return self._tree.counts

    @property
    def nnz(self) -> int:
        return self._tree.nnz

    @property
    def is_counted(self) -> bool:
        """Whether the entries of L were counted to the end."""
        return self._tree.complete

    @property
    def work(self) -> float:
        """Σ counts²: pairs of entries of one column, what a factorisation costs."""
        return float((self.counts.astype(np.float64) ** 2).sum())

    @cached_property
    def pattern(self) -> FactorPattern:
        """The pattern of L.

        Raises
        ------
        MemoryLimitError
            It was not counted to the end.
        """
        if not self._tree.complete:
            raise MemoryLimitError(f"the factor has more than {self.nnz:,} entries.")
        return pattern_of_factor(self._indptr, self._indices, self.order, self._tree)

    @cached_property
    def where(self) -> IntArray:
        """Where the entries of the matrix are stored in L."""
        found = self.pattern.places(*permuted_entries(self._indptr, self._indices, self.order))
        return found.astype(np.int32 if self.nnz < 2**31 else np.int64)

    def factor(self, values: FloatArray, least: float = 0.0) -> SparseFactored:
        """LL' = S[order][:, order] for the S with these numbers on the pattern.

        Parameters
        ----------
        values : ndarray
        least : float
            All pivots, the squares of L's diagonal, must be above this.

        Raises
        ------
        NotPositiveDefiniteError
            One is not.
        """
        if self.backend == "sparse":
            return self._compiled(values, least)
        by = self._by_cholmod if self.backend == "cholmod" else self._by_superlu
        data, solver = by(values)
        low = np.flatnonzero(~(data[self.pattern.indptr[:-1]] ** 2 > least))
        if len(low):
            raise NotPositiveDefiniteError(int(self.order[low[0]]))
        return SparseFactored(data, self.order, self.pattern, solver)

    def _compiled(self, values: FloatArray, least: float) -> SparseFactored:
        from .panel_cholesky import factor_in_place

        data = np.zeros(len(self.pattern.indices))
        data[self.where] = values
        bad = factor_in_place(self.pattern, data, least)
        if bad >= 0:
            raise NotPositiveDefiniteError(int(self.order[bad]))
        return SparseFactored(data, self.order, self.pattern)

    def _by_cholmod(self, values: FloatArray) -> tuple[FloatArray, Any]:
        lower, solver = self._cholmod.factor(values, self.nnz)
        return self._on_pattern(lower), solver

    def _by_superlu(self, values: FloatArray) -> tuple[FloatArray, Any]:
        import scipy.sparse as sp
        from scipy.sparse.linalg import splu

        full, source = self._permuted
        full.data = values[source]
        try:
            factored = splu(
                full,
                permc_spec="NATURAL",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError:  # an exactly zero pivot
            raise NotPositiveDefiniteError from None
        if (factored.perm_r != factored.perm_c).any():
            raise NotPositiveDefiniteError
        place, pivots = factored.perm_c, factored.U.diagonal()
        low = np.flatnonzero(~(pivots > 0))
        if len(low):
            raise NotPositiveDefiniteError(int(self.order[np.argsort(place)[low[0]]]))
        lower = (factored.L @ sp.diags(np.sqrt(pivots))).tocsc()
        if (place != np.arange(self.m)).any():  # subtrees in another order, which L can undo
            lower = lower[place][:, place]
        lower.sort_indices()

        def solver(rhs: FloatArray) -> FloatArray:
            out = np.empty_like(rhs)
            out[self.order] = factored.solve(np.ascontiguousarray(rhs[self.order]))
            return out

        return self._on_pattern(lower), solver

    @cached_property
    def _permuted(self) -> tuple[Any, IntArray]:
        """Both triangles in the order of elimination, and where their numbers come from."""
        import scipy.sparse as sp

        cols, rows = permuted_entries(self._indptr, self._indices, self.order)
        source = np.arange(len(rows))
        off = rows != cols
        where = (np.concatenate([rows, cols[off]]), np.concatenate([cols, rows[off]]))
        numbers = np.concatenate([source, source[off]]) + 1.0
        full = sp.csc_matrix((numbers, where), shape=(self.m, self.m))
        full.sort_indices()
        return full, full.data.astype(np.int64) - 1

    def _on_pattern(self, lower: Any) -> FloatArray:
        """The numbers of another package's L, which has zeros more or fewer."""
        pattern = self.pattern
        if np.array_equal(lower.indices, pattern.indices):
            return np.asarray(lower.data)
        keys = entry_keys(lower.indptr, lower.indices)
        at = np.minimum(np.searchsorted(keys, pattern.keys), len(keys) - 1)
        return np.where(keys[at] == pattern.keys, lower.data[at], 0.0)


def cholesky_of(matrix: Any, least: float = 0.0) -> tuple[SparseCholesky, SparseFactored]:
    """Order and factor one symmetric matrix of scipy.sparse.

    Parameters
    ----------
    matrix : sparse (m, m)
    least : float
        See :meth:`SparseCholesky.factor`.

    Raises
    ------
    NotPositiveDefiniteError
    """
    import scipy.sparse as sp

    m = matrix.shape[0]
    # the diagonal belongs to the pattern even where it is zero
    lower = sp.tril(matrix, format="coo")
    at = np.arange(m)
    where = (np.concatenate([lower.row, at]), np.concatenate([lower.col, at]))
    full = sp.csc_matrix((np.concatenate([lower.data, np.zeros(m)]), where), shape=(m, m))
    full.sort_indices()
    cholesky = SparseCholesky(full.indptr, full.indices)
    return cholesky, cholesky.factor(full.data, least)


@dataclass(frozen=True, eq=False)
class SparseFactored:
    """S[order][:, order] = LL' with a sparse L, by its numbers on a pattern.

    Attributes
    ----------
    values : ndarray
    order : ndarray of int (m,)
    pattern : FactorPattern
    solver : callable, optional
        x ↦ S⁻¹x, for a backend that has its own.
    """

    values: FloatArray
    order: IntArray
    pattern: FactorPattern
    solver: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: backends' own solvers cannot be copied, the compiled loops take over."""
        return {**self.__dict__, "solver": None}

    @cached_property
    def log_det(self) -> float:
        """ln|S|."""
        return 2.0 * float(np.log(self.values[self.pattern.indptr[:-1]]).sum())

    @property
    def lower(self) -> Any:
        """L as a CSC matrix."""
        import scipy.sparse as sp

        p = self.pattern
        return sp.csc_matrix((self.values, p.indices, p.indptr), shape=(p.m, p.m))

    def solve(self, rhs: FloatArray) -> FloatArray:
        """S⁻¹ rhs for rhs (m,) or (m, r)."""
        if self.solver is not None:
            return np.asarray(self.solver(rhs)).reshape(rhs.shape)
        from . import cholesky_kernels as kernels

        columns = rhs if rhs.ndim > 1 else rhs[:, None]
        x = np.ascontiguousarray(columns[self.order], dtype=np.float64)
        kernels.solve_both(self.pattern.indptr, self.pattern.indices, self.values, x)
        out = np.empty_like(x)
        out[self.order] = x
        return out.reshape(rhs.shape)

    def inverse(self) -> FloatArray:
        """S⁻¹ on the pattern of L."""
        return selected_inverse(self.pattern, self.values)
