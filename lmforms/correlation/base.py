"""What every correlation function provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import BoolArray, FloatArray
from .parameter_maps import bounded, unbounded

COMPLEX_STEP = 1e-30
"""Step of the derivatives by complex numbers. They have no rounding error of differences."""

NEAR_BOUND = 1e-6
"""A natural parameter is at its bound within this share of the distance between its bounds."""


@dataclass(frozen=True)
class Correlation(ABC):
    """Correlation between points as a function of unconstrained parameters φ.

    Points are rows of numbers (d,): a time, the number of a visit, coordinates. One class serves
    the residuals of a series (:mod:`lmforms.residual`) and the random effects of a level
    (:mod:`lmforms.covariance`).

    Notes
    -----
    Every φ describes a valid correlation: bounded parameters are c + h sin φ, so that a bound is a
    stationary point that a search without bounds can reach, and positive ones are exp φ
    (:mod:`lmforms.correlation.parameter_maps`).

    Functions of φ also take complex numbers. Derivatives are imaginary parts of values at
    φ + ih (Squire and Trapp 1998), which are exact to rounding.

    References
    ----------
    Squire, Trapp (1998), *Using Complex Variables to Estimate Derivatives of Real Functions*,
    SIAM Review 40(1).
    """

    # --- what a correlation function must define ------------------------------------------

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the natural parameters, such as ``rho``."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of parameters φ."""

    @abstractmethod
    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        """Correlation of points a and b, (…, d) each, that are not the same point."""

    @abstractmethod
    def natural(self, phi: Any) -> Any:
        """Natural parameters from φ."""

    @abstractmethod
    def parameters(self, natural: FloatArray) -> FloatArray:
        """φ from natural parameters within their bounds."""

    @abstractmethod
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest natural parameters."""

    @abstractmethod
    def starts(self) -> list[FloatArray]:
        """Values of φ from which searches start, the most usual first."""

    # --- what follows from it -------------------------------------------------------------

    def matrix(self, phi: Any, points: FloatArray) -> Any:
        """Correlation matrix of points (m, d), or of stacks of them (…, m, d)."""
        out = np.asarray(self.between(phi, points[..., :, None, :], points[..., None, :, :]))
        out = np.array(np.broadcast_to(out, (*points.shape[:-1], points.shape[-2])))
        diagonal = np.arange(points.shape[-2])
        out[..., diagonal, diagonal] = 1.0
        return out

    def derivative(self, phi: FloatArray, points: FloatArray) -> FloatArray:
        """∂matrix/∂φ_i, (n_parameters, …, m, m)."""
        return complex_derivative(lambda z: self.matrix(z, points), phi)

    def natural_derivative(self, phi: FloatArray) -> FloatArray:
        """∂natural_j/∂φ_i, (n_parameters, number of natural parameters)."""
        return complex_derivative(self.natural, phi)

    def at_bound(self, phi: FloatArray) -> BoolArray:
        """Which natural parameters are at one of their bounds."""
        low, high = self.bounds()
        value = np.asarray(self.natural(phi), dtype=np.float64)
        size = np.where(np.isfinite(high - low), high - low, 1.0)
        return np.asarray((value - low < NEAR_BOUND * size) | (high - value < NEAR_BOUND * size))

    def ends_reached(self, phi: FloatArray) -> BoolArray:
        """Which of φ are where the correlations do not change to first order: at a bound.

        By default those whose natural parameters are, which come in the same order.
        """
        return self.at_bound(phi)

    @property
    def is_linear(self) -> bool:
        """Whether σ² times these correlations, for all σ² and φ, fill a linear space of matrices.

        They then have no second derivatives in the covariances themselves, as in compound
        symmetry, where any variance and any covariance (within bounds) may go together. AR(1) is
        not linear: ρ² comes with ρ.
        """
        return False

    # --- chains: points that depend on their past only through the last one ----------------

    @property
    def is_chain(self) -> bool:
        """Whether, in the order of time, a point depends on earlier ones only through the last."""
        return False

    @property
    def depends_on_gaps(self) -> bool:
        """Whether correlations of a chain depend on the time between two points only."""
        return False

    def innovation(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        """1 − correlation², without cancellation where it can be."""
        return 1.0 - np.square(self.between(phi, a, b))


@dataclass(frozen=True)
class BoundedCorrelation(Correlation):
    """Correlations whose parameters are numbers between two bounds each, φ their angles."""

    @property
    def n_parameters(self) -> int:
        return len(self.names)

    def natural(self, phi: Any) -> Any:
        return bounded(np.asarray(phi), *self.bounds())

    def parameters(self, natural: FloatArray) -> FloatArray:
        return unbounded(np.asarray(natural, dtype=np.float64), *self.bounds())

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """−1 and 1."""
        ones = np.ones(self.n_parameters)
        return -ones, ones


def complex_derivative(function: Callable[[Any], Any], at: FloatArray) -> FloatArray:
    """∂function/∂x_i of an analytic function, (n, …).

    Examples
    --------
    >>> complex_derivative(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]))
    array([12.,  9.])
    """
    at = np.asarray(at, dtype=np.float64)
    out = []
    for i in range(len(at)):
        z = at.astype(np.complex128)
        z[i] += 1j * COMPLEX_STEP
        out.append(np.imag(function(z)) / COMPLEX_STEP)
    if not out:
        return np.empty((0, *np.shape(function(at))))
    return np.stack(out)
