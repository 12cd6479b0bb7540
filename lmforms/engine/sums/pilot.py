"""Pilot random effects: least squares on one grouping factor after the other.

Any values describe the same model. Where groups lie far apart, good ones leave small residuals,
and sums of squares of small numbers do not cancel. They come from the sums without them: effects
with a relative error of 10⁻¹² still leave residuals that are small enough.
"""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from .compiled_fits import CompiledFits
from .cross_products import CrossProducts
from .fits_in_turn import SLOW_SWEEP, FitsInTurn, within_slopes
from .units import Pilot, Scaling

NEGLIGIBLE_COLUMN = 1e-8
"""Columns of which less than this share is left do not ask for another sweep."""


def pilot_scaling(cp: CrossProducts) -> Scaling:
    """The units of sums with pilot effects that are fitted to the sums, and γ within groups.

    Parameters
    ----------
    cp : CrossProducts
        In which each row belongs to one level of every grouping factor.
    """
    fits = cp.fits_in_turn()
    effects = [own.copy() for own in cp.scaling.pilot.effects]
    rr = _sweeps(fits, cp.rr, effects)
    # γ is fitted between groups as well; what effects leave of X may give a better fit
    p = cp.p
    delta = within_slopes(cp.rr[:p, :p], rr[:p, :p], rr[:p, p:])[:, 0]
    pilot = cp.scaling.pilot
    gamma = pilot.gamma
    if delta.any():
        fits.subtract_from_last(delta)
        for own in effects:
            own[..., -1] -= own[..., :-1] @ delta
        change = np.eye(p + 1)
        change[:p, p] -= delta
        _sweeps(fits, change.T @ rr @ change, effects)
        gamma = gamma + pilot.y_scale * delta
    more = pilot.shift, pilot.shift_beta, pilot.resolution
    return Scaling(cp.scaling.units, Pilot(gamma, pilot.y_scale, tuple(effects), *more))


def _sweeps(
    fits: FitsInTurn | CompiledFits, rr: FloatArray, effects: list[FloatArray]
) -> FloatArray:
    """Add steps to effects as long as they leave much less; R'R that is left."""
    first = size = rr.diagonal()
    for _ in range(fits.most_sweeps):
        rr = rr - fits.taken_by_sweep(effects)
        before, size = size, rr.diagonal()
        if not ((size < SLOW_SWEEP * before) & (size > NEGLIGIBLE_COLUMN * first)).any():
            break
    return rr
