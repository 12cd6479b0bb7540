"""The problem that is solved for θ: analysed sums, covariance structures, ML or REML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Protocol, Self

import numpy as np

from ...covariance import Covariance
from ...support.arrays import Blocks, FloatArray
from ..factor import JointSystem, System
from ..sums.cross_products import CrossProducts
from .curvature import curvature_is_cheap

TRIED_AT_ZERO = 1e-2
"""Standard deviations (relative to σ) below this are tried at exactly zero."""


class AnalysedSums(Protocol):
    """Cross-products that either engine has analysed."""

    @property
    def cp(self) -> CrossProducts:
        """The cross-products."""

    @property
    def lead(self) -> int:
        """The grouping factor that is eliminated first, −1 if all are ordered together."""

    def gram_times(self, v: Blocks) -> Blocks:
        """Z'Z v, for v of shape (q, k, r) by grouping factor."""

    def level_effects(self, b: Blocks) -> Blocks:
        """Effects of the levels of each grouping factor from those that were estimated."""


@dataclass(frozen=True, eq=False)
class StructuredProblem:
    """Structures of the random effects and the parameters that they have.

    Attributes
    ----------
    system : AnalysedSums
    covariances : tuple of Covariance
        One per grouping factor.
    reml : bool
    """

    system: AnalysedSums
    covariances: tuple[Covariance, ...]
    reml: bool

    @property
    def nu(self) -> int:
        """n, or n − p under REML."""
        cp = self.system.cp
        return cp.n - cp.p if self.reml else cp.n

    @property
    def n_theta(self) -> int:
        """Number of parameters."""
        return self._slices[-1].stop if self._slices else 0

    def theta_slices(self) -> list[slice]:
        """Entries of θ that belong to each grouping factor."""
        return self._slices

    @cached_property
    def _slices(self) -> list[slice]:
        ends = accumulate((c.n_theta for c in self.covariances), initial=0)
        return [slice(a, b) for a, b in pairwise(ends)]

    @cached_property
    def _slopes(self) -> list[FloatArray] | None:
        """∂λ/∂θ_i of each grouping factor if all λ are linear in θ."""
        if not all(c.is_linear for c in self.covariances):
            return None
        return [np.array(c.derivative(np.zeros(c.n_theta))) for c in self.covariances]

    @cached_property
    def _flat_slopes(self) -> list[tuple[FloatArray, int, slice]]:
        """∂λ/∂θ_i as rows, the size of λ, and the entries of θ."""
        pairs = zip(self._slopes or [], self._slices, strict=True)
        return [(d.reshape(len(d), -1), d.shape[1], s) for d, s in pairs]

    @property
    def is_linear(self) -> bool:
        """Whether all λ are linear in θ."""
        return self._slopes is not None

    def lams(self, theta: FloatArray) -> list[FloatArray]:
        """Relative factors λ, one for each grouping factor."""
        if self._slopes is None:
            return [c.factor(theta[s]) for c, s in zip(self.covariances, self._slices, strict=True)]
        return [(theta[s] @ flat).reshape(k, k) for flat, k, s in self._flat_slopes]

    def derivatives(self, theta: FloatArray) -> list[FloatArray]:
        """∂λ/∂θ_i of each grouping factor, (n_theta, k, k)."""
        if self._slopes is not None:
            return self._slopes
        return [c.derivative(theta[s]) for c, s in zip(self.covariances, self._slices, strict=True)]

    def curvatures(self, theta: FloatArray, gradients: Blocks) -> list[FloatArray]:
        """⟨G, ∂²(λλ')/∂θ_i∂θ_j⟩ of each grouping factor, (n_theta, n_theta)."""
        each = zip(self.covariances, self._slices, gradients, strict=True)
        return [c.curvature(theta[s], g) for c, s, g in each]

    def canonical(self, theta: FloatArray, of: StructuredProblem) -> FloatArray:
        """The canonical θ of the λλ' that `of`, the same problem, has at θ, and its φ."""
        each = zip(self.covariances, of.covariances, self._slices, strict=True)
        own = (c.canonical(theta[s], o) for c, o, s in each)
        return np.concatenate([*own, theta[self.n_theta :]])

    def alternatives(self, theta: FloatArray) -> list[FloatArray]:
        """Other starts than θ, of one random term at a time, the best of which is taken."""
        return self._one_by_one(theta, [c.alternatives(theta[s]) for c, s in self._pairs()])

    def distant_starts(self, theta: FloatArray) -> list[FloatArray]:
        """Starts that may lead to other optima than θ, of one random term at a time."""
        return self._one_by_one(theta, [c.distant_starts(theta[s]) for c, s in self._pairs()])

    def _pairs(self) -> Iterator[tuple[Covariance, slice]]:
        return zip(self.covariances, self._slices, strict=True)

    def _one_by_one(
        self, theta: FloatArray, starts: Sequence[Sequence[FloatArray]]
    ) -> list[FloatArray]:
        """θ with each of the starts of one grouping factor."""
        out = []
        for own, s in zip(starts, self._slices, strict=True):
            for start in own:
                out.append(theta.copy())
                out[-1][s] = start
        return out

    def in_principal_axes(self, theta: FloatArray) -> tuple[Self, FloatArray]:
        """The same point in the principal axes of each λ, where that matters (see `Rotated`)."""
        pairs = zip(self.covariances, self._slices, strict=True)
        found = [c.in_principal_axes(theta[s]) for c, s in pairs]
        theta = np.concatenate([*(t for _, t in found), theta[self.n_theta :]])
        covariances = tuple(c for c, _ in found)
        if all(new is old for new, old in zip(covariances, self.covariances, strict=True)):
            return self, theta
        return replace(self, covariances=covariances), theta

    def on_boundary(self, theta: FloatArray) -> FloatArray:
        """θ with the small singular values of each λ set to zero, where a structure allows."""
        pairs = zip(self.covariances, self._slices, strict=True)
        zeroed = (c.with_zeros(theta[s], TRIED_AT_ZERO) for c, s in pairs)
        return np.concatenate([*zeroed, theta[self.n_theta :]])

    def scaled(self, theta: FloatArray, number: float) -> FloatArray:
        """θ of all λ times a positive number."""
        out = theta.copy()
        for c, s in self._pairs():
            out[s] = number * theta[s] if c.is_linear else c.scaled(theta[s], number)
        return out

    def shrunk_part(self, theta: FloatArray, part: tuple[int, int], number: float) -> FloatArray:
        """θ with the λ of one random term times a number."""
        i, j = part
        c, s = self.covariances[i], self._slices[i]
        own = np.arange(len(theta))[s][c.theta_slices()[j]]
        structure, out = c.structures()[j], theta.copy()
        linear = structure.is_linear
        out[own] = number * theta[own] if linear else structure.scaled(theta[own], number)
        return out

    def parts(self) -> Iterator[tuple[tuple[int, int], slice, slice]]:
        """Each random term as (grouping factor, part), its columns of λ, its entries of θ."""
        for i, (c, s) in enumerate(zip(self.covariances, self._slices, strict=True)):
            for j, (own, t) in enumerate(zip(c.column_slices(), c.theta_slices(), strict=True)):
                yield (i, j), own, slice(s.start + t.start, s.start + t.stop)


@dataclass(frozen=True, eq=False)
class Problem(StructuredProblem):
    """A criterion to be minimised over θ: cross-products, structures, ML or REML.

    Attributes
    ----------
    system : System or JointSystem
        Analysed cross-products.
    covariances : tuple of Covariance
        One per grouping factor.
    reml : bool
    """

    system: System | JointSystem

    @property
    def largest(self) -> int:
        """Size of the largest dense block that LAPACK and BLAS work on; 0 if all are small."""
        return self.system.largest

    @property
    def hessian_is_cheap(self) -> bool:
        """Whether the Hessian costs less than the evaluations that it spares in a search."""
        return curvature_is_cheap(self.system)

    @property
    def n_phi(self) -> int:
        """Number of parameters φ of the residuals, which follow those of the random effects."""
        return 0

    @property
    def n_parameters(self) -> int:
        """Number of all parameters (θ, φ)."""
        return self.n_theta + self.n_phi

    def at(self, parameters: FloatArray) -> Self:
        """The problem with sums at the φ of these parameters."""
        return self

    def sharing(self, other: Problem) -> Self:
        """The problem with the sums, and the φ, of another one that differs by its structures."""
        return self
