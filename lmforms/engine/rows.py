"""The arrays of a model by rows, from which cross-products are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..residual import Residual
from ..support.arrays import BoolArray, FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class FactorRows:
    """Rows of Z for one grouping factor, as codes and basis.

    Row i of Z holds ``basis[i]`` in the k columns of level ``codes[i]``.

    Attributes
    ----------
    codes : ndarray of int (n,)
    n_levels : int
    basis : ndarray (n, k)
    """

    codes: IndexArray
    n_levels: int
    basis: FloatArray

    @property
    def k(self) -> int:
        """Random effects per level."""
        return self.basis.shape[1]

    def matrix(self, basis: FloatArray | None = None) -> Any:
        """Z, or Z with another basis (n, k'), as a sparse matrix (n, levels × k')."""
        from scipy.sparse import csr_matrix

        basis = self.basis if basis is None else basis
        n, k = basis.shape
        columns = self.codes[:, None] * k + np.arange(k)
        indptr = k * np.arange(n + 1)
        return csr_matrix((basis.ravel(), columns.ravel(), indptr), shape=(n, self.n_levels * k))

    def subset(self, rows: slice | BoolArray) -> FactorRows:
        """Some of the rows, with the levels of all."""
        return FactorRows(self.codes[rows], self.n_levels, self.basis[rows])


@dataclass(frozen=True, eq=False)
class MatrixRows:
    """Rows of any Z, as a sparse matrix: several levels may have entries in one row.

    Attributes
    ----------
    Z : sparse (n, levels × k)
        Column l k + a holds effect a of level l.
    k : int
        Random effects per level.
    """

    Z: Any
    k: int = 1

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return int(self.Z.shape[1]) // self.k

    def matrix(self) -> Any:
        """Z."""
        return self.Z

    def subset(self, rows: slice | BoolArray) -> MatrixRows:
        """Some of the rows, with the levels of all."""
        return MatrixRows(self.Z[rows], self.k)


RandomRows = FactorRows | MatrixRows
"""Rows of Z for one grouping factor."""


@dataclass(frozen=True, eq=False)
class ModelRows:
    """y, X and Z of some rows, with the structure of their residuals.

    Attributes
    ----------
    y : ndarray (n,)
        Response less offset.
    X : ndarray (n, p)
        Fixed-effects columns of full rank.
    factors : tuple of FactorRows or MatrixRows
        One per grouping factor.
    residual : Residual
    size : float
        Largest absolute value of what y was computed from (response, offset), if above y's own.
    """

    y: FloatArray
    X: FloatArray
    factors: tuple[RandomRows, ...]
    residual: Residual
    size: float = 0.0

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def level_factors(self) -> tuple[FactorRows, ...]:
        """The factors of rows that each belong to one level."""
        for f in self.factors:
            if not isinstance(f, FactorRows):
                raise TypeError("rows that belong to several levels have no codes and basis.")
        return self.factors  # type: ignore[return-value]

    @property
    def by_level(self) -> bool:
        """Whether each whitened row of Z belongs to one level of every grouping factor."""
        for f in self.factors:
            if not isinstance(f, FactorRows) or not self.residual.is_within(f.codes):
                return False
        return True

    def subset(self, rows: slice | BoolArray) -> ModelRows:
        """Some of the rows, with the levels of all."""
        return ModelRows(
            y=self.y[rows],
            X=self.X[rows],
            factors=tuple(f.subset(rows) for f in self.factors),
            residual=self.residual.subset(rows),
            size=self.size,
        )
