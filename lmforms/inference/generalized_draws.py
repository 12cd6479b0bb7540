"""Responses drawn from a generalised fit at its estimates."""

from __future__ import annotations

import numpy as np

from ..results.simulate import EffectDraws
from ..results.state import FitState
from ..support.arrays import FloatArray
from .generalized import generalized_estimate


class ResponseDraws:
    """Draws of the response; of successes of binomial families.

    Parameters
    ----------
    state : FitState
    new_effects : bool
        Whether random effects are drawn anew; else they are the fitted ones.
    """

    def __init__(self, state: FitState, *, new_effects: bool) -> None:
        design, estimate = state.design, generalized_estimate(state)
        likelihood = estimate.likelihood
        self._family, self._link = estimate.family, likelihood.link
        self._omega = likelihood.omega(estimate.coefficients)
        self._trials = likelihood.response.trials
        self._effects = []
        self._fixed = estimate.eta
        if new_effects:
            self._effects = [EffectDraws.of(state, g) for g in range(len(design.groups))]
            self._fixed = design.X @ estimate.beta + design.offset

    def draw(self, rng: np.random.Generator) -> FloatArray:
        """One response, (n,)."""
        eta = self._fixed
        if self._effects:
            total = np.zeros((len(eta), 1))
            for effect in self._effects:
                effect.add(total, rng.standard_normal((1, effect.count)))
            eta = eta + total[:, 0]
        mean = self._link.mean(eta)
        drawn = self._family.simulate(rng, mean, self._omega, self._trials)
        return np.asarray(drawn, dtype=np.float64)
