"""The residual of new rows as a part of what is predicted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...correlation import Correlation
from ...residual import Residual
from ...residual.parametric import ParametricResidual
from ...residual.prediction import covariances_with_observed, nugget_share
from ...residual.variance_functions import VarianceFunction
from ...support.arrays import FloatArray, IndexArray
from ...support.row_chunks import row_chunks
from .targets import ROUNDING, Targets


@dataclass(frozen=True, eq=False)
class SeriesRows:
    """New rows in the series of observed ones.

    Attributes
    ----------
    rows : ndarray of int (s,)
        Which of the m rows they are.
    points : ndarray (s, d)
    series : ndarray of int (s,)
    correlation : Correlation
        That of the fit, for as many lags as are needed.
    """

    rows: IndexArray
    points: FloatArray
    series: IndexArray
    correlation: Correlation


@dataclass(frozen=True, eq=False)
class ResidualRows:
    """Residuals of m rows.

    Attributes
    ----------
    rows : ndarray of int (m,)
        Which of all rows; others have none.
    variance : VarianceFunction or None
        Of the m rows.
    weights : ndarray (m,) or None
        Known weights.
    series : SeriesRows or None
        If the residuals are predicted from observed ones.
    with_nugget : bool
        Whether what belongs to a single measurement is a part of the target.
    """

    rows: IndexArray
    variance: VarianceFunction | None
    weights: FloatArray | None
    series: SeriesRows | None = None
    with_nugget: bool = True

    def added_to(self, targets: Targets, residual: Residual, observed: Targets | None) -> Targets:
        """Targets with these residuals, at the parameters φ of a residual structure.

        Parameters
        ----------
        targets : Targets
            Of all rows, without residuals.
        residual : Residual
            Of the observed rows.
        observed : Targets or None
            Of these; needed for series.
        """
        sd = self._deviations(residual)
        variances = np.square(sd)
        if self.series is None:
            return targets.with_residuals(self._of_all(variances, targets.n))
        assert isinstance(residual, ParametricResidual)
        assert residual.correlation is not None
        assert observed is not None
        if not self.with_nugget:
            correlation = residual.correlation
            phi = residual.phi[: correlation.n_parameters]
            variances *= 1.0 - nugget_share(correlation, phi)
        known = self.series.rows
        weights, explained = _best_weights(self.series, residual, sd[known])
        own, left = variances[known], variances[known] - explained
        variances[known] = np.where(left > ROUNDING * own, left, 0.0)
        placed = _spread_rows(weights, self.rows[known], targets.n)
        return targets.less(placed, observed).with_residuals(self._of_all(variances, targets.n))

    def _deviations(self, residual: Residual) -> FloatArray:
        """Standard deviations relative to σ, (m,)."""
        sd = np.ones(len(self.rows))
        if self.variance is not None:
            first = len(residual.phi) - self.variance.n_parameters
            sd = np.exp(self.variance.log_sd(residual.phi[first:]))
        return sd if self.weights is None else sd / np.sqrt(self.weights)

    def _of_all(self, values: FloatArray, n: int) -> FloatArray:
        out = np.zeros(n)
        out[self.rows] = values
        return out


def _best_weights(
    new: SeriesRows, residual: ParametricResidual, sd: FloatArray
) -> tuple[Any, FloatArray]:
    """a = R_oo⁻¹r of new rows, sparse (s, n), and a'r."""
    import scipy.sparse as sp

    there = replace(residual, correlation=new.correlation)
    n, count = len(residual.series), len(new.rows)
    parts, explained = [sp.csr_array((0, n))], np.zeros(count)
    for some in row_chunks(count, n):
        R = covariances_with_observed(there, new.points[some], new.series[some], sd[some])
        solved = residual.solve(R.toarray().T).T
        explained[some] = R.multiply(solved).sum(axis=1)
        at, old = R.nonzero()  # rows of other series have no weights
        parts.append(sp.csr_array((solved[at, old], (at, old)), shape=R.shape))
    return sp.vstack(parts).tocsr(), explained


def _spread_rows(matrix: Any, rows: IndexArray, n: int) -> Any:
    """A sparse matrix with its rows among n."""
    import scipy.sparse as sp

    places = sp.csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(n, len(rows)))
    return (places @ matrix).tocsr()
