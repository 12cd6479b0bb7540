"""The log-likelihood of rows given their linear predictor, with derivatives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np

from ..support.arrays import FloatArray
from .families.base import Family, LogDensity, Response, through_link
from .families.links import Link


@dataclass(frozen=True, eq=False)
class RowDerivatives:
    """ℓ of all rows at given η and ω, times case weights.

    Attributes
    ----------
    values : ndarray (order + 1, n)
        ℓ and its derivatives in η.
    parameters : ndarray (J, order, n)
        Derivatives of ℓ, ℓ', … in each ω_j.
    total : float
        Σ ℓ.
    """

    values: FloatArray
    parameters: FloatArray
    total: float


@dataclass(frozen=True, eq=False)
class ConditionalLikelihood:
    """Rows whose responses are independent given η.

    Attributes
    ----------
    family : Family
    link : Link
    response : Response
    designs : tuple of (ndarray (n, r_j) or None)
        Columns of ω_j; None for one number for all rows.
    weights : ndarray (n,) or None
        By which the log-likelihood of each row is multiplied.
    """

    family: Family
    link: Link
    response: Response
    designs: tuple[FloatArray | None, ...] = ()
    weights: FloatArray | None = None

    @cached_property
    def slices(self) -> list[slice]:
        """Coefficients of each ω_j."""
        sizes = (1 if d is None else d.shape[1] for d in self.designs)
        return [slice(a, b) for a, b in pairwise(accumulate(sizes, initial=0))]

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients of all ω."""
        return self.slices[-1].stop if self.slices else 0

    def omega(self, coefficients: FloatArray) -> list[FloatArray]:
        """ω_j of the rows: (n,), or (1,) where it is one number."""
        each = zip(self.designs, self.slices, strict=True)
        return [coefficients[s] if d is None else d @ coefficients[s] for d, s in each]

    def at(self, eta: FloatArray, coefficients: FloatArray, order: int) -> RowDerivatives:
        """ℓ with derivatives up to an order, not finite where η has no mean."""
        family, inner = self.family, self.family.inner
        omega = self.omega(coefficients)
        with np.errstate(all="ignore"):
            if self.link.name == inner:  # τ is η
                return self._weighted(family.density(self.response, eta, omega, order))
            tau = self.link.inner(inner, eta, order)
            found = family.density(self.response, tau[0], omega, order)
            return self._weighted(through_link(found, tau))

    def _weighted(self, found: LogDensity) -> RowDerivatives:
        values, parameters = found.values, found.parameters
        if self.weights is not None:
            values, parameters = values * self.weights, parameters * self.weights
        return RowDerivatives(values, parameters, float(np.add.reduce(values[0])))

    def contracted(self, rows: Iterable[FloatArray]) -> FloatArray:
        """Derivatives in the coefficients from those in ω_j of each row, (J, n)."""
        each = zip(self.designs, rows, strict=True)
        parts = [np.array([r.sum()]) if d is None else d.T @ r for d, r in each]
        return np.concatenate([np.empty(0), *parts])

    def start_coefficients(self, mean: FloatArray) -> FloatArray:
        """Coefficients with the family's ω in all rows, given fitted means."""
        omega = self.family.start_parameters(self.response, mean)
        out = np.zeros(self.n_coefficients)
        for value, design, s in zip(omega, self.designs, self.slices, strict=True):
            if design is None:
                out[s] = value
            else:
                right = value * design.sum(axis=0)  # moments, with which it is only a start
                out[s] = np.linalg.lstsq(design.T @ design, right, rcond=None)[0]
        return out
