"""A correlation with an independent part of every point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import BoolArray, FloatArray
from .base import Correlation
from .parameter_maps import bounded, unbounded


@dataclass(frozen=True)
class WithNugget(Correlation):
    """(1 − c) times a correlation: a share c of the variance is that of a point alone.

    Parameters
    ----------
    inner : Correlation

    Examples
    --------
    >>> from lmforms.correlation import FirstOrder
    >>> noisy = WithNugget(FirstOrder())
    >>> noisy.matrix(noisy.parameters([0.5, 0.2]), np.array([[0.0], [1.0]]))
    array([[1. , 0.4],
           [0.4, 1. ]])
    """

    inner: Correlation

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.inner.names, "nugget")

    @property
    def n_parameters(self) -> int:
        return self.inner.n_parameters + 1

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        phi = np.asarray(phi)
        return (1.0 - bounded(phi[-1], 0.0, 1.0)) * self.inner.between(phi[:-1], a, b)

    def natural(self, phi: Any) -> Any:
        phi = np.asarray(phi)
        return np.append(self.inner.natural(phi[:-1]), bounded(phi[-1], 0.0, 1.0))

    def parameters(self, natural: FloatArray) -> FloatArray:
        natural = np.asarray(natural, dtype=np.float64)
        return np.append(self.inner.parameters(natural[:-1]), unbounded(natural[-1], 0.0, 1.0))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = self.inner.bounds()
        return np.append(low, 0.0), np.append(high, 1.0)

    def starts(self) -> list[FloatArray]:
        inner = self.inner.starts()
        shares = [0.2] * len(inner) + [0.6]
        return [
            np.append(phi, unbounded(np.array(share), 0.0, 1.0))
            for phi, share in zip([*inner, inner[0]], shares, strict=True)
        ]

    def at_bound(self, phi: FloatArray) -> BoolArray:
        nugget = super().at_bound(phi)[-1:]
        return np.append(self.inner.at_bound(np.asarray(phi)[:-1]), nugget)

    def ends_reached(self, phi: FloatArray) -> BoolArray:
        inner = self.inner.ends_reached(np.asarray(phi)[:-1])
        return np.append(inner, self.at_bound(phi)[-1])
