"""What X and all effects leave of responses, from moments: least squares in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ...support.arrays import FloatArray
from .fits_in_turn import SLOW_SWEEP, Across, FitsInTurn, summed_products, within_slopes


class SingleFits(Protocol):
    """Least squares of one response."""

    most_sweeps: int

    def taken_by_sweep(self) -> FloatArray:
        """What one sweep takes from R'R, (m, m)."""


def unexplained_of_one(fits: SingleFits, rr: FloatArray) -> float:
    """:func:`unexplained_in_turn` of one response, from all products R'R of R = [X y]."""
    p, left = rr.shape[0] - 1, rr
    for _ in range(fits.most_sweeps):
        before, left = left[p, p], left - fits.taken_by_sweep()
        if left[p, p] > SLOW_SWEEP * before:
            break
    xy = left[:p, p]
    slopes = within_slopes(rr[:p, :p], left[:p, :p], xy[:, None])[:, 0]
    return max(float(left[p, p] - xy @ slopes), 0.0)


def unexplained_in_turn(
    zz: Sequence[FloatArray],
    zr: Sequence[FloatArray],
    rr: tuple[FloatArray, FloatArray, FloatArray],
    across: Across,
) -> FloatArray:
    """Least squares on one grouping factor after the other, then on X, (c,).

    Parameters
    ----------
    zz : sequence of ndarray (q, k, k)
        Z'Z of each grouping factor.
    zr : sequence of ndarray (q, k, p + c)
        Z'[X y].
    rr : (ndarray (p, p), ndarray (p, c), ndarray (c,))
        X'X, X'y and y'y.
    across : callable
        ``across(j, i, x)`` is Z_j'Z_i x.
    """
    xx, xy, yy = (part.copy() for part in rr)
    p, whole = len(xx), rr[0]
    fits = FitsInTurn(zz, zr, across)
    out, going_on = np.full(len(yy), np.nan), np.ones(len(yy), dtype=bool)
    for last in range(1 - fits.most_sweeps, 1):
        before = yy.copy()
        for _, b, a in fits.sweep():
            first, fixed = summed_products(b[:p], a), summed_products(b[p:], a[:p])
            xx -= 0.5 * (first[:, :p] + first[:, :p].T)
            xy -= 0.5 * (first[:, p:] + fixed.T)
            yy -= np.einsum("ckq,ckq->c", b[p:], a[p:])
        ends = going_on & (yy > SLOW_SWEEP * before) if last else going_on
        if ends.any():
            out[ends] = unexplained_by_columns(whole, xx, xy[:, ends], yy[ends])
            going_on = going_on & ~ends
        if not going_on.any():
            break
    return out


def unexplained_by_columns(
    whole: FloatArray, xx: FloatArray, xy: FloatArray, yy: FloatArray
) -> FloatArray:
    """What X leaves of each y, from the products of what effects left of both, (c,).

    Parameters
    ----------
    whole, xx : ndarray (p, p)
        X'X before and after: columns of which nothing is left are not used.
    xy, yy : ndarray (p, c), (c,)
    """
    slopes = within_slopes(whole, xx, xy)
    return np.asarray(np.maximum(yy - np.einsum("ij,ij->j", xy, slopes), 0.0))
