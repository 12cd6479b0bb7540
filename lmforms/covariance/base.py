"""What every covariance structure of the random effects provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ..support.arrays import FloatArray
from .natural_parameters import NaturalParameter, RelativeCoordinate

Invariance = Literal["linear", "scale", "common", "none"]

SMALLEST_REGULAR = 1e-3
"""λ is inverted if its smallest singular value is above this: λ⁻ᵀ(I − A⁻¹)λ⁻¹ then keeps ten
digits."""


@dataclass(frozen=True)
class Covariance(ABC):
    """Structure of the covariance of k random effects per level, σ²λλ'.

    Parameters
    ----------
    k : int
        Number of random effects per level.

    Attributes
    ----------
    invariance : {"linear", "scale", "common", "none"}
        Which changes of the basis of the random effects the structure allows: b = Tb̃ has
        covariance T(λ̃λ̃')T', which is again unstructured for any invertible T (``"linear"``),
        but diagonal only for a diagonal T (``"scale"``), and with one variance for all effects
        only for a multiple of the identity (``"common"``).

    Notes
    -----
    θ has no bounds inside the engine: changing the sign of a column of λ does not change λλ',
    and :meth:`root_theta` picks the representative with a non-negative diagonal.
    """

    k: int
    invariance: ClassVar[Invariance] = "none"

    # --- what a structure must define -----------------------------------------------------

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

    @property
    def independent(self) -> bool:
        """Whether the random effects of a level are independent of each other."""
        return not self.covariances()

    # --- what it must define if λ is not linear in θ, or has fewer columns ------------------

    is_linear: ClassVar[bool] = True
    """Whether λ is linear in θ."""

    spans_covariances: ClassVar[bool] = False
    """Whether `spanning_directions` spans the structure's covariances, which are linear then."""

    @property
    def rank(self) -> int:
        """Rank of λ where no variance is zero."""
        return self.k

    def curvature(self, theta: FloatArray, gradient: FloatArray) -> FloatArray:
        """⟨G, ∂²(λλ')/∂θ_i∂θ_j⟩ for a symmetric G (k, k), shape (n_theta, n_theta)."""
        d = self.derivative(theta)
        flat = d.reshape(len(d), gradient.size)
        return np.asarray(2.0 * ((gradient @ d).reshape(flat.shape) @ flat.T))

    def is_singular(self, theta: FloatArray, tolerance: float) -> list[bool]:
        """Whether each part has less variance than `tolerance` in some direction."""
        values = np.linalg.svd(self.factor(theta), compute_uv=False)
        return [bool(values[self.rank - 1] < tolerance)]

    def canonical(self, theta: FloatArray, of: Covariance) -> FloatArray:
        """The canonical θ of the λλ' that `of`, a parametrisation of this structure, has at θ."""
        return self.root_theta(of.factor(theta))

    def scaled(self, theta: FloatArray, number: float) -> FloatArray:
        """θ of λ times a positive number."""
        return self.theta(number * self.factor(theta))

    def with_variance(self, theta: FloatArray, u: FloatArray, more: float) -> FloatArray:
        """θ of λλ' + δuu' for δ = `more` and one of the `variance_directions` u."""
        lam = self.factor(theta)
        return self.root_theta(symmetric_root(lam @ lam.T + more * np.outer(u, u)))

    # --- what it reports besides variances and correlations --------------------------------

    def parameters(self) -> list[NaturalParameter]:
        """Parameters of a structure that has others than variances and covariances."""
        return []

    def natural(self, theta: FloatArray) -> FloatArray:
        """Their values, of standard deviations and loadings relative to σ."""
        return np.empty(0)

    def at_bound(self, theta: FloatArray) -> list[bool]:
        """Which of them are at a bound."""
        return []

    def relative_coordinates(self) -> list[RelativeCoordinate]:
        """Where those in units of σ are in θ: the first of the parameters."""
        return []

    # --- what it may define, to be fitted better ------------------------------------------

    def alternatives(self, theta: FloatArray) -> list[FloatArray]:
        """Other starts with about the variances of θ: a search begins at the best of them."""
        return []

    def distant_starts(self, theta: FloatArray) -> list[FloatArray]:
        """Starts from which a search may find a lower optimum than the one at θ."""
        return []

    def root_theta(self, root: FloatArray) -> FloatArray:
        """The θ with λλ' = root·root' and a non-negative diagonal of λ."""
        return self.theta(canonical_factor(root))

    def transform(self, theta: FloatArray, basis: FloatArray) -> FloatArray:
        """θ of T λλ' T', for a change of basis T that `invariance` allows."""
        return self.root_theta(basis @ self.factor(theta))

    def column_slices(self) -> list[slice]:
        """Columns of λ that belong to each part (random term)."""
        return [slice(0, self.k)]

    def structures(self) -> list[Covariance]:
        """The structure of each part."""
        return [self]

    def theta_slices(self) -> list[slice]:
        """Entries of θ that belong to each part."""
        return [slice(0, self.n_theta)]

    def invariances(self) -> list[tuple[slice, Invariance]]:
        """Columns of the basis that may be transformed together, and how."""
        return [(slice(0, self.k), self.invariance)]

    def with_zeros(self, theta: FloatArray, bound: float) -> FloatArray:
        """θ with standard deviations below `bound` set to zero, of any direction if possible."""
        return theta

    def in_principal_axes(self, theta: FloatArray) -> tuple[Covariance, FloatArray]:
        """A parametrisation that suits the λλ' at `theta`, and θ of the same λλ' there."""
        return self, theta

    def variance_directions(self, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Directions u (k, s) in which λλ' can have more variance, and how much it has there.

        λλ' + δuu' has this structure for every δ ≥ −v, with v (s,) the second array.
        """
        return np.empty((self.k, 0)), np.empty(0)

    def spanning_directions(self, lam: FloatArray) -> FloatArray:
        """Directions u (k, s), at λ = `lam`, whose uu' are a basis of the structure's covariances.

        For structures that are linear in their variances and covariances.
        """
        return np.empty((self.k, 0))

    def column_spaces(self, rng: np.random.Generator) -> list[FloatArray]:
        """Matrices (k, r) whose columns span what a λ of rank r can span.

        Where there are infinitely many, random ones.
        """
        return [np.eye(self.k)]


def canonical_factor(root: FloatArray) -> FloatArray:
    """Lower-triangular λ with diagonal ≥ 0 and λλ' = root·root', also of a stack of roots.

    By QR of the transpose, which takes a singular `root` as well.
    """
    upper = np.asarray(np.linalg.qr(root.swapaxes(-1, -2), mode="r"))
    lower = upper.swapaxes(-1, -2)
    signs = np.where(np.einsum("...ii->...i", lower) < 0, -1.0, 1.0)
    return np.asarray(np.tril(lower * signs[..., None, :]) + 0.0)  # no negative zeros


def symmetric_root(covariance: FloatArray) -> FloatArray:
    """The symmetric root, which preserves zeros between blocks."""
    d, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(d, 0.0))) @ vectors.T)


def regular_inverse(lam: FloatArray) -> FloatArray | None:
    """λ⁻¹, or None if λ is (nearly) singular: its smallest singular value is at least 1/‖λ⁻¹‖.

    Examples
    --------
    >>> regular_inverse(np.array([[2.0]]))
    array([[0.5]])
    >>> regular_inverse(np.diag([1.0, 1e-6])) is None
    True
    """
    if len(lam) == 1:
        return 1.0 / lam if abs(lam[0, 0]) > SMALLEST_REGULAR else None
    try:
        inverse = np.asarray(np.linalg.inv(lam), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    return inverse if SMALLEST_REGULAR * np.sqrt(np.vdot(inverse, inverse)) < 1.0 else None
