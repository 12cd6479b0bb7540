"""Numbers above 0: gamma and inverse gaussian."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammainc, log_ndtr, ndtr

from ...support.arrays import BoolArray, FloatArray
from .base import Family, Response, Rows
from .special import HALF_LOG_TWO_PI, expm1_minus, stirling_error, stirling_slope


def log_response(response: Response) -> FloatArray:
    """ln y."""
    found: FloatArray = response.once("log", lambda: np.log(response.y))
    return found


class _Positive(Family):
    """What families of positive numbers with a dispersion have in common."""

    inner = "log"
    own_parameters = ("dispersion",)

    def __init__(self, dispersion: float | None = None) -> None:
        super().__init__(dispersion=dispersion)

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        return ~((response.y > 0.0) & np.isfinite(response.y)), "numbers above 0"

    def start_mean(self, response: Response) -> FloatArray:
        return response.y

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        none = [np.zeros(1) for _ in self.parameter_names]
        unit = self.variance(mean, none) / np.exp(self.complete(none)[0])
        found = float(np.mean((response.y - mean) ** 2 / unit))
        return {"dispersion": found if found > 0.0 else 1.0}


class Gamma(_Positive):
    """Gamma responses with variance φμ² (`dispersion` φ), ω = ln φ; the shape is 1/φ.

    The default link is the inverse, as in R, lme4 and statsmodels; the log link keeps means
    positive whatever the predictors are.

    Parameters
    ----------
    dispersion : float, optional
        φ if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> row = Gamma().density(Response(np.array([2.0])), np.zeros(1), [np.zeros(1)], 1)
    >>> row.values[:, 0].round(4)  # φ = 1 at μ = 1: exponential
    array([-2.,  1.])
    """

    name = "gamma"
    links = ("inverse", "log", "identity")

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        log_y = log_response(response)
        shape = np.exp(-omega[0])
        delta = log_y - tau
        half = expm1_minus(delta)  # of the unit deviance
        free, slope = response.at(
            "gamma",
            omega,
            lambda: (
                -HALF_LOG_TWO_PI - 0.5 * omega[0] - stirling_error(shape) - log_y,
                0.5 - shape * stirling_slope(shape),
            ),
        )
        rows = [free - shape * half]
        if not order:
            return rows, []
        ratio = response.y * np.exp(-tau)
        first, second = shape * (ratio - 1.0), shape * ratio
        rows += [first, -second, second]
        return rows, [(shape * half - slope, -first, second)]

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return np.exp(self.complete(omega)[0]) * mean**2

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        dispersion = np.exp(self.complete(omega)[0])
        return rng.gamma(1.0 / dispersion, dispersion * mean, np.shape(mean))

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        shape = np.exp(-self.complete(omega)[0])
        below = gammainc(shape, shape * response.y / mean)
        return below, below

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        return 2.0 * expm1_minus(log_response(response) - np.log(mean))


class InverseGaussian(_Positive):
    """Inverse gaussian responses with variance φμ³ (`dispersion` φ), ω = ln φ.

    The default link is 1/μ², as in R.

    Parameters
    ----------
    dispersion : float, optional
        φ if it is not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> row = InverseGaussian().density(Response(np.array([1.0])), np.zeros(1), [np.zeros(1)], 2)
    >>> row.values[:, 0].round(4)
    array([-0.9189,  0.    , -1.    ])
    """

    name = "inverse_gaussian"
    links = ("inverse_squared", "log", "inverse", "identity")

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        log_y = log_response(response)
        ratio = response.y * np.exp(-tau)
        excess = ratio - 1.0
        scale = np.exp(-omega[0]) / response.y
        half = 0.5 * scale * excess * excess
        rows = [-HALF_LOG_TWO_PI - 0.5 * omega[0] - 1.5 * log_y - half]
        if not order:
            return rows, []
        slope = scale * ratio
        first, second = slope * excess, -slope * (2.0 * ratio - 1.0)
        rows += [first, second, slope * (4.0 * ratio - 1.0)]
        return rows, [(half - 0.5, -first, -second)]

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        return np.exp(self.complete(omega)[0]) * mean**3

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        return rng.wald(mean, np.exp(-self.complete(omega)[0]), np.shape(mean))

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        y, rate = response.y, np.exp(-self.complete(omega)[0])
        root = np.sqrt(rate / y)
        with np.errstate(over="ignore"):
            second = np.exp(2.0 * rate / mean + log_ndtr(-root * (y / mean + 1.0)))
        below = np.minimum(ndtr(root * (y / mean - 1.0)) + second, 1.0)
        return below, below

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        return np.asarray((response.y / mean - 1.0) ** 2 / response.y)
