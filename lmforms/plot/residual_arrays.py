"""Arrays that pictures of residuals show: by fitted value, smoothers, limits of quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import generator, one_of
from .accepted_fits import is_generalized
from .diagnostic_arrays import BAND, normal_quantiles

KINDS = {
    "response": "residual",
    "pearson": "Pearson residual",
    "scaled": "scaled residual",
    "normalized": "normalized residual",
    "standardized": "standardised residual",
    "studentized": "studentised residual",
    "marginal": "marginal residual",
    "marginal-standardized": "standardised marginal residual",
}
"""What an axis says of each kind of residuals."""

GENERALIZED_KINDS = {
    "quantile": "quantile residual",
    "deviance": "deviance residual",
    "pearson": "Pearson residual",
    "working": "working residual",
    "response": "residual",
}
"""The same of generalised fits; the first is drawn by default."""

SHARE = 2.0 / 3.0
"""Of the rows that each point of the smoother takes."""

FEW_PLACES = 8
"""With fewer distinct fitted values the smoother is the mean at each."""

MOST_SMOOTHED = 5000
"""Rows of a smoother; of more it takes means of this many neighbours."""

STEP = 0.01
"""Of the range of fitted values: nearer points of the smoother are interpolated."""

SAME = 1e-9
"""Fitted values that differ by less, in units of the largest, are the same."""

MOST_LIMITS = 400
"""Points of the limits of normal quantiles."""


@dataclass(frozen=True, eq=False)
class FittedResiduals:
    """Residuals of the rows that have one.

    Attributes
    ----------
    fitted, residuals : ndarray (m,)
    labels : pandas.Index (m,)
    name, against : str
        What the axes say of residuals and of fitted values.
    without : int
        Rows that have a coefficient of their own, and no residual.
    """

    fitted: np.ndarray
    residuals: np.ndarray
    labels: pd.Index
    name: str
    against: str
    without: int


def fitted_residuals(
    fit: Any, kind: str | None, seed: Any = 0, fixed: bool = False
) -> FittedResiduals:
    """Residuals of one kind beside the fitted values that they are residuals of.

    By default normalized ones where residuals have a structure, else scaled ones, which are then
    the same. Of generalised fits quantile residuals, beside linear predictors. `fixed` leaves the
    random effects out of the fitted values, as those of marginal residuals always do.

    Raises
    ------
    ArgumentError
        There is no such kind, or no row has a residual.
    ModelError
        The kind is not known for this fit.
    """
    if is_generalized(fit):
        return _generalized_residuals(fit, kind, generator("seed", seed), fixed)
    if kind is None:
        kind = "scaled" if fit.residual == "iid" else "normalized"
    kind = one_of("kind", kind, KINDS)
    values = fit.residuals(kind)
    residuals, fitted, against = values.to_numpy(), fit.fittedvalues.to_numpy(), "fitted value"
    if fixed or kind.startswith("marginal"):
        against = "fitted value, fixed part"
        fitted = fitted + (fit.resid - fit.residuals("marginal")).to_numpy()
    known = np.isfinite(residuals)
    if not known.any():
        raise ArgumentError(
            f"kind={kind!r}: each row has a coefficient of its own. Use kind='response'."
        )
    return FittedResiduals(
        fitted[known],
        residuals[known],
        values.index[known],
        KINDS[kind],
        against,
        int((~known).sum()),
    )


def _generalized_residuals(
    fit: Any, kind: str | None, rng: np.random.Generator, fixed: bool
) -> FittedResiduals:
    """Residuals of a generalised fit; those that are infinite are an error."""
    kind = one_of("kind", "quantile" if kind is None else kind, GENERALIZED_KINDS)
    values = fit.residuals(kind, seed=rng)
    residuals, eta = values.to_numpy(), fit.linear_predictor.to_numpy()
    infinite = ~(np.isfinite(residuals) & np.isfinite(eta))
    if infinite.any():
        raise ArgumentError(
            f"kind={kind!r}: {infinite.sum():,} rows have no finite residual. Use kind='quantile'."
        )
    name, against = GENERALIZED_KINDS[kind], "linear predictor"
    if fixed:
        eta, against = fixed_part(fit), "linear predictor, fixed part"
    return FittedResiduals(eta, residuals, values.index, name, against, 0)


def fixed_part(fit: Any) -> np.ndarray:
    """Xβ̂ + offset, (n,)."""
    design = fit.state.design
    return np.asarray(design.X @ fit.state.estimate.beta + design.offset)


def smoothed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A smooth curve of y by x: Cleveland's robust local lines, or means at few places.

    Returns
    -------
    x, y : ndarray (m,)
        Empty where x does not vary.

    References
    ----------
    Cleveland (1979), *Robust locally weighted regression and smoothing scatterplots*, J. American
    Statistical Association 74(368).

    Examples
    --------
    >>> x, y = smoothed(np.arange(40.0), 2 * np.arange(40.0))
    >>> bool(np.allclose(y, 2 * x))
    True
    >>> smoothed(np.array([0.0, 0.0, 1.0]), np.array([1.0, 3.0, 5.0]))
    (array([0., 1.]), array([2., 5.]))
    """
    width = SAME * max(float(np.abs(x).max()), np.finfo(float).tiny)
    places, which = np.unique(np.round(x / width), return_inverse=True)
    if len(places) < 2:
        return np.empty(0), np.empty(0)
    if len(places) < FEW_PLACES:
        counts = np.bincount(which)
        return np.bincount(which, x) / counts, np.bincount(which, y) / counts
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    if len(x) > MOST_SMOOTHED:
        parts = np.arange(len(x)) * MOST_SMOOTHED // len(x)
        counts = np.bincount(parts)
        x, y = np.bincount(parts, x) / counts, np.bincount(parts, y) / counts
    from statsmodels.nonparametric.smoothers_lowess import lowess

    line = lowess(y, x, frac=SHARE, delta=STEP * np.ptp(x), is_sorted=True)
    known = np.unique(line[np.isfinite(line[:, 1])], axis=0)
    return known[:, 0], known[:, 1]


@dataclass(frozen=True, eq=False)
class NormalQuantiles:
    """Ordered values beside normal quantiles, with the line through the quartiles.

    Attributes
    ----------
    expected, observed : ndarray (n,)
    order : ndarray of int (n,)
        Rows of the ordered values.
    line : ndarray (n,)
    at, lower, upper : ndarray (m,)
        Where the limits are, and the limits: 95 % of independent normal values of each rank.
    """

    expected: np.ndarray
    observed: np.ndarray
    order: np.ndarray
    line: np.ndarray
    at: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def quantiles_with_limits(values: np.ndarray) -> NormalQuantiles:
    """Normal quantiles of values, and limits by the distribution of order statistics.

    The i-th of n uniform numbers is distributed as Beta(i, n + 1 − i).

    Examples
    --------
    >>> found = quantiles_with_limits(np.array([3.0, 1.0, 2.0]))
    >>> found.observed, found.line.round(2), bool((found.lower < found.line).all())
    (array([1., 2., 3.]), array([1.36, 2.  , 2.64]), True)
    """
    from scipy.stats import beta, norm

    n = len(values)
    x, order, (level, slope) = normal_quantiles(values)
    spaced = np.linspace(x[0], x[-1], MOST_LIMITS)  # of the axis: the ends have few points
    ranks = np.unique(np.clip(np.searchsorted(x, spaced), 0, n - 1)) + 1
    low, high = norm.ppf(beta.ppf([[(1 - BAND) / 2], [(1 + BAND) / 2]], ranks, n + 1 - ranks))
    line = level + slope * x
    return NormalQuantiles(
        x, values[order], order, line, x[ranks - 1], level + slope * low, level + slope * high
    )
