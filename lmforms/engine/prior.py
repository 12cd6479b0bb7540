"""Covariance K of the levels of a grouping factor, as the engine uses it.

Random effects are b = Λu with Λ = I ⊗ λ and Var(u) = σ²K ⊗ I. The engine needs Q = K⁻¹ in
A = Λ'Z'ZΛ + Q ⊗ I, ln|Q|, and products with Q and K.

A K that is given by a root, K = LL', needs no inverse: with u = (L ⊗ I)v the r columns of L are
independent levels, and ZL takes the place of Z. Cross-products are projected once
(:func:`lmforms.engine.sums.matrix_products.projected`); in these coordinates Q = I.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..support.arrays import FloatArray
from .linalg.sparse_cholesky import cholesky_of

FULL_SHARE = 0.3
"""A precision with this share of its entries is factored as a dense matrix."""

MOST_DENSE_LEVELS = 300
"""So is one of up to this many levels."""


class Prior(Protocol):
    """What the engine needs of K = Q⁻¹, for q levels or for r coordinates of them."""

    @property
    def root(self) -> Any:
        """L (q, r), dense or sparse, if the engine's levels are its columns; else None."""

    @property
    def is_identity(self) -> bool:
        """Whether the levels are independent, K = I."""

    @property
    def has_unit_precision(self) -> bool:
        """Whether Q = I: so for independent levels, and in the coordinates of a root."""

    @property
    def log_det(self) -> float:
        """ln|Q|."""

    @property
    def size(self) -> float:
        """Variance of a level, K's mean diagonal or about that."""

    def normalised(self) -> Prior:
        """The prior of K/size."""

    def precision(self, q: int) -> Any:
        """Q as a CSC matrix (q, q)."""

    def precision_times(self, x: FloatArray) -> FloatArray:
        """(Q ⊗ I)x for x of shape (q, k, r)."""

    def covariance_times(self, x: FloatArray) -> FloatArray:
        """(K ⊗ I)x for x of shape (q, k, r)."""


@dataclass(frozen=True)
class Identity:
    """Independent levels, K = I."""

    is_identity = True
    has_unit_precision = True
    log_det = 0.0
    size = 1.0
    root = None

    def normalised(self) -> Prior:
        return self

    def precision(self, q: int) -> Any:
        import scipy.sparse as sp

        return sp.identity(q, format="csc")

    def precision_times(self, x: FloatArray) -> FloatArray:
        return x

    def covariance_times(self, x: FloatArray) -> FloatArray:
        return x


@dataclass(frozen=True, eq=False)
class Root(Identity):
    """Levels whose covariance is K = LL', of any rank r: independent coordinates of them.

    Parameters
    ----------
    root : ndarray or sparse (q, r)
        L.
    size : float
        Variance of a level, K's mean diagonal.
    """

    root: Any
    size: float = 1.0
    is_identity = False

    def normalised(self) -> Root:
        return Root(self.root / np.sqrt(self.size), 1.0)


class FactoredPrecision(Protocol):
    """A factored Q."""

    @property
    def log_det(self) -> float:
        """ln|Q|."""

    def solve(self, x: FloatArray) -> FloatArray:
        """Q⁻¹x for x of shape (q, r)."""


@dataclass(frozen=True, eq=False)
class Precision:
    """Levels with a sparse positive definite precision Q.

    Parameters
    ----------
    matrix : sparse (q, q)
        Q.
    size : float
        Variance of a level, K's mean diagonal or about that.
    given : FactoredPrecision, optional
        Q/c, factored; Q is factored when needed without one.
    multiple : float
        c.
    """

    matrix: Any
    size: float = 1.0
    given: FactoredPrecision | None = None
    multiple: float = 1.0
    is_identity = False
    has_unit_precision = False
    root = None

    def normalised(self) -> Precision:
        return Precision(self.matrix * self.size, 1.0, self.given, self.multiple * self.size)

    @cached_property
    def _factored(self) -> FactoredPrecision:
        if self.given is not None:
            return self.given
        from .factor.schur import DenseFactored

        q = self.matrix.shape[0]
        divided = self.matrix / self.multiple
        if q <= MOST_DENSE_LEVELS or self.matrix.nnz > FULL_SHARE * q**2:
            return DenseFactored(divided.toarray())
        factored: FactoredPrecision = cholesky_of(divided)[1]
        return factored

    @property
    def log_det(self) -> float:
        return float(self._factored.log_det + self.matrix.shape[0] * np.log(self.multiple))

    def precision(self, q: int) -> Any:
        return self.matrix.tocsc()

    def precision_times(self, x: FloatArray) -> FloatArray:
        return np.asarray(self.matrix @ x.reshape(len(x), -1)).reshape(x.shape)

    def covariance_times(self, x: FloatArray) -> FloatArray:
        found = self._factored.solve(x.reshape(len(x), -1)).reshape(x.shape)
        return np.asarray(found / self.multiple)
