"""Least squares on one grouping factor after the other, from moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...support.arrays import FloatArray
from .level_sums import LevelFits, levels_first, levels_last

MOST_SWEEPS = 3
"""Sweeps over the grouping factors at most."""

SLOW_SWEEP = 0.5
"""A sweep that leaves more than this share of a column's sum of squares is its last."""

LEAST_WITHIN_SHARE = 1e-2
"""A column of which the effects leave less than this share has no information on slopes within
groups."""

Across = Callable[[int, int, FloatArray], FloatArray]
"""``across(j, i, x)`` is Z_j'Z_i x, (q_j, k_j, m)."""


class FitsInTurn:
    """Z'R of each grouping factor, less what effects explain that are fitted in turn.

    Parameters
    ----------
    zz : sequence of ndarray (q, k, k)
    zr : sequence of ndarray (q, k, m)
    across : callable
    """

    def __init__(self, zz: Sequence[FloatArray], zr: Sequence[FloatArray], across: Across) -> None:
        self._fits = [LevelFits(block) for block in zz]
        self._left = [levels_last(block) for block in zr]
        self._across = across
        self._order = sorted(range(len(zz)), key=lambda i: -zz[i].size)
        single = len(zz) == 1 and zz[0].shape[-1] == 1
        self.most_sweeps = 1 if single else MOST_SWEEPS
        """One is least squares where there is no other factor and no ridge."""

    def sweep(self) -> Iterator[tuple[int, FloatArray, FloatArray]]:
        """Fit all factors, the largest first.

        Yields
        ------
        factor : int
        b, a : ndarray (m, k, q)
            Its step of effects, and a so that ½(b'a + a'b), summed over effects and levels, is
            what they take from R'R.
        """
        for i in self._order:
            before = self._left[i]
            step, rest = self._fits[i].fit(before)
            self._left[i] = rest
            for j in self._order:
                if j != i:
                    self._left[j] -= levels_last(self._across(j, i, levels_first(step)))
            yield i, step, before + rest

    def subtract_from_last(self, delta: FloatArray) -> None:
        """Take the other columns times `delta` (m − 1,) from the last one."""
        for left in self._left:
            for j in np.flatnonzero(delta):
                left[-1] -= delta[j] * left[j]


def summed_products(b: FloatArray, a: FloatArray) -> FloatArray:
    """b'a over effects and levels, (m, r), of (m, k, q) and (r, k, q)."""
    return b.reshape(len(b), -1) @ a.reshape(len(a), -1).T


def within_slopes(whole: FloatArray, xx: FloatArray, xy: FloatArray) -> FloatArray:
    """Coefficients (p, c) of responses on X from what effects left of both.

    Parameters
    ----------
    whole, xx : ndarray (p, p)
        X'X before and after: columns of which nothing is left are not used.
    xy : ndarray (p, c)
    """
    slopes = np.zeros(xy.shape)
    used = np.flatnonzero(xx.diagonal() > LEAST_WITHIN_SHARE**2 * whole.diagonal())
    if len(used) == 1:
        slopes[used] = xy[used] / xx[used, used]
    elif len(used):
        fixed = xx[np.ix_(used, used)]
        slopes[used] = np.linalg.lstsq(fixed, xy[used], rcond=LEAST_WITHIN_SHARE)[0]
    return slopes
