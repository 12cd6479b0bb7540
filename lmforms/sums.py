"""From rows to cross-products: units first, pilot effects where sums of squares would cancel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .covariance import Covariance
from .crossproducts import CrossProducts, cross_products
from .pilot import SWEEPS, level_fit
from .rows import ModelRows
from .scaling import EMPTIED, Scaling, choose_units, with_pilot

FloatArray = npt.NDArray[np.float64]

CANCELS = 30.0
"""When effects and X explain all but this part of the response, r² is to be summed, not
subtracted: one digit and a half may be lost."""


def summed(rows: ModelRows, covariances: tuple[Covariance, ...]) -> CrossProducts:
    """Cross-products of rows in memory, in units that suit them.

    Parameters
    ----------
    rows : ModelRows
    covariances : tuple of Covariance
        Structure of each grouping factor.

    Raises
    ------
    NumericalError
        Squares of the numbers, or their sums, are beyond floating point.
    """
    units = choose_units(rows, covariances)
    plain = cross_products(rows, units)
    if plain.rr[-1, -1] <= CANCELS * unexplained(plain):
        return plain
    return cross_products(rows, with_pilot(rows, units))


def choose_scaling(rows: ModelRows, covariances: tuple[Covariance, ...]) -> Scaling:
    """Units for a stream of chunks, from rows that are like all.

    Parameters
    ----------
    rows : ModelRows
        A first chunk, say. The units only change rounding, but much of it if the chunk's
        predictors are far smaller than the others.
    covariances : tuple of Covariance
    """
    return summed(rows, covariances).scaling


def unexplained(cp: CrossProducts) -> float:
    """Sum of squares that X and all effects, fitted in turn to the moments, leave of y.

    Least squares on one grouping factor after the other, as :mod:`lmforms.pilot` does with
    rows. Differences of sums, so good to a few digits of what there was, not of what is left.
    """
    rr, factors = cp.rr.copy(), cp.factors
    zr = [f.zr.copy() for f in factors]
    order = sorted(range(len(factors)), key=lambda i: -factors[i].zz.size)
    single = len(factors) == 1 and factors[0].zz.shape[-1] == 1
    for _ in range(1 if single else SWEEPS):
        before = rr[-1, -1]
        for i in order:
            zz = factors[i].zz
            step = level_fit(zz, zr[i])
            left = zr[i] - (zz * step if zz.shape[-1] == 1 else zz @ step)
            change = np.einsum("qka,qkb->ab", step, zr[i] + left)
            rr -= 0.5 * (change + change.T)
            zr[i] = left
            for j in order:
                if j != i:
                    zr[j] -= _across(cp, j, i, step)
        if rr[-1, -1] > 0.5 * before:
            break
    alive = np.flatnonzero(np.diag(rr)[:-1] > EMPTIED**2 * np.diag(cp.rr)[:-1])
    fixed = rr[np.ix_(alive, alive)]
    explained = rr[-1, alive] @ np.linalg.lstsq(fixed, rr[alive, -1], rcond=EMPTIED)[0]
    return max(float(rr[-1, -1] - explained), 0.0)


def _across(cp: CrossProducts, j: int, i: int, step: FloatArray) -> FloatArray:
    """Z_j'Z_i step."""
    levels = len(cp.factors[j].zz)
    if (j, i) in cp.pairs:
        return cp.pairs[j, i].times(step, levels)
    return cp.pairs[i, j].transposed_times(step, levels)
