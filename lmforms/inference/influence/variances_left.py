"""Whether the rows that a deletion leaves determine the variances and correlations of a model.

Rounds of a search do not notice parameters that nothing depends on: they stay where they began.
"""

from __future__ import annotations

import numpy as np

from ...correlation.base import complex_derivative
from ...covariance import Covariance
from ...covariance.structured import Structured
from ...residual.parametric import ParametricResidual
from ...results.state import FitState
from ...support.arrays import BoolArray, FloatArray, IndexArray
from .cases import Cases
from .information_left import RANK_TOLERANCE, keeps_rank, largest_eigenvalue_below

MOST_PAIRS = 1_000_000
"""With more pairs of rows within series each of them is only compared with the row before."""

LEAST_SHARE = 1e-9
"""Least share of the squared slopes of correlations in a direction of φ that is information on it.
The sums of the pairs that are left are differences: rounding is 1e-13."""


def keeps_variances(state: FitState, cases: Cases) -> BoolArray:
    """Cases (m,) without which all variance parameters can still be estimated.

    Not if a random effect, or a stratum or visit with parameters of its own, loses all its rows,
    nor if no pairs of rows are left that tell a correlation.
    """
    out = np.ones(len(cases), dtype=bool)
    for term in state.design.terms:
        if not _shares_one_variance(term.covariance):
            out &= _keeps_columns(term.matrix.values, cases)
    residual = state.residual
    if isinstance(residual, ParametricResidual):
        # ratios to σ: what they have in common is σ itself
        slopes = np.column_stack([np.ones(state.design.n), residual.log_sd_slopes.T])
        out &= _keeps_columns(slopes, cases)
        if residual.correlation is not None:
            out &= _keeps_correlations(residual, cases)
    return out


def _shares_one_variance(covariance: Covariance) -> bool:
    """Whether effects without rows are told by the others."""
    return isinstance(covariance, Structured) and covariance.n_deviations <= 1


def _keeps_columns(columns: FloatArray, cases: Cases) -> BoolArray:
    """Cases (m,) without which no column, independent of the others before, becomes dependent."""
    sizes = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(sizes > 0, sizes, 1.0)
    if np.linalg.matrix_rank(scaled) < columns.shape[1]:
        return np.ones(len(cases), dtype=bool)
    return keeps_rank(scaled, cases)


def _keeps_correlations(residual: ParametricResidual, cases: Cases) -> BoolArray:
    """Cases (m,) without which the pairs of rows within series tell each φ of the correlation."""
    correlation = residual.correlation
    assert correlation is not None
    every = np.ones(len(cases), dtype=bool)
    first, second = _pairs_within(residual)
    points = residual.points
    rng = np.random.default_rng(0)  # a generic φ: where a slope is zero, it is so everywhere
    phi = correlation.starts()[0] + rng.uniform(0.1, 0.4, correlation.n_parameters)
    slopes = complex_derivative(
        lambda z: correlation.between(z, points[first], points[second]), phi
    ).T
    values, vectors = np.linalg.eigh(slopes.T @ slopes)
    if not values[0] > RANK_TOLERANCE * values[-1]:
        return every
    slopes = slopes @ (vectors / np.sqrt(values))
    lost = np.zeros((len(cases), len(values), len(values)))
    products = slopes[:, :, None] * slopes[:, None, :]
    a, b = cases.codes[first], cases.codes[second]
    np.add.at(lost, a, products)
    np.add.at(lost, b[a != b], products[a != b])
    return largest_eigenvalue_below(lost, 1.0 - LEAST_SHARE)


def _pairs_within(residual: ParametricResidual) -> tuple[IndexArray, IndexArray]:
    """Pairs of rows of one series, each once."""
    order = np.argsort(residual.series, kind="stable")
    counts = np.unique(residual.series, return_counts=True)[1]
    if np.square(counts.astype(float)).sum() > 2 * MOST_PAIRS:
        assert residual.order is not None
        later = np.flatnonzero(residual.order.previous >= 0)
        return residual.order.previous[later], later
    first, second = [], []
    for own in np.split(order, np.cumsum(counts)[:-1]):
        i, j = np.triu_indices(len(own), 1)
        first.append(own[i])
        second.append(own[j])
    return np.concatenate(first), np.concatenate(second)
