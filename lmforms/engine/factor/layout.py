"""How Z'Z is split: one grouping factor is eliminated first, then the others."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from ...errors import ModelError
from ...support.arrays import Blocks, FloatArray, IndexArray, for_loops
from ..kernel_choice import FitKernels
from ..linalg.batched import multiply, transposed
from ..sums.cross_products import CrossProducts
from ..sums.moments import PairMoments

FEW_LEVELS = 1 << 16
"""NumPy sorts numbers of 16 bits without comparing them, in less than half the time."""

EXPENSIVE_WORK = 1e10
"""An evaluation is expensive from so many multiplications on: it takes half a second on one core.
Below, all that a search does beside its evaluations would not repay itself."""


class Layout:
    """Which factor leads, and where the columns of the others are.

    Parameters
    ----------
    cp : CrossProducts
    leads : bool
        Whether the factor with most columns is eliminated first.
    like : Layout, optional
        Of the same cross-products: what it has sorted is shared.

    Attributes
    ----------
    shapes : list of (int, int)
        Levels q and effects k of every grouping factor.
    count : int
        Random effects of all factors.
    lead : int
        The factor that is eliminated (−1 without any).
    rest : list of int
        The others, with m columns in all.
    spans : dict of int to slice
        Their columns.
    """

    def __init__(self, cp: CrossProducts, leads: bool = True, like: Layout | None = None) -> None:
        self.cp = cp
        self.kernels: FitKernels | None = None
        """Compiled loops; None to do without."""
        self.shapes = [f.zz.shape[:2] for f in cp.factors]
        sizes = [q * k for q, k in self.shapes]
        self.count = sum(sizes)
        self._set_lead(sizes.index(max(sizes)) if sizes and leads else -1)
        self._transposed_pairs: dict[tuple[int, int], PairMoments] = (
            {} if like is None else like._transposed_pairs
        )

    def _set_lead(self, lead: int) -> None:
        self.lead = lead
        self.rest = [i for i in range(len(self.shapes)) if i != lead]
        self.m, self.spans = 0, dict[int, slice]()
        for i in self.rest:
            q, k = self.shapes[i]
            self.spans[i] = slice(self.m, self.m + q * k)
            self.m += q * k

    def with_sums(self, cp: CrossProducts) -> Self:
        """The same analysis, order and patterns, for other numbers.

        Parameters
        ----------
        cp : CrossProducts
            With the same levels and the same pairs of levels that meet.

        Raises
        ------
        ModelError
            Other levels meet in these sums.
        """
        if not _same_places(self.cp, cp):
            raise ModelError(
                "cross-products of other levels, or of levels that meet elsewhere, need an "
                "analysis of their own: call analyse."
            )
        other = copy(self)
        other.cp = cp
        for numbers in ("whole_right", "one_factor_arrays"):
            other.__dict__.pop(numbers, None)
        if not _same_numbers(self.cp, cp):
            other.__dict__.pop("whole_gram", None)
            other._transposed_pairs = {}
            other._set_numbers()
        return other

    def _set_numbers(self) -> None:
        """Store Z'Z of the cross-products as the analysis decided."""

    def pair(self, a: int, b: int) -> PairMoments:
        """Z_a'Z_b for any a ≠ b, sorted by level of a."""
        if (a, b) in self.cp.pairs:
            return self.cp.pairs[a, b]
        if (a, b) not in self._transposed_pairs:
            pair = self.cp.pairs[b, a]
            few = self.shapes[a][0] <= FEW_LEVELS
            cols = pair.cols.astype(np.uint16) if few else pair.cols
            order = cols.argsort(kind="stable")
            self._transposed_pairs[a, b] = PairMoments(
                pair.cols[order], pair.rows[order], transposed(pair.blocks[order])
            )
        return self._transposed_pairs[a, b]

    def matrix(self, a: int, b: int) -> Any:
        """Z_a'Z_b as a sparse matrix of blocks."""
        return self.pair(a, b).matrix(self.shapes[a][0], self.shapes[b][0])

    def by_level(self, blocks: Sequence[FloatArray], x: FloatArray) -> FloatArray:
        """Block-diagonal matrices, (q, k, k) or (k, k) for each of the rest, times x (m, r)."""
        out = np.empty_like(x)
        for i, block in zip(self.rest, blocks, strict=True):
            span = self.spans[i]
            part = x[span].reshape(*self.shapes[i], -1)
            out[span] = multiply(block, part).reshape(x[span].shape)
        return out

    def flatten(self, v: Sequence[FloatArray]) -> FloatArray:
        """The part of v, (q, k, r) by factor, that belongs to the remaining factors, (m, r)."""
        return np.concatenate([v[i].reshape(-1, v[i].shape[-1]) for i in self.rest])

    def unflatten(self, lead: FloatArray, flat: FloatArray) -> Blocks:
        """Put the leading part and :meth:`flatten`'s back in the order of the formula."""
        out: list[FloatArray] = [lead] * len(self.shapes)
        for i in self.rest:
            out[i] = flat[self.spans[i]].reshape(*self.shapes[i], -1)
        return out

    @cached_property
    def one_factor_arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Z'Z, Z'R* and B₀ of one grouping factor for compiled loops; no B₀ if it is zero."""
        sums, pilot = self.cp.factors[0], self.cp.scaling.pilot
        effects = for_loops(pilot.effects[0]) if any(pilot.has_effects) else np.empty((0, 0, 0))
        return for_loops(sums.zz), for_loops(sums.zr), effects

    # --- all columns at once, for few --------------------------------------------------------

    @cached_property
    def column_spans(self) -> list[slice]:
        """Columns of each grouping factor, in the order of the formula."""
        ends = np.cumsum([0, *(q * k for q, k in self.shapes)]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    @cached_property
    def has_scalar_effects(self) -> bool:
        """Whether every grouping factor has one effect per level."""
        return all(k == 1 for _, k in self.shapes)

    @cached_property
    def factor_indicators(self) -> FloatArray:
        """Which columns belong to each grouping factor, (m, factors): one or zero."""
        return np.asarray(self.factor_of_column[:, None] == np.arange(len(self.shapes)), float)

    def split(self, x: FloatArray) -> list[FloatArray]:
        """Rows (m, r) of all columns by grouping factor, (q, k, r) each."""
        pairs = zip(self.column_spans, self.shapes, strict=True)
        return [x[span].reshape(q, k, x.shape[1]) for span, (q, k) in pairs]

    @cached_property
    def factor_of_column(self) -> IndexArray:
        """The grouping factor of each column."""
        return np.repeat(np.arange(len(self.shapes)), [q * k for q, k in self.shapes])

    @cached_property
    def whole_gram(self) -> FloatArray:
        """Z'Z written out."""
        size = self.column_spans[-1].stop if self.shapes else 0
        out = np.zeros((size, size))
        for f, span, (q, k) in zip(self.cp.factors, self.column_spans, self.shapes, strict=True):
            levels = np.arange(q)
            out[span, span].reshape(q, k, q, k)[levels, :, levels, :] = f.zz
        for (a, b), pair in self.cp.pairs.items():
            (qa, ka), (qb, kb) = self.shapes[a], self.shapes[b]
            block = np.zeros((qa, ka, qb, kb))
            block[pair.rows, :, pair.cols, :] = pair.blocks
            rows, columns = self.column_spans[a], self.column_spans[b]
            out[rows, columns] = block.reshape(qa * ka, qb * kb)
            out[columns, rows] = out[rows, columns].T
        return out

    @cached_property
    def whole_right(self) -> tuple[FloatArray, FloatArray | None]:
        """Z'R* and B₀ written out, (m, r); None for pilot effects of zero."""
        r = self.cp.p + 1
        right = np.concatenate([f.zr.reshape(-1, r) for f in self.cp.factors])
        pilot = self.cp.scaling.pilot
        if not any(pilot.has_effects):
            return right, None
        return right, np.concatenate([b.reshape(-1, r) for b in pilot.effects])

    @property
    def factor_work(self) -> float:
        """Multiplications that an exact evaluation takes, as many as if LAPACK did them."""
        return 0.0

    @property
    def is_expensive(self) -> bool:
        """Whether evaluations are worth sparing."""
        return self.factor_work >= EXPENSIVE_WORK

    @property
    def roots(self) -> Sequence[Any]:
        """L of each grouping factor whose levels are estimated as L times others, else None."""
        return self.cp.scaling.units.roots or [None] * len(self.shapes)

    @property
    def has_related_levels(self) -> bool:
        """Whether levels of one grouping factor are related, or meet in rows."""
        return self.lead < 0 or any(L is not None for L in self.roots)

    def level_effects(self, b: Blocks) -> Blocks:
        """Effects of the levels of each factor from those that were estimated."""
        return [x if L is None else np.asarray(L @ x) for x, L in zip(b, self.roots, strict=True)]


def _blocks(cp: CrossProducts) -> dict[tuple[int, int], PairMoments]:
    """Blocks between levels, of two grouping factors or of one."""
    return {**cp.pairs, **{(i, i): own for i, own in cp.own.items()}}


def _same_places(a: CrossProducts, b: CrossProducts) -> bool:
    """Whether the same levels meet in both."""
    left, right = _blocks(a), _blocks(b)
    if left.keys() != right.keys():
        return False
    if [f.zz.shape for f in a.factors] != [f.zz.shape for f in b.factors]:
        return False
    return all(
        np.array_equal(pair.rows, right[key].rows) and np.array_equal(pair.cols, right[key].cols)
        for key, pair in left.items()
        if pair is not right[key]
    )


def _same_numbers(a: CrossProducts, b: CrossProducts) -> bool:
    """Whether both share Z'Z, as sums of several responses do."""
    right = _blocks(b)
    return all(f.zz is g.zz for f, g in zip(a.factors, b.factors, strict=True)) and all(
        pair is right[key] for key, pair in _blocks(a).items()
    )
