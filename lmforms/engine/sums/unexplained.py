"""What X and all effects leave of responses, from moments: least squares in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...support.arrays import FloatArray
from .fits_in_turn import SLOW_SWEEP, Across, FitsInTurn, within_slopes


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

    def subtract(b: FloatArray, a: FloatArray) -> None:
        changes = _symmetric_products(b, a, p)
        for part, change in zip((xx, xy, yy), changes, strict=True):
            part -= 0.5 * change

    fits = FitsInTurn(zz, zr, across)
    out, open_ = np.full(len(yy), np.nan), np.ones(len(yy), dtype=bool)
    for last in range(1 - fits.most_sweeps, 1):
        before = yy.copy()
        fits.sweep(subtract)
        ends = open_ & (yy > SLOW_SWEEP * before) if last else open_
        if ends.any():
            out[ends] = unexplained_by_columns(whole, xx, xy[:, ends], yy[ends])
            open_ = open_ & ~ends
        if not open_.any():
            break
    return out


def _symmetric_products(
    a: FloatArray, b: FloatArray, p: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """a'b + b'a of the first p columns, of them with the others, and of each other with itself.

    Of blocks (k, m, q): the rows of a are those of all effects and levels.
    """
    if a.shape[1] == p + 1:
        product = sum(x @ y.T for x, y in zip(a, b, strict=True))
        whole = product + product.T
        return whole[:p, :p], whole[:p, p:], whole.diagonal()[p:]
    first = sum(x[:p] @ y.T for x, y in zip(a, b, strict=True))
    across = first[:, p:] + sum(y[:p] @ x[p:].T for x, y in zip(a, b, strict=True))
    own = 2.0 * np.einsum("kmq,kmq->m", a[:, p:], b[:, p:])
    return first[:, :p] + first[:, :p].T, across, own


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
