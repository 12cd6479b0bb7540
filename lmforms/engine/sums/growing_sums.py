"""Chunks of rows added up one after the other, with levels that are new in any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ...errors import MemoryLimitError
from ...support.arrays import FloatArray, IndexArray
from ..rows import FactorRows, ModelRows
from .additive_sums import AdditiveSums, LevelSums, RowFacts
from .column_root import chunk_root, merged_roots
from .moments import FactorMoments, PairMoments, merged
from .row_passes import Products, RowPasses
from .units import AffineMap, Scaling

COPIES_WHILE_MERGED = 3
"""Sums of pairs of levels take so many times their size while they are merged."""

LEVELS_PER_ROW = 2
"""A chunk of fewer rows than levels over this is summed over its own levels, and then placed."""


class GrowingSums:
    """Sums that chunks of rows are added to.

    Parameters
    ----------
    scaling : Scaling
        Units of all chunks, with or without pilot effects. Levels of effects are those of all
        rows.
    factors : sequence of int
        Random effects per level of each grouping factor.
    memory : int, optional
        Bytes that the sums may take.
    """

    def __init__(self, scaling: Scaling, factors: Sequence[int], memory: int | None = None) -> None:
        self._memory = memory
        m = len(scaling.pilot.gamma) + 1
        self._scaling = scaling
        self._effects = scaling.pilot.effects if any(scaling.pilot.has_effects) else None
        self._rr = np.zeros((m, m))
        self._root = np.zeros((0, m))
        self._facts = RowFacts()
        self._levels = [_GrowingLevels(k, m) for k in factors]
        count = len(factors)
        self._pairs: dict[tuple[int, int], list[PairMoments]] = {
            (a, b): [] for a in range(count) for b in range(a + 1, count)
        }

    def add(self, rows: ModelRows) -> None:
        """Add a chunk.

        Parameters
        ----------
        rows : ModelRows
            Whose levels are those of all chunks so far, and new ones behind them.

        Raises
        ------
        NumericalError
            A sum is not finite.
        MemoryLimitError
            The sums have become too large.
        """
        if not rows.n:
            return
        few = [_levels_that_occur(f) for f in rows.level_factors]
        local = replace(rows, factors=tuple(f for f, _ in few))
        places = [place for _, place in few]
        effects = self._effects
        if effects is not None:
            own = zip(effects, places, strict=True)
            effects = tuple(b if at is None else b[at] for b, at in own)
        passes = RowPasses.over(local)
        with np.errstate(over="ignore", invalid="ignore"):
            found = passes.products(local, self._scaling, effects, count_pairs=True)
        self._rr += found.rr
        if effects is None:
            self._add_roots(rows, found)
        self._facts += _facts(rows, passes)
        for levels, f, at, moments in zip(
            self._levels, local.level_factors, places, found.factors, strict=True
        ):
            levels.add(f, at, moments)
        for (a, b), pair in found.pairs.items():
            _append(self._pairs[a, b], _placed(pair, places[a], places[b]))
        if self._memory is not None:
            self._refuse_large(self._memory)

    def _add_roots(self, rows: ModelRows, found: Products) -> None:
        """Roots of the products, from the rows where products lose digits."""
        if not np.isfinite(found.rr.trace()):
            return
        own = chunk_root(found.rr, lambda: self._scaling.whitened_right(rows))
        self._root = merged_roots(self._root, own)
        for levels, f, scale, moments in zip(
            self._levels,
            rows.level_factors,
            self._scaling.units.bases,
            found.factors,
            strict=True,
        ):
            whole = moments.zz.sum(axis=0)
            own = chunk_root(whole, partial(_whitened_basis, rows, f, scale))
            levels.root = merged_roots(levels.root, own)

    def _refuse_large(self, memory: int) -> None:
        levels = sum(x.nbytes for own in self._levels for x in (own.zz, own.zr, own.counts))
        parts = [part for own in self._pairs.values() for part in own]
        pairs = sum(p.blocks.nbytes + 3 * p.rows.nbytes for p in parts)
        if levels + COPIES_WHILE_MERGED * pairs > memory:
            met = sum(len(p.rows) for p in parts)
            raise MemoryLimitError(
                f"after {self._facts.n:,} rows the sums of {met:,} pairs of levels that meet and "
                f"of the levels take {(levels + COPIES_WHILE_MERGED * pairs) / 2**30:.2g} GiB; "
                f"{memory / 2**30:.2g} GiB are allowed. Raise Control(memory=…), or take coarser "
                "grouping factors."
            )

    def sums(self, sizes: Sequence[int]) -> AdditiveSums:
        """The sums so far, with so many levels of each grouping factor.

        Raises
        ------
        NumericalError
            A sum is not finite.
        """
        empty = np.zeros(0, dtype=np.intp)
        shapes = [levels.zz.shape[1] for levels in self._levels]
        pairs = {}
        for (a, b), parts in self._pairs.items():
            none = PairMoments(empty, empty, np.zeros((0, shapes[a], shapes[b])), empty)
            pairs[a, b] = merged(*parts) if parts else none
        return AdditiveSums(
            scaling=self._scaling,
            facts=self._facts,
            rr=self._rr.copy(),
            root=self._root,
            factors=tuple(
                levels.sums(size) for levels, size in zip(self._levels, sizes, strict=True)
            ),
            pairs=pairs,
        )


class _GrowingLevels:
    """Sums of one grouping factor, in arrays that grow."""

    def __init__(self, k: int, m: int) -> None:
        self.zz, self.zr = np.zeros((0, k, k)), np.zeros((0, k, m))
        self.counts = np.zeros(0, dtype=np.int64)
        self.root = np.zeros((0, k))

    def add(self, factor: FactorRows, at: IndexArray | None, moments: FactorMoments) -> None:
        counts = np.bincount(factor.codes, minlength=factor.n_levels)
        size = factor.n_levels if at is None else int(at[-1]) + 1
        self._grow(size)
        where: slice | IndexArray = slice(0, size) if at is None else at
        self.zz[where] += moments.zz
        self.zr[where] += moments.zr
        self.counts[where] += counts

    def sums(self, size: int) -> LevelSums:
        self._grow(size)
        zz, zr = self.zz[:size].copy(), self.zr[:size].copy()
        return LevelSums(zz, zr, self.counts[:size].copy(), self.root)

    def _grow(self, size: int) -> None:
        if size <= len(self.counts):
            return
        more = max(size, 2 * len(self.counts)) - len(self.counts)
        self.zz, self.zr, self.counts = (
            np.concatenate([x, np.zeros((more, *x.shape[1:]), dtype=x.dtype)])
            for x in (self.zz, self.zr, self.counts)
        )


def _whitened_basis(rows: ModelRows, factor: FactorRows, scale: AffineMap) -> FloatArray:
    return np.asarray(rows.residual.whiten(scale(factor.basis)))


def _facts(rows: ModelRows, passes: RowPasses) -> RowFacts:
    return RowFacts(
        n=rows.n,
        low=float(rows.y.min()),
        high=float(rows.y.max()),
        size=rows.size,
        weights=rows.n * passes.weight_size() ** 2,
        log_det_residual=rows.residual.log_determinant(),
    )


def _levels_that_occur(factor: FactorRows) -> tuple[FactorRows, IndexArray | None]:
    """The same rows with their own levels alone, and which these are; None if all levels stay."""
    codes, q = factor.codes, factor.n_levels
    if q <= LEVELS_PER_ROW * len(codes):
        return factor, None
    occurs = np.zeros(q, dtype=bool)
    occurs[codes] = True
    (present,) = occurs.nonzero()
    place = np.empty(q, dtype=np.intp)
    place[present] = np.arange(len(present))
    return FactorRows(place[codes], len(present), factor.basis), present


def _placed(pair: PairMoments, a: IndexArray | None, b: IndexArray | None) -> PairMoments:
    """Pairs of levels of a chunk among all levels."""
    rows = pair.rows if a is None else a[pair.rows]
    cols = pair.cols if b is None else b[pair.cols]
    return replace(pair, rows=rows, cols=cols)


def _append(parts: list[PairMoments], new: PairMoments) -> None:
    """Add a part; those behind the first that are no longer than it are merged into one.

    So every pair is sorted again only as often as the whole doubles.
    """
    while parts and len(parts[-1].rows) <= len(new.rows):
        new = merged(parts.pop(), new)
    parts.append(new)
