"""Cross-products as functions of the parameters φ of the residuals, by summing rows at each φ.

The units, the pilot effects and the pairs of levels that meet do not depend on φ, so that one
analysis of the factor serves all φ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import ModelError
from ...residual import Residual
from ...residual.expected_information import expected_information
from ...residual.parametric import ParametricResidual
from ...residual.whitening import ChainWhitening
from ...support.arrays import Blocks, FloatArray
from ..exact_fit import effect_root
from ..linalg.batched import multiply
from ..rows import ModelRows
from .chain_sums import ChainSums, chain_sums
from .cross_products import CrossProducts, cross_products
from .grid_sums import GridSums, grid_sums
from .level_sums import row_values
from .matrix_products import matrix_cross_products, projected
from .moments import PairMoments
from .series_moments import MomentSums, moment_sums
from .units import Scaling

MOST_DENSE_NUMBERS = 1 << 22
"""Z with at most so many numbers is taken as an array."""

MOST_DENSE_PRODUCTS = 1 << 25
"""So is Z'R⁻¹Z's inverse, times Z, with at most so many."""

GENERIC_SHIFT = 0.1
"""φ is shifted by about this where the pairs of levels that meet are determined: at a φ of
uncorrelated residuals there are fewer."""


@dataclass(frozen=True, eq=False)
class RowSums:
    """Rows in units, summed at any φ.

    Attributes
    ----------
    rows : ModelRows
        With the residual structure at any φ.
    scaling : Scaling
        Units; with pilot effects only if every whitened row belongs to one level of each factor.
    roots : tuple of (ndarray or sparse (q, r)) or None
        L of each grouping factor whose effects are L times others; empty if there are none.
    """

    rows: ModelRows
    scaling: Scaling
    roots: tuple[Any, ...] = ()

    kind = "by rows"
    """How the sums depend on φ, for reports."""

    def at(self, residual: Residual) -> CrossProducts:
        """Cross-products with the residual structure at its φ."""
        sums = self._summed(residual)
        return sums if self.by_level else _on_places(sums, self._places)

    def _summed(self, residual: Residual) -> CrossProducts:
        rows = replace(self.rows, residual=residual)
        if self.by_level:
            return cross_products(rows, self.scaling)
        sums = matrix_cross_products(rows, self.scaling)
        return projected(sums, list(self.roots) or [None] * len(rows.factors))

    @cached_property
    def by_level(self) -> bool:
        """Whether every whitened row belongs to one level of each factor."""
        return self.rows.by_level and all(L is None for L in self.roots)

    @cached_property
    def _places(self) -> CrossProducts:
        """Sums in which all pairs of levels meet that meet at any φ."""
        residual = self.rows.residual
        assert isinstance(residual, ParametricResidual)
        if not isinstance(residual.whitening, ChainWhitening) or self.roots:
            sums = self._summed(residual)
            return sums if self.roots else _all_pairs(sums, self.rows, residual)
        phi = self.rows.residual.phi
        shift = GENERIC_SHIFT / np.sqrt(1.0 + np.arange(len(phi)))
        return self._summed(self.rows.residual.at(phi + shift))

    def slopes(self, residual: ParametricResidual, effects: Blocks) -> RowSlopes:
        """Derivatives with respect to φ of squares of rows less effects B."""
        return RowSlopes(self, residual, self._less_effects(effects))

    def expected_information(self, residual: ParametricResidual) -> FloatArray | None:
        """Of φ, without random effects; None where it is not cheap."""
        return expected_information(residual)

    # --- rows that derivatives need -------------------------------------------------------

    @cached_property
    def right(self) -> FloatArray:
        """[X̃ ỹ], (n, p + 1), not whitened."""
        return self.scaling.right(self.rows)

    @cached_property
    def bases(self) -> list[FloatArray]:
        """Basis of each grouping factor in units, not whitened."""
        pairs = zip(self.rows.level_factors, self.scaling.units.bases, strict=True)
        return [scale(f.basis) for f, scale in pairs]

    def _less_effects(self, effects: Blocks) -> FloatArray:
        """[X̃ ỹ] − ZB for effects B of the estimated levels, (n, p + 1)."""
        out = self.right.copy()
        roots = self.roots or [None] * len(effects)
        for f, basis, b, L in zip(self.rows.level_factors, self.bases, effects, roots, strict=True):
            of_levels = (
                b if L is None else np.asarray(L @ b.reshape(len(b), -1)).reshape(-1, *b.shape[1:])
            )
            out -= row_values(f.codes, basis, of_levels)
        return out

    @cached_property
    def matrix(self) -> Any:
        """Z̃ of all estimated effects, sparse (n, m), not whitened."""
        import scipy.sparse as sp

        parts = []
        roots = self.roots or [None] * len(self.bases)
        for f, basis, L in zip(self.rows.level_factors, self.bases, roots, strict=True):
            Z = f.matrix(basis)
            parts.append(Z if L is None else sp.csr_matrix(Z @ effect_root(L, f.k)))
        return sp.hstack(parts, format="csr")


def _all_pairs(sums: CrossProducts, rows: ModelRows, residual: ParametricResidual) -> CrossProducts:
    """Sums with a block for any two levels that have rows in one series."""
    import scipy.sparse as sp

    n, series = rows.n, np.unique(residual.series, return_inverse=True)[1].ravel()
    found = []
    for f in rows.level_factors:
        ones = np.ones(n, dtype=np.int32)
        found.append(sp.csr_matrix((ones, (series, f.codes)), (series.max() + 1, f.n_levels)))
    pairs, own = {}, {}
    for i, left in enumerate(found):
        k = rows.factors[i].k
        below = sp.tril(left.T @ left, -1).tocoo()
        order = np.lexsort((below.col, below.row))
        own[i] = PairMoments(
            below.row[order].astype(np.intp),
            below.col[order].astype(np.intp),
            np.zeros((below.nnz, k, k)),
        )
        for j in range(i + 1, len(found)):
            meet = (left.T @ found[j]).tocoo()
            order = np.lexsort((meet.col, meet.row))
            blocks = np.zeros((meet.nnz, k, rows.factors[j].k))
            pairs[i, j] = PairMoments(
                meet.row[order].astype(np.intp), meet.col[order].astype(np.intp), blocks
            )
    return replace(sums, pairs=pairs, own={i: p for i, p in own.items() if len(p.rows)})


def _on_places(sums: CrossProducts, places: CrossProducts) -> CrossProducts:
    """The same sums with zeros for pairs of levels that meet at other φ only."""
    sizes = [len(f.zz) for f in sums.factors]
    pairs = {
        key: _spread(sums.pairs[key], where, sizes[key[1]]) for key, where in places.pairs.items()
    }
    own = {i: _spread(sums.own.get(i), where, sizes[i]) for i, where in places.own.items()}
    return replace(sums, pairs=pairs, own=own)


def _spread(found: PairMoments | None, places: PairMoments, n_cols: int) -> PairMoments:
    blocks = np.zeros_like(places.blocks)
    if found is not None and len(found.rows):
        keys = places.rows * n_cols + places.cols
        wanted = found.rows * n_cols + found.cols
        order = np.argsort(keys, kind="stable")
        at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        if (keys[order][at] != wanted).any():
            raise ModelError("levels meet at this φ that do not at others.")
        blocks[order[at]] = found.blocks
    return PairMoments(places.rows, places.cols, blocks)


@dataclass(frozen=True, eq=False)
class RowSlopes:
    """Derivatives with respect to φ, from rows E = [X̃ ỹ] − ZB, (n, p + 1)."""

    sums: RowSums
    residual: ParametricResidual
    E: FloatArray

    @property
    def log_det(self) -> FloatArray:
        """∂ln|R|/∂φ."""
        return self.residual.log_det_slope()

    def of_squares(self, columns: FloatArray) -> FloatArray:
        """∂tr(M'E'R⁻¹E M)/∂φ for M (p + 1, c)."""
        rows = self.E @ columns
        return self.residual.contract(rows, self.residual.whiten(rows))

    def of_blocks(self, blocks: FloatArray) -> FloatArray:
        """∂tr(Z'R⁻¹Z N)/∂φ for one grouping factor and a block-diagonal N (q, k, k)."""
        (factor,), (basis,) = self.sums.rows.level_factors, self.sums.bases
        whitened = self.residual.whiten(basis)
        products = multiply(blocks[factor.codes], whitened[:, :, None])[..., 0]
        return self.residual.contract(basis, products)

    def of_matrix(self, matrix: Any) -> FloatArray:
        """The same for any sparse symmetric N (m, m)."""
        Z = self.sums.matrix
        numbers = Z.shape[0] * Z.shape[1]
        if numbers <= MOST_DENSE_PRODUCTS:
            matrix = matrix.toarray()
        if numbers <= MOST_DENSE_NUMBERS:
            Z = Z.toarray()
        return self.residual.contract(Z, self.residual.whiten(Z) @ matrix)


ResidualSums = RowSums | MomentSums | ChainSums | GridSums
"""Cross-products as functions of φ."""


def residual_sums(
    rows: ModelRows, scaling: Scaling, roots: Sequence[Any] = (), *, by_rows: bool = False
) -> ResidualSums:
    """Sums as functions of φ, in the units of sums at one φ.

    Parameters
    ----------
    rows : ModelRows
        With a residual structure that has parameters.
    scaling : Scaling
        Of :func:`~lmforms.engine.sums.sums_of_rows.sums_of_rows` at one φ.
    roots : sequence of (ndarray or sparse (q, r)) or None
    by_rows : bool
        Sum rows at each φ even where moments of series would do.
    """
    if not by_rows and all(L is None for L in roots):
        chain = chain_sums(rows, scaling)
        if chain is not None:
            return chain
        grid = grid_sums(rows, _without_effects(rows, scaling))
        if grid is not None:
            return grid
        moments = None if rows.factors else moment_sums(rows, scaling)
        if moments is not None:
            return moments
    given = tuple(roots) if any(L is not None for L in roots) else ()
    sums = RowSums(rows, scaling, given)
    if sums.by_level:
        return sums
    return RowSums(rows, _without_effects(rows, scaling), given)


def _without_effects(rows: ModelRows, scaling: Scaling) -> Scaling:
    """The units without pilot effects and roots."""
    none = tuple(np.zeros((f.n_levels, f.k, rows.X.shape[1] + 1)) for f in rows.factors)
    return replace(scaling, units=replace(scaling.units, roots=())).with_effects(none)
