"""Whitening of rows on grids whose correlation is the product of two chains: O(cells).

On a full grid W = W_row W_column, each of which takes every cell less its neighbour. Cells without
a row are latent: with Q = W'W on the full grid, o the cells with rows and m the others,

    F'R⁻¹F = G'QG,  G_o = F,  G_m = −Q_mm⁻¹Q_mo F;        ln|R| = −ln|Q| + ln|Q_mm|.

G_m is the best prediction of the latent cells from the rows, which makes G'QG least, so that
derivatives of Q need none of G. Whitened rows are those of the full grid.

References
----------
Martin (1979), *A subclass of lattice processes applied to a problem in planar sampling*,
Biometrika 66(2); Gilmour, Cullis, Verbyla (1997), *Accounting for natural and extraneous variation
in the analysis of field experiments*, JABES 2(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..correlation import Correlation, Product
from ..support.arrays import FloatArray, IndexArray
from .series_order import SeriesOrder
from .whitening import ChainWhitening

MOST_LATENT = 2_000
"""Most cells without a row: their part of Q is factored as a dense matrix."""

MOST_CELLS_RATIO = 2.0
"""Most cells of the grids, relative to the rows."""


@dataclass(frozen=True, eq=False)
class GridCells:
    """Cells of the full grids that rows stand on.

    Attributes
    ----------
    points : ndarray (N, 2)
        Row and column of every cell, grid by grid.
    observed : ndarray of int (n,)
        Cell of each row.
    latent : ndarray of int (M,)
        Cells without a row.
    by_row, by_column : SeriesOrder
        Cells of one column in the order of their rows, and the other way round.
    """

    points: FloatArray
    observed: IndexArray
    latent: IndexArray
    by_row: SeriesOrder
    by_column: SeriesOrder

    @classmethod
    def of(cls, points: FloatArray, series: IndexArray) -> GridCells | None:
        """The grids of rows at `points` (n, 2), one for each series; None where they are sparse."""
        cells, grids, observed = [], [], np.empty(len(points), dtype=np.intp)
        first = 0
        by_series = np.argsort(series, kind="stable")
        for at in np.split(by_series, np.flatnonzero(np.diff(series[by_series])) + 1):
            (rows, i), (columns, j) = (
                np.unique(points[at, axis], return_inverse=True) for axis in (0, 1)
            )
            size = len(rows) * len(columns)
            if first + size > MOST_CELLS_RATIO * len(points):
                return None
            grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
            cells.append(grid.reshape(size, 2))
            grids.append(np.full(size, series[at[0]]))
            observed[at] = first + i * len(columns) + j
            first += size
        all_points, grid_of = np.concatenate(cells), np.concatenate(grids)
        latent = np.setdiff1d(np.arange(first), observed)
        if len(latent) > MOST_LATENT:
            return None
        orders = []
        for along, across in ((0, 1), (1, 0)):
            keys = np.column_stack([grid_of, all_points[:, across]])
            lines = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
            orders.append(SeriesOrder.of(all_points[:, [along]], lines))
        return cls(all_points, observed, latent, *orders)


def grid_cells(
    correlation: Correlation | None, points: FloatArray, series: IndexArray
) -> GridCells | None:
    """The grids of a product of two chains in one coordinate each; None for other structures."""
    if not isinstance(correlation, Product) or points.shape[1] != 2 or correlation.split != 1:
        return None
    if not (correlation.left.is_chain and correlation.right.is_chain):
        return None
    return GridCells.of(points, series)


@dataclass(frozen=True, eq=False)
class GridWhitening:
    """Of rows on grids, at one φ."""

    cells: GridCells
    correlation: Product
    phi: FloatArray

    @cached_property
    def lines(self) -> tuple[ChainWhitening, ChainWhitening]:
        """Along the rows and along the columns of the grids."""
        cut = self.correlation.left.n_parameters
        return (
            ChainWhitening(self.cells.by_row, self.correlation.left, self.phi[:cut]),
            ChainWhitening(self.cells.by_column, self.correlation.right, self.phi[cut:]),
        )

    @cached_property
    def _sparse(self) -> Any:
        """W of the full grid, sparse (N, N)."""
        along_rows, along_columns = self.lines
        return (along_rows.matrix() @ along_columns.matrix()).tocsc()

    @cached_property
    def _latent_precision(self) -> FloatArray:
        """Q_mm."""
        columns = self._sparse[:, self.cells.latent]
        return np.asarray((columns.T @ columns).toarray())

    @cached_property
    def _latent_inverse(self) -> FloatArray:
        return np.asarray(np.linalg.inv(self._latent_precision), dtype=np.float64)

    def _on_grid(self, rows: FloatArray) -> FloatArray:
        """G, (N, c)."""
        cells = self.cells
        out = np.zeros((len(cells.points), rows.shape[1]))
        out[cells.observed] = rows
        if len(cells.latent):
            across = self._sparse[:, cells.latent].T @ self._full(out)
            out[cells.latent] = -self._latent_inverse @ across
        return out

    def _full(self, values: FloatArray) -> FloatArray:
        """W times values on the full grid."""
        along_rows, along_columns = self.lines
        return along_rows.whiten(along_columns.whiten(values))

    @cached_property
    def _log_det(self) -> float:
        along_rows, along_columns = self.lines
        # a line's ln|R| is repeated for each of the lines: Kronecker products
        total = float(along_rows.log_dets.sum() + along_columns.log_dets.sum())
        if len(self.cells.latent):
            total += float(np.linalg.slogdet(self._latent_precision)[1])
        return total

    @property
    def log_dets(self) -> FloatArray:
        n = len(self.cells.observed)
        return np.full(n, self._log_det / n)

    @property
    def least_innovation(self) -> float:
        along_rows, along_columns = self.lines
        return along_rows.least_innovation * along_columns.least_innovation

    def log_det_slope(self, counts: FloatArray) -> FloatArray:
        ones = np.ones(len(self.cells.points))
        slope = np.concatenate([line.log_det_slope(ones) for line in self.lines])
        latent = self.cells.latent
        if len(latent):  # tr(Q_mm⁻¹ ∂Q_mm)
            unit = np.zeros((len(ones), len(latent)))
            unit[latent, np.arange(len(latent))] = 1.0
            slope = slope + self._contract_full(unit, self._full(unit) @ self._latent_inverse)
        return np.asarray(slope * counts[0])

    def whiten(self, rows: FloatArray) -> FloatArray:
        return self._full(self._on_grid(rows))

    def normalised(self, values: FloatArray) -> FloatArray:
        """R^(−1/2) times `values` (n,), in the order of the rows.

        Each is what a row has that those before it, in the order of the cells, do not predict. With
        the latent cells eliminated first Q = LL' gives R⁻¹ = L_oo L_oo'.
        """
        cells = self.cells
        if not len(cells.latent):
            return self.whiten(values[:, None])[cells.observed, 0]
        import scipy.sparse as sp
        from scipy.sparse.linalg import splu

        by_cell = np.argsort(-cells.observed)  # from the last cell to the first
        order = np.concatenate([cells.latent, cells.observed[by_cell]])
        W = self._sparse[:, order]
        factor = splu(
            sp.csc_matrix(W.T @ W),
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        m = len(cells.latent)
        pivots = np.sqrt(factor.U.diagonal()[m:])
        out = np.empty(len(values))
        out[by_cell] = pivots * (factor.L[m:, m:].T @ values[by_cell])
        return out

    def transposed(self, rows: FloatArray) -> FloatArray:
        along_rows, along_columns = self.lines
        back = along_columns.transposed(along_rows.transposed(rows))
        cells = self.cells
        out = back[cells.observed]
        if len(cells.latent):
            Q = self._sparse[:, cells.observed].T @ self._sparse[:, cells.latent]
            out = out - Q @ (self._latent_inverse @ back[cells.latent])
        return np.asarray(out)

    def matrix(self) -> Any:
        import scipy.sparse as sp

        cells, own = self.cells, self._sparse[:, self.cells.observed]
        if len(cells.latent):
            latent = self._sparse[:, cells.latent]
            across = (latent.T @ own).toarray()
            own = own - latent @ sp.csc_matrix(self._latent_inverse @ across)
        return sp.csr_matrix(own)

    def contract(self, F: Any, Y: Any) -> FloatArray:
        on_grid = self._on_grid if isinstance(F, np.ndarray) else self._on_sparse_grid
        return self._contract_full(on_grid(F), Y)

    def _on_sparse_grid(self, rows: Any) -> Any:
        """G as a sparse matrix."""
        import scipy.sparse as sp

        cells, n = self.cells, rows.shape[0]
        size = len(cells.points)
        out = sp.csr_matrix((np.ones(n), (cells.observed, np.arange(n))), (size, n)) @ rows
        if len(cells.latent):
            across = (self._sparse[:, cells.latent].T @ (self._sparse @ out)).toarray()
            values = sp.csr_matrix(-self._latent_inverse @ across)
            ones, ix = np.ones(len(cells.latent)), np.arange(len(cells.latent))
            out = out + sp.csr_matrix((ones, (cells.latent, ix)), (size, len(ix))) @ values
        return out.tocsr()

    def _contract_full(self, G: Any, Y: Any) -> FloatArray:
        """∂tr(G'QG N)/∂φ for a fixed G (N, c), with Y = WGN."""
        along_rows, along_columns = self.lines
        if isinstance(G, np.ndarray):
            left, right = along_columns.whiten(G), along_rows.whiten(G)
        else:
            left, right = along_columns.matrix() @ G, along_rows.matrix() @ G
        return np.concatenate([along_rows.contract(left, Y), along_columns.contract(right, Y)])
