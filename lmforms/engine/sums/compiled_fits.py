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
        self._fits = [_arguments(f) for f in factors]
        self._left = [left for _, left, *_ in self._fits]
        self._across = _both_ways(pairs) if pairs else {}
        self._order = largest_first([zz for zz, *_ in self._fits])
        single = len(factors) == 1 and factors[0].zz.shape[-1] == 1
        self.most_sweeps = 1 if single else MOST_SWEEPS

    def taken_by_sweep(self, effects: list[FloatArray] | None = None) -> FloatArray:
        """What one sweep takes from R'R, (m, m); its steps are added to `effects`."""
        m = self._left[0].shape[2]
        taken = np.zeros((m, m))
        for i in self._order:
            step = self._fits[i][-1]
            self._kernels.fit_levels(*self._fits[i], taken)
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


def _arguments(f: FactorMoments) -> tuple[Any, FloatArray, float, FloatArray, FloatArray]:
    """What the loop takes that fits one factor: Z'Z, a copy of Z'R, the ridge's share, and room."""
    _, k, m = f.zr.shape
    left, share = np.array(f.zr, order="C"), RELATIVE_RIDGE / k if k > 1 else 0.0
    return for_loops(f.zz), left, share, np.empty((k, k + m)), np.empty(left.shape)


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
