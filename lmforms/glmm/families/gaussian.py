"""The normal distribution, with the variance σ² as its dispersion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from ...support.arrays import BoolArray, FloatArray
from .base import Family, Response, Rows
from .special import HALF_LOG_TWO_PI


class Gaussian(Family):
    """Normal responses with variance σ² (`dispersion`), ω = ln σ².

    Parameters
    ----------
    dispersion : float, optional
        σ² if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> row = Gaussian().density(Response(np.array([1.0])), np.zeros(1), [np.zeros(1)], 2)
    >>> row.values[:, 0].round(4)
    array([-1.4189,  1.    , -1.    ])
    """

    name = "gaussian"
    inner = "identity"
    links = ("identity", "log", "inverse")
    own_parameters = ("dispersion",)

    def __init__(self, dispersion: float | None = None) -> None:
        super().__init__(dispersion=dispersion)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        precision = np.exp(-omega[0])
        residual = response.y - tau
        slope = residual * precision
        half = 0.5 * residual * slope
        values = (-HALF_LOG_TWO_PI - 0.5 * omega[0] - half, slope, -precision, 0.0)
        return values, [(half - 0.5, -slope, precision)]

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        return ~np.isfinite(response.y), "finite numbers"

    def start_mean(self, response: Response) -> FloatArray:
        return response.y

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        return {"dispersion": _positive(float(np.mean((response.y - mean) ** 2)))}

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return np.broadcast_to(np.exp(self.complete(omega)[0]), np.shape(mean))

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        return rng.normal(mean, np.exp(0.5 * self.complete(omega)[0]), np.shape(mean))

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        below = ndtr((response.y - mean) * np.exp(-0.5 * self.complete(omega)[0]))
        return below, below

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        return np.asarray((response.y - mean) ** 2)


def _positive(value: float) -> float:
    return value if value > 0.0 else 1.0  # of a perfect fit there is nothing to learn
