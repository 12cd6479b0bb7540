"""Least squares on one grouping factor after the other by compiled loops, of one response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, for_loops
from .fits_in_turn import MOST_SWEEPS, largest_first
from .level_sums import RELATIVE_RIDGE
from .moments import FactorMoments, PairMoments

MOST_COLUMNS = 16
"""With more columns of X, products of matrices by BLAS are faster."""


class CompiledFits:
    """:class:`.fits_in_turn.FitsInTurn` for one response.

    Parameters
    ----------
    kernels : module
        :mod:`.row_kernels`.
    factors : sequence of FactorMoments
    pairs : mapping of (a, b), a < b, to PairMoments
    """

    def __init__(
        self,
        kernels: Any,
        factors: Sequence[FactorMoments],
        pairs: Mapping[tuple[int, int], PairMoments],
    ) -> None:
        self._kernels = kernels
        self._left = [np.array(f.zr, order="C") for f in factors]
        self._fits = [_arguments(f.zz, zr) for f, zr in zip(factors, self._left, strict=True)]
        self._across = _both_ways(pairs) if pairs else {}
        self._order = largest_first([f.zz for f in factors])
        single = len(factors) == 1 and factors[0].zz.shape[-1] == 1
        self.most_sweeps = 1 if single else MOST_SWEEPS

    def taken_by_sweep(self, effects: list[FloatArray] | None = None) -> FloatArray:
        """What one sweep takes from R'R, (m, m); its steps are added to `effects`."""
        m = self._left[0].shape[2]
        taken = np.zeros((m, m))
        for i in self._order:
            zz, share, work, step = self._fits[i]
            self._kernels.fit_levels(zz, self._left[i], share, work, step, taken)
            for j in self._order:
                if j != i:
                    self._kernels.subtract_blocks(*self._across[j, i], step, self._left[j])
            if effects is not None:
                effects[i] += step
        return 0.5 * (taken + taken.T)

    def subtract_from_last(self, delta: FloatArray) -> None:
        """Take the other columns times `delta` (m − 1,) from the last one."""
        for left in self._left:
            left[..., -1] -= left[..., :-1] @ delta


def _arguments(zz: FloatArray, zr: FloatArray) -> tuple[Any, float, FloatArray, FloatArray]:
    """Z'Z, the ridge's share, and arrays to work in, of the loop that fits zr (q, k, m)."""
    _, k, m = zr.shape
    share = RELATIVE_RIDGE / k if k > 1 else 0.0
    return for_loops(zz), share, np.empty((k, k + m)), np.empty(zr.shape)


def _both_ways(
    pairs: Mapping[tuple[int, int], PairMoments],
) -> dict[tuple[int, int], tuple[Any, Any, FloatArray]]:
    """Levels to which, and of which, and blocks of Z_a'Z_b and Z_b'Z_a."""
    out = {}
    for (a, b), pair in pairs.items():
        rows, cols = for_loops(pair.rows, np.int64), for_loops(pair.cols, np.int64)
        blocks = for_loops(pair.blocks)
        out[a, b] = rows, cols, blocks
        out[b, a] = cols, rows, blocks.swapaxes(1, 2)
    return out
