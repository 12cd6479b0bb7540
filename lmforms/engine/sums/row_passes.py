"""Sums over rows in units: in NumPy, or by compiled loops part by part (:mod:`.row_kernels`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from ...residual import Residual
from ...support.arrays import FloatArray, IndexArray, for_loops
from ..kernel_choice import kernels_of_rows
from ..linalg.stable_columns import FEW_COLUMNS, root_mean_squares
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
        """Sums of products of R^(−1/2)[columns − c, y − shift], which may overflow.

        Those of numbers that :func:`.column_facts.refuse_extreme` lets pass do only if weighted.
        """
        if self.root is None and self.residual.by_row:
            return self._moments(columns, center, y, shift)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._moments(columns, center, y, shift)

    def _moments(
        self, columns: FloatArray, center: FloatArray, y: FloatArray | None, shift: float
    ) -> FloatArray:
        total: Any = 0.0
        for part in self._parts(self.residual.by_row, columns.shape[1] + 1):
            own = None if y is None else y[part]
            centered = self._centered(columns[part], center, own, shift, part)
            total = total + centered @ centered.T
        return total  # type: ignore[no-any-return]

    def products(
        self,
        rows: ModelRows,
        scaling: Scaling,
        effects: Sequence[FloatArray] | None = None,
        known: KnownProducts | None = None,
        *,
        count_pairs: bool = False,
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
        count_pairs : bool
            Whether the rows of each pair of levels are counted.
        """
        factors, maps, m = rows.level_factors, scaling.units.bases, rows.X.shape[1] + 1
        codes = [for_loops(f.codes, np.int64) for f in factors]
        zr = [np.zeros((f.n_levels, f.basis.shape[1], m)) for f in factors]
        zz = [] if known is not None else [np.zeros((len(z), z.shape[1], z.shape[1])) for z in zr]
        tables = _tables(factors, count_pairs) if known is None and len(factors) > 1 else {}
        rr, units, bases = np.zeros((m, m)), _right_units(scaling), list[FloatArray]()
        several, add = self._in_several_parts(factors), self._add
        with limited_blas_threads(0 if several else threads_of_rows(self.n, m - 1)):
            for part in self._parts(several, m):
                own = [c[part] for c in codes]
                bases = [self._basis(f, s, part) for f, s in zip(factors, maps, strict=True)]
                right = self._right(rows, scaling, units, part)
                if effects is not None:
                    for c, w, b in zip(own, bases, effects, strict=True):
                        right -= row_values(c, w.T, b).T
                rr += right @ right.T
                for i, (c, w) in enumerate(zip(own, bases, strict=True)):
                    add(c, w, right, zr[i])
                    if known is None:
                        add(c, w, w, zz[i])
                for (i, j), table in tables.items():
                    add(table.keys(own[i], own[j]), bases[i], bases[j], table.blocks)
        if known is None:
            pairs = self._pairs(factors, maps, tables, None if several else bases, count_pairs)
        else:
            zz, pairs = [f.zz for f in known.factors], known.pairs
        moments = [FactorMoments(*own) for own in zip(zz, zr, strict=True)]
        return Products(rr, tuple(moments), pairs)

    # --- a part of the rows: columns come first, (m, n) -------------------------------------

    def _in_several_parts(self, factors: Sequence[FactorRows]) -> bool:
        if self.kernels is not None:
            return True
        return self.residual.by_row and all(map(_suits_parts, factors))

    def _parts(self, several: bool, width: int) -> list[slice]:
        """All rows, or parts of rows of so many columns."""
        step = rows_of_part(width) if several else self.n
        if 0 < self.n <= step:
            return [slice(0, self.n)]
        return [slice(i, i + step) for i in range(0, self.n, step)]

    def _centered(
        self,
        columns: FloatArray,
        center: FloatArray,
        y: FloatArray | None,
        shift: float,
        part: slice,
    ) -> FloatArray:
        """R^(−1/2)[columns − c, y − shift], transposed."""
        n, p = columns.shape
        m = p if y is None else p + 1
        if m <= FEW_COLUMNS:
            out = np.empty((m, n))
            np.subtract(columns.T, center[:, None], out=out[:p])
        else:
            out = np.empty((n, m)).T
            np.subtract(columns, center, out=out[:p].T)
        if y is not None:
            np.subtract(y, shift, out=out[p])
        if self.root is not None:
            out *= self.root[part]
        elif not self.residual.by_row:
            out = np.asarray(self.residual.whiten(out.T)).T
        return out

    def _right(
        self, rows: ModelRows, scaling: Scaling, units: FloatArray, part: slice
    ) -> FloatArray:
        """R^(−1/2)[X̃ ỹ], transposed."""
        x, shift = scaling.units.x, scaling.pilot.shift
        return units.T @ self._centered(rows.X[part], x.center, rows.y[part], shift, part)

    def _basis(self, factor: FactorRows, scale: AffineMap, part: slice) -> FloatArray:
        """R^(−1/2)W̃, transposed."""
        return scale.matrix.T @ self._centered(factor.basis[part], scale.center, None, 0.0, part)

    @property
    def _add(self) -> Callable[[IndexArray, FloatArray, FloatArray, FloatArray], None]:
        """``add(codes, left, right, out)``: Σ over each code of ``left[:, i] right[:, i]'``."""
        return self._add_by_level if self.kernels is None else self.kernels.add_by_code

    def _add_by_level(
        self, codes: IndexArray, left: FloatArray, right: FloatArray, out: FloatArray
    ) -> None:
        if codes.shape[0] < self.n:  # of the levels that occur in a part
            low = codes.min()
            codes, out = codes - low, out[low : codes.max() + 1]
        add_by_level(codes, left, right, out)

    # --- pairs of levels ------------------------------------------------------------------

    def _pairs(
        self,
        factors: Sequence[FactorRows],
        maps: Sequence[AffineMap],
        tables: dict[tuple[int, int], PairTable],
        bases: Sequence[FloatArray] | None,
        counted: bool,
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
            counts = np.bincount(place, minlength=len(rows)) if counted else None
            pairs[a, b] = PairMoments(rows, cols, blocks, counts)
        return pairs


def _suits_parts(factor: FactorRows) -> bool:
    """Whether the levels of a part of the rows are no more than twice as many as the rows."""
    codes = factor.codes
    return factor.n_levels <= 2 * LONGEST_PART or bool((codes[1:] >= codes[:-1]).all())


def _tables(factors: Sequence[FactorRows], counted: bool) -> dict[tuple[int, int], PairTable]:
    """Of two factors each, where they have few pairs of levels."""
    return {
        (a, b): PairTable.of(factors[a], factors[b], counted=counted)
        for a, b in combinations(range(len(factors)), 2)
        if has_few_pairs(factors[a], factors[b])
    }


def _right_units(scaling: Scaling) -> FloatArray:
    """U with [X̃ ỹ] = [X − c y − shift] U: X̃ = (X − c)T, ỹ = (y − shift − X̃γ)/s."""
    matrix, pilot = scaling.units.x.matrix, scaling.pilot
    p = matrix.shape[0]
    out = np.zeros((p + 1, p + 1))
    out[:p, :p] = matrix
    out[:p, p] = matrix @ (pilot.gamma * (-1.0 / pilot.y_scale))
    out[p, p] = 1.0 / pilot.y_scale
    return out
