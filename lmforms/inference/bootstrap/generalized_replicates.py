"""Replicates of a generalised fit: responses drawn under it, refitted one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...glmm.estimate import GeneralizedEstimate
from ...glmm.refit import ResponseRefitter
from ...results.state import FitState
from ...support.arrays import BoolArray, FloatArray
from ..generalized import generalized_estimate
from ..generalized_draws import ResponseDraws
from ..model_parameters import model_parameters, parameter_values
from .statistics import Statistic


@dataclass(frozen=True, eq=False)
class GeneralizedReplicates:
    """Values of replicates.

    Attributes
    ----------
    values : ndarray (c, parameters)
        NaN for refits that failed.
    failed, singular : ndarray of bool (c,)
    """

    values: FloatArray
    failed: BoolArray
    singular: BoolArray


class GeneralizedSource:
    """Draws responses under a fit and refits it to them.

    Parameters
    ----------
    state : FitState
    generator : numpy.random.Generator
        Each response has a child of its own, as those of ``fit.simulate``.
    statistic : Statistic, optional
        Of each refit; all its parameters by default.
    """

    step = 1

    def __init__(
        self,
        state: FitState,
        generator: np.random.Generator,
        statistic: Statistic | None = None,
    ) -> None:
        self._state, self._generator, self._statistic = state, generator, statistic
        self._draws = ResponseDraws(state, new_effects=True)
        self._refitter = ResponseRefitter(generalized_estimate(state), state.control)
        self._done = 0

    def next(self, count: int) -> GeneralizedReplicates:
        """The next ones."""
        width = len(model_parameters(self._state))
        if self._statistic is not None:
            width = len(self._statistic.of_fit[0])
        out = GeneralizedReplicates(
            np.full((count, width), np.nan), np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
        )
        for j, rng in enumerate(self._generator.spawn(count)):
            found = refitted(self._refitter, self._draws.draw(rng))
            self._done += 1
            if found is None:
                continue
            out.failed[j], out.singular[j] = False, bool(found.singular)
            out.values[j] = self._values(found)
        return out

    def _values(self, estimate: GeneralizedEstimate) -> FloatArray:
        state = state_of_refit(self._state, estimate)
        if self._statistic is None:
            return parameter_values(state)
        fit = self._statistic.fit
        return self._statistic(type(fit)(fit.model, state), f"replicate {self._done - 1}")


def refitted(refitter: ResponseRefitter, y: FloatArray) -> GeneralizedEstimate | None:
    """The fit of a response, None where it fails or does not converge."""
    try:
        found = refitter.fit(y)
    except NumericalError:
        return None
    return found if found.converged else None


def state_of_refit(state: FitState, estimate: GeneralizedEstimate) -> FitState:
    """The fit of another response."""
    seen = state.design.observed
    assert seen is not None
    response = replace(seen, y=estimate.likelihood.response.y).proportions
    changes: dict[str, Any] = {"estimate": estimate, "response": response}
    return replace(state, **changes)


@dataclass(frozen=True, eq=False)
class Criteria:
    """Criteria of refits, NaN for those that failed.

    Attributes
    ----------
    criterion : ndarray (c,)
    """

    criterion: FloatArray


class GeneralizedRefits:
    """Fits of one generalised model to responses as rows.

    Parameters
    ----------
    state : FitState
    """

    step = 1

    def __init__(self, state: FitState) -> None:
        self._refitter = ResponseRefitter(generalized_estimate(state), state.control)

    def fit(self, Y: FloatArray) -> Criteria:
        """Refit responses (n, c)."""
        found = [refitted(self._refitter, np.ascontiguousarray(y)) for y in Y.T]
        return Criteria(np.array([np.nan if one is None else one.criterion for one in found]))
