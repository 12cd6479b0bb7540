"""The mixed-model equations at given variance ratios, factored.

With γ_i = σ_i²/σ² and D = diag(√γ) over the effects, b = D⁻¹a has the equations

    M = D Z'Z D + Q,        M b = D Z'(y − Xβ),        a = D b,

which hold at γ = 0 too, and ln|V/σ²| = ln|M| − ln|Q|, for V/σ² = I + ZD Q⁻¹ DZ'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..control import DEFAULT_MEMORY
from ..engine.linalg.elimination import inverse_order
from ..engine.linalg.sparse_cholesky import FACTOR_BYTES, SparseCholesky
from ..errors import MemoryLimitError, NumericalError
from ..support.arrays import FloatArray
from .sums import Sums

ALWAYS_DENSE_EFFECTS = 300
"""Up to this many effects a dense factor is faster than a sparse one."""

DENSE_FILL = 0.4
"""A sparse factor with more than this share of its triangle filled is slower than a dense one."""

MOST_DENSE_EFFECTS = 6_000
"""With more effects than this a sparse factor is used however much of it is filled."""


class Equations:
    """The analysed pattern of M.

    Parameters
    ----------
    sums : Sums
    memory : float
        Bytes that a factor may take.
    """

    def __init__(self, sums: Sums, memory: float = DEFAULT_MEMORY) -> None:
        self.sums = sums
        self._memory = memory
        self._sparse = None
        if sums.is_sparse and sums.m > ALWAYS_DENSE_EFFECTS:
            self._sparse = self._sparse_form()
        if self._sparse is None and 16.0 * sums.m**2 > memory:
            raise MemoryLimitError(
                f"{sums.m:,} random effects whose equations are dense need "
                f"{16.0 * sums.m**2 / 2**30:.2g} GiB, more than the {memory / 2**30:.2g} GiB of "
                "`memory`: raise it, or use a sparse precision (Pedigree.as_relationship()) or a "
                "low-rank root."
            )

    def _sparse_form(self) -> _SparseForm | None:
        """Nothing where a dense factor is better.

        Raises
        ------
        MemoryLimitError
            The sparse factor does not fit, and the dense one would be larger.
        """
        m, most = self.sums.m, self._memory / FACTOR_BYTES
        form = _SparseForm(self.sums, most)
        nnz = form.cholesky.nnz
        if m <= MOST_DENSE_EFFECTS and nnz > min(DENSE_FILL * 0.5 * m**2, most):
            return None
        if nnz > most:
            raise MemoryLimitError(
                f"the sparse factor of the equations of {m:,} random effects would have more than "
                f"{most:,.0f} entries, all that fit into the {self._memory / 2**30:.2g} GiB of "
                "`memory`: raise it, or use fewer levels."
            )
        return form

    @property
    def is_sparse(self) -> bool:
        """Whether M is factored as a sparse matrix."""
        return self._sparse is not None

    @property
    def largest(self) -> int:
        """Size of the largest dense block that LAPACK and BLAS work on."""
        return self.sums.m if self._sparse is None else int(self._sparse.cholesky.counts.max())

    @property
    def nonzeros(self) -> int:
        """Entries of the factor."""
        m = self.sums.m
        return m * (m + 1) // 2 if self._sparse is None else self._sparse.cholesky.nnz

    @cached_property
    def dense_zz(self) -> FloatArray:
        """Z'Z, dense."""
        zz = self.sums.zz
        return zz if isinstance(zz, np.ndarray) else np.asarray(zz.toarray())

    @cached_property
    def dense_precision(self) -> FloatArray:
        """Q, dense."""
        return np.asarray(self.sums.precision.toarray())

    def spread(self, ratios: FloatArray) -> FloatArray:
        """√γ for each effect, (m,)."""
        out = np.empty(self.sums.m)
        for s, ratio in zip(self.sums.spans, ratios, strict=True):
            out[s] = np.sqrt(ratio)
        return out

    def factor(self, ratios: FloatArray) -> FactoredEquations:
        """M at these ratios.

        Raises
        ------
        NumericalError
            M is not positive definite: a ratio is negative or not finite.
        """
        if not (np.isfinite(ratios).all() and (ratios >= 0).all()):
            raise NumericalError(f"variance ratios must be finite and not negative: {ratios}.")
        d = self.spread(ratios)
        if self._sparse is not None:
            return _Sparse(self, d, self._sparse.cholesky.factor(self._sparse.values(d)))
        from scipy.linalg import lapack

        m = d[:, None] * self.dense_zz * d + self.dense_precision
        lower, info = lapack.dpotrf(m, lower=1)
        if info:
            raise NumericalError("the mixed-model equations are not positive definite.")
        return _Dense(self, d, lower)


@dataclass(frozen=True, eq=False)
class FactoredEquations(ABC):
    """M, factored: solves, its determinant and traces of its inverse."""

    equations: Equations
    spread: FloatArray

    @property
    @abstractmethod
    def log_det(self) -> float:
        """ln|M|."""

    @abstractmethod
    def solve(self, rhs: FloatArray) -> FloatArray:
        """M⁻¹ rhs."""

    @abstractmethod
    def traces(self) -> FloatArray:
        """tr(Q_i (M⁻¹)_ii) for each component."""

    @abstractmethod
    def inverse_diagonal(self) -> FloatArray:
        """Diagonal of M⁻¹, (m,)."""

    def inverse(self) -> FloatArray:
        """M⁻¹, dense."""
        if 8.0 * self.equations.sums.m**2 > self.equations._memory:
            raise MemoryLimitError(
                f"the inverse of the equations of {self.equations.sums.m:,} effects is dense and "
                "does not fit into `memory`: use method='ai' or 'em', which do not need it."
            )
        return self.solve(np.eye(self.equations.sums.m))

    def precision_times(self, x: FloatArray) -> FloatArray:
        """Qx."""
        return np.asarray(self.equations.sums.precision @ x)


@dataclass(frozen=True, eq=False)
class _Dense(FactoredEquations):
    lower: FloatArray

    @property
    def log_det(self) -> float:
        return 2.0 * float(np.log(np.diagonal(self.lower)).sum())

    def solve(self, rhs: FloatArray) -> FloatArray:
        from scipy.linalg import cho_solve

        if rhs.size == 0:  # older LAPACK wrappers refuse empty arrays
            return rhs.copy()
        return np.asarray(cho_solve((self.lower, True), rhs, check_finite=False))

    @cached_property
    def _inverse(self) -> FloatArray:
        from scipy.linalg import lapack

        if not self.lower.size:  # LAPACK prints a complaint
            return self.lower

        inverse, info = lapack.dpotri(self.lower, lower=1)
        if info:
            raise NumericalError("the mixed-model equations are singular.")
        lower = np.tril(inverse)
        return np.asarray(lower + np.tril(lower, -1).T)

    def inverse(self) -> FloatArray:
        return self._inverse

    def inverse_diagonal(self) -> FloatArray:
        return np.diagonal(self._inverse)

    def traces(self) -> FloatArray:
        q = self.equations.sums.precision.tocsc()
        out = []
        for s in self.equations.sums.spans:
            block = q[s, s].tocoo()
            own = self._inverse[s, s]
            out.append(float(block.data @ own[block.row, block.col]))
        return np.array(out)


@dataclass(frozen=True, eq=False)
class _Sparse(FactoredEquations):
    factored: Any

    @property
    def log_det(self) -> float:
        return float(self.factored.log_det)

    def solve(self, rhs: FloatArray) -> FloatArray:
        return np.asarray(self.factored.solve(rhs))

    @cached_property
    def _selected(self) -> FloatArray:
        return np.asarray(self.factored.inverse())

    def inverse_diagonal(self) -> FloatArray:
        form = self.equations._sparse
        assert form is not None
        starts = form.cholesky.pattern.indptr[:-1]
        return np.asarray(self._selected[starts][form.place])

    def traces(self) -> FloatArray:
        form = self.equations._sparse
        assert form is not None
        terms = form.precision * form.twice * self._selected[form.cholesky.where]
        starts = [s.start for s in self.equations.sums.spans]
        component = np.searchsorted(starts, form.cols, side="right") - 1
        return np.asarray(np.bincount(component, terms, len(starts)))


class _SparseForm:
    """M on the lower triangle of the pattern of Z'Z and Q."""

    def __init__(self, sums: Sums, most: float) -> None:
        import scipy.sparse as sp

        zz, q = (sp.tril(x, format="coo") for x in (sums.zz, sums.precision))
        m = sums.m
        rows = np.concatenate([zz.row, q.row, np.arange(m)]).astype(np.int64)
        cols = np.concatenate([zz.col, q.col, np.arange(m)]).astype(np.int64)
        keys, at = np.unique(cols * m + rows, return_inverse=True)
        self.rows, self.cols = keys % m, keys // m
        count = len(keys)
        self._zz = np.bincount(at[: zz.nnz], zz.data, count)
        self.precision = np.bincount(at[zz.nnz : zz.nnz + q.nnz], q.data, count)
        indptr = np.searchsorted(self.cols, np.arange(m + 1))
        self.cholesky = SparseCholesky(indptr, self.rows, most=most)
        self.place = inverse_order(self.cholesky.order)
        self.twice = np.where(self.rows == self.cols, 1.0, 2.0)

    def values(self, d: FloatArray) -> FloatArray:
        """M's numbers on the pattern."""
        return self._zz * d[self.rows] * d[self.cols] + self.precision
