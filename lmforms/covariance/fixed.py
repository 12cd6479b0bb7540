"""A covariance held at a given value: no parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..support.arrays import FloatArray
from .base import Covariance


@dataclass(frozen=True, eq=False)
class Fixed(Covariance):
    """λ is what it is; to ask what the others would do if it were so."""

    value: FloatArray = field(default_factory=lambda: np.eye(1))

    @property
    def n_theta(self) -> int:
        return 0

    def covariances(self) -> list[tuple[int, int]]:
        return []

    def factor(self, theta: FloatArray) -> FloatArray:
        return self.value

    def derivative(self, theta: FloatArray) -> FloatArray:
        return np.zeros((0, self.k, self.k))

    def theta(self, factor: FloatArray) -> FloatArray:
        return np.empty(0)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        return np.empty(0)

    def start(self) -> FloatArray:
        return np.empty(0)
