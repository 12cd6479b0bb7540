"""AR(1): correlations of whole times that are powers of one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import FloatArray
from .base import BoundedCorrelation

LARGE_INNOVATION = 0.5
"""With a larger 1 − ρ² nothing cancels."""


@dataclass(frozen=True)
class FirstOrder(BoundedCorrelation):
    """AR(1), ρ^|s − t| for integer times s and t; −1 < ρ < 1.

    Times that are missing are gaps, which are not closed up.

    Examples
    --------
    >>> ar1 = FirstOrder()
    >>> ar1.matrix(ar1.parameters([0.5]), np.array([[0.0], [1.0], [3.0]]))
    array([[1.   , 0.5  , 0.125],
           [0.5  , 1.   , 0.25 ],
           [0.125, 0.25 , 1.   ]])
    """

    @property
    def names(self) -> tuple[str, ...]:
        return ("rho",)

    def between(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        rho = self.natural(phi)[0]
        return whole_power(rho, _gaps(a, b))

    def starts(self) -> list[FloatArray]:
        return [self.parameters(np.array([rho])) for rho in (0.3, 0.7, -0.3, 0.95)]

    @property
    def is_chain(self) -> bool:
        return True

    @property
    def depends_on_gaps(self) -> bool:
        return True

    def innovation(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        phi = np.asarray(phi)
        left = np.square(np.cos(phi[0]))  # 1 − ρ²
        if np.real(left) > LARGE_INNOVATION:
            return super().innovation(phi, a, b)
        return -np.expm1(_gaps(a, b) * np.log1p(-left))


def whole_power(base: Any, exponent: FloatArray) -> Any:
    """base^exponent for exponents 0, 1, 2, …; the base may be negative and complex.

    The power of a negative complex number turns the rounding error of π into an imaginary part,
    which would be taken for a derivative. The power of its square does not.

    Examples
    --------
    >>> whole_power(-0.5, np.array([0.0, 1.0, 2.0]))
    array([ 1.  , -0.5 ,  0.25])
    """
    exponent = np.asarray(exponent)
    largest = int(exponent.max(initial=0.0))
    if largest < exponent.size:  # each power once: in a field few distances belong to many pairs
        return _power(base, np.arange(largest + 1.0))[exponent.astype(np.intp)]
    return _power(base, exponent)


def _power(base: Any, exponent: FloatArray) -> Any:
    half = exponent // 2.0
    return np.where(exponent == 2.0 * half, 1.0, base) * np.square(base) ** half


def _gaps(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.abs(a[..., 0] - b[..., 0])
