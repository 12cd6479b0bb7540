"""Covariance structures by the name they have in a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..correlation import (
    CompoundSymmetry,
    Correlation,
    Exponential,
    FirstOrder,
    Gaussian,
    Matern,
    MovingAverage,
    Product,
    Toeplitz,
    UnstructuredCorrelation,
)
from ..support.arrays import FloatArray, IndexArray
from .base import Covariance
from .diagonal import Diagonal
from .loadings import FactorAnalytic, ReducedRank
from .structured import Structured
from .unstructured import Unstructured

Effects = Literal["any", "levels", "series", "places"]

MakeCorrelation = Callable[[FloatArray, int | None], Correlation]


@dataclass(frozen=True)
class StructureKind:
    """A structure of the random effects of a term.

    Attributes
    ----------
    name : str
    effects : {"any", "levels", "series", "places"}
        What the random effects have to be: any columns, the levels of one factor in their order,
        levels at equal distances, or points with coordinates.
    heterogeneous : bool
        Whether each effect has a variance of its own.
    correlation : callable, optional
        Makes the correlation function from points (k, d) and the number after the comma.
    argument : str
        Name of the number after the comma; empty if there is none.
    default : int, optional
        The number where none is given; None if one is needed.
    """

    name: str
    effects: Effects
    heterogeneous: bool
    correlation: MakeCorrelation | None = None
    argument: str = ""
    default: int | None = None

    def make(
        self, points: FloatArray, number: int | None = None, labels: tuple[str, ...] = ()
    ) -> Covariance:
        """The structure of random effects at points (k, d), called `labels`."""
        k = len(points)
        if self.name == "us":
            return Unstructured(k)
        if self.name == "diag":
            return Diagonal(k)
        if self.name == "rr":
            return ReducedRank(k, number or 1, labels)
        if self.name == "fa":
            return FactorAnalytic(k, number or 1, labels)
        correlation = None if self.correlation is None else self.correlation(points, number)
        if not self.heterogeneous:
            return Structured.of(correlation, points)
        return Structured.of(correlation, points, np.arange(k), labels)


def _first_order(points: FloatArray, number: int | None) -> Correlation:
    return FirstOrder()


def _compound_symmetry(points: FloatArray, number: int | None) -> Correlation:
    return CompoundSymmetry(len(np.unique(points, axis=0)))


def _toeplitz(points: FloatArray, number: int | None) -> Correlation:
    return Toeplitz(int(points.max()) + 1)


def _moving_average(points: FloatArray, number: int | None) -> Correlation:
    return MovingAverage(number or 1)


def _unstructured(points: FloatArray, number: int | None) -> Correlation:
    return UnstructuredCorrelation(int(points.max()) + 1)


def _exponential(points: FloatArray, number: int | None) -> Correlation:
    return Exponential.of_points(points, axes=_axes(points))


def _gaussian(points: FloatArray, number: int | None) -> Correlation:
    return Gaussian.of_points(points, axes=_axes(points))


def _matern(points: FloatArray, number: int | None) -> Correlation:
    return Matern.of_points(points, axes=_axes(points))


def _axes(points: FloatArray) -> tuple[str, ...]:
    return tuple(f"x{j + 1}" for j in range(points.shape[1]))


_KINDS = (
    StructureKind("us", "any", True, _unstructured),
    StructureKind("diag", "any", True),
    StructureKind("homdiag", "any", False),
    StructureKind("cs", "any", False, _compound_symmetry),
    StructureKind("hcs", "any", True, _compound_symmetry),
    StructureKind("ar1", "series", False, _first_order),
    StructureKind("har1", "series", True, _first_order),
    StructureKind("toep", "series", False, _toeplitz),
    StructureKind("htoep", "series", True, _toeplitz),
    StructureKind("ma", "series", False, _moving_average, "q", 1),
    StructureKind("rr", "any", True, None, "d"),
    StructureKind("fa", "any", True, None, "d"),
    StructureKind("exp", "places", False, _exponential),
    StructureKind("gau", "places", False, _gaussian),
    StructureKind("mat", "places", False, _matern),
)

STRUCTURES: dict[str, StructureKind] = {kind.name: kind for kind in _KINDS}
"""Structures by name. To add one: a correlation function, or a subclass of `Covariance`, and a
line above."""

NO_PRODUCTS = ("rr", "fa")
"""Structures without a correlation function of their own."""


def product_structure(
    names: tuple[str, str],
    points: tuple[FloatArray, FloatArray],
    labels: tuple[str, str],
    deviation: IndexArray | None,
    deviation_labels: tuple[str, ...],
) -> Structured:
    """The structure of effects whose correlations are products of two.

    Parameters
    ----------
    names : tuple of str
        Structures of the two factors.
    points : tuple of ndarray (k, d)
        Where each effect is in either of them.
    labels : tuple of str
        What the parameters of either one are called after.
    deviation : ndarray of int (k,), optional
        Which standard deviation each effect has.
    deviation_labels : tuple of str
        What each of them belongs to.
    """
    made: list[Correlation] = []
    for name, own in zip(names, points, strict=True):
        maker = STRUCTURES[name].correlation
        made.append(Independent() if maker is None else maker(np.unique(own, axis=0), None))
    both = np.hstack(points)
    correlation = Product(made[0], made[1], points[0].shape[1], labels)
    return Structured.of(correlation, both, deviation, deviation_labels or ("",))


@dataclass(frozen=True)
class Independent(Correlation):
    """No correlation between different points."""

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    @property
    def n_parameters(self) -> int:
        return 0

    def between(self, phi: object, a: FloatArray, b: FloatArray) -> FloatArray:
        return np.zeros(np.broadcast_shapes(a.shape, b.shape)[:-1])

    def natural(self, phi: object) -> FloatArray:
        return np.empty(0)

    def parameters(self, natural: FloatArray) -> FloatArray:
        return np.empty(0)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return np.empty(0), np.empty(0)

    def starts(self) -> list[FloatArray]:
        return [np.empty(0)]
