"""The observed information of all parameters of a fit, computed once."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from ...residual.parametric import ParametricResidual
from ...results.state import FitState
from .block_information import information_by_blocks
from .residual_blocks import ResidualBlocks
from .variance_information import VarianceInformation, information_of_theta

LONGEST_SERIES = 200
"""Series of at most so many rows are worth their dense blocks."""

_cached: WeakKeyDictionary[FitState, VarianceInformation] = WeakKeyDictionary()


def observed_information(state: FitState) -> VarianceInformation:
    """Observed information of (θ, φ, ln σ²); the average one after conjugate gradients.

    Without random effects it is the sum over series of their own information, which costs less
    than differences of the gradient.

    Parameters
    ----------
    state : FitState
    """
    if state not in _cached:
        by_series = state.optimized and not state.design.groups and _has_short_series(state)
        _cached[state] = _of_series(state) if by_series else information_of_theta(state.estimate)
    return _cached[state]


def _has_short_series(state: FitState) -> bool:
    residual = state.residual
    if not isinstance(residual, ParametricResidual) or not len(residual.phi):
        return False
    return residual.order is None or int(residual.order.lengths.max()) <= LONGEST_SERIES


def _of_series(state: FitState) -> VarianceInformation:
    """By blocks, with zeros for the φ at a bound."""
    known = information_by_blocks(state, "observed")
    blocks, n_phi = ResidualBlocks(state.residual, 1.0), len(state.residual.phi)
    places = np.append(blocks.free, n_phi)
    p = len(known.half)
    changes, covariance = np.zeros((n_phi + 1, p, p)), np.zeros((n_phi + 1, n_phi + 1))
    changes[places] = known.changes
    covariance[np.ix_(places, places)] = known.covariance
    return replace(known, changes=changes, covariance=covariance)
