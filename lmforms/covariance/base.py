"""What every covariance structure of the random effects provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..support.arrays import FloatArray


@dataclass(frozen=True)
class Covariance(ABC):
    """Structure of the covariance of k random effects per level, σ²λλ'.

    Parameters
    ----------
    k : int
        Number of random effects per level.

    Notes
    -----
    θ is free of bounds inside the engine: changing the sign of a column of λ leaves λλ'
    alone, and :meth:`root_theta` picks the representative with a non-negative diagonal.

    `invariance` tells which changes of the basis of the random effects the structure
    survives: b = Tb̃ has covariance T(λ̃λ̃')T', which is again unstructured for any
    invertible T (``"linear"``), but diagonal only for a diagonal T (``"scale"``).
    """

    k: int
    invariance: Literal["linear", "scale", "none"] = "none"

    @property
    @abstractmethod
    def n_theta(self) -> int:
        """Number of parameters θ."""

    @abstractmethod
    def factor(self, theta: FloatArray) -> FloatArray:
        """Relative factor λ, k×k lower triangular."""

    @abstractmethod
    def derivative(self, theta: FloatArray) -> FloatArray:
        """∂λ/∂θ_i stacked, shape (n_theta, k, k)."""

    @abstractmethod
    def theta(self, factor: FloatArray) -> FloatArray:
        """θ of a lower-triangular factor that has this structure."""

    @abstractmethod
    def nearest(self, covariance: FloatArray) -> FloatArray:
        """θ whose λλ' is the given positive definite matrix, or what the structure keeps of it."""

    @abstractmethod
    def start(self) -> FloatArray:
        """A starting value in a basis of unit mean square."""

    @abstractmethod
    def covariances(self) -> list[tuple[int, int]]:
        """Pairs (i, j), i < j, whose covariance the structure estimates."""

    def root_theta(self, root: FloatArray) -> FloatArray:
        """The θ with λλ' = root·root' and a non-negative diagonal of λ."""
        return self.theta(canonical_factor(root))

    def variance_axes(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Directions u (k, s) in which variance can be added to λλ', and what can be taken off.

        λλ' + δuu' has this structure for every δ ≥ −v, with v (s,) the second array.
        """
        return np.empty((self.k, 0)), np.empty(0)

    def column_maps(self, rng: np.random.Generator) -> list[FloatArray]:
        """Matrices (k, r) whose columns a λ of rank r can span, generic ones where many can."""
        return [np.eye(self.k)]

    def transform(self, theta: FloatArray, basis: FloatArray) -> FloatArray:
        """θ of T λλ' T', for a change of basis T that `invariance` allows."""
        return self.root_theta(basis @ self.factor(theta))


def canonical_factor(root: FloatArray) -> FloatArray:
    """Lower-triangular λ with diagonal ≥ 0 and λλ' = root·root'.

    By QR of the transpose, so that a singular `root` needs no care.
    """
    lower = np.asarray(np.linalg.qr(root.T, mode="r")).T
    signs = np.where(np.diag(lower) < 0, -1.0, 1.0)
    return np.asarray(np.tril(lower * signs))


REGULAR = 1e-3
"""Smallest singular value of λ for which λ⁻ᵀ(I − A⁻¹)λ⁻¹ is used: it keeps ten digits there."""


def regular_inverse(lam: FloatArray) -> FloatArray | None:
    """λ⁻¹, or None if λ is (nearly) singular: its smallest singular value is at least 1/‖λ⁻¹‖.

    Examples
    --------
    >>> regular_inverse(np.array([[2.0]]))
    array([[0.5]])
    >>> regular_inverse(np.diag([1.0, 1e-6])) is None
    True
    """
    try:
        inverse = np.asarray(np.linalg.inv(lam), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    return inverse if REGULAR * np.sqrt(np.vdot(inverse, inverse)) < 1.0 else None
