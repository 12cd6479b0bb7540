"""Correlations between numbered visits: compound symmetry and unstructured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import FloatArray
from .base import Correlation
from .parameters import bounded, unbounded


@dataclass(frozen=True)
class CompoundSymmetry(Correlation):
    """One correlation ρ between any two of up to k points, −1/(k − 1) < ρ < 1.

    Parameters
    ----------
    k : int
        Most points that are correlated with each other, at least two.

    Examples
    --------
    >>> cs = CompoundSymmetry(3)
    >>> cs.matrix(cs.parameters([-0.25]), np.arange(2.0)[:, None])
    array([[ 1.  , -0.25],
           [-0.25,  1.  ]])
    """

    k: int

    @property
    def names(self) -> tuple[str, ...]:
        return ("rho",)

    @property
    def n_parameters(self) -> int:
        return 1

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        return np.broadcast_to(self.natural(phi)[0], np.broadcast_shapes(a.shape, b.shape)[:-1])

    def natural(self, phi: Any) -> Any:
        low, high = self.bounds()
        return bounded(np.asarray(phi), low, high)

    def parameters(self, natural: FloatArray) -> FloatArray:
        low, high = self.bounds()
        return unbounded(np.asarray(natural, dtype=np.float64), low, high)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return np.array([-1.0 / (self.k - 1.0)]), np.array([1.0])

    def starts(self) -> list[FloatArray]:
        low = self.bounds()[0]
        return [self.parameters(np.array([rho])) for rho in (0.3, 0.8, 0.5 * low[0])]


@dataclass(frozen=True)
class UnstructuredCorrelation(Correlation):
    """A correlation of its own for every pair of k numbered points.

    Row i of a lower-triangular root is (φ_i1, …, φ_i,i−1, 1) divided by its length, so that any φ
    gives a positive definite correlation matrix.

    Parameters
    ----------
    k : int
        Number of points. A point is its number, 0 … k − 1.

    Examples
    --------
    >>> free = UnstructuredCorrelation(2)
    >>> free.matrix(free.parameters([0.5]), np.arange(2.0)[:, None])
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    k: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"rho[{j + 1},{i + 1}]" for i in range(self.k) for j in range(i))

    @property
    def n_parameters(self) -> int:
        return self.k * (self.k - 1) // 2

    def table(self, phi: Any) -> Any:
        """The correlation matrix (k, k) of all points."""
        phi = np.asarray(phi)
        root = np.eye(self.k, dtype=np.result_type(phi.dtype, np.float64))
        root[np.tril_indices(self.k, -1)] = phi
        root = root / np.sqrt(np.square(root).sum(axis=1))[:, None]
        return root @ root.T

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        return self.table(phi)[a[..., 0].astype(np.intp), b[..., 0].astype(np.intp)]

    def natural(self, phi: Any) -> Any:
        return self.table(phi)[np.tril_indices(self.k, -1)]

    def parameters(self, natural: FloatArray) -> FloatArray:
        table = np.eye(self.k)
        table[np.tril_indices(self.k, -1)] = natural
        root = np.linalg.cholesky(table + np.tril(table, -1).T)
        return np.asarray((root / root.diagonal()[:, None])[np.tril_indices(self.k, -1)])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        ones = np.ones(self.n_parameters)
        return -ones, ones

    def starts(self) -> list[FloatArray]:
        even = np.full(self.n_parameters, 0.3)
        return [self.parameters(even), np.zeros(self.n_parameters)]
