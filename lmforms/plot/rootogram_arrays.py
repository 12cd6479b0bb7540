"""Arrays of a rootogram: how many rows have each count, and how many should by the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..glmm.families.response import Response
from ..support.arguments import whole_number
from ..support.arrays import FloatArray, IndexArray

MOST_BARS = 60
"""Bars by default: larger counts share them."""

BEYOND, FARTHEST = 1.0, 1.5
"""The axis goes on until fewer rows than `BEYOND` are expected above it, at most to `FARTHEST`
times the largest count."""

ROUND_WIDTHS = (1, 2, 5, 10)
"""Widths of bars, times powers of ten."""


@dataclass(frozen=True, eq=False)
class CountFrequencies:
    """Observed and expected numbers of rows, by count.

    Attributes
    ----------
    low, high : ndarray of int (bars,)
        First and last count of each bar.
    observed, expected : ndarray (bars,)
        Sums of weights, where log-likelihoods have them.
    observed_above, expected_above : float
        Of counts beyond the last bar.
    """

    low: IndexArray
    high: IndexArray
    observed: FloatArray
    expected: FloatArray
    observed_above: float
    expected_above: float

    @property
    def places(self) -> FloatArray:
        """Middle of each bar, (bars,)."""
        return np.asarray(0.5 * (self.low + self.high))


def has_counts(fit: Any) -> bool:
    """Whether responses of a generalised fit are counts without an upper end."""
    family = fit.state.estimate.family
    return bool(family.discrete and not family.takes_trials and fit.family != "ordinal")


def count_frequencies(fit: Any, largest: Any = None, width: Any = None) -> CountFrequencies:
    """Σ_i w_i 1(y_i = k) and Σ_i w_i P(Y_i = k | b̂), for each count k or each range of counts.

    Raises
    ------
    ArgumentError
        The responses are no counts.
    """
    estimate = fit.state.estimate
    family, likelihood = estimate.family, estimate.likelihood
    if not has_counts(fit):
        raise ArgumentError(
            f"rootogram is for counts without an upper end, and this fit has the {fit.family} "
            "family: draw lf.plot.binned_residuals(fit) or lf.plot.simulated_residuals(fit)."
        )
    y = likelihood.response.y
    weights = np.ones(len(y)) if likelihood.weights is None else likelihood.weights
    omega, mean = likelihood.omega(estimate.coefficients), likelihood.link.mean(estimate.eta)

    def expected_up_to(count: int) -> float:
        response = Response(np.full(len(y), float(count)))
        with np.errstate(all="ignore"):
            return float(family.cumulative(response, mean, omega)[1] @ weights)

    total = float(weights.sum())
    if largest is None:
        last = int(y.max())
        farthest = int(np.ceil(FARTHEST * last)) + 1
        while last < farthest and total - expected_up_to(last) >= BEYOND:
            last += max(1, last // MOST_BARS)
    else:
        last = whole_number("largest", largest)
    step = round_width(last + 1) if width is None else whole_number("width", width, least=1)
    low = np.arange(0, last + 1, step)
    high = low + step - 1
    upto = np.array([expected_up_to(int(k)) for k in high])
    inside = y <= high[-1]
    bars = (y[inside] // step).astype(np.intp)
    return CountFrequencies(
        low=low,
        high=high,
        observed=np.bincount(bars, weights[inside], len(low)).astype(np.float64),
        expected=np.diff(upto, prepend=0.0),
        observed_above=float(weights[~inside].sum()),
        expected_above=max(total - float(upto[-1]), 0.0),
    )


def round_width(counts: int) -> int:
    """Width of bars of which `MOST_BARS` reach over some counts.

    Examples
    --------
    >>> [round_width(counts) for counts in (8, 60, 61, 200, 700)]
    [1, 1, 2, 5, 20]
    """
    needed = -(-counts // MOST_BARS)
    power = 10 ** (len(str(needed)) - 1)
    return next(w * power for w in ROUND_WIDTHS if w * power >= needed)
