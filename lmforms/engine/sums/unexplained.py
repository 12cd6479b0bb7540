"""What X and all effects leave of responses, from moments: least squares in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...support.arrays import FloatArray
from .level_sums import level_fit
from .pilot import PILOT_SWEEPS, SLOW_SWEEP
from .scaling import LEAST_WITHIN_SHARE


def unexplained_in_turn(
    zz: Sequence[FloatArray],
    zr: list[FloatArray],
    rr: tuple[FloatArray, FloatArray, FloatArray],
    across: Callable[[int, int, FloatArray], FloatArray],
) -> FloatArray:
    """Least squares on one grouping factor after the other, then on X, (c,).

    Parameters
    ----------
    zz : sequence of ndarray (q, k, k)
        Z'Z of each grouping factor.
    zr : list of ndarray (q, k, p + c)
        Z'[X y].
    rr : (ndarray (p, p), ndarray (p, c), ndarray (c,))
        X'X, X'y and y'y.
    across : callable
        ``across(j, i, x)`` is Z_j'Z_i x.
    """
    xx, xy, yy = (part.copy() for part in rr)
    p, whole = len(xx), rr[0]
    order = sorted(range(len(zz)), key=lambda i: -zz[i].size)
    single = len(zz) == 1 and zz[0].shape[-1] == 1
    out = np.full(len(yy), np.nan)
    for _ in range(1 if single else PILOT_SWEEPS):
        before = yy.copy()
        for i in order:
            step = level_fit(zz[i], zr[i])
            left = zr[i] - (zz[i] * step if zz[i].shape[-1] == 1 else zz[i] @ step)
            flat, both = (x.reshape(-1, x.shape[2]) for x in (step, zr[i] + left))
            for part, change in zip((xx, xy, yy), _symmetric_products(flat, both, p), strict=True):
                part -= 0.5 * change
            zr[i] = left
            for j in order:
                if j != i:
                    zr[j] = zr[j] - across(j, i, step)
        last = np.isnan(out) & (yy > SLOW_SWEEP * before)
        if last.any():
            out[last] = unexplained_by_columns(whole, xx, xy[:, last], yy[last])
        if not np.isnan(out).any():
            return out
    rest = np.isnan(out)
    out[rest] = unexplained_by_columns(whole, xx, xy[:, rest], yy[rest])
    return out


def _symmetric_products(
    a: FloatArray, b: FloatArray, p: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """a'b + b'a of the first p columns, of them with the others, and of each other with itself."""
    if a.shape[1] == p + 1:
        product = a.T @ b
        whole = product + product.T
        return whole[:p, :p], whole[:p, p:], np.diag(whole)[p:]
    first = a[:, :p].T @ b
    across = first[:, p:] + b[:, :p].T @ a[:, p:]
    own = 2.0 * np.einsum("ij,ij->j", a[:, p:], b[:, p:])
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
    used = np.flatnonzero(np.diag(xx) > LEAST_WITHIN_SHARE**2 * np.diag(whole))
    fixed, right = xx[np.ix_(used, used)], xy[used]
    solved = np.linalg.lstsq(fixed, right, rcond=LEAST_WITHIN_SHARE)[0]
    return np.asarray(np.maximum(yy - np.einsum("ij,ij->j", right, solved), 0.0))
