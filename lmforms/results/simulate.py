"""Responses drawn from a fitted model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..data.random_design import random_part
from ..residual.draws import root_times, root_width
from ..support.arrays import FloatArray, IndexArray
from .state import FitState

MOST_NUMBERS = 4_000_000
"""Random numbers that are in memory together, beside the responses."""


def simulated(
    state: FitState, n: int, generator: np.random.Generator, *, new_effects: bool
) -> FloatArray:
    """Draw responses y = Xβ̂ + Zb + e + offset.

    Parameters
    ----------
    state : FitState
    n : int
        Number of draws.
    generator : numpy.random.Generator
    new_effects : bool
        Whether random effects b ~ N(0, σ²K ⊗ λλ') are drawn; else they are b̂.

    Returns
    -------
    ndarray (rows, n)
        The first k columns do not depend on n.
    """
    design, estimate = state.design, state.estimate
    mean = design.X @ estimate.beta + design.offset
    if not new_effects:
        mean = mean + random_part(design, estimate.b)
    effects = [EffectDraws.of(state, g) for g in range(len(design.groups))] if new_effects else []
    ends = np.cumsum([*(e.count for e in effects), root_width(state.residual, design.n)])
    out = np.empty((design.n, n))
    at_once = max(int(MOST_NUMBERS / max(ends[-1], 1)), 1)
    for start in range(0, n, at_once):
        stop = min(start + at_once, n)
        drawn = generator.standard_normal((stop - start, int(ends[-1])))  # a row for each draw
        *own, rows = np.split(drawn, ends[:-1], axis=1)
        total = root_times(state.residual, np.ascontiguousarray(rows.T))
        for effect, numbers in zip(effects, own, strict=True):
            effect.add(total, numbers)
        out[:, start:stop] = mean[:, None] + estimate.sigma * total
    return out


@dataclass(frozen=True, eq=False)
class EffectDraws:
    """Draws of the random effects of a grouping factor, relative to σ: b = (L ⊗ λ)v, K = LL'.

    Attributes
    ----------
    codes : ndarray of int (n,)
        Level of each row.
    basis : ndarray (n, k)
    lam : ndarray (k, k)
    rank : int
        Columns of L.
    root : callable or None
        From x (r, c) to Lx (q, c); None for independent levels.
    """

    codes: IndexArray
    basis: FloatArray
    lam: FloatArray
    rank: int
    root: Callable[[FloatArray], FloatArray] | None

    @classmethod
    def of(cls, state: FitState, g: int) -> EffectDraws:
        """Those of the g-th grouping factor of a fit."""
        group = state.design.groups[g]
        rank, root = len(group.labels), None
        if group.name in state.relationship:
            rank, root = state.relationship[group.name].form.root_operator()
        basis = state.design.basis(group)
        return cls(group.codes, basis, state.estimate.lams[g], rank, root)

    @property
    def count(self) -> int:
        """Independent numbers that a draw takes."""
        return self.rank * len(self.lam)

    def add(self, total: FloatArray, numbers: FloatArray) -> None:
        """Add Zb/σ to `total` (n, c), b from independent numbers (c, count)."""
        effects = numbers.reshape(len(numbers), self.rank, len(self.lam)) @ self.lam.T
        for j in range(len(self.lam)):
            levels = np.ascontiguousarray(effects[:, :, j].T)
            if self.root is not None:
                levels = self.root(levels)
            total += self.basis[:, j, None] * levels[self.codes]
