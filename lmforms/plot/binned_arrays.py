"""Arrays of pictures with bins of rows: mean residuals with bounds, observed shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import generator, one_of, whole_number
from ..support.arrays import FloatArray, IndexArray
from .diagnostic_arrays import bin_codes
from .means_arrays import is_numeric
from .residual_arrays import GENERALIZED_KINDS
from .series_of_fit import column_of

STANDARD_ERRORS = 2.0
"""Half the width of the bounds."""

MOST_BINS = 60
"""Largest number of bins by default."""

FEW_ROWS, FEW_BINS = 100, 10
"""With fewer rows there are this many bins, if there are two rows for each."""

BINNED_KINDS = ("response", "pearson", "quantile")
"""Residuals whose variance under the model is known."""

DECILES, ROWS_OF_SHARE = 10, 5
"""Bins of observed shares by default, if there are this many rows for each."""


@dataclass(frozen=True, eq=False)
class BinnedResiduals:
    """Means of residuals in bins.

    Attributes
    ----------
    x, means, bounds : ndarray (bins,)
        Mean x; mean residual; two standard errors of it under the model.
    counts : ndarray of int (bins,)
        Rows.
    categories : tuple of str
        Of x, whose bins are its levels; empty for a number.
    name, against : str
        What the axes say.
    """

    x: FloatArray
    means: FloatArray
    bounds: FloatArray
    counts: IndexArray
    categories: tuple[str, ...]
    name: str
    against: str

    @property
    def outside(self) -> np.ndarray:
        """Bins whose mean is beyond its bounds, (bins,) of bool."""
        return np.abs(self.means) > self.bounds


def default_bins(n: int) -> int:
    """√n bins; 10 of fewer than 100 rows, and a half of fewer than 20.

    Examples
    --------
    >>> [default_bins(n) for n in (1, 9, 56, 400, 100_000)]
    [1, 4, 10, 20, 60]
    """
    wanted = int(np.sqrt(n)) if n >= FEW_ROWS else FEW_BINS
    return max(1, min(wanted, n // 2, MOST_BINS))


def binned_residuals_of(fit: Any, x: Any, kind: Any, bins: Any, seed: Any) -> BinnedResiduals:
    """Mean residuals in bins of the fitted value or of a predictor.

    With u = weight × trials of a row and variance v of its residual, a mean is Σur/Σu and its
    standard error √(Σu²v)/Σu; Pearson and quantile residuals have v = 1, and u = 1.

    Raises
    ------
    ArgumentError
    """
    variances = _variances(fit)
    has_variances = bool(np.isfinite(variances).all())
    if kind is None:
        kind = "response" if has_variances and fit.family != "ordinal" else "quantile"
    kind = one_of("kind", kind, BINNED_KINDS)
    if kind != "quantile" and not has_variances:
        raise ArgumentError(
            f"kind={kind!r}: the {fit.family} family has no finite variance at its parameters. "
            "Use kind='quantile'."
        )
    residuals = fit.residuals(kind, seed=generator("seed", seed)).to_numpy()
    if not np.isfinite(residuals).all():
        raise ArgumentError(f"kind={kind!r}: some rows have no finite residual. Use another.")
    weights, u = _weights(fit)
    variances = variances / weights
    if kind != "response":
        variances, u = np.ones(len(u)), np.ones(len(u))
    at, categories, against = _places(fit, x)
    if categories:
        codes = np.unique(at, return_inverse=True)[1]
        categories = tuple(categories[int(i)] for i in np.unique(at))
        at = codes.astype(np.float64)
    else:
        n = len(at)
        count = default_bins(n) if bins is None else whole_number("bins", bins, least=1, most=n)
        codes = bin_codes(at, count)
    total = np.bincount(codes, u)
    counts = np.bincount(codes)
    return BinnedResiduals(
        x=np.bincount(codes, at) / counts,
        means=np.bincount(codes, u * residuals) / total,
        bounds=STANDARD_ERRORS * np.sqrt(np.bincount(codes, u**2 * variances)) / total,
        counts=counts,
        categories=categories,
        name=f"mean {GENERALIZED_KINDS[kind]}",
        against=against,
    )


def _places(fit: Any, x: Any) -> tuple[FloatArray, tuple[str, ...], str]:
    """Where rows are on the axis, the categories of a factor, and what the axis says."""
    if x is None and fit.family == "ordinal":
        return fit.linear_predictor.to_numpy(), (), "linear predictor"
    if x is None:
        return fit.fittedvalues.to_numpy(), (), "fitted value"
    values = column_of(fit, x, "x")
    if is_numeric(values):
        return values.to_numpy(dtype=np.float64), (), str(values.name)
    found = values.astype("category").cat
    return (
        found.codes.to_numpy(dtype=np.float64),
        tuple(map(str, found.categories)),
        str(values.name),
    )


def _weights(fit: Any) -> tuple[FloatArray, FloatArray]:
    """Weights of the rows in the log-likelihood, and these times their trials."""
    likelihood = fit.state.estimate.likelihood
    trials = likelihood.response.of_trials()
    weights = np.ones(len(trials)) if likelihood.weights is None else likelihood.weights
    return weights, weights * trials


def _variances(fit: Any) -> FloatArray:
    """Variances of the responses given the random effects, of proportions if binomial."""
    estimate = fit.state.estimate
    likelihood = estimate.likelihood
    omega, mean = likelihood.omega(estimate.coefficients), likelihood.link.mean(estimate.eta)
    with np.errstate(all="ignore"):
        found = estimate.family.variance(mean, omega, likelihood.response.trials)
    return np.broadcast_to(found, mean.shape)


@dataclass(frozen=True, eq=False)
class ObservedShares:
    """Shares of successes in bins of the fitted probability.

    Attributes
    ----------
    fitted, observed, lower, upper : ndarray (bins,)
    trials : ndarray (bins,)
    """

    fitted: FloatArray
    observed: FloatArray
    lower: FloatArray
    upper: FloatArray
    trials: FloatArray


def observed_shares(fit: Any, bins: Any, level: float) -> ObservedShares:
    """Observed shares with the limits of Clopper and Pearson.

    Raises
    ------
    ArgumentError
        The responses are not binomial.
    """
    if fit.family != "binomial":
        raise ArgumentError(
            f"calibration is for the binomial family, and this fit has {fit.family}: draw "
            "lf.plot.binned_residuals(fit)."
        )
    _, sizes = _weights(fit)
    fitted = fit.fittedvalues.to_numpy()
    n = len(fitted)
    by_default = max(1, min(DECILES, n // ROWS_OF_SHARE))
    count = by_default if bins is None else whole_number("bins", bins, least=1, most=n)
    codes = bin_codes(fitted, count)
    trials: Any = np.bincount(codes, sizes)
    successes: Any = np.bincount(codes, sizes * fit.state.response)
    lower, upper = exact_limits(successes, trials, level)
    return ObservedShares(
        np.bincount(codes, sizes * fitted) / trials, successes / trials, lower, upper, trials
    )


def exact_limits(
    successes: FloatArray, trials: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Limits of a probability by Clopper and Pearson.

    Examples
    --------
    >>> low, high = exact_limits(np.array([0.0, 5.0]), np.array([10.0, 10.0]), 0.95)
    >>> low.round(4), high.round(4)
    (array([0.    , 0.1871]), array([0.3085, 0.8129]))
    """
    from scipy.stats import beta

    tail = 0.5 * (1.0 - level)
    failures = trials - successes
    with np.errstate(all="ignore"):
        lower = beta.ppf(tail, successes, failures + 1.0)
        upper = beta.ppf(1.0 - tail, successes + 1.0, failures)
    return np.where(successes > 0.0, lower, 0.0), np.where(failures > 0.0, upper, 1.0)
