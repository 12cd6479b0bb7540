"""Products of two correlations, of different coordinates of a point."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..support.arrays import BoolArray, FloatArray
from .base import Correlation

MOST_START_PLACES = 2
"""Starts of two factors are combined if their places in the two lists add up to this at most."""


@dataclass(frozen=True)
class Product(Correlation):
    """ρ_left ρ_right, as for rows and columns of a field; Kronecker product on a full grid.

    A factor is 1 where two points have the same coordinates for it.

    Parameters
    ----------
    left, right : Correlation
        Either may be a product itself.
    split : int
        Coordinates 0 … split − 1 of a point are those of `left`, the others those of `right`.
    labels : tuple of two str
        What stands in brackets after the names of either one's parameters; empty for a factor
        whose names need none.

    References
    ----------
    Martin (1979), *A subclass of lattice processes applied to a problem in planar sampling*,
    Biometrika 66(2); Gilmour, Cullis, Verbyla (1997), *Accounting for natural and extraneous
    variation in the analysis of field experiments*, JABES 2(3).

    Examples
    --------
    >>> from lmforms.correlation import FirstOrder
    >>> field = Product(FirstOrder(), FirstOrder(), 1, labels=("row", "column"))
    >>> field.names
    ('rho[row]', 'rho[column]')
    >>> plots = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> field.matrix(field.parameters([0.5, 0.2]), plots).round(12)
    array([[1. , 0.2, 0.1],
           [0.2, 1. , 0.5],
           [0.1, 0.5, 1. ]])
    """

    left: Correlation
    right: Correlation
    split: int
    labels: tuple[str, str] = ("1", "2")

    @property
    def names(self) -> tuple[str, ...]:
        factors = zip((self.left, self.right), self.labels)
        return tuple(labelled(name, label) for factor, label in factors for name in factor.names)

    @property
    def n_parameters(self) -> int:
        return self.left.n_parameters + self.right.n_parameters

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        phi = np.split(np.asarray(phi), [self.left.n_parameters])
        left = _factor(self.left, phi[0], a[..., : self.split], b[..., : self.split])
        return left * _factor(self.right, phi[1], a[..., self.split :], b[..., self.split :])

    def natural(self, phi: Any) -> Any:
        left, right = np.split(np.asarray(phi), [self.left.n_parameters])
        return np.concatenate([self.left.natural(left), self.right.natural(right)])

    def parameters(self, natural: FloatArray) -> FloatArray:
        left, right = np.split(np.asarray(natural, dtype=np.float64), [len(self.left.names)])
        return np.concatenate([self.left.parameters(left), self.right.parameters(right)])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = zip(self.left.bounds(), self.right.bounds())
        return np.concatenate(low), np.concatenate(high)

    def starts(self) -> list[FloatArray]:
        pairs = product(enumerate(self.left.starts()), enumerate(self.right.starts()))
        near = [(i + j, i, a, b) for (i, a), (j, b) in pairs if i + j <= MOST_START_PLACES]
        return [np.concatenate([a, b]) for *_, a, b in sorted(near, key=lambda pair: pair[:2])]

    def at_bound(self, phi: FloatArray) -> BoolArray:
        left, right = np.split(np.asarray(phi, dtype=np.float64), [self.left.n_parameters])
        return np.concatenate([self.left.at_bound(left), self.right.at_bound(right)])

    def ends_reached(self, phi: FloatArray) -> BoolArray:
        left, right = np.split(np.asarray(phi, dtype=np.float64), [self.left.n_parameters])
        return np.concatenate([self.left.ends_reached(left), self.right.ends_reached(right)])


def _factor(correlation: Correlation, phi: Any, a: FloatArray, b: FloatArray) -> Any:
    same = (a == b).all(axis=-1)
    return np.where(same, 1.0, correlation.between(phi, a, b))


def labelled(name: str, label: str) -> str:
    """A name with a label in its brackets: ``rho[row]``, ``rho[row,1]``."""
    if not label:
        return name
    stem, _, inner = name.removesuffix("]").partition("[")
    return f"{stem}[{label},{inner}]" if inner else f"{stem}[{label}]"
