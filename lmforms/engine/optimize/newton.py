"""The quadratic model of the criterion at a point: steps, their promise, ways down.

In units where the information has a unit diagonal, and in its axes there. A negative
eigenvalue is stepped along as if it were positive: away from a maximum, not towards it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray

FLOOR = 1e-7
"""Smallest |eigenvalue| of the scaled information that a Newton step divides by."""

SADDLE = -1e-4
"""A scaled eigenvalue below this at a stationary point is a way down, not rounding."""

FLATTEST = 1e-4
"""√H below this share of its reference is rounding: no long steps on a flat criterion."""


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
    """

    scale: FloatArray
    values: FloatArray
    vectors: FloatArray
    slope: FloatArray

    @classmethod
    def of(
        cls,
        gradient: FloatArray,
        information: FloatArray,
        reference: FloatArray,
        secant: FloatArray | None = None,
    ) -> QuadraticModel:
        """The model of an evaluation.

        Parameters
        ----------
        gradient, information, reference : ndarray (m,), (m, m), (m,)
            See :class:`lmforms.engine.criterion.evaluate.Evaluation`.
        secant : ndarray (m, m), optional
            What is known to be missing in the information.
        """
        d = np.maximum(np.sqrt(np.abs(information.diagonal())), FLATTEST * reference)
        largest = d.max(initial=0.0)
        scale = np.maximum(d, 1e-6 * largest) if largest > 0 else np.ones_like(d)
        hessian = information if secant is None else information + secant
        values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
        return cls(scale, values, vectors, vectors.T @ (gradient / scale))

    @property
    def curvature(self) -> FloatArray:
        """|eigenvalues|, not below the floor."""
        return np.maximum(np.abs(self.values), FLOOR)

    @property
    def decrement(self) -> float:
        """Decrease of the criterion that a full Newton step promises."""
        return 0.5 * float(self.slope**2 @ (1.0 / self.curvature))

    def step(self, radius: float) -> tuple[FloatArray, float, float]:
        """A Newton step within `radius`, its scaled length, and the decrease it promises."""
        curvature = self.curvature
        z = -self.slope / curvature
        length = float(np.sqrt(z @ z))
        if length > radius:
            z = -self.slope / (curvature + _shift(self.slope, curvature, radius))
            length = float(np.sqrt(z @ z))
        predicted = -float(self.slope @ z + 0.5 * curvature @ z**2)
        return self.vectors @ z / self.scale, length, predicted

    def negative_curvature_directions(self) -> Iterator[FloatArray]:
        """Directions of negative curvature, one standard error long."""
        for j in np.flatnonzero(self.values < SADDLE):
            yield self.vectors[:, j] / self.scale


def _shift(slope: FloatArray, curvature: FloatArray, radius: float) -> float:
    """μ with ‖(curvature + μ)⁻¹ slope‖ = radius, by bisection on ln μ."""
    low, high = -40.0, float(np.log(np.linalg.norm(slope) / radius + 1e-300)) + 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        too_long = np.linalg.norm(slope / (curvature + np.exp(middle))) > radius
        low, high = (middle, high) if too_long else (low, middle)
    return float(np.exp(high))


def next_radius(radius: float, length: float, ratio: float) -> float:
    """Trust radius after a step of this length that kept `ratio` of its promise."""
    if ratio < 0.25:
        return 0.25 * length
    if ratio > 0.75 and length > 0.99 * radius:
        return 2.0 * radius
    return radius
