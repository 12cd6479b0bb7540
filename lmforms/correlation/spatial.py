"""Correlations of points in time or space: exponential, Gaussian and spherical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ModelError
from ..support.arguments import one_of
from ..support.arrays import FloatArray
from .decay import Decay

METRICS = ("euclidean", "l1")


@dataclass(frozen=True)
class Exponential(Decay):
    """exp(−d / range). In one dimension this is AR(1) in continuous time, ρ = exp(−1 / range).

    Parameters
    ----------
    axes, nugget, per_axis, scale
        See :class:`~lmforms.correlation.decay.Decay`.
    metric : {"euclidean", "l1"}
        With ``"l1"`` the distance over the range is Σ |Δ_j| / range_j: the correlation is a
        product over the coordinates (separable).

    References
    ----------
    Pinheiro and Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 5.3.2.

    Examples
    --------
    >>> kernel = Exponential()
    >>> kernel.matrix(kernel.parameters([2.0]), np.array([[0.0], [2.0], [4.5]])).round(3)
    array([[1.   , 0.368, 0.105],
           [0.368, 1.   , 0.287],
           [0.105, 0.287, 1.   ]])
    """

    metric: str = "euclidean"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("metric", self.metric, METRICS)

    def scaled_squares(self, ranges: Any, a: FloatArray, b: FloatArray) -> Any:
        if self.metric == "euclidean":
            return super().scaled_squares(ranges, a, b)
        return np.square((np.abs(a - b) / ranges).sum(axis=-1))

    def decay(self, squares: Any, shape: Any) -> Any:
        return np.exp(-np.sqrt(squares))

    @property
    def is_chain(self) -> bool:
        return len(self.axes) == 1 and not self.nugget

    @property
    def depends_on_gaps(self) -> bool:
        return True

    def innovation(self, phi: Any, a: FloatArray, b: FloatArray) -> Any:
        if not self.is_chain:
            return super().innovation(phi, a, b)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return -np.expm1(-2.0 * np.sqrt(self.scaled_squares(np.exp(np.asarray(phi)), a, b)))


@dataclass(frozen=True)
class Gaussian(Decay):
    """exp(−(d / range)²), as in nlme and glmmTMB; elsewhere 2 range² may stand for range².

    Matrices of many points within a range are singular to rounding. A nugget avoids that.

    Parameters
    ----------
    axes, nugget, per_axis, scale
        See :class:`~lmforms.correlation.decay.Decay`.

    References
    ----------
    Pinheiro and Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 5.3.2.

    Examples
    --------
    >>> kernel = Gaussian(nugget=True)
    >>> kernel.matrix(kernel.parameters([2.0, 0.1]), np.array([[0.0], [2.0]])).round(3)
    array([[1.   , 0.331],
           [0.331, 1.   ]])
    """

    def decay(self, squares: Any, shape: Any) -> Any:
        return np.exp(-squares)


@dataclass(frozen=True)
class Spherical(Decay):
    """1 − 1.5 d / range + 0.5 (d / range)³ up to the range, and 0 beyond; up to three dimensions.

    The likelihood has kinks where the range is a distance between two points.

    Parameters
    ----------
    axes, nugget, per_axis, scale
        See :class:`~lmforms.correlation.decay.Decay`.

    References
    ----------
    Pinheiro and Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 5.3.2.

    Examples
    --------
    >>> kernel = Spherical()
    >>> kernel.matrix(kernel.parameters([2.0]), np.array([[0.0], [1.0], [3.0]])).round(4)
    array([[1.    , 0.3125, 0.    ],
           [0.3125, 1.    , 0.    ],
           [0.    , 0.    , 1.    ]])
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.axes) > 3:
            raise ModelError(
                "The spherical correlation is one in up to three dimensions, and there are "
                f"{len(self.axes)}. Take the exponential."
            )

    def decay(self, squares: Any, shape: Any) -> Any:
        distance = np.sqrt(squares)
        near = np.square(1.0 - distance) * (1.0 + 0.5 * distance)
        return np.where(distance.real < 1.0, near, 0.0)

    def middle_range(self, shape: FloatArray) -> float:
        return 2.5
