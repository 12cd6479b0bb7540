"""The numbers of a model row by row: what design makes and cross-products sum up."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class ModelRows:
    """y, X and Z of some rows, with the structure of their residuals.

    Attributes
    ----------
    y : ndarray (n,)
        Response less offset.
    X : ndarray (n, p)
        Fixed-effects columns of full rank.
    factors : tuple of FactorRows
        One per grouping factor.
    residual : Residual
    size : float
        Largest absolute value of what y was made of (response, offset), if above y's own.
    """

    y: FloatArray
    X: FloatArray
    factors: tuple[FactorRows, ...]
    residual: Residual
    size: float = 0.0

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    def subset(self, rows: slice | BoolArray) -> ModelRows:
        """Some of the rows, with the levels of all."""
        return ModelRows(
            y=self.y[rows],
            X=self.X[rows],
            factors=tuple(
                FactorRows(f.codes[rows], f.n_levels, f.basis[rows]) for f in self.factors
            ),
            residual=self.residual.subset(rows),
            size=self.size,
        )
