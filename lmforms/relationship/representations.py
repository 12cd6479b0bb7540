"""Representations of a covariance, one class each: dense, sparse, a root, a precision.

These classes check nothing: :mod:`.check` makes them from a user's matrix, and other modules from
matrices that are covariances by construction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from .matrix_roots import Sparse, Triangle, dense_root, sparse_root


class Representation(ABC):
    """One covariance K of q levels, in one representation."""

    name: str
    """For messages."""

    @property
    @abstractmethod
    def q(self) -> int:
        """Number of levels."""

    @abstractmethod
    def root(self) -> FloatArray | Sparse:
        """L (q, r) with LL' = K and r the rank of K."""

    def root_operator(self) -> tuple[int, Callable[[FloatArray], FloatArray]]:
        """Number of columns r of a root L of K, and the function from x (r, c) to Lx (q, c)."""
        root = self.root()
        return int(root.shape[1]), lambda x: np.asarray(root @ x)

    @abstractmethod
    def dense(self) -> FloatArray:
        """K (q, q)."""

    @abstractmethod
    def mean_variance(self) -> float:
        """Mean of K's diagonal, or about that."""

    @abstractmethod
    def marginal(self, at: IndexArray) -> Representation:
        """The covariance of the levels at these positions, in this order."""

    @abstractmethod
    def arranged(self, at: IndexArray) -> Representation:
        """The representation for a model with the levels `at`, these in front."""

    @property
    @abstractmethod
    def given(self) -> FloatArray | Sparse:
        """The matrix of the representation: K, its root or its precision."""

    @property
    def keeps_all_levels(self) -> bool:
        """Whether :meth:`arranged` keeps levels that are not asked for, behind the others."""
        return False

    @property
    def given_root(self) -> FloatArray | None:
        """L (q, r) as the user gave it, if K was given by a root."""
        return None


@dataclass(frozen=True, eq=False)
class DenseMatrix(Representation):
    """K itself (q, q)."""

    K: FloatArray
    name = "dense"

    @property
    def given(self) -> FloatArray:
        return self.K

    @property
    def q(self) -> int:
        return len(self.K)

    def root(self) -> FloatArray:
        return dense_root(self.K)

    def dense(self) -> FloatArray:
        return self.K.copy()

    def mean_variance(self) -> float:
        return float(np.mean(np.diagonal(self.K)))

    def marginal(self, at: IndexArray) -> DenseMatrix:
        return DenseMatrix(self.K[np.ix_(at, at)])

    arranged = marginal


@dataclass(frozen=True, eq=False)
class SparseMatrix(Representation):
    """K itself (q, q), with few entries."""

    K: Sparse
    name = "sparse"

    @property
    def given(self) -> Sparse:
        return self.K

    @property
    def q(self) -> int:
        return int(self.K.shape[0])

    def root(self) -> Sparse:
        return sparse_root(self.K)

    def dense(self) -> FloatArray:
        return np.asarray(self.K.toarray())

    def mean_variance(self) -> float:
        return float(np.mean(self.K.diagonal()))

    def marginal(self, at: IndexArray) -> SparseMatrix:
        return SparseMatrix(self.K.tocsr()[at].tocsc()[:, at])

    arranged = marginal


@dataclass(frozen=True, eq=False)
class LowRank(Representation):
    """K = `factor` · `factor`' of (q, r), as it was given."""

    factor: FloatArray
    name = "root"

    @property
    def given(self) -> FloatArray:
        return self.factor

    @property
    def q(self) -> int:
        return len(self.factor)

    @property
    def given_root(self) -> FloatArray:
        return self.factor

    def root(self) -> FloatArray:
        q, r = self.factor.shape
        if r == 0 or q == 0:
            return self.factor[:, :0].copy()
        square = _square_root(self.factor) if r > q else self.factor
        u, s, _ = np.linalg.svd(square, full_matrices=False)
        keep = s > max(q, r) * np.finfo(np.float64).eps * s[0]
        return self.factor.copy() if keep.sum() == r else np.asarray(u[:, keep] * s[keep])

    def dense(self) -> FloatArray:
        return np.asarray(self.factor @ self.factor.T)

    def mean_variance(self) -> float:
        return float(np.square(self.factor).sum() / self.q)

    def marginal(self, at: IndexArray) -> LowRank:
        return LowRank(self.factor[at])

    arranged = marginal


def _square_root(factor: FloatArray) -> FloatArray:
    """T (q, q) with TT' = LL' for a wide L (q, r), more markers than individuals, in blocks."""
    q, r = factor.shape
    upper: FloatArray = np.empty((0, q))
    for start in range(0, r, 2 * q):
        block = factor[:, start : start + 2 * q].T
        upper = np.asarray(np.linalg.qr(np.vstack([upper, block]), mode="r"), dtype=np.float64)
    return np.asarray(upper.T)


@dataclass(frozen=True, eq=False)
class Precision(Representation):
    """K⁻¹ = `matrix`, sparse, with a triangle that factors it.

    Attributes
    ----------
    matrix : sparse (q, q)
        Q = K⁻¹.
    triangle : sparse (q, q)
        Lower triangular W with Q[order][:, order] = W'W, so that ln|K| = −2 Σ ln Wᵢᵢ.
    order : ndarray of int (q,)
    """

    matrix: Sparse
    triangle: Sparse
    order: IndexArray
    name = "sparse precision"

    @property
    def given(self) -> Sparse:
        return self.matrix

    @property
    def q(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def keeps_all_levels(self) -> bool:
        return True

    @cached_property
    def _triangle(self) -> Triangle:
        return Triangle(self.triangle)

    @property
    def log_det(self) -> float:
        """ln|Q|."""
        return 2.0 * float(np.log(np.abs(self.triangle.diagonal())).sum())

    def solve(self, x: FloatArray) -> FloatArray:
        """Q⁻¹x for x of shape (q, r)."""
        out = np.empty(x.shape)
        out[self.order] = self._triangle.solve(self._triangle.solve_transposed(x[self.order]))
        return out

    def root(self) -> FloatArray:
        out = np.empty((self.q, self.q))
        out[self.order] = self._triangle.solve(np.eye(self.q))
        return out

    def root_operator(self) -> tuple[int, Callable[[FloatArray], FloatArray]]:
        def times(x: FloatArray) -> FloatArray:
            out = np.empty(x.shape)
            out[self.order] = self._triangle.solve(x)
            return out

        return self.q, times

    def dense(self) -> FloatArray:
        root = self.root()
        return np.asarray(root @ root.T)

    def mean_variance(self) -> float:
        """From a few draws, as all variances would cost the inverse."""
        draws = np.random.default_rng(0).normal(size=(self.q, 4))
        return float(np.square(self._triangle.solve(draws)).mean())

    def marginal(self, at: IndexArray) -> DenseMatrix:
        # leaving levels out fills the inverse; K[at, at] = R'R with R = W⁻ᵀE
        picks = np.zeros((self.q, len(at)))
        picks[np.argsort(self.order)[at], np.arange(len(at))] = 1.0
        half = self._triangle.solve_transposed(picks)
        return DenseMatrix(half.T @ half)

    def arranged(self, at: IndexArray) -> Precision:
        new_place = np.argsort(at)
        matrix = self.matrix.tocsr()[at].tocsc()[:, at]
        return Precision(matrix, self.triangle, new_place[self.order])
