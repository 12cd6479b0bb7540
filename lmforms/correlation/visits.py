"""Correlations between numbered visits.

Compound symmetry, unstructured, one per lag (Toeplitz), and antedependence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..support.arrays import BoolArray, FloatArray, IndexArray
from .base import BoundedCorrelation, Correlation
from .parameter_maps import (
    at_unit,
    autocorrelations_to_partial,
    partial_to_autocorrelations,
    unbounded,
)


@dataclass(frozen=True)
class CompoundSymmetry(BoundedCorrelation):
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
    def is_linear(self) -> bool:
        return True

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        return np.broadcast_to(self.natural(phi)[0], np.broadcast_shapes(a.shape, b.shape)[:-1])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return np.array([-1.0 / (self.k - 1.0)]), np.array([1.0])

    def starts(self) -> list[FloatArray]:
        low = self.bounds()[0]
        return [self.parameters(np.array([rho])) for rho in (0.3, 0.8, 0.5 * low[0])]


@lru_cache(maxsize=64)
def below_diagonal(k: int) -> tuple[IndexArray, IndexArray]:
    """Rows and columns of the entries below the diagonal, which every evaluation asks for."""
    return np.tril_indices(k, -1)


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

    def full_matrix(self, phi: Any) -> Any:
        """The correlation matrix (k, k) of all points."""
        phi = np.asarray(phi)
        root = np.eye(self.k, dtype=np.result_type(phi.dtype, np.float64))
        root[below_diagonal(self.k)] = phi
        root = root / np.sqrt(np.square(root).sum(axis=1))[:, None]
        return root @ root.T

    @property
    def is_linear(self) -> bool:
        return True

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        return _entries(self.full_matrix(phi), a, b)

    def natural(self, phi: Any) -> Any:
        return self.full_matrix(phi)[below_diagonal(self.k)]

    def parameters(self, natural: FloatArray) -> FloatArray:
        table = np.eye(self.k)
        table[below_diagonal(self.k)] = natural
        root = np.linalg.cholesky(table + np.tril(table, -1).T)
        return np.asarray((root / root.diagonal()[:, None])[below_diagonal(self.k)])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        ones = np.ones(self.n_parameters)
        return -ones, ones

    def starts(self) -> list[FloatArray]:
        lags = np.abs(np.subtract.outer(np.arange(self.k), np.arange(self.k)))
        tables = [np.where(lags, 0.3, 1.0), 0.7**lags, (-0.5) ** lags]
        starts = [self.parameters(table[below_diagonal(self.k)]) for table in tables]
        return [starts[0], np.zeros(self.n_parameters), *starts[1:]]

    def ends_reached(self, phi: FloatArray) -> BoolArray:
        """None: a correlation of ±1 takes infinite φ."""
        return np.zeros(self.n_parameters, dtype=bool)


@dataclass(frozen=True)
class Toeplitz(Correlation):
    """A correlation for each lag between k consecutive visits, |i − j| = 1 … k − 1.

    φ are arcsines of partial autocorrelations, so that any φ gives a valid matrix [1]_.

    Parameters
    ----------
    k : int
        Number of visits. A point is its number, 0 … k − 1.

    References
    ----------
    .. [1] Barndorff-Nielsen, Schou (1973), *On the parametrization of autoregressive models by
       partial autocorrelations*, J. Multivariate Analysis 3(4), section 2.

    Examples
    --------
    >>> toep = Toeplitz(3)
    >>> toep.matrix(toep.parameters([0.5, 0.1]), np.arange(3.0)[:, None]).round(12)
    array([[1. , 0.5, 0.1],
           [0.5, 1. , 0.5],
           [0.1, 0.5, 1. ]])
    """

    k: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"rho[{lag}]" for lag in range(1, self.k))

    @property
    def n_parameters(self) -> int:
        return self.k - 1

    @property
    def is_linear(self) -> bool:
        return True

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        lags = np.abs(a[..., 0] - b[..., 0]).astype(np.intp)
        return np.concatenate([[1.0], self.natural(phi)])[lags]

    def natural(self, phi: Any) -> Any:
        """Correlations at lags 1 … k − 1."""
        return partial_to_autocorrelations(np.sin(np.asarray(phi)))

    def parameters(self, natural: FloatArray) -> FloatArray:
        acf = np.asarray(natural, dtype=np.float64)
        return unbounded(autocorrelations_to_partial(acf), -1.0, 1.0)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        ones = np.ones(self.k - 1)
        return -ones, ones

    def starts(self) -> list[FloatArray]:
        lags = np.arange(1.0, self.k)
        acfs = [0.3 + 0.0 * lags, 0.7**lags, 0.3**lags, (-0.3) ** lags]
        return [self.parameters(acf) for acf in acfs]

    def at_bound(self, phi: FloatArray) -> BoolArray:
        """Lags whose correlation is as far as the correlations at shorter lags let it be."""
        return at_unit(np.sin(phi))


@dataclass(frozen=True)
class Antedependence(BoundedCorrelation):
    """A correlation for each two neighbouring visits; that of others is the product in between.

    Antedependence of order one: AR(1) whose correlation changes from visit to visit.

    Parameters
    ----------
    k : int
        Number of visits. A point is its number, 0 … k − 1.

    References
    ----------
    Gabriel (1962), *Ante-dependence analysis of an ordered set of variables*, Annals of
    Mathematical Statistics 33(1).

    Examples
    --------
    >>> ante = Antedependence(3)
    >>> ante.matrix(ante.parameters([0.5, 0.8]), np.arange(3.0)[:, None]).round(12)
    array([[1. , 0.5, 0.4],
           [0.5, 1. , 0.8],
           [0.4, 0.8, 1. ]])
    """

    k: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"rho[{i},{i + 1}]" for i in range(1, self.k))

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        rho = self.natural(phi)
        table = np.eye(self.k, dtype=rho.dtype)
        for j in range(1, self.k):
            table[:j, j] = table[j, :j] = table[:j, j - 1] * rho[j - 1]
        return _entries(table, a, b)

    def starts(self) -> list[FloatArray]:
        return [self.parameters(np.full(self.k - 1, rho)) for rho in (0.5, 0.8, 0.1, -0.3)]

    @property
    def is_chain(self) -> bool:
        return True

    def innovation(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        phi = np.asarray(phi)
        kept, new = np.square(np.sin(phi)), np.square(np.cos(phi))  # ρ² and 1 − ρ²
        table = np.zeros((self.k, self.k), dtype=kept.dtype)
        for j in range(1, self.k):  # 1 − r²ρ² = (1 − ρ²) + ρ²(1 − r²), a sum of positive numbers
            table[:j, j] = table[j, :j] = new[j - 1] + kept[j - 1] * table[:j, j - 1]
        return _entries(table, a, b)


def _entries(table: Any, a: FloatArray, b: FloatArray) -> Any:
    return table[a[..., 0].astype(np.intp), b[..., 0].astype(np.intp)]
