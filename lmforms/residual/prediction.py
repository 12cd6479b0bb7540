"""Residuals of new rows, predicted from those of the observed rows of the same series."""

from __future__ import annotations

from collections.abc import Iterator
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
    which = _observed_series(residual, series)
    known = np.flatnonzero(which >= 0)
    phi = residual.phi[: correlation.n_parameters]
    if correlation.is_chain:
        standardised = residual.scaled(values)
        out[known] = _between_neighbours(
            residual, correlation, phi, standardised, points[known], series[known]
        )
    else:
        weights = residual.solve(values) / residual.inverse_sd
        for new, old, shared in _pairs(residual, correlation, points[known], which[known]):
            out[known] += np.bincount(new, shared * weights[old], len(known))
    return out if sd is None else out * sd


def covariances_with_observed(
    residual: ParametricResidual, points: FloatArray, series: IndexArray, sd: FloatArray
) -> Any:
    """R_no, the covariances of new and observed rows relative to σ², sparse (m, n).

    Parameters are those of :func:`predicted_residuals`.
    """
    import scipy.sparse as sp

    n, m = len(residual.series), len(points)
    correlation = residual.correlation
    if correlation is None or residual.order is None or not n:
        return sp.csr_array((m, n))
    which = _observed_series(residual, series)
    known = np.flatnonzero(which >= 0)
    made = list(_pairs(residual, correlation, points[known], which[known]))
    if not made:
        return sp.csr_array((m, n))
    new, old, shared = (np.concatenate(parts) for parts in zip(*made, strict=True))
    values = shared * sd[known[new]] / residual.inverse_sd[old]
    return sp.csr_array((values, (known[new], old)), shape=(m, n))


def _observed_series(residual: ParametricResidual, series: IndexArray) -> IndexArray:
    """Which series, in the order of the rows of a structure, each new row belongs to; or −1."""
    order: Any = residual.order
    codes = residual.series[order.rows[order.starts]]
    which = np.minimum(np.searchsorted(codes, series), len(codes) - 1)
    return np.asarray(np.where(codes[which] == series, which, -1))


def _pairs(
    residual: ParametricResidual,
    correlation: Correlation,
    points: FloatArray,
    which: IndexArray,
) -> Iterator[tuple[IndexArray, IndexArray, FloatArray]]:
    """New rows, observed rows of their series and the correlations, a part of the rows at a time.

    `which` are the series of the new rows, all of them observed.
    """
    order: Any = residual.order
    phi = residual.phi[: correlation.n_parameters]
    lengths = order.lengths[which]
    ends = np.cumsum(lengths)
    start = 0
    while start < len(points):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + MOST_PAIRS, "right")), start + 1)
        many = lengths[start:stop]
        pair = np.repeat(np.arange(start, stop), many)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(many) - many, many)
        old = order.rows[np.repeat(order.starts[which[start:stop]], many) + within]
        yield pair, old, correlations_between(correlation, phi, points[pair], order.points[old])
        start = stop


def correlations_between(
    correlation: Correlation, phi: FloatArray, a: FloatArray, b: FloatArray
) -> FloatArray:
    """Correlations of different rows at points a and b (…, d), which may be one place.

    Two measurements at one place have the correlation one, or one less the nugget.
    """
    nugget = nugget_share(correlation, phi)
    same = (a == b).all(axis=-1)
    return np.where(same, 1.0 - nugget, correlation.between(phi, a, b))


def nugget_share(correlation: Correlation, phi: FloatArray) -> float:
    """Share of the variance that is that of a measurement alone; zero without a nugget."""
    if "nugget" not in correlation.names:
        return 0.0
    return float(correlation.natural(phi)[correlation.names.index("nugget")])


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
