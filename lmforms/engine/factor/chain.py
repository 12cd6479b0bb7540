"""Chains of nested grouping factors: every level belongs to one level of the next factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IndexArray, IntArray
from .layout import Layout

NO_TABLE = np.empty((0, 0))
"""A table without levels."""

FEW_SUMS = 4
"""Up to so many sums for each level are made one after the other: a sparse product costs more."""

Pair = tuple[int, int]
"""Places in a chain of a factor and of one further out, or twice the same."""


@dataclass(frozen=True, eq=False)
class Ancestors:
    """Level i of a factor belongs to level ``of[i]`` of `count` of another one, further out."""

    of: IndexArray
    count: int

    @cached_property
    def _indicators(self) -> Any:
        """The matrix of zeros and ones that sums over inner levels, (count, inner levels)."""
        import scipy.sparse as sp

        n = len(self.of)
        ones = sp.csc_matrix((np.ones(n), self.of, np.arange(n + 1)), shape=(self.count, n))
        return ones.tocsr()

    def sums(self, x: FloatArray) -> FloatArray:
        """Sums of x (inner levels, …) over the inner levels of every outer level."""
        flat = x.reshape(len(x), -1)
        if flat.shape[1] > FEW_SUMS:
            return np.asarray(self._indicators @ flat).reshape(self.count, *x.shape[1:])
        out = np.empty((self.count, flat.shape[1]))
        for j, column in enumerate(flat.T):
            out[:, j] = np.bincount(self.of, column, self.count)
        return out.reshape(self.count, *x.shape[1:])


@dataclass(frozen=True, eq=False)
class ChainLink:
    """The levels of one factor of a chain, in tables with a row for each.

    Attributes
    ----------
    factor : int
        Which grouping factor it is.
    k : int
        Effects of a level.
    above : int
        Effects of its ancestors.
    zz : ndarray (q, k²)
        Z_i'Z_i.
    coupling : ndarray (q, above k)
        Z_a'Z_i for the ancestors, from the next factor outwards.
    parents : ndarray of uint32 (q,)
        Levels of the next factor; empty for the outermost one.
    most_information : float
        Largest trace of Z_i'Z_i.
    """

    factor: int
    k: int
    above: int
    zz: FloatArray
    coupling: FloatArray
    parents: IntArray
    most_information: float

    @property
    def levels(self) -> int:
        """Number of levels q."""
        return len(self.zz)

    @cached_property
    def parents_ascend(self) -> bool:
        """Whether levels of one parent follow each other, in the order of the parents."""
        return bool((self.parents[1:] >= self.parents[:-1]).all())


@dataclass(frozen=True, eq=False)
class Chain:
    """All grouping factors of a model, each nested in the next.

    Attributes
    ----------
    factors : tuple of int
        The innermost first. The place of a factor in the chain is that among these.
    ancestors : dict of (n, a), n < a, to Ancestors
    blocks : dict of (n, a), n ≤ a, to ndarray (q_n, k_a, k_n)
        Z_a'Z_i for every level i of n and its ancestor in a, or itself.
    """

    factors: tuple[int, ...]
    ancestors: Mapping[Pair, Ancestors]
    blocks: Mapping[Pair, FloatArray]

    @classmethod
    def of(cls, layout: Layout) -> Chain | None:
        """The chain that the grouping factors form, or None."""
        factors = sorted(range(len(layout.shapes)), key=lambda i: -layout.shapes[i][0])
        if not all(_is_nested(layout, i, j) for i, j in pairwise(factors)):
            return None
        ancestors, blocks = {}, {}
        for a, outer in enumerate(factors):
            blocks[a, a] = layout.cp.factors[outer].zz
            for n, inner in enumerate(factors[:a]):
                of, blocks[n, a] = _by_inner_level(layout, inner, outer)
                ancestors[n, a] = Ancestors(of, layout.shapes[outer][0])
        return cls(tuple(factors), ancestors, blocks)

    @property
    def levels(self) -> int:
        """Levels of all factors."""
        return sum(len(self.blocks[n, n]) for n in range(len(self.factors)))

    @cached_property
    def links(self) -> list[ChainLink]:
        """The levels of each factor, the innermost first."""
        return [self._link(n) for n in range(len(self.factors))]

    def _link(self, n: int) -> ChainLink:
        zz, none = self.blocks[n, n], np.empty(0, dtype=np.uint32)
        outer = [self.blocks[n, a] for a in range(n + 1, len(self.factors))]
        return ChainLink(
            factor=self.factors[n],
            k=zz.shape[-1],
            above=sum(block.shape[1] for block in outer),
            zz=table(zz),
            coupling=table(*outer),
            parents=self.ancestors[n, n + 1].of.astype(np.uint32) if outer else none,
            most_information=float(np.einsum("qii->q", zz).max(initial=0.0)),
        )


def table(*blocks: FloatArray) -> FloatArray:
    """The numbers of blocks (q, …) side by side, in the order in which they are."""
    flat = [np.ascontiguousarray(x).reshape(len(x), -1) for x in blocks]
    if not flat:
        return NO_TABLE
    return flat[0] if len(flat) == 1 else np.hstack(flat)


def _is_nested(layout: Layout, inner: int, outer: int) -> bool:
    """Whether each level of one factor occurs with one level of the other."""
    rows = layout.pair(inner, outer).rows
    return len(rows) <= layout.shapes[inner][0] and not (rows[1:] == rows[:-1]).any()


def _by_inner_level(layout: Layout, inner: int, outer: int) -> tuple[IndexArray, FloatArray]:
    """The ancestor of every level, and the block between them."""
    pair, q = layout.pair(inner, outer), layout.shapes[inner][0]
    of, blocks = pair.cols, pair.blocks.swapaxes(1, 2)
    if len(pair.rows) < q:  # levels without rows may belong to any level
        of, blocks = np.zeros(q, dtype=np.intp), np.zeros((q, *blocks.shape[1:]))
        of[pair.rows] = pair.cols
        blocks[pair.rows] = pair.blocks.swapaxes(1, 2)
    return of, blocks
