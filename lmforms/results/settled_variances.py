"""Fits whose variances depend on the fitted values: again and again until these are settled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from ..data.design import Design
from ..data.fitted_variances import with_fitted_values
from ..errors import ConvergenceWarning
from ..support.arrays import FloatArray
from ..support.caller import caller_depth
from .quantities import fitted_values
from .state import FitState

MOST_ROUNDS, SETTLED = 50, 1e-6
"""Most fits, and the change of the fitted values, in σ, at which they end."""


def settled(
    state: FitState,
    fit_from: Callable[[Design, Sequence[FloatArray], FloatArray], FitState],
) -> FitState:
    """The fit whose fitted values are those that its variances depend on.

    Parameters
    ----------
    state : FitState
        A first fit.
    fit_from : callable
        Fits a design from θ by grouping factor and φ.

    Warns
    -----
    ConvergenceWarning
        The fitted values still change.
    """
    change = np.inf
    for _ in range(MOST_ROUNDS):
        before = fitted_values(state)
        design = with_fitted_values(state.design, before)
        state = fit_from(design, state.estimate.theta, state.estimate.phi)
        change = float(np.abs(fitted_values(state) - before).max() / state.estimate.sigma)
        if change <= SETTLED:
            return state
    warnings.warn(
        f"the variances of the fitted values have not settled after {MOST_ROUNDS} rounds: the "
        f"fitted values still change by {change:.1g} σ.",
        ConvergenceWarning,
        stacklevel=caller_depth(),
    )
    return state
