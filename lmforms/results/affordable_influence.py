"""Influence of observations and groups, where it takes seconds at most."""

from __future__ import annotations

import warnings

from ..errors import LmformsError, NotEstimableWarning
from ..inference.influence.cases import OBSERVATION
from ..inference.influence.influence import Influence, influence
from .state import FitState

MOST_WORK = 5e6
"""Rows times random effects: beyond, deletions of all rows take more than a few seconds."""


def affordable_influence(state: FitState, by: str = OBSERVATION) -> Influence | str:
    """Deletions at held θ, or why there are none.

    Parameters
    ----------
    state : FitState
    by : str
        ``"observation"`` or a grouping factor.
    """
    design = state.design
    effects = sum(len(group.labels) * len(group.columns) for group in design.groups)
    if design.n * effects > MOST_WORK:
        return f"{design.n:,} rows and {effects:,} random effects take long"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotEstimableWarning)
            return influence(state, by, refit=False, progress=False)
    except LmformsError as error:
        return str(error)
