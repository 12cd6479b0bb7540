"""An unstructured λ seen from its own principal axes: a chart for the optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..support.arrays import FloatArray
from .base import Covariance
from .stacked import Stacked
from .unstructured import Unstructured

ROUND = 0.1
"""Smallest over largest standard deviation (of any direction) above which axes do not matter."""


@dataclass(frozen=True, eq=False)
class Rotated(Covariance):
    """λ = QL with a fixed orthogonal Q and a lower-triangular L = L(θ).

    λλ' is as free as that of :class:`Unstructured`, but near a singular one it matters in
    which order the axes stand: with L alone, an early axis of no variance leaves the later
    columns free to turn into each other, along a bent valley in which Newton steps are
    short. With the principal axes of the current λ, largest first, there is no such valley.
    """

    inner: Unstructured = field(default_factory=lambda: Unstructured(1))
    axes: FloatArray = field(default_factory=lambda: np.eye(1))

    @property
    def n_theta(self) -> int:
        return self.inner.n_theta

    def covariances(self) -> list[tuple[int, int]]:
        return self.inner.covariances()

    def factor(self, theta: FloatArray) -> FloatArray:
        return np.asarray(self.axes @ self.inner.factor(theta))

    def derivative(self, theta: FloatArray) -> FloatArray:
        return np.asarray(self.axes @ self.inner.derivative(theta))

    def theta(self, factor: FloatArray) -> FloatArray:
        return self.inner.theta(self.axes.T @ factor)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return self.inner.nearest(self.axes.T @ covariance @ self.axes)

    def start(self) -> FloatArray:
        return self.inner.start()


def principal_chart(covariance: Covariance, lam: FloatArray) -> tuple[Covariance, FloatArray]:
    """The structure in the principal axes of `lam`, and θ of `lam` there.

    A structure that is far from singular at `lam` stays as it is.

    Parameters
    ----------
    covariance : Covariance
        A structure, stacked, rotated already or not.
    lam : ndarray (k, k)
        A root λ that it gives for some θ.
    """
    if isinstance(covariance, Stacked):
        charts = [
            principal_chart(part, lam[c, c])
            for part, c in zip(covariance.parts, covariance.column_slices(), strict=True)
        ]
        theta = np.concatenate([t for _, t in charts])
        parts = tuple(c for c, _ in charts)
        same = all(new is old for new, old in zip(parts, covariance.parts, strict=True))
        return covariance if same else Stacked.of(parts), theta
    inner = covariance.inner if isinstance(covariance, Rotated) else covariance
    if not isinstance(inner, Unstructured) or inner.k == 1:
        return covariance, covariance.theta(lam)
    axes, d, _ = np.linalg.svd(lam)
    if d[-1] > ROUND * d[0]:
        return covariance, covariance.theta(lam)
    chart = Rotated(k=inner.k, invariance=inner.invariance, inner=inner, axes=axes)
    return chart, inner.theta(np.diag(d))
