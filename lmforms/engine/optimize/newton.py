"""The quadratic model of the criterion at a point: Newton steps and directions of descent.

In units where the information has a unit diagonal, and in its axes there. A negative
eigenvalue is replaced by its absolute value, so that a step leads away from a maximum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...support.arrays import FloatArray
from ..kernel_choice import FitKernels

LEAST_EIGENVALUE = 1e-7
"""Smallest |eigenvalue| of the scaled information that a Newton step divides by."""

NEGATIVE_CURVATURE = -1e-4
"""A scaled eigenvalue below this at a stationary point is a direction of descent, not rounding."""

LEAST_SCALE = 1e-4
"""√H below this share of its value without data is rounding: no long steps on a flat criterion."""

LEAST_RELATIVE_SCALE = 1e-6
"""Smallest scale of a parameter relative to the largest."""

MODEL_BOUNDS = LEAST_EIGENVALUE, LEAST_SCALE, LEAST_RELATIVE_SCALE
"""For the compiled loops."""

POOR_AGREEMENT, GOOD_AGREEMENT = 0.25, 0.75
"""Ratios of the actual to the predicted decrease below which the trust radius shrinks, and above
which it may grow."""

FULL_STEP = 0.99
"""A step of at least this share of the trust radius was limited by it."""

MOST_COMPILED = 30
"""Jacobi's method in compiled code is faster than LAPACK up to about this size."""

LEAST_RADIUS = 1e-9
"""A search ends when the trust radius is below this: no step lowers the criterion."""


class Derivatives(Protocol):
    """First and second derivatives at a point, of a criterion in any parameters."""

    @property
    def gradient(self) -> FloatArray:
        """(m,)."""

    @property
    def information(self) -> FloatArray:
        """The curvature, (m, m)."""

    @property
    def curvature_scale(self) -> FloatArray:
        """√ of the diagonal of the curvature without data, (m,)."""


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """Slope and curvature in the axes of the scaled information.

    Attributes
    ----------
    scale : ndarray (m,)
        √|H_ii|: units in which the information has a unit diagonal.
    values, vectors : ndarray (m,), (m, m)
        Its eigenvalues and axes there.
    slope : ndarray (m,)
        The gradient along these axes.
    decrement : float
        Decrease of the criterion that the model predicts for a full Newton step.
    """

    scale: FloatArray
    values: FloatArray
    vectors: FloatArray
    slope: FloatArray
    decrement: float

    @classmethod
    def of(
        cls,
        at: Derivatives,
        secant: FloatArray | None = None,
        kernels: FitKernels | None = None,
    ) -> QuadraticModel:
        """The model at a point.

        Parameters
        ----------
        at : Derivatives
        secant : ndarray (m, m), optional
            What is known to be missing in the information.
        kernels : FitKernels, optional
            Compiled loops, where they are loaded.
        """
        m = len(at.information)
        if kernels is not None and secant is None and m <= MOST_COMPILED:
            room, (unit, values, slope) = np.empty((2, m, m)), np.empty((3, m))
            decrement = kernels.newton.quadratic_model(
                at.gradient,
                at.information,
                at.curvature_scale,
                room[0],
                unit,
                values,
                room[1],
                slope,
                *MODEL_BOUNDS,
            )
            return cls(unit, values, room[1], slope, decrement)
        d = np.maximum(np.sqrt(np.abs(at.information.diagonal())), LEAST_SCALE * at.curvature_scale)
        largest = d.max(initial=0.0)
        scale = np.maximum(d, LEAST_RELATIVE_SCALE * largest) if largest > 0 else np.ones_like(d)
        hessian = at.information if secant is None else at.information + secant
        values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
        slope = vectors.T @ (at.gradient / scale)
        decrement = 0.5 * float(slope**2 @ (1.0 / floored_curvature(values)))
        return cls(scale, values, vectors, slope, decrement)

    @property
    def curvature(self) -> FloatArray:
        """|eigenvalues|, not below the floor."""
        return floored_curvature(self.values)

    def step(self, radius: float) -> tuple[FloatArray, float, float]:
        """A Newton step within `radius`, its scaled length, and the predicted decrease."""
        curvature = self.curvature
        z = -self.slope / curvature
        length = float(np.sqrt(z @ z))
        if length > radius:
            z = -self.slope / (curvature + _levenberg_shift(self.slope, curvature, radius))
            length = float(np.sqrt(z @ z))
        predicted = -float(self.slope @ z + 0.5 * curvature @ z**2)
        return self.vectors @ z / self.scale, length, predicted

    def negative_curvature_directions(self) -> Iterator[FloatArray]:
        """Directions of negative curvature, one standard error long."""
        for j, value in enumerate(self.values.tolist()):
            if value < NEGATIVE_CURVATURE:
                yield self.vectors[:, j] / self.scale


def floored_curvature(values: FloatArray) -> FloatArray:
    """|eigenvalues|, not below `LEAST_EIGENVALUE`."""
    return np.maximum(np.abs(values), LEAST_EIGENVALUE)


def _levenberg_shift(slope: FloatArray, curvature: FloatArray, radius: float) -> float:
    """μ with ‖(curvature + μ)⁻¹ slope‖ = radius, by bisection on ln μ."""
    low, high = -40.0, float(np.log(np.linalg.norm(slope) / radius + 1e-300)) + 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        too_long = np.linalg.norm(slope / (curvature + np.exp(middle))) > radius
        low, high = (middle, high) if too_long else (low, middle)
    return float(np.exp(high))


def first_radius(model: QuadraticModel, theta: FloatArray, least: float) -> float:
    """First trust radius: half the distance to λ = 0, and no less than `least`.

    With many levels even a good start is hundreds of standard errors from the optimum.

    Parameters
    ----------
    model : QuadraticModel
        At θ, and φ if there are any.
    theta : ndarray (n_theta,)
    least : float
    """
    return max(least, 0.5 * float(np.linalg.norm(theta * model.scale[: len(theta)])))


def next_radius(radius: float, length: float, ratio: float) -> float:
    """Trust radius after a step whose decrease was `ratio` times the predicted one."""
    if ratio < POOR_AGREEMENT:
        return 0.25 * length
    if ratio > GOOD_AGREEMENT and length > FULL_STEP * radius:
        return 2.0 * radius
    return radius
