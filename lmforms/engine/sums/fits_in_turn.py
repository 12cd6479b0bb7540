"""Least squares on one grouping factor after the other, from moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...support.arrays import FloatArray
from .level_sums import LevelFits

MOST_SWEEPS = 3
"""Sweeps over the grouping factors at most."""

PART = 4_096
"""Levels of one part."""

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
        Not needed for one factor.
    """

    def __init__(
        self,
        zz: Sequence[FloatArray],
        zr: Sequence[FloatArray],
        across: Across | None = None,
    ) -> None:
        self._fits = [LevelFits(block) for block in zz]
        self._left = [block.T.copy() for block in zr]
        self._across = across
        self._order = largest_first(zz)
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
                if j != i and self._across is not None:
                    self._left[j] -= self._across(j, i, step.T).T
            yield i, step, before + rest

    def taken_by_sweep(self, effects: list[FloatArray] | None = None) -> FloatArray:
        """What one sweep takes from R'R, (m, m); its steps are added to `effects`, (q, k, m)."""
        taken = np.zeros(())
        for i, b, a in self.sweep():
            product = summed_products(b, a)
            taken = taken + 0.5 * (product + product.T)
            if effects is not None:
                effects[i] += b.T
        return taken

    def subtract_from_last(self, delta: FloatArray) -> None:
        """Take the other columns times `delta` (m − 1,) from the last one."""
        for left in self._left:
            for j in np.flatnonzero(delta):
                left[-1] -= delta[j] * left[j]


class FitsOfParts:
    """:class:`FitsInTurn` of many levels of one factor, whose effects are not kept.

    All sweeps are made of some levels after the other: their numbers stay in the cache.
    """

    def __init__(self, zz: FloatArray, zr: FloatArray) -> None:
        self.most_sweeps = 1 if zz.shape[-1] == 1 else MOST_SWEEPS
        self._taken = np.zeros((self.most_sweeps, zr.shape[2], zr.shape[2]))
        for start in range(0, len(zz), PART):
            part = slice(start, start + PART)
            fits = FitsInTurn([zz[part]], [zr[part]])
            for taken in self._taken:
                taken += fits.taken_by_sweep()
        self._sweeps = iter(self._taken)

    def taken_by_sweep(self) -> FloatArray:
        """What one sweep takes from R'R, (m, m)."""
        return next(self._sweeps)


def largest_first(zz: Sequence[FloatArray]) -> list[int]:
    """Grouping factors by the numbers in their Z'Z."""
    if len(zz) == 1:
        return [0]
    return sorted(range(len(zz)), key=lambda i: -zz[i].size)


def summed_products(b: FloatArray, a: FloatArray) -> FloatArray:
    """b'a over effects and levels, (m, r), of (m, k, q) and (r, k, q)."""
    size = b.shape[1] * b.shape[2]
    return b.reshape(b.shape[0], size) @ a.reshape(a.shape[0], size).T


def within_slopes(whole: FloatArray, xx: FloatArray, xy: FloatArray) -> FloatArray:
    """Coefficients (p, c) of responses on X from what effects left of both.

    Parameters
    ----------
    whole, xx : ndarray (p, p)
        X'X before and after: columns of which nothing is left are not used.
    xy : ndarray (p, c)
    """
    slopes = np.zeros(xy.shape)
    (used,) = (xx.diagonal() > LEAST_WITHIN_SHARE**2 * whole.diagonal()).nonzero()
    if used.size == 1:
        slopes[used] = xy[used] / xx[used[0], used[0]]
    elif used.size:
        fixed = xx[np.ix_(used, used)]
        slopes[used] = np.linalg.lstsq(fixed, xy[used], rcond=LEAST_WITHIN_SHARE)[0]
    return slopes
