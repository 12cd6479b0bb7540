"""An unstructured λ seen from its own principal axes: a chart for the optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .base import Covariance, FloatArray
from .stacked import Stacked
from .unstructured import Unstructured


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

    Parameters
    ----------
    covariance : Covariance
        A structure, stacked, rotated already or not.
    lam : ndarray (k, k)
        A root λ of this structure.
    """
    if isinstance(covariance, Stacked):
        charts = [
            principal_chart(part, lam[c, c])
            for part, c in zip(covariance.parts, covariance.column_slices(), strict=True)
        ]
        return Stacked.of([c for c, _ in charts]), np.concatenate([t for _, t in charts])
    inner = covariance.inner if isinstance(covariance, Rotated) else covariance
    if not isinstance(inner, Unstructured) or inner.k == 1:
        return covariance, covariance.theta(lam)
    axes, d, _ = np.linalg.svd(lam)
    chart = Rotated(k=inner.k, invariance=inner.invariance, inner=inner, axes=axes)
    return chart, inner.theta(np.diag(d))
