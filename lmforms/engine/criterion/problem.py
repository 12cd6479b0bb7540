"""What every form of the criterion shares: θ of all grouping factors, and its charts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Protocol, Self

import numpy as np

from ...covariance import Covariance, Stacked, canonical_factor, principal_chart
from ...support.arrays import FloatArray
from ..sums.cross_products import CrossProducts

SNAP = 1e-2
"""Standard deviations (relative to σ) below this are tried at exactly zero."""


class Summed(Protocol):
    """Whatever was made of cross-products."""

    @property
    def cp(self) -> CrossProducts:
        """The cross-products."""


@dataclass(frozen=True, eq=False)
class StructuredProblem:
    """Structures of the random effects and the parameters that they have.

    Attributes
    ----------
    system : object with cross-products ``cp``
    covariances : tuple of Covariance
        One per grouping factor.
    reml : bool
    """

    system: Summed
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

    def factors(self, theta: FloatArray) -> list[FloatArray]:
        """Relative factors λ, one for each grouping factor."""
        return [c.factor(theta[s]) for c, s in zip(self.covariances, self._slices, strict=True)]

    def derivatives(self, theta: FloatArray) -> list[FloatArray]:
        """∂λ/∂θ_i of each grouping factor, (n_theta, k, k)."""
        return [c.derivative(theta[s]) for c, s in zip(self.covariances, self._slices, strict=True)]

    def root_theta(self, lams: list[FloatArray]) -> FloatArray:
        """The canonical θ of roots λ."""
        pairs = zip(self.covariances, lams, strict=True)
        return np.concatenate([np.empty(0), *(c.root_theta(lam) for c, lam in pairs)])

    def in_principal_axes(self, theta: FloatArray) -> tuple[Self, FloatArray]:
        """The same point in the principal axes of each λ, where that matters (see `Rotated`)."""
        charts = [
            principal_chart(c, lam)
            for c, lam in zip(self.covariances, self.factors(theta), strict=True)
        ]
        theta = np.concatenate([np.empty(0), *(t for _, t in charts)])
        covariances = tuple(c for c, _ in charts)
        if all(new is old for new, old in zip(covariances, self.covariances, strict=True)):
            return self, theta
        return replace(self, covariances=covariances), theta

    def on_boundary(self, theta: FloatArray) -> FloatArray:
        """θ with the small singular values of each λ set to zero, where a structure allows."""
        pairs = zip(self.covariances, self._slices, strict=True)
        return np.concatenate([np.empty(0), *(_boundary(c, theta[s]) for c, s in pairs)])


def _boundary(covariance: Covariance, theta: FloatArray) -> FloatArray:
    if isinstance(covariance, Stacked):
        return np.concatenate(
            [
                _boundary(part, theta[t])
                for part, t in zip(covariance.parts, covariance.theta_slices(), strict=True)
            ]
        )
    u, d, _ = np.linalg.svd(covariance.factor(theta))
    if d.min() >= SNAP:
        return theta
    if covariance.invariance == "linear":
        return covariance.theta(canonical_factor(u * np.where(d < SNAP, 0.0, d)))
    if covariance.invariance == "scale":
        return np.where(np.abs(theta) < SNAP, 0.0, theta)
    return theta
