"""Student's t distribution, for outliers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtr

from ...support.arrays import BoolArray, FloatArray
from .base import Family, Response, Rows
from .special import HALF_LOG_TWO_PI, log_excess, rising

# Half of the absolute deviations of a normal distribution are below this share of σ
_NORMAL_MEDIAN = 0.6744897501960817
_START_DF = 6.0


class StudentT(Family):
    """t-distributed responses of a `scale` σ (ω = ln σ) and degrees of freedom `df` ν (ω = ln ν).

    The mean is the location, also for ν ≤ 1, where no mean exists; the variance is infinite for
    ν ≤ 2.

    Parameters
    ----------
    df, scale : float, optional
        ν and σ if they are not to be estimated.

    Examples
    --------
    >>> import numpy as np
    >>> cauchy = StudentT(df=1)
    >>> row = cauchy.density(Response(np.array([1.0])), np.zeros(1), [np.zeros(1)], 1)
    >>> row.values[:, 0].round(4)
    array([-1.8379,  1.    ])
    """

    name = "student_t"
    inner = "identity"
    links = ("identity", "log", "inverse")
    own_parameters = ("scale", "df")

    def __init__(self, df: float | None = None, scale: float | None = None) -> None:
        super().__init__(scale=scale, df=df)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        rate, df = np.exp(-omega[0]), np.exp(omega[1])
        u = (response.y - tau) * rate
        square = u * u
        w = square / df
        # the ratio of gamma functions, Γ((ν + 1)/2)/(Γ(ν/2) √(ν/2))
        gammas = response.at(
            "t", [omega[1]], lambda: rising(np.full_like(df, 0.5), np.atleast_1d(0.5 * df), 1)
        )
        log_term = np.log1p(w)
        rows = [gammas[0] - HALF_LOG_TWO_PI - omega[0] - 0.5 * (df + 1.0) * log_term]
        if not order:
            return rows, []
        whole = df + square
        # derivatives of the logarithm in u; scaled to those in τ at the end
        one = -(df + 1.0) * u / whole
        rows.append(-one * rate)
        share = square / whole
        bend = -log_excess(-share, -log_term)  # ln(1 + w) − w/(1 + w)
        of_scale = [-1.0 - u * one]
        of_df = [gammas[1] - 0.5 * df * bend + 0.5 * share]
        if order > 1:
            two = (df + 1.0) * (square - df) / (whole * whole)
            rows.append(two * rate * rate)
            of_scale.append((u * two + one) * rate)
            of_df.append(df * u * (square - 1.0) / (whole * whole) * rate)
        if order > 2:
            cube = whole * whole * whole
            three = 2.0 * (df + 1.0) * u * (3.0 * df - square) / cube
            rows.append(-three * rate * rate * rate)
            of_scale.append(-(u * three + 2.0 * two) * rate * rate)
            turn = square * (square - 3.0 * (df + 1.0)) + df
            of_df.append(df * turn / cube * rate * rate)
        return rows, [of_scale, of_df]

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        return ~np.isfinite(response.y), "finite numbers"

    def start_mean(self, response: Response) -> FloatArray:
        return response.y

    def _moments(self, response: Response, mean: FloatArray) -> dict[str, float]:
        away = np.abs(response.y - mean)
        scale = float(np.median(away)) / _NORMAL_MEDIAN or float(np.mean(away)) or 1.0
        return {"scale": scale, "df": _START_DF}

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        log_scale, log_df = self.complete(omega)
        df = np.exp(log_df)
        with np.errstate(divide="ignore"):
            ratio = np.where(df > 2.0, df / np.maximum(df - 2.0, 0.0), np.inf)
        return np.broadcast_to(np.exp(2.0 * log_scale) * ratio, np.shape(mean))

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        log_scale, log_df = self.complete(omega)
        return mean + np.exp(log_scale) * rng.standard_t(np.exp(log_df), np.shape(mean))

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        log_scale, log_df = self.complete(omega)
        below = stdtr(np.exp(log_df), (response.y - mean) * np.exp(-log_scale))
        return below, below

    def unit_deviance(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> FloatArray:
        log_scale, log_df = self.complete(omega)
        df = np.exp(log_df)
        return (df + 1.0) * np.log1p(((response.y - mean) * np.exp(-log_scale)) ** 2 / df)
