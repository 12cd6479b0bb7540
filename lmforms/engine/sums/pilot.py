"""Pilot random effects: least squares on one grouping factor after the other.

Any values describe the same model. Where groups lie far apart, good ones leave small residuals,
and sums of squares of small numbers do not cancel.
"""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from .unit_rows import UnitBases

PILOT_SWEEPS = 3
"""Sweeps over the grouping factors at most."""

SLOW_SWEEP = 0.5
"""A sweep that leaves more than this share of every column's sum of squares is the last."""

NEGLIGIBLE_COLUMN = 1e-8
"""Columns of which less than this share is left do not ask for another sweep."""


def random_pilot(random: UnitBases, right: FloatArray) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Effects B₀ of each factor with a small remainder ``right − Σ Z B₀``.

    Parameters
    ----------
    random : UnitBases
    right : ndarray (n, r)
        Whitened columns.

    Returns
    -------
    effects : tuple of ndarray (q, k, r)
    remainder : ndarray (n, r)
    """
    factors, passes = random.factors, random.passes
    remainder = right.copy(order="K")
    effects = [np.zeros((f.n_levels, f.k, right.shape[1])) for f in factors]
    order = sorted(range(len(factors)), key=lambda i: -factors[i].n_levels * factors[i].k)
    first = size = np.einsum("ij,ij->j", remainder, remainder)
    for _ in range(PILOT_SWEEPS):
        for i in order:
            f, basis = factors[i], random.bases[i]
            step = passes.level_fit(random.zz[i], passes.sums_by_level(f, basis, remainder))
            effects[i] += step
            passes.less_effects(f, basis, step, remainder)
        if len(factors) == 1 and factors[0].k == 1:
            break  # no ridge and no other factor: one sweep is least squares
        before, size = size, np.einsum("ij,ij->j", remainder, remainder)
        if not ((size < SLOW_SWEEP * before) & (size > NEGLIGIBLE_COLUMN * first)).any():
            break
    return tuple(effects), remainder
