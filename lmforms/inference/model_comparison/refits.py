"""Fits of the same or of another model for a comparison, without the warnings of each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...control import METHODS_WITHOUT_START
from ...data.changed_formula import ModelChanges
from ...data.theta_order import theta_in_formula_order
from ...errors import LmformsWarning
from ...results.state import FitState
from ..generalized import generalized_estimate

SAMPLED = "gibbs"
"""The method whose estimates are not at the maximum of the likelihood."""


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out warnings about how fits ended: the table has notes on them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        yield


def by_criterion(state: FitState, reml: bool) -> FitState:
    """The fit by ML or REML: the same if it is, a refit otherwise."""
    if state.family is not None:
        return state
    if state.estimate.reml == reml and state.method != SAMPLED:
        return state
    method = "auto" if state.method == SAMPLED else state.method
    usable = method not in METHODS_WITHOUT_START and not state.estimate.singular
    start = theta_in_formula_order(state.design, state.estimate.theta) if usable else None
    with quietly():
        fit = state.refit(
            state.response, reml=reml, start=start, control=state.control, method=method
        )
    refitted: FitState = fit.state
    return refitted


def changed_fit(state: FitState, changes: ModelChanges, reml: bool) -> Any:
    """Results of a changed model on the same rows, by the method of the fit if it maximises."""
    if state.family is not None:
        update: Any = state.update
        with quietly():
            return update(state, changes, nagq=generalized_estimate(state).nagq)
    method = "auto" if state.method == SAMPLED else state.method
    with quietly():
        return state.update(state, changes, reml=reml, method=method)
