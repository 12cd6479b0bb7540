"""Covariance structures by the name they have in a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

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
BuildStructure = Callable[[FloatArray, int | None, tuple[str, ...]], Covariance]


@dataclass(frozen=True)
class StructureKind:
    """A structure of the random effects of a term.

    Attributes
    ----------
    name : str
    effects : {"any", "levels", "series", "places"}
        What the random effects have to be: any columns, the levels of one factor in their order,
        levels at equal distances, or points with coordinates.
    build : callable
        Makes the structure from points (k, d), the number after the comma, and labels.
    correlation : callable, optional
        Makes the correlation function alone, for products.
    heterogeneous : bool
        Whether each effect has a variance of its own.
    argument : str
        Name of the number after the comma; empty if there is none.
    default : int, optional
        The number where none is given; None if one is needed.
    """

    name: str
    effects: Effects
    build: BuildStructure
    correlation: MakeCorrelation | None = None
    heterogeneous: bool = True
    argument: str = ""
    default: int | None = None

    def make(
        self, points: FloatArray, number: int | None = None, labels: tuple[str, ...] = ()
    ) -> Covariance:
        """The structure of random effects at points (k, d), called `labels`."""
        return self.build(points, number, labels)


def _one_variance(
    name: str, effects: Effects, correlation: MakeCorrelation | None, **more: Any
) -> StructureKind:
    """A structure of one variance and correlations."""

    def build(points: FloatArray, number: int | None, labels: tuple[str, ...]) -> Covariance:
        return Structured.of(None if correlation is None else correlation(points, number), points)

    return StructureKind(name, effects, build, correlation, heterogeneous=False, **more)


def _variance_each(name: str, effects: Effects, correlation: MakeCorrelation) -> StructureKind:
    """A structure of a variance for each effect and correlations."""

    def build(points: FloatArray, number: int | None, labels: tuple[str, ...]) -> Covariance:
        return Structured.of(correlation(points, number), points, np.arange(len(points)), labels)

    return StructureKind(name, effects, build, correlation)


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
    StructureKind("us", "any", lambda points, *_: Unstructured(len(points)), _unstructured),
    StructureKind("diag", "any", lambda points, *_: Diagonal(len(points))),
    _one_variance("homdiag", "any", None),
    _one_variance("cs", "any", _compound_symmetry),
    _variance_each("hcs", "any", _compound_symmetry),
    _one_variance("ar1", "series", _first_order),
    _variance_each("har1", "series", _first_order),
    _one_variance("toep", "series", _toeplitz),
    _variance_each("htoep", "series", _toeplitz),
    _one_variance("ma", "series", _moving_average, argument="q", default=1),
    StructureKind(
        "rr", "any", lambda p, d, labels: ReducedRank(len(p), d or 1, labels), argument="d"
    ),
    StructureKind(
        "fa", "any", lambda p, d, labels: FactorAnalytic(len(p), d or 1, labels), argument="d"
    ),
    _one_variance("exp", "places", _exponential),
    _one_variance("gau", "places", _gaussian),
    _one_variance("mat", "places", _matern),
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
