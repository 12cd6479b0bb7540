"""Random effects with a correlation function: ``ar1(0 + f | g)``, ``cs``, ``exp`` and others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..correlation import Correlation
from ..support.arrays import FloatArray, IndexArray
from .base import Covariance, Invariance
from .matrix_roots import root_derivatives, semidefinite_cholesky
from .natural_parameters import NaturalParameter, RelativeCoordinate

SECOND_DERIVATIVE_STEP = 1e-3
"""Step of second derivatives in φ, by differences of exact first ones that are extrapolated once:
truncation and rounding are about 1e-11."""

MOST_STARTS = 4
"""Starts of the correlations from which lower optima are searched for."""

LEAST_SQUARES_TOLERANCE = 1e-14
"""Of the search for the parameters of a given matrix."""


@dataclass(frozen=True, eq=False)
class Structured(Covariance):
    """λ = diag(s) L with standard deviations s and LL' = C(φ), a correlation function.

    θ begins with the standard deviations and ends with φ. A single standard deviation is θ₁ of
    any sign, as the same λλ' belongs to −θ₁. Several are squares, s_i = θ_i²: one of another sign
    than the rest would describe correlations that the structure does not have. Zero is an inner
    point in both cases.

    Parameters
    ----------
    k : int
        Number of random effects per level.
    correlation : Correlation, optional
        None for independent effects.
    points : ndarray (k, d)
        Where each effect is: its number, its time or its coordinates.
    deviation : ndarray of int (k,)
        Which standard deviation each effect has; all 0 for one variance.
    labels : tuple of str
        What each standard deviation belongs to; one empty text for a single one.

    Examples
    --------
    >>> from lmforms.correlation import FirstOrder
    >>> ar1 = Structured.of(FirstOrder(), np.arange(2.0)[:, None])
    >>> theta = np.array([2.0, *FirstOrder().parameters([0.6])])
    >>> ar1.factor(theta).round(12)
    array([[2. , 0. ],
           [1.2, 1.6]])
    """

    correlation: Correlation | None = None
    points: FloatArray = field(default_factory=lambda: np.zeros((1, 1)))
    deviation: IndexArray = field(default_factory=lambda: np.zeros(1, dtype=np.intp))
    labels: tuple[str, ...] = ("",)
    is_linear: ClassVar[bool] = False

    @classmethod
    def of(
        cls,
        correlation: Correlation | None,
        points: FloatArray,
        deviation: IndexArray | None = None,
        labels: tuple[str, ...] = ("",),
    ) -> Structured:
        """The structure of effects at points (k, d); one variance without `deviation`."""
        k = len(points)
        own = np.zeros(k, dtype=np.intp) if deviation is None else deviation
        return cls(k, correlation, points, own, labels)

    # --- parameters -----------------------------------------------------------------------

    @property
    def invariance(self) -> Invariance:  # type: ignore[override]
        """One standard deviation for each effect may be rescaled on its own."""
        return "scale" if self.n_deviations == self.k else "common"

    @property
    def n_deviations(self) -> int:
        """Number of different standard deviations."""
        return len(self.labels)

    @property
    def n_theta(self) -> int:
        phi = 0 if self.correlation is None else self.correlation.n_parameters
        return self.n_deviations + phi

    def split(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The standard deviation of each effect (k,), and φ."""
        theta = np.asarray(theta, dtype=np.float64)
        own = theta[: self.n_deviations] ** self._power
        return own[self.deviation], theta[self.n_deviations :]

    @property
    def _power(self) -> int:
        """Standard deviations are this power of θ."""
        return 1 if self.n_deviations == 1 else 2

    def correlations(self, phi: FloatArray) -> FloatArray:
        """C, (k, k)."""
        if self.correlation is None:
            return np.eye(self.k)
        with np.errstate(all="ignore"):  # a trial range may be beyond floating point
            return np.asarray(self.correlation.matrix(phi, self.points), dtype=np.float64)

    # --- λ and derivatives ----------------------------------------------------------------

    def factor(self, theta: FloatArray) -> FloatArray:
        s, phi = self.split(theta)
        return s[:, None] * semidefinite_cholesky(self.correlations(phi))

    def derivative(self, theta: FloatArray) -> FloatArray:
        s, phi = self.split(theta)
        root = semidefinite_cholesky(self.correlations(phi))
        out = np.empty((self.n_theta, self.k, self.k))
        out[: self.n_deviations] = self._moves(theta)[:, :, None] * root
        if len(phi):
            out[self.n_deviations :] = s[:, None] * root_derivatives(root, self._slopes(phi))
        return out

    def curvature(self, theta: FloatArray, gradient: FloatArray) -> FloatArray:
        s, phi = self.split(theta)
        n, moves = self.n_deviations, self._moves(theta)
        out = np.empty((self.n_theta, self.n_theta))
        weighted = gradient * self.correlations(phi)
        out[:n, :n] = 2.0 * moves @ weighted @ moves.T
        if self._power == 2:
            out[range(n), range(n)] += 4.0 * self._members() @ weighted @ s
        if not len(phi):
            return out
        out[:n, n:] = 2.0 * moves @ ((gradient * self._slopes(phi)) @ s).T
        out[n:, :n] = out[:n, n:].T
        weighted = s[:, None] * gradient * s
        along = [
            self._second_differences(phi, weighted, size)
            for size in (SECOND_DERIVATIVE_STEP, 0.5 * SECOND_DERIVATIVE_STEP)
        ]
        second = (4.0 * along[1] - along[0]) / 3.0
        out[n:, n:] = 0.5 * (second + second.T)
        return out

    def _members(self) -> FloatArray:
        """Which effects have each standard deviation, 0 or 1, (n_deviations, k)."""
        return np.asarray(self.deviation == np.arange(self.n_deviations)[:, None], dtype=float)

    def _moves(self, theta: FloatArray) -> FloatArray:
        """∂s/∂θ of the standard deviation of each effect, (n_deviations, k)."""
        if self._power == 1:
            return self._members()
        return 2.0 * theta[: self.n_deviations, None] * self._members()

    def _slopes(self, phi: FloatArray) -> FloatArray:
        """∂C/∂φ, (len(φ), k, k)."""
        assert self.correlation is not None
        with np.errstate(all="ignore"):
            slopes = self.correlation.derivative(phi, self.points)
        return np.nan_to_num(slopes, nan=0.0, posinf=0.0, neginf=0.0)

    def _second_differences(self, phi: FloatArray, weights: FloatArray, size: float) -> FloatArray:
        """Σ weights ∘ ∂²C/∂φ_i∂φ_j by central differences of the first derivatives."""
        steps = size * np.eye(len(phi))
        moved = [
            np.einsum("iab,ab->i", self._slopes(phi + h) - self._slopes(phi - h), weights)
            for h in steps
        ]
        return np.stack(moved) / (2.0 * size)

    # --- θ of given matrices --------------------------------------------------------------

    def theta(self, factor: FloatArray) -> FloatArray:
        """θ of a factor with this structure; φ by least squares on its correlations."""
        covariance = factor @ factor.T
        start = self.nearest(covariance)
        if self.correlation is None or not self.correlation.n_parameters:
            return start
        from scipy.optimize import least_squares

        n, wanted = self.n_deviations, _correlations_of(covariance)
        found = least_squares(
            lambda phi: (self.correlations(phi) - wanted).ravel(),
            start[n:],
            jac=lambda phi: self._slopes(phi).reshape(len(phi), -1).T,
            xtol=LEAST_SQUARES_TOLERANCE,
            ftol=LEAST_SQUARES_TOLERANCE,
            gtol=LEAST_SQUARES_TOLERANCE,
        )
        return np.concatenate([start[:n], found.x])

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """The mean variances, and that start of φ whose correlations are nearest."""
        members = self._members()
        variances = members @ np.diag(covariance) / members.sum(axis=1)
        theta = np.maximum(variances, 0.0) ** (0.5 / self._power)
        if self.correlation is None:
            return theta
        wanted, starts = _correlations_of(covariance), self.correlation.starts()
        gaps = [float(np.square(self.correlations(phi) - wanted).sum()) for phi in starts]
        return np.concatenate([theta, starts[int(np.argmin(gaps))]])

    def start(self) -> FloatArray:
        phi = np.empty(0) if self.correlation is None else self.correlation.starts()[0]
        return np.concatenate([np.ones(self.n_deviations), phi])

    def alternatives(self, theta: FloatArray) -> list[FloatArray]:
        if self.correlation is None:
            return []
        own = theta[: self.n_deviations]
        return [np.concatenate([own, phi]) for phi in self.correlation.starts()]

    def distant_starts(self, theta: FloatArray) -> list[FloatArray]:
        return self.alternatives(theta)[:MOST_STARTS]

    def covariances(self) -> list[tuple[int, int]]:
        if self.correlation is None:
            return []
        return [(i, j) for i in range(self.k) for j in range(i + 1, self.k)]

    # --- θ of the same or a related λλ' ------------------------------------------------------

    def canonical(self, theta: FloatArray, of: Covariance) -> FloatArray:
        """Positive standard deviations; φ stays, as no other parametrisation is in use."""
        if not isinstance(of, Structured):
            return super().canonical(theta, of)
        n = self.n_deviations
        return np.concatenate([np.abs(theta[:n]), theta[n:]])

    def scaled(self, theta: FloatArray, number: float) -> FloatArray:
        n = self.n_deviations
        return np.concatenate([number ** (1.0 / self._power) * theta[:n], theta[n:]])

    def transform(self, theta: FloatArray, basis: FloatArray) -> FloatArray:
        n, first = self.n_deviations, np.unique(self.deviation, return_index=True)[1]
        sizes = np.diag(basis)[first] ** (1.0 / self._power)
        return np.concatenate([np.abs(theta[:n]) * sizes, theta[n:]])

    def with_zeros(self, theta: FloatArray, bound: float) -> FloatArray:
        small = np.abs(theta) ** self._power < bound
        small[self.n_deviations :] = False
        return np.where(small, 0.0, theta)

    def is_singular(self, theta: FloatArray, tolerance: float) -> list[bool]:
        """Whether a standard deviation is zero or a correlation at its bound."""
        n = self.n_deviations
        at_bound = self.correlation is not None and self.correlation.at_bound(theta[n:]).any()
        return [bool((np.abs(theta[:n]) ** self._power < tolerance).any() or at_bound)]

    # --- report ---------------------------------------------------------------------------

    def parameters(self) -> list[NaturalParameter]:
        """What is reported: standard deviations relative to σ, parameters of the correlation."""
        out = [NaturalParameter(f"sd[{x}]" if x else "sd", 0.0, np.inf, True) for x in self.labels]
        if self.correlation is not None:
            low, high = self.correlation.bounds()
            names = self.correlation.names
            out += [NaturalParameter(*own, False) for own in zip(names, low, high, strict=True)]
        return out

    def relative_coordinates(self) -> list[RelativeCoordinate]:
        first = np.unique(self.deviation, return_index=True)[1]
        return [RelativeCoordinate(i, int(j), self._power) for i, j in enumerate(first)]

    def natural(self, theta: FloatArray) -> FloatArray:
        n = self.n_deviations
        phi = [] if self.correlation is None else self.correlation.natural(theta[n:])
        s = np.abs(theta[:n]) ** self._power
        return np.concatenate([s, np.asarray(phi, dtype=np.float64)])

    def at_bound(self, theta: FloatArray) -> list[bool]:
        n = self.n_deviations
        zero = [bool(s == 0.0) for s in theta[:n]]
        if self.correlation is None:
            return zero
        return zero + [bool(b) for b in self.correlation.at_bound(theta[n:])]


def _correlations_of(covariance: FloatArray) -> FloatArray:
    """Correlations of a covariance matrix, zero for effects without variance."""
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    safe = np.where(sd > 0, sd, 1.0)
    out = covariance / np.outer(safe, safe)
    np.fill_diagonal(out, 1.0)
    return np.asarray(out)
