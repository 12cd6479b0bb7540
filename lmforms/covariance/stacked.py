"""Several random terms on one grouping factor: λ is block-diagonal over the terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise, product

import numpy as np

from ..support.arrays import FloatArray
from .base import Covariance, Invariance


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

    @property
    def is_linear(self) -> bool:  # type: ignore[override]
        return all(p.is_linear for p in self.parts)

    @property
    def spans_covariances(self) -> bool:  # type: ignore[override]
        return all(p.spans_covariances for p in self.parts)

    @classmethod
    def of(cls, parts: Sequence[Covariance]) -> Covariance:
        """Stack `parts` in order; one alone is what is returned."""
        if len(parts) == 1:
            return parts[0]
        return cls(k=sum(p.k for p in parts), parts=tuple(parts))

    @cached_property
    def n_theta(self) -> int:  # type: ignore[override]
        return sum(p.n_theta for p in self.parts)

    def column_slices(self) -> list[slice]:
        return self._slices[0]

    def structures(self) -> list[Covariance]:
        return list(self.parts)

    def theta_slices(self) -> list[slice]:
        return self._slices[1]

    @cached_property
    def _slices(self) -> tuple[list[slice], list[slice]]:
        columns = accumulate((p.k for p in self.parts), initial=0)
        thetas = accumulate((p.n_theta for p in self.parts), initial=0)
        return (
            [slice(a, b) for a, b in pairwise(columns)],
            [slice(a, b) for a, b in pairwise(thetas)],
        )

    def _each(self) -> Iterator[tuple[Covariance, slice, slice]]:
        """Each part with its columns of λ and its entries of θ."""
        return zip(self.parts, *self._slices, strict=True)

    def factor(self, theta: FloatArray) -> FloatArray:
        lam = np.zeros((self.k, self.k))
        for p, c, t in self._each():
            lam[c, c] = p.factor(theta[t])
        return lam

    def derivative(self, theta: FloatArray) -> FloatArray:
        out = np.zeros((self.n_theta, self.k, self.k))
        for p, c, t in self._each():
            out[t, c, c] = p.derivative(theta[t])
        return out

    def theta(self, factor: FloatArray) -> FloatArray:
        return np.concatenate([p.theta(factor[c, c]) for p, c, _ in self._each()])

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return np.concatenate([p.nearest(covariance[c, c]) for p, c, _ in self._each()])

    def start(self) -> FloatArray:
        return np.concatenate([p.start() for p in self.parts])

    def covariances(self) -> list[tuple[int, int]]:
        return [(c.start + i, c.start + j) for p, c, _ in self._each() for i, j in p.covariances()]

    def root_theta(self, root: FloatArray) -> FloatArray:
        return np.concatenate([p.root_theta(root[c, c]) for p, c, _ in self._each()])

    def transform(self, theta: FloatArray, basis: FloatArray) -> FloatArray:
        """Part by part: `basis` must be block-diagonal over the parts."""
        return np.concatenate([p.transform(theta[t], basis[c, c]) for p, c, t in self._each()])

    def invariances(self) -> list[tuple[slice, Invariance]]:
        return [
            (slice(c.start + own.start, c.start + own.stop), kind)
            for p, c, _ in self._each()
            for own, kind in p.invariances()
        ]

    def with_zeros(self, theta: FloatArray, bound: float) -> FloatArray:
        return np.concatenate([p.with_zeros(theta[t], bound) for p, _, t in self._each()])

    def curvature(self, theta: FloatArray, gradient: FloatArray) -> FloatArray:
        out = np.zeros((self.n_theta, self.n_theta))
        for p, c, t in self._each():
            out[t, t] = p.curvature(theta[t], gradient[c, c])
        return out

    def is_singular(self, theta: FloatArray, tolerance: float) -> list[bool]:
        return [b for p, _, t in self._each() for b in p.is_singular(theta[t], tolerance)]

    def canonical(self, theta: FloatArray, of: Covariance) -> FloatArray:
        """Part by part, where `of` is stacked as well."""
        if not isinstance(of, Stacked):
            return super().canonical(theta, of)
        pairs = zip(self._each(), of.parts, strict=True)
        return np.concatenate([p.canonical(theta[t], other) for (p, _, t), other in pairs])

    def scaled(self, theta: FloatArray, number: float) -> FloatArray:
        return np.concatenate([p.scaled(theta[t], number) for p, _, t in self._each()])

    def with_variance(self, theta: FloatArray, u: FloatArray, more: float) -> FloatArray:
        parts = [
            p.with_variance(theta[t], u[c], more) if u[c].any() else theta[t]
            for p, c, t in self._each()
        ]
        return np.concatenate(parts)

    def alternatives(self, theta: FloatArray) -> list[FloatArray]:
        return self._one_by_one(theta, lambda p, own: p.alternatives(own))

    def distant_starts(self, theta: FloatArray) -> list[FloatArray]:
        return self._one_by_one(theta, lambda p, own: p.distant_starts(own))

    def _one_by_one(
        self, theta: FloatArray, starts: Callable[[Covariance, FloatArray], list[FloatArray]]
    ) -> list[FloatArray]:
        """θ with another start of one part at a time."""
        out = []
        for p, _, t in self._each():
            for other in starts(p, theta[t]):
                changed = theta.copy()
                changed[t] = other
                out.append(changed)
        return out

    def in_principal_axes(self, theta: FloatArray) -> tuple[Covariance, FloatArray]:
        found = [p.in_principal_axes(theta[t]) for p, _, t in self._each()]
        parts = tuple(p for p, _ in found)
        same = all(new is old for new, old in zip(parts, self.parts, strict=True))
        return self if same else Stacked.of(parts), np.concatenate([t for _, t in found])

    def variance_directions(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = [p.variance_directions(lam[c, c]) for p, c, _ in self._each()]
        return _block_diagonal([u for u, _ in own]), np.concatenate([v for _, v in own])

    def spanning_directions(self, lam: FloatArray) -> FloatArray:
        own = [p.spanning_directions(lam[c, c]) for p, c, _ in self._each()]
        return _block_diagonal(own)

    def column_spaces(self, rng: np.random.Generator) -> list[FloatArray]:
        spaces = (p.column_spaces(rng) for p in self.parts)
        return [_block_diagonal(chosen) for chosen in product(*spaces)]


def _block_diagonal(blocks: Sequence[FloatArray]) -> FloatArray:
    """A matrix with these blocks along its diagonal (SciPy's would have to be imported)."""
    ends = np.cumsum([(0, 0), *(b.shape for b in blocks)], axis=0)
    out = np.zeros(ends[-1])
    for (i, j), b in zip(ends[:-1], blocks, strict=True):
        out[i : i + len(b), j : j + b.shape[1]] = b
    return out
