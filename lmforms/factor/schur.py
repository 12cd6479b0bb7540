"""Cholesky factor of S, what is left of Λ'Z'ZΛ + I after the leading factor is eliminated.

Two ways behind one face: LAPACK on a dense S, or a fill-reducing sparse factor (CHOLMOD
where scikit-sparse is installed, SciPy's SuperLU otherwise). A solver analyses the
pattern once; every θ then gives a frozen factored state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import NumericalError
from .batched import mirrored

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

PLAN_SIZE = 2e7
"""Places of entries that Takahashi's recursion remembers; beyond, it finds them each time."""


class FactoredSchur(Protocol):
    """A factored S."""

    @property
    def log_det(self) -> float:
        """ln|S|."""

    def solve(self, rhs: FloatArray) -> FloatArray:
        """S⁻¹ rhs."""

    def inverse(self) -> Any:
        """S⁻¹: an ndarray, or a sparse matrix that holds it on the pattern of the factor."""


# --- dense --------------------------------------------------------------------------------


@dataclass
class DenseFactored:
    """S = LL' by LAPACK.

    Parameters
    ----------
    schur : ndarray (m, m)
        Overwritten.
    """

    schur: FloatArray
    log_det: float = field(init=False)

    def __post_init__(self) -> None:
        from scipy.linalg import lapack

        # the transpose of a symmetric C array is the Fortran array that LAPACK takes uncopied
        lower, info = lapack.dpotrf(self.schur.T, lower=1, overwrite_a=1, clean=0)
        if info != 0:
            raise NumericalError("the Schur complement of Λ'Z'ZΛ + I is not positive definite.")
        self.schur = lower
        self.log_det = 2.0 * float(np.log(np.diagonal(lower)).sum())

    def solve(self, rhs: FloatArray) -> FloatArray:
        from scipy.linalg import lapack

        solution, _ = lapack.dpotrs(self.schur, rhs, lower=1)
        return np.asarray(solution).reshape(rhs.shape)

    def inverse(self) -> FloatArray:
        from scipy.linalg import lapack

        inverse, _ = lapack.dpotri(self.schur, lower=1)
        return mirrored(np.asarray(inverse).T, lower=False)


# --- sparse -------------------------------------------------------------------------------


def have_cholmod() -> bool:
    """Whether scikit-sparse is installed."""
    try:
        import sksparse.cholmod  # noqa: F401
    except ImportError:
        return False
    return True


class SparseSolver:
    """Symbolic analysis of a sparse symmetric pattern, done once.

    Parameters
    ----------
    pattern : sparse matrix (m, m)
        Any matrix with the pattern of S.
    backend : {"cholmod", "superlu"}

    Attributes
    ----------
    selected : SelectedInverse
        The plan for S⁻¹ on the pattern of L.
    """

    def __init__(self, pattern: Any, backend: str) -> None:
        import scipy.sparse as sp

        generic = sp.csc_matrix(pattern, copy=True)
        # −1 off the diagonal and a dominant diagonal: an M-matrix, in which no entry of
        # the fill can cancel, so that its factor shows the whole pattern of L
        generic.data[:] = -1.0
        generic.setdiag(0.0)
        degree = -np.asarray(generic.sum(axis=1)).ravel()
        generic.setdiag(degree + 1.0)
        generic.sort_indices()
        generic.indices = generic.indices.astype(np.int32)  # what CHOLMOD and SuperLU want
        generic.indptr = generic.indptr.astype(np.int32)
        self.backend = backend
        self._pattern = generic
        self._keys = _keys(generic)
        self._symbolic: Any = None
        if backend == "cholmod":
            from sksparse.cholmod import analyze

            self._symbolic = analyze(generic, mode="simplicial")
        lower, order, _ = self._factor(generic)
        self.selected = SelectedInverse(lower, order)
        self.nnz = int(lower.nnz)

    def factor(self, schur: Any) -> SparseFactored:
        """Factor S with the analysed pattern (or part of it)."""
        lower, order, solve = self._factor(self._on_pattern(schur))
        diagonal = lower.diagonal()
        return SparseFactored(
            lower=lower,
            order=order,
            log_det=2.0 * float(np.log(diagonal).sum()),
            solver=solve,
            selected=self.selected,
        )

    def _on_pattern(self, schur: Any) -> Any:
        """S with explicit zeros where sparse products left entries out.

        A smaller pattern would be ordered differently, and L would leave the plan.
        """
        import scipy.sparse as sp

        matrix = sp.csc_matrix(schur)
        matrix.sort_indices()
        pattern = self._pattern
        if matrix.nnz == len(self._keys):
            data = matrix.data
            return sp.csc_matrix((data, pattern.indices, pattern.indptr), shape=pattern.shape)
        data = np.zeros(len(self._keys))
        data[np.searchsorted(self._keys, _keys(matrix))] = matrix.data
        return sp.csc_matrix((data, pattern.indices, pattern.indptr), shape=pattern.shape)

    def _factor(self, matrix: Any) -> tuple[Any, IntArray, Any]:
        """L with LL' = S[order][:, order], and a solver."""
        if self.backend == "cholmod":
            return self._cholmod(matrix)
        return self._superlu(matrix)

    def _cholmod(self, matrix: Any) -> tuple[Any, IntArray, Any]:
        from sksparse.cholmod import CholmodNotPositiveDefiniteError

        try:
            factored = self._symbolic.cholesky(matrix)
            lower = factored.L().tocsc()
        except CholmodNotPositiveDefiniteError:
            raise NumericalError("the Schur complement is not positive definite.") from None
        lower.sort_indices()
        return lower, np.asarray(factored.P(), dtype=np.intp), factored

    def _superlu(self, matrix: Any) -> tuple[Any, IntArray, Any]:
        import scipy.sparse as sp
        from scipy.sparse.linalg import splu

        factored = splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        pivots = factored.U.diagonal()
        if not (pivots > 0).all() or (factored.perm_r != factored.perm_c).any():
            raise NumericalError("the Schur complement is not positive definite.")
        lower = (factored.L @ sp.diags(np.sqrt(pivots))).tocsc()
        lower.sort_indices()
        return lower, np.argsort(factored.perm_c).astype(np.intp), factored.solve


@dataclass(frozen=True)
class SparseFactored:
    """S[order][:, order] = LL' with a sparse L."""

    lower: Any
    order: IntArray
    log_det: float
    solver: Any
    selected: SelectedInverse

    def solve(self, rhs: FloatArray) -> FloatArray:
        return np.asarray(self.solver(rhs)).reshape(rhs.shape)

    def inverse(self) -> Any:
        return self.selected(self.lower)


class SelectedInverse:
    """S⁻¹ on the pattern of L + L', by Takahashi's recursion.

    With Z = S⁻¹ and L as in :class:`SparseFactored`, for columns j from last to first and
    I the rows below the diagonal in column j of L,

        Z[I, j] = −Z[I, I] L[I, j] / L[j, j],
        Z[j, j] = 1/L[j, j]² − L[I, j]'Z[I, j] / L[j, j],

    where the pattern of L holds all entries of Z[I, I] that are needed.

    References
    ----------
    Takahashi, Fagan, Chin (1973); Erisman, Tinney (1975), *On computing certain elements
    of the inverse of a sparse matrix*, Comm. ACM 18(3).
    """

    def __init__(self, lower: Any, order: IntArray) -> None:
        self.m = lower.shape[0]
        self.order = order
        self.indptr = lower.indptr.astype(np.intp)
        self.indices = lower.indices.astype(np.intp)
        self._columns = np.repeat(np.arange(self.m), np.diff(self.indptr))
        self._keys = _keys(lower)
        below = np.diff(self.indptr) - 1
        self._columns_with_rows = np.flatnonzero(below)[::-1]
        self._plan: dict[int, IntArray] = {}
        if (below.astype(np.float64) ** 2).sum() <= PLAN_SIZE:
            self._plan = {int(j): self._places(j) for j in self._columns_with_rows}

    def _places(self, j: int) -> IntArray:
        """Where Z[I, I] of column j is stored, (|I|, |I|)."""
        rows = self.indices[self.indptr[j] + 1 : self.indptr[j + 1]]
        low, high = np.minimum.outer(rows, rows), np.maximum.outer(rows, rows)
        return np.searchsorted(self._keys, low * self.m + high)

    def __call__(self, lower: Any) -> Any:
        """S⁻¹ in the original order, as a symmetric CSR matrix on the pattern of L + L'."""
        import scipy.sparse as sp

        values = self._values(lower)
        starts = self.indptr[:-1]
        diagonal = values[starts]
        z = np.empty_like(values)
        z[starts] = 1.0 / diagonal**2
        for j in self._columns_with_rows:
            places = self._plan[int(j)] if self._plan else self._places(j)
            span = slice(self.indptr[j] + 1, self.indptr[j + 1])
            column = values[span] / diagonal[j]
            z[span] = -(z[places] @ column)
            z[starts[j]] -= column @ z[span]
        rows, cols = self.order[self.indices], self.order[self._columns]
        off = rows != cols
        return sp.csr_matrix(
            (
                np.concatenate([z, z[off]]),
                (np.concatenate([rows, cols[off]]), np.concatenate([cols, rows[off]])),
            ),
            shape=(self.m, self.m),
        )

    def _values(self, lower: Any) -> FloatArray:
        """L's entries on the analysed pattern (a factor may leave out exact zeros)."""
        if lower.nnz == len(self._keys):
            return np.asarray(lower.data)
        values = np.zeros(len(self._keys))
        values[np.searchsorted(self._keys, _keys(lower))] = lower.data
        return values


def _keys(matrix: Any) -> IntArray:
    """column·m + row of every entry of a CSC matrix with sorted rows: a sorted array."""
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    return np.asarray(columns * matrix.shape[0] + matrix.indices, dtype=np.intp)
