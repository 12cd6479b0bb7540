"""Residuals whose correlations and variances depend on parameters φ that are estimated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product
from typing import Any

import numpy as np

from ..correlation import Correlation, Product
from ..errors import NumericalError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .base import Residual
from .grid_whitening import GridCells, GridWhitening, grid_cells
from .series_order import SeriesOrder
from .variance_functions import VarianceFunction
from .whitening import ChainWhitening, PatternWhitening, Whitening, row_products

NEARLY_SINGULAR = 1e-8
"""Share of the variance of a row below which the other rows leave nothing of it."""


@dataclass(frozen=True, eq=False)
class ParametricResidual(Residual):
    """R = DCD, with correlations C within series and standard deviations D, at one φ.

    Parameters
    ----------
    correlation : Correlation or None
        None for independent residuals.
    points : ndarray (n, d)
        Times, numbers of visits or coordinates of the rows.
    series : ndarray of int (n,)
        Rows of different series are uncorrelated.
    variance : VarianceFunction or None
        Standard deviations of the rows, relative to σ.
    weights : ndarray (n,) or None
        Known weights w: variances are divided by them.
    values : ndarray or None
        φ, those of the correlation first. By default the first of `starts`.
    """

    correlation: Correlation | None
    points: FloatArray
    series: IndexArray
    variance: VarianceFunction | None = None
    weights: FloatArray | None = None
    values: FloatArray | None = None
    order: SeriesOrder | None = field(default=None, repr=False)
    cells: GridCells | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        parts = " * ".join(repr(part) for part in self.parts)
        phi = ", ".join(f"{value:.4g}" for value in self.phi)
        return f"<ParametricResidual {parts}: {len(self.points):,} rows, φ = ({phi})>"

    def __post_init__(self) -> None:
        if self.values is None:
            object.__setattr__(self, "values", self.starts()[0])
        if self.order is None and self.correlation is not None:
            object.__setattr__(self, "order", SeriesOrder.of(self.points, self.series))
            cells = grid_cells(self.correlation, self.points, self.series)
            object.__setattr__(self, "cells", cells)

    # --- parameters -----------------------------------------------------------------------

    @property
    def parts(self) -> list[Correlation | VarianceFunction]:
        """What has parameters: the correlation, then the variance function."""
        return [part for part in (self.correlation, self.variance) if part is not None]

    @property
    def phi(self) -> FloatArray:
        return np.asarray(self.values)

    @cached_property
    def _split(self) -> int:
        """Number of parameters of the correlation."""
        return 0 if self.correlation is None else self.correlation.n_parameters

    def starts(self) -> list[FloatArray]:
        """Values of φ from which searches start."""
        each = [part.starts() for part in self.parts]
        first = [starts[0] for starts in each]
        out = [np.concatenate(chosen) for chosen in product(*each)]
        usual = np.concatenate(first)
        return sorted(out, key=lambda phi: not np.array_equal(phi, usual))

    def at(self, phi: FloatArray) -> ParametricResidual:
        if not np.isfinite(phi).all():
            raise NumericalError("φ is not finite.")
        return replace(self, values=np.array(phi, dtype=np.float64))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the natural parameters."""
        return tuple(name for part in self.parts for name in part.names)

    def _of_parts(self, what: str) -> list[Any]:
        phis = np.split(self.phi, [self._split] if self.correlation is not None else [])
        return [getattr(p, what)(phi) for p, phi in zip(self.parts, phis, strict=False)]

    @property
    def natural(self) -> FloatArray:
        """Natural parameters: correlations, ranges, ratios of standard deviations."""
        return np.concatenate(self._of_parts("natural"))

    @property
    def at_bound(self) -> BoolArray:
        """Which natural parameters are at one of their bounds."""
        return np.concatenate(self._of_parts("at_bound"))

    # --- whitening ------------------------------------------------------------------------

    by_row = False

    def is_within(self, codes: Any) -> bool:
        if self.order is None:
            return True
        later = np.flatnonzero(self.order.previous >= 0)
        return bool((codes[later] == codes[self.order.previous[later]]).all())

    @cached_property
    def inverse_sd(self) -> FloatArray:
        """1/standard deviation of each row, relative to σ."""
        out = np.ones(len(self.series)) if self.weights is None else np.sqrt(self.weights)
        if self.variance is not None:
            with np.errstate(over="ignore", under="ignore"):  # refused below
                out = out * np.exp(-self.variance.log_sd(self.phi[self._split :]))
        if not (np.isfinite(out).all() and (out > 0).all()):
            raise NumericalError("the residual variances are not finite and positive at this φ.")
        return np.asarray(out)

    @cached_property
    def whitening(self) -> Whitening | None:
        """Of the correlations, None without any."""
        if self.correlation is None or self.order is None:
            return None
        phi = self.phi[: self._split]
        if self.cells is not None and isinstance(self.correlation, Product):
            return GridWhitening(self.cells, self.correlation, phi)
        kind = ChainWhitening if self.correlation.is_chain else PatternWhitening
        return kind(self.order, self.correlation, phi)

    @property
    def dense_numbers(self) -> int:
        """Numbers in the correlation matrices of the series, where these are written out."""
        if not isinstance(self.whitening, PatternWhitening):
            return 0
        patterns = self.whitening.order.patterns
        return sum(len(p.points) * p.rows.shape[1] ** 2 for p in patterns)

    @property
    def least_innovation(self) -> float:
        """Least share of the variance of a row that earlier rows of its series leave."""
        return 1.0 if self.whitening is None else self.whitening.least_innovation

    @property
    def is_nearly_singular(self) -> bool:
        """Whether rows are all but determined by others of their series."""
        return self.least_innovation < NEARLY_SINGULAR

    def scaled(self, rows: Any) -> Any:
        """D⁻¹ times rows."""
        if isinstance(rows, np.ndarray):
            return rows * (self.inverse_sd if rows.ndim == 1 else self.inverse_sd[:, None])
        return rows.multiply(self.inverse_sd[:, None]).tocsr()

    def whiten(self, rows: Any) -> Any:
        scaled, whitening = self.scaled(rows), self.whitening
        if whitening is None:
            return scaled
        if not isinstance(rows, np.ndarray):
            return whitening.matrix() @ scaled
        return (
            whitening.whiten(scaled)
            if scaled.ndim == 2
            else whitening.whiten(scaled[:, None])[:, 0]
        )

    def normalised(self, values: FloatArray) -> FloatArray:
        if isinstance(self.whitening, GridWhitening):
            return self.whitening.normalised(self.scaled(values))
        return super().normalised(values)

    def solve(self, rows: Any) -> Any:
        scaled, whitening = self.scaled(rows), self.whitening
        if whitening is not None:
            columns = scaled if scaled.ndim == 2 else scaled[:, None]
            scaled = whitening.transposed(whitening.whiten(columns)).reshape(scaled.shape)
        return self.scaled(scaled)

    def matrix(self, n: int) -> Any:
        import scipy.sparse as sp

        sd = sp.diags_array(1.0 / self.inverse_sd)
        if self.correlation is None or self.order is None:
            return (sd @ sd).tocsr()
        phi = self.phi[: self._split]
        blocks = self.order.blocks(partial(self.correlation.matrix, phi))
        return (sd @ sp.csr_array(self.order.sparse(blocks)) @ sd).tocsr()

    def log_determinant(self) -> float:
        return float(self.log_determinants().sum())

    def log_determinants(self) -> FloatArray:
        """Contribution of each row to ln|R|, (n,)."""
        own = -2.0 * np.log(self.inverse_sd)
        return np.asarray(own if self.whitening is None else own + self.whitening.log_dets)

    def variances(self) -> FloatArray:
        return np.asarray(self.inverse_sd**-2.0)

    def row_constants(self) -> FloatArray:
        """What the variances of rows depend on beside φ, (n, c): covariates and weights."""
        columns = [] if self.variance is None else [self.variance.row_constants()]
        if self.weights is not None:
            columns.append(self.weights[:, None])
        return np.hstack([np.empty((len(self.series), 0)), *columns])

    def subset(self, rows: slice | BoolArray | IndexArray) -> ParametricResidual:
        return replace(
            self,
            points=self.points[rows],
            series=self.series[rows],
            variance=None if self.variance is None else self.variance.subset(rows),
            weights=None if self.weights is None else self.weights[rows],
            order=None,
            cells=None,
        )

    # --- derivatives ----------------------------------------------------------------------

    @cached_property
    def log_sd_slopes(self) -> FloatArray:
        """∂ln D_i/∂φ, (parameters of the variance function, n)."""
        if self.variance is None:
            return np.empty((0, len(self.series)))
        return self.variance.log_sd_derivative(self.phi[self._split :])

    def log_det_slope(self, counts: FloatArray | None = None) -> FloatArray:
        """∂ln|R|/∂φ, for so many copies of each series as `counts` (n,) says at its rows."""
        times = np.ones(len(self.series)) if counts is None else counts
        own = 2.0 * self.log_sd_slopes @ times
        if self.whitening is None:
            return np.asarray(own)
        return np.append(self.whitening.log_det_slope(times), own)

    def contract(self, rows: Any, whitened_products: Any) -> FloatArray:
        """∂tr(F'R⁻¹F N)/∂φ for fixed rows F (n, c).

        Parameters
        ----------
        rows : ndarray or sparse (n, c)
            F.
        whitened_products : ndarray or sparse (n, c)
            R^(−1/2)FN.
        """
        F, whitening = self.scaled(rows), self.whitening
        slopes = np.empty(0) if whitening is None else whitening.contract(F, whitened_products)
        if not len(self.log_sd_slopes):
            return slopes
        back = whitened_products
        if whitening is not None:
            dense = isinstance(back, np.ndarray)
            back = whitening.transposed(back) if dense else whitening.matrix().T @ back
        return np.append(slopes, -2.0 * self.log_sd_slopes @ row_products(F, back))
