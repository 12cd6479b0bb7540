"""Several random terms on one grouping factor: λ is block-diagonal over the terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise, product

import numpy as np

from ..support.arrays import FloatArray
from .base import Covariance


@dataclass(frozen=True)
class Stacked(Covariance):
    """The structures of the terms of one grouping factor, one below the other.

    Examples
    --------
    >>> from lmforms.covariance import Unstructured
    >>> Stacked.of([Unstructured(1), Unstructured(1)]).factor(np.array([1.0, 0.5]))
    array([[1. , 0. ],
           [0. , 0.5]])
    """

    parts: tuple[Covariance, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Covariance]) -> Stacked:
        """Stack `parts` in order."""
        return cls(k=sum(p.k for p in parts), parts=tuple(parts))

    @cached_property
    def n_theta(self) -> int:  # type: ignore[override]
        return sum(p.n_theta for p in self.parts)

    def column_slices(self) -> list[slice]:
        """Columns of λ that belong to each part."""
        return self._slices[0]

    def theta_slices(self) -> list[slice]:
        """Entries of θ that belong to each part."""
        return self._slices[1]

    @cached_property
    def _slices(self) -> tuple[list[slice], list[slice]]:
        columns = accumulate((p.k for p in self.parts), initial=0)
        thetas = accumulate((p.n_theta for p in self.parts), initial=0)
        return (
            [slice(a, b) for a, b in pairwise(columns)],
            [slice(a, b) for a, b in pairwise(thetas)],
        )

    def variance_axes(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        if len(self.parts) == 1:
            return self.parts[0].variance_axes(lam)
        own = [
            p.variance_axes(lam[c, c])
            for p, c in zip(self.parts, self.column_slices(), strict=True)
        ]
        return _diagonal_of([u for u, _ in own]), np.concatenate([v for _, v in own])

    def column_maps(self, rng: np.random.Generator) -> list[FloatArray]:
        return [_diagonal_of(maps) for maps in product(*(p.column_maps(rng) for p in self.parts))]

    def covariances(self) -> list[tuple[int, int]]:
        return [
            (s.start + i, s.start + j)
            for p, s in zip(self.parts, self.column_slices(), strict=True)
            for i, j in p.covariances()
        ]

    def factor(self, theta: FloatArray) -> FloatArray:
        lam = np.zeros((self.k, self.k))
        for p, c, t in zip(self.parts, self.column_slices(), self.theta_slices(), strict=True):
            lam[c, c] = p.factor(theta[t])
        return lam

    def derivative(self, theta: FloatArray) -> FloatArray:
        out = np.zeros((self.n_theta, self.k, self.k))
        for p, c, t in zip(self.parts, self.column_slices(), self.theta_slices(), strict=True):
            out[t, c, c] = p.derivative(theta[t])
        return out

    def theta(self, factor: FloatArray) -> FloatArray:
        return np.concatenate(
            [p.theta(factor[c, c]) for p, c in zip(self.parts, self.column_slices(), strict=True)]
        )

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return np.concatenate(
            [
                p.nearest(covariance[c, c])
                for p, c in zip(self.parts, self.column_slices(), strict=True)
            ]
        )

    def start(self) -> FloatArray:
        return np.concatenate([p.start() for p in self.parts])

    def root_theta(self, root: FloatArray) -> FloatArray:
        return np.concatenate(
            [
                p.root_theta(root[c, c])
                for p, c in zip(self.parts, self.column_slices(), strict=True)
            ]
        )

    def transform(self, theta: FloatArray, basis: FloatArray) -> FloatArray:
        """Part by part: `basis` must be block-diagonal over the parts."""
        return np.concatenate(
            [
                p.transform(theta[t], basis[c, c])
                for p, c, t in zip(
                    self.parts, self.column_slices(), self.theta_slices(), strict=True
                )
            ]
        )


def _diagonal_of(blocks: Sequence[FloatArray]) -> FloatArray:
    """A matrix with these blocks along its diagonal (SciPy's would have to be imported)."""
    ends = np.cumsum([(0, 0), *(b.shape for b in blocks)], axis=0)
    out = np.zeros(ends[-1])
    for (i, j), b in zip(ends[:-1], blocks, strict=True):
        out[i : i + len(b), j : j + b.shape[1]] = b
    return out
