"""Reduced rank and factor analytic covariances, ``rr(0 + f | g, d)`` and ``fa(0 + f | g, d)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from .base import Covariance, Invariance, canonical_factor
from .matrix_roots import root_derivatives, semidefinite_cholesky
from .natural_parameters import NaturalParameter, RelativeCoordinate
from .unstructured import principal_axes

MOST_AXES, RANDOM_STARTS = 3, 6
"""Starts from which lower optima of factor analytic covariances are searched for: they often have
several, where a different effect has no variance of its own."""

LEAST_UNIQUE_SHARE = 0.1
"""A start leaves each effect at least this share of its variance outside the common factors."""


def loading_places(k: int, rank: int) -> tuple[IndexArray, IndexArray]:
    """Rows and columns of the loadings that are not zero, column by column.

    Those above the diagonal are zero: a rotation of the common factors changes no covariance.

    Examples
    --------
    >>> [tuple(map(int, place)) for place in zip(*loading_places(3, 2))]
    [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1)]
    """
    columns, rows = np.triu_indices(k)
    used = columns < rank
    return rows[used], columns[used]


@dataclass(frozen=True)
class ReducedRank(Covariance):
    """λ = Γ: covariances of rank d, ΓΓ' with loadings Γ (k, d) in the first columns of λ.

    Parameters
    ----------
    k : int
    d : int
        Rank, less than k.
    labels : tuple of str
        Names of the effects, for reports.

    References
    ----------
    McGillycuddy, Popovic, Bolker, Warton (2025), *Parsimoniously fitting large multivariate random
    effects in glmmTMB*, J. Stat. Software 112(1).

    Examples
    --------
    >>> ReducedRank(3, 1).factor(np.array([2.0, 1.0, -1.0]))
    array([[ 2.,  0.,  0.],
           [ 1.,  0.,  0.],
           [-1.,  0.,  0.]])
    """

    d: int = 1
    labels: tuple[str, ...] = ()
    invariance: ClassVar[Invariance] = "scale"

    @property
    def rank(self) -> int:
        return self.d

    @property
    def n_theta(self) -> int:
        return len(loading_places(self.k, self.d)[0])

    def factor(self, theta: FloatArray) -> FloatArray:
        lam = np.zeros((self.k, self.k))
        lam[loading_places(self.k, self.d)] = theta
        return lam

    def derivative(self, theta: FloatArray) -> FloatArray:
        out = np.zeros((self.n_theta, self.k, self.k))
        out[(np.arange(self.n_theta), *loading_places(self.k, self.d))] = 1.0
        return out

    def theta(self, factor: FloatArray) -> FloatArray:
        return np.asarray(factor[loading_places(self.k, self.d)])

    def root_theta(self, root: FloatArray) -> FloatArray:
        return loadings_theta(root @ root.T, self.d)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return loadings_theta(covariance, self.d)

    def start(self) -> FloatArray:
        return self.theta(np.tril(np.ones((self.k, self.k))))

    def covariances(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.k) for j in range(i + 1, self.k)]

    def in_principal_axes(self, theta: FloatArray) -> tuple[Covariance, FloatArray]:
        return principal_axes(self, self, theta)

    def column_spaces(self, rng: np.random.Generator) -> list[FloatArray]:
        return [rng.normal(size=(self.k, r)) for r in range(self.d + 1)]

    def parameters(self) -> list[NaturalParameter]:
        """Loadings relative to σ."""
        labels = self.labels or [str(i + 1) for i in range(self.k)]
        return [
            NaturalParameter(f"loading[{labels[i]},{j + 1}]", -np.inf, np.inf, True)
            for i, j in zip(*loading_places(self.k, self.d), strict=True)
        ]

    def natural(self, theta: FloatArray) -> FloatArray:
        return theta

    def at_bound(self, theta: FloatArray) -> list[bool]:
        return [False] * len(theta)

    def relative_coordinates(self) -> list[RelativeCoordinate]:
        """The first loading of each factor is positive and fixes the signs of the others."""
        rows, columns = loading_places(self.k, self.d)
        first = {
            int(j): entry for entry, (i, j) in enumerate(zip(rows, columns, strict=True)) if i == j
        }
        return [
            RelativeCoordinate(entry, int(i), 1, i != j, (first[int(j)],) if i != j else ())
            for entry, (i, j) in enumerate(zip(rows, columns, strict=True))
        ]


@dataclass(frozen=True)
class FactorAnalytic(Covariance):
    """λλ' = ΓΓ' + diag(ψ²): d common factors with loadings Γ, and a variance of each effect's own.

    Parameters
    ----------
    k : int
    d : int
        Number of common factors.
    labels : tuple of str
        Names of the effects, for reports.

    References
    ----------
    Smith, Cullis, Thompson (2001), *Analyzing variety by environment data using multiplicative
    mixed models*, Biometrics 57(4).

    Examples
    --------
    >>> lam = FactorAnalytic(3, 1).factor(np.array([1.0, 1.0, -1.0, 1.0, 1.0, 1.0]))
    >>> (lam @ lam.T).round(12)
    array([[ 2.,  1., -1.],
           [ 1.,  2., -1.],
           [-1., -1.,  2.]])
    """

    d: int = 1
    labels: tuple[str, ...] = ()
    invariance: ClassVar[Invariance] = "scale"
    is_linear: ClassVar[bool] = False

    @property
    def n_loadings(self) -> int:
        """Number of loadings that are not zero."""
        return len(loading_places(self.k, self.d)[0])

    @property
    def n_theta(self) -> int:
        return self.n_loadings + self.k

    def split(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Γ (k, d) and ψ (k,)."""
        loadings = np.zeros((self.k, self.d))
        loadings[loading_places(self.k, self.d)] = theta[: self.n_loadings]
        return loadings, np.asarray(theta[self.n_loadings :])

    def factor(self, theta: FloatArray) -> FloatArray:
        loadings, psi = self.split(theta)
        return semidefinite_cholesky(loadings @ loadings.T + np.diag(psi**2))

    def derivative(self, theta: FloatArray) -> FloatArray:
        loadings, psi = self.split(theta)
        changes = np.zeros((self.n_theta, self.k, self.k))
        rows, columns = loading_places(self.k, self.d)
        m = len(rows)
        changes[np.arange(m), rows] += loadings[:, columns].T
        changes[np.arange(m), :, rows] += loadings[:, columns].T
        own = np.arange(self.k)
        changes[m + own, own, own] = 2.0 * psi
        return root_derivatives(self.factor(theta), changes)

    def curvature(self, theta: FloatArray, gradient: FloatArray) -> FloatArray:
        rows, columns = loading_places(self.k, self.d)
        m = len(rows)
        out = np.zeros((self.n_theta, self.n_theta))
        out[:m, :m] = 2.0 * gradient[np.ix_(rows, rows)] * (columns[:, None] == columns)
        own = m + np.arange(self.k)
        out[own, own] = 2.0 * np.diag(gradient)
        return out

    def theta(self, factor: FloatArray) -> FloatArray:
        """θ of a factor with this structure, by least squares on its covariances."""
        from scipy.optimize import least_squares

        covariance = factor @ factor.T

        def misfit(theta: FloatArray) -> FloatArray:
            loadings, psi = self.split(theta)
            found = loadings @ loadings.T + np.diag(psi**2) - covariance
            return np.asarray(found[np.tril_indices(self.k)])

        start = self.nearest(covariance)
        found = least_squares(misfit, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        return self._with_positive_diagonal(found.x)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """Principal axes of the covariances, and what they leave of the variances."""
        theta = loadings_theta(covariance, self.d)
        loadings = np.zeros((self.k, self.d))
        loadings[loading_places(self.k, self.d)] = theta
        variances = np.diag(covariance)
        left = variances - np.square(loadings).sum(axis=1)
        psi = np.sqrt(np.maximum(left, LEAST_UNIQUE_SHARE * variances))
        return np.concatenate([theta, psi])

    def start(self) -> FloatArray:
        return np.ones(self.n_theta)

    def alternatives(self, theta: FloatArray) -> list[FloatArray]:
        """Smaller loadings beside larger variances of the effects' own."""
        changed = theta.copy()
        changed[: self.n_loadings] *= 0.5
        return [changed]

    def distant_starts(self, theta: FloatArray) -> list[FloatArray]:
        """Other principal axes in the place of the first, and random signs of the loadings."""
        covariance = self.factor(theta) @ self.factor(theta).T
        variances = np.diag(covariance)
        values, vectors = np.linalg.eigh(covariance)
        order = np.argsort(values)[::-1]
        rng = np.random.default_rng(0)
        roots = [
            (vectors * np.sqrt(np.maximum(values, 0.0)))[:, np.roll(order, -i)[: self.d]]
            for i in range(1, min(self.k, MOST_AXES + 1))
        ]
        roots += [
            rng.choice([-1.0, 1.0], (self.k, self.d)) * np.sqrt(0.5 * variances / self.d)[:, None]
            for _ in range(RANDOM_STARTS)
        ]
        psi = np.sqrt(0.5 * variances)
        return [np.append(loadings_theta(root @ root.T, self.d), psi) for root in roots]

    def covariances(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.k) for j in range(i + 1, self.k)]

    def canonical(self, theta: FloatArray, of: Covariance) -> FloatArray:
        if not isinstance(of, FactorAnalytic):
            return super().canonical(theta, of)
        return self._with_positive_diagonal(theta)

    def _with_positive_diagonal(self, theta: FloatArray) -> FloatArray:
        """Positive first loadings of the factors, and positive ψ."""
        loadings, psi = self.split(theta)
        signs = np.where(np.diag(loadings) < 0, -1.0, 1.0)
        return self._joined(loadings * signs, np.abs(psi))

    def _joined(self, loadings: FloatArray, psi: FloatArray) -> FloatArray:
        return np.concatenate([loadings[loading_places(self.k, self.d)], psi])

    def scaled(self, theta: FloatArray, number: float) -> FloatArray:
        return number * theta

    def transform(self, theta: FloatArray, basis: FloatArray) -> FloatArray:
        loadings, psi = self.split(theta)
        sizes = np.diag(basis)
        return self._with_positive_diagonal(self._joined(sizes[:, None] * loadings, sizes * psi))

    def with_zeros(self, theta: FloatArray, bound: float) -> FloatArray:
        small = np.abs(theta) < bound
        small[: self.n_loadings] = False
        return np.where(small, 0.0, theta)

    def parameters(self) -> list[NaturalParameter]:
        """Loadings and standard deviations of the effects' own, relative to σ."""
        labels = self.labels or [str(i + 1) for i in range(self.k)]
        own = [NaturalParameter(f"sd[{label}]", 0.0, np.inf, True) for label in labels]
        return [*ReducedRank(self.k, self.d, self.labels).parameters(), *own]

    def natural(self, theta: FloatArray) -> FloatArray:
        return theta

    def at_bound(self, theta: FloatArray) -> list[bool]:
        m = self.n_loadings
        return [False] * m + [bool(psi == 0.0) for psi in theta[m:]]

    def relative_coordinates(self) -> list[RelativeCoordinate]:
        own = [RelativeCoordinate(self.n_loadings + i, i) for i in range(self.k)]
        return [*ReducedRank(self.k, self.d).relative_coordinates(), *own]


def loadings_theta(covariance: FloatArray, d: int) -> FloatArray:
    """Loadings of the d principal axes of a covariance, lower trapezoidal with diagonal ≥ 0."""
    k = len(covariance)
    values, vectors = np.linalg.eigh(covariance)
    largest = np.argsort(values)[::-1][:d]
    root = np.zeros((k, k))
    root[:, :d] = vectors[:, largest] * np.sqrt(np.maximum(values[largest], 0.0))
    return np.asarray(canonical_factor(root)[loading_places(k, d)])
