"""Sums over rows in units: in NumPy, or by compiled loops part by part (:mod:`.row_kernels`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from ...residual import Residual
from ...support.arrays import FloatArray, IndexArray, for_loops
from ..kernel_choice import kernels_of_rows
from ..linalg.stable_columns import by_column, columns_to_fill, fill_by_column, root_mean_squares
from ..linalg.threads import (
    LONGEST_PART,
    limited_blas_threads,
    rows_of_part,
    threads_of_rows,
)
from ..rows import FactorRows, ModelRows
from .level_sums import add_by_level, row_values
from .moments import FactorMoments, PairMoments
from .pair_sums import PairTable, has_few_pairs, pair_places
from .units import AffineMap, Scaling


class KnownProducts(Protocol):
    """Products of which those of Z̃ are used."""

    @property
    def factors(self) -> tuple[FactorMoments, ...]:
        """Of each grouping factor."""

    @property
    def pairs(self) -> dict[tuple[int, int], PairMoments]:
        """Of two grouping factors."""


@dataclass(frozen=True)
class Products:
    """Sums of products of whitened rows in units (see :class:`.cross_products.CrossProducts`).

    Attributes
    ----------
    rr : ndarray (p + 1, p + 1)
        May not be finite.
    factors : tuple of FactorMoments
    pairs : dict of (a, b), a < b, to PairMoments
    """

    rr: FloatArray
    factors: tuple[FactorMoments, ...]
    pairs: dict[tuple[int, int], PairMoments]


@dataclass(frozen=True, eq=False)
class RowPasses:
    """Passes over rows.

    Attributes
    ----------
    residual : Residual
    n : int
        Number of rows.
    kernels : module or None
        :mod:`.row_kernels`, where they are used.
    root : ndarray (n,) or None
        What whitening multiplies each row by, if it does no more than that.
    """

    residual: Residual
    n: int
    kernels: Any
    root: FloatArray | None

    @classmethod
    def over(cls, rows: ModelRows) -> RowPasses:
        """Passes over given rows, by compiled loops where these are loaded or worth it."""
        residual, n = rows.residual, rows.n
        kernels = kernels_of_rows(n) if residual.by_row and n else None
        weighted = residual.by_row and residual.variances() is not None
        return cls(residual, n, kernels, residual.whiten(np.ones(n)) if weighted else None)

    def weight_size(self) -> float:
        """Root mean square of what whitening multiplies rows by."""
        if self.root is None and self.residual.by_row:
            return 1.0
        root = self.residual.whiten(np.ones(self.n)) if self.root is None else self.root
        return float(root_mean_squares(root[:, None])[0])

    def moments(
        self, columns: FloatArray, center: FloatArray, y: FloatArray | None = None, shift: float = 0
    ) -> FloatArray:
        """Sums of products of R^(−1/2)[columns − c, y − shift], which may overflow."""
        total: Any = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for part in self._parts(self.residual.by_row, len(center) + 1):
                own = None if y is None else y[part]
                centered = self._centered(columns[part], center, own, shift, part)
                total = total + centered.T @ centered
        return np.asarray(total)

    def products(
        self,
        rows: ModelRows,
        scaling: Scaling,
        effects: Sequence[FloatArray] | None = None,
        known: KnownProducts | None = None,
    ) -> Products:
        """Sums of products of R^(−1/2)[Z̃ R*].

        Parameters
        ----------
        rows : ModelRows
            Each belongs to one level of every grouping factor.
        scaling : Scaling
        effects : sequence of ndarray (q, k, p + 1), optional
            Pilot effects, if they are not zero.
        known : object with `factors` and `pairs`, optional
            Products of the same rows and units with other pilot effects.
        """
        factors, maps, m = rows.level_factors, scaling.units.bases, rows.X.shape[1] + 1
        zr = [np.zeros((f.n_levels, f.k, m)) for f in factors]
        zz = [np.zeros((f.n_levels, f.k, f.k)) for f in factors] if known is None else []
        tables = _tables(factors) if known is None else {}
        rr, units, bases = np.zeros((m, m)), _right_units(scaling), list[FloatArray]()
        several = self._in_several_parts(factors)
        with limited_blas_threads(0 if several else threads_of_rows(self.n, m - 1)):
            for part in self._parts(several, m):
                bases = [self._basis(f, s, part) for f, s in zip(factors, maps, strict=True)]
                right = self._right(rows, scaling, units, part)
                if effects is not None:
                    for f, w, b in zip(factors, bases, effects, strict=True):
                        right -= row_values(f.codes[part], w, b)
                with np.errstate(over="ignore", invalid="ignore"):
                    rr += right.T @ right
                for i, (f, w) in enumerate(zip(factors, bases, strict=True)):
                    self._add(f.codes[part], w, right, zr[i])
                    if known is None:
                        self._add(f.codes[part], w, w, zz[i])
                for (i, j), table in tables.items():
                    self._add(table.keys(part), bases[i], bases[j], table.blocks)
        if known is None:
            whole = None if several else bases
            pairs = self._pairs(factors, maps, tables, whole)
        else:
            zz, pairs = [f.zz for f in known.factors], known.pairs
        moments = tuple(FactorMoments(*own) for own in zip(zz, zr, strict=True))
        return Products(rr, moments, pairs)

    # --- a part of the rows ---------------------------------------------------------------

    def _in_several_parts(self, factors: Sequence[FactorRows]) -> bool:
        if self.kernels is not None:
            return True
        return self.residual.by_row and all(map(_suits_parts, factors))

    def _parts(self, several: bool, width: int) -> Iterator[slice]:
        """All rows, or parts of rows of so many columns."""
        step = rows_of_part(width) if several else max(self.n, 1)
        return (slice(i, min(i + step, self.n)) for i in range(0, self.n, step))

    def _whitened(self, columns: FloatArray, part: slice) -> FloatArray:
        if self.root is not None:
            return columns * self.root[part, None]
        return columns if self.residual.by_row else np.asarray(self.residual.whiten(columns))

    def _centered(
        self,
        columns: FloatArray,
        center: FloatArray,
        y: FloatArray | None,
        shift: float,
        part: slice,
    ) -> FloatArray:
        """R^(−1/2)[columns − c, y − shift]."""
        if y is None:
            return self._whitened(by_column(np.subtract, columns, center), part)
        p = len(center)
        out = columns_to_fill(len(columns), p + 1)
        fill_by_column(np.subtract, columns, center, out[:, :p])
        np.subtract(y, shift, out=out[:, p])
        return self._whitened(out, part)

    def _right(
        self, rows: ModelRows, scaling: Scaling, units: FloatArray, part: slice
    ) -> FloatArray:
        """R^(−1/2)[X̃ ỹ]."""
        x, shift = scaling.units.x, scaling.pilot.shift
        centered = self._centered(rows.X[part], x.center, rows.y[part], shift, part)
        return np.asarray((units.T @ centered.T).T)

    def _basis(self, factor: FactorRows, scale: AffineMap, part: slice) -> FloatArray:
        """R^(−1/2)W̃."""
        centered = self._centered(factor.basis[part], scale.center, None, 0.0, part)
        return np.asarray((scale.matrix.T @ centered.T).T)

    def _add(self, codes: IndexArray, left: FloatArray, right: FloatArray, out: FloatArray) -> None:
        """Add Σ over the rows of each code of ``left[i]' right[i]`` to `out` (q, k, m)."""
        if self.kernels is None:
            if len(codes) < self.n:  # of the levels that occur in a part
                low = codes.min()
                codes, out = codes - low, out[low : codes.max() + 1]
            add_by_level(codes, left, right, out)
            return
        both = (for_loops(columns.T) for columns in (left, right))
        self.kernels.add_by_code(for_loops(codes, np.int64), *both, out)

    # --- pairs of levels ------------------------------------------------------------------

    def _pairs(
        self,
        factors: Sequence[FactorRows],
        maps: Sequence[AffineMap],
        tables: dict[tuple[int, int], PairTable],
        bases: Sequence[FloatArray] | None,
    ) -> dict[tuple[int, int], PairMoments]:
        """Z_a'Z_b of all pairs of factors: from tables, or from bases, of all rows if given."""
        pairs = {}
        for a, b in combinations(range(len(factors)), 2):
            if (a, b) in tables:
                pairs[a, b] = tables[a, b].moments()
                continue
            rows, cols, place = pair_places(factors[a], factors[b], self.kernels)
            blocks = np.zeros((len(rows), factors[a].k, factors[b].k))
            for part in self._parts(bases is None, 1):
                left, right = (
                    self._basis(factors[i], maps[i], part) if bases is None else bases[i]
                    for i in (a, b)
                )
                self._add(place[part], left, right, blocks)
            pairs[a, b] = PairMoments(rows, cols, blocks)
        return pairs


def _suits_parts(factor: FactorRows) -> bool:
    """Whether the levels of a part of the rows are no more than twice as many as the rows."""
    codes = factor.codes
    return factor.n_levels <= 2 * LONGEST_PART or bool((codes[1:] >= codes[:-1]).all())


def _tables(factors: Sequence[FactorRows]) -> dict[tuple[int, int], PairTable]:
    """Of two factors each, where they have few pairs of levels."""
    places = combinations(range(len(factors)), 2)
    few = ((a, b) for a, b in places if has_few_pairs(factors[a], factors[b]))
    return {(a, b): PairTable.of(factors[a], factors[b]) for a, b in few}


def _right_units(scaling: Scaling) -> FloatArray:
    """U with [X̃ ỹ] = [X − c y − shift] U: X̃ = (X − c)T, ỹ = (y − shift − X̃γ)/s."""
    matrix, pilot = scaling.units.x.matrix, scaling.pilot
    p = len(matrix)
    out = np.zeros((p + 1, p + 1))
    out[:p, :p] = matrix
    out[:p, p] = matrix @ (pilot.gamma * (-1.0 / pilot.y_scale))
    out[p, p] = 1.0 / pilot.y_scale
    return out
