"""Residuals of new rows, predicted from those of the observed rows of the same series."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..correlation import Correlation
from ..support.arrays import FloatArray, IndexArray
from .parametric import ParametricResidual

MOST_PAIRS = 1 << 20
"""Pairs of a new and an observed row whose correlations are in memory together."""


def predicted_residuals(
    residual: ParametricResidual,
    values: FloatArray,
    points: FloatArray,
    series: IndexArray,
    sd: FloatArray | None = None,
) -> FloatArray:
    """Best linear prediction R_no R_oo⁻¹e of the residuals of new rows.

    Parameters
    ----------
    residual : ParametricResidual
        Of the n observed rows, at its φ.
    values : ndarray (n,)
        Their residuals e.
    points : ndarray (m, d)
        Times, numbers of visits or coordinates of the new rows, as in `residual`.
    series : ndarray of int (m,)
        Series of the new rows; −1 for one without observed rows.
    sd : ndarray (m,), optional
        Standard deviations of the new rows relative to σ; ones by default.

    Returns
    -------
    ndarray (m,)
        Zero for a series without observed rows. At the place of an observed row it is that row's
        residual, unless the structure has a nugget.

    References
    ----------
    Goldberger (1962), *Best linear unbiased prediction in the generalized linear regression
    model*, JASA 57(298); Cressie (1993), *Statistics for Spatial Data*, section 3.2 (kriging).

    Examples
    --------
    >>> from lmforms.correlation import FirstOrder
    >>> ar1 = FirstOrder()
    >>> observed = ParametricResidual(
    ...     ar1, np.array([[0.0], [1.0]]), np.array([0, 0]), values=ar1.parameters([0.5])
    ... )
    >>> ahead = np.array([[2.0], [3.0], [3.0]])
    >>> predicted_residuals(observed, np.array([1.0, 4.0]), ahead, np.array([0, 0, -1]))
    array([2., 1., 0.])
    """
    correlation, order = residual.correlation, residual.order
    out = np.zeros(len(points))
    if correlation is None or order is None or not len(values):
        return out
    codes = residual.series[order.rows[order.starts]]
    which = np.minimum(np.searchsorted(codes, series), len(codes) - 1)
    known = np.flatnonzero(codes[which] == series)
    phi = residual.phi[: correlation.n_parameters]
    if correlation.is_chain:
        standardised = residual.scaled(values)
        out[known] = _between_neighbours(
            residual, correlation, phi, standardised, points[known], series[known]
        )
    else:
        weights = residual.solve(values) / residual.inverse_sd
        lengths = order.lengths[which[known]]
        ends = np.cumsum(lengths)
        start = 0
        while start < len(known):
            before = int(ends[start - 1]) if start else 0
            stop = max(int(np.searchsorted(ends, before + MOST_PAIRS, "right")), start + 1)
            new = known[start:stop]
            many = lengths[start:stop]
            pair = np.repeat(np.arange(len(new)), many)
            within = np.arange(len(pair)) - np.repeat(np.cumsum(many) - many, many)
            old = order.rows[np.repeat(order.starts[which[new]], many) + within]
            shared = correlations_between(correlation, phi, points[new[pair]], order.points[old])
            out[new] = np.bincount(pair, shared * weights[old], len(new))
            start = stop
    return out if sd is None else out * sd


def correlations_between(
    correlation: Correlation, phi: FloatArray, a: FloatArray, b: FloatArray
) -> FloatArray:
    """Correlations of different rows at points a and b (…, d), which may be one place.

    Two measurements at one place have the correlation one, or one less the nugget.
    """
    nugget = 0.0
    if "nugget" in correlation.names:
        nugget = float(correlation.natural(phi)[correlation.names.index("nugget")])
    same = (a == b).all(axis=-1)
    return np.where(same, 1.0 - nugget, correlation.between(phi, a, b))


def _between_neighbours(
    residual: ParametricResidual,
    correlation: Correlation,
    phi: FloatArray,
    values: FloatArray,
    points: FloatArray,
    series: IndexArray,
) -> FloatArray:
    """Of chains: from the last row before and the first row after each new one.

    With correlations a and b to these two, the weights are a(1 − b²) and b(1 − a²), over 1 − a²b².
    """
    order: Any = residual.order
    m, n = len(points), len(order.rows)
    everywhere = np.concatenate([order.points[order.rows, 0], points[:, 0]])
    all_series = np.concatenate([residual.series[order.rows], series])
    is_new = np.append(np.zeros(n, dtype=bool), np.ones(m, dtype=bool))
    sorted_rows = np.lexsort((is_new, everywhere, all_series))  # an observed row at the place first
    seen = np.cumsum(~is_new[sorted_rows])
    place = np.empty(m, dtype=np.intp)  # observed rows up to each new one, in the order of `rows`
    at = np.flatnonzero(is_new[sorted_rows])
    place[sorted_rows[at] - n] = seen[at]
    before, after = order.rows[np.maximum(place - 1, 0)], order.rows[np.minimum(place, n - 1)]
    has_before = (place > 0) & (residual.series[before] == series)
    has_after = (place < n) & (residual.series[after] == series)
    old = order.points

    def shares(rows: IndexArray, there: Any) -> tuple[FloatArray, FloatArray]:
        same = (old[rows] == points).all(axis=1)
        rho = np.where(same, 1.0, correlation.between(phi, old[rows], points))
        rest = np.where(same, 0.0, correlation.innovation(phi, old[rows], points))
        return np.where(there, rho, 0.0), np.where(there, rest, 1.0)

    (a, rest_a), (b, rest_b) = shares(before, has_before), shares(after, has_after)
    both = has_before & has_after
    rest = rest_a + np.square(a) * rest_b  # 1 − a²b²
    rest = np.where(both, rest, 1.0)
    weights = np.where(both, a * rest_b, a) / rest, np.where(both, b * rest_a, b) / rest
    return np.asarray(weights[0] * values[before] + weights[1] * values[after])
