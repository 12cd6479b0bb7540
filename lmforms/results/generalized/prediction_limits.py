r"""Intervals of predictions of a generalised fit.

Limits of a mean are made on the link and transformed. With e the expected response, which may be
a function of the probability of zeros too, and ζ = g(e),

.. math::
    \operatorname{Var}(\hat ζ) = \Big(\frac{dg}{de}\Big)^2 \{ e_η^2\, z'ΛA^{-1}Λ'z
    + v'\operatorname{Cov}(\hat ψ)v \}, \qquad v = e_η g + e_{s^2}\,\dot{s^2} + e_ω \dot ω.

Where e = μ(η), ζ is η. Limits of a new response are quantiles of its predictive distribution, that
of the family with η normal around η̂, found from its distribution function by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ...data.design_rows import DesignRows
from ...glmm.fit import parameter_of
from ...glmm.population import MeanFunction
from ...glmm.predictive import predictive_quantiles
from ...inference.predictions.predictor_errors import (
    PredictorErrors,
    predictor_errors,
    unknown_variance,
)
from ...support.arrays import FloatArray
from ..prediction_intervals import COLUMNS, refuse_new_places
from ..state import FitState
from .rows import estimate_of


@dataclass(frozen=True, eq=False)
class PredictedRows:
    """Rows to predict, with their linear predictors.

    Attributes
    ----------
    state : FitState
    rows : DesignRows
    eta : ndarray (r,)
        With known random effects at their modes and the unknown ones at zero.
    omega : list of ndarray (r,) or (1,)
        Parameters of the family.
    average : bool
        Whether means are averages over the unknown random effects.
    are_own : bool
        The rows are those of the fit, with all random terms.
    """

    state: FitState
    rows: DesignRows
    eta: FloatArray
    omega: list[FloatArray]
    average: bool
    are_own: bool

    @property
    def mean(self) -> MeanFunction:
        """Expected responses of the family."""
        likelihood = estimate_of(self.state).likelihood
        return MeanFunction(likelihood.family, likelihood.link)

    def errors(self) -> PredictorErrors:
        """Errors of the linear predictors."""
        refuse_new_places(self.rows)
        own = self.are_own
        return predictor_errors(estimate_of(self.state), self.rows, are_own=own)

    def averages(self) -> FloatArray:
        """Means over the unknown random effects, (r,)."""
        refuse_new_places(self.rows)
        variance = unknown_variance(estimate_of(self.state), self.rows)
        with np.errstate(all="ignore"):
            return self.mean.averaged(self.eta, variance, self.omega)


def confidence_columns(predicted: PredictedRows, kind: str, level: float) -> dict[str, FloatArray]:
    """Estimates of means or linear predictors, their standard errors and limits."""
    errors, quantile = predicted.errors(), float(ndtri(0.5 + 0.5 * level))
    with np.errstate(all="ignore"):
        if kind == "link":
            error = np.sqrt(errors.known_variance + errors.unknown)
            half = quantile * error
            eta = predicted.eta
            return dict(zip(COLUMNS, (eta, error, eta - half, eta + half), strict=True))
        return _means(predicted, errors, quantile)


def _means(
    predicted: PredictedRows, errors: PredictorErrors, quantile: float
) -> dict[str, FloatArray]:
    estimate, mean = estimate_of(predicted.state), predicted.mean
    eta, omega = predicted.eta, predicted.omega
    averaged = errors.unknown if predicted.average else np.zeros_like(eta)
    expected = mean.averaged(eta, averaged, omega)
    of_eta, of_variance, of_omega = mean.slopes(eta, averaged, omega)
    slopes = of_eta * errors.slopes
    if predicted.average:
        slopes = slopes + of_variance * errors.unknown_slopes
    start = estimate.problem.n_theta + estimate.problem.p
    designs = _auxiliary_columns(predicted) if mean.needs_omega else []
    for own, s, slope in zip(designs, estimate.likelihood.slices, of_omega, strict=False):
        slopes[start + s.start : start + s.stop] += (slope[:, None] * own).T
    variance = of_eta**2 * errors.conditional + errors.quadratic(slopes)
    if not predicted.average:
        variance = variance + of_eta**2 * errors.unknown
    error = np.sqrt(np.maximum(variance, 0.0))
    if mean.needs_omega or predicted.average:
        at = mean.link.of_mean(expected)
        on_link = error / np.abs(mean.link.inner("identity", at, 1)[1])
    else:  # that of η itself, as slopes of the mean vanish in the tails
        at, on_link = eta, np.sqrt(errors.known_variance + errors.unknown)
    half = np.where(of_eta < 0.0, -quantile, quantile) * on_link
    lower = _mean_or_end(mean, at - half, 0.0)
    upper = _mean_or_end(mean, at + half, 1.0 if mean.family.inner == "logit" else np.inf)
    lower, upper = (np.where(np.isfinite(expected), x, np.nan) for x in (lower, upper))
    return dict(zip(COLUMNS, (expected, error, lower, upper), strict=True))


def _mean_or_end(mean: MeanFunction, eta: FloatArray, end: float) -> FloatArray:
    """Means, and the end of their range where a predictor is beyond that of the link."""
    inside = mean.family.inner == "identity" or mean.link.valid(mean.family.inner, eta)
    return np.asarray(np.where(inside, mean.link.mean(eta), end))


def _auxiliary_columns(predicted: PredictedRows) -> list[FloatArray]:
    """Columns of ω_j of the rows."""
    state, r = predicted.state, len(predicted.eta)
    family = estimate_of(state).family
    given = {parameter_of(family, name): name for name in state.design.auxiliary}
    return [
        predicted.rows.auxiliary[given[name]] if name in given else np.ones((r, 1))
        for name in family.parameter_names
    ]


# --- new responses ------------------------------------------------------------------------


def prediction_columns(
    predicted: PredictedRows, level: float, trials: FloatArray | None
) -> dict[str, FloatArray]:
    """Means, standard deviations and quantiles of new responses; of proportions if binomial."""
    errors, mean = predicted.errors(), predicted.mean
    eta, omega = predicted.eta, predicted.omega
    variance = errors.known_variance + errors.unknown
    averaged = errors.unknown if predicted.average else np.zeros_like(eta)
    known = np.isfinite(eta) & np.isfinite(variance)
    for own in omega:
        known &= np.isfinite(own)
    out = np.full((4, len(eta)), np.nan)
    omega = [o if len(o) == 1 else o[known] for o in omega]
    m = None if trials is None else trials[known]
    eta, variance = eta[known], variance[known]
    if known.any():
        with np.errstate(all="ignore"):
            out[0, known] = mean.averaged(eta, averaged[known], omega)
            out[1, known] = mean.moments(eta, variance, omega, m).sd
            for place, p in ((2, 0.5 - 0.5 * level), (3, 0.5 + 0.5 * level)):
                found = predictive_quantiles(mean, eta, variance, omega, m, p)
                out[place, known] = found / m if m is not None else found
    return dict(zip(COLUMNS, out, strict=True))
