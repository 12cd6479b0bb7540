"""What inference needs to know of fits of generalised linear mixed models."""

from __future__ import annotations

from typing import Any

from ..errors import ModelError
from ..glmm.estimate import GeneralizedEstimate
from ..glmm.families.base import Family
from ..results.state import FitState


def generalized_estimate(state: FitState) -> GeneralizedEstimate:
    """The estimate of a fit that has a family."""
    estimate: Any = state.estimate
    assert isinstance(estimate, GeneralizedEstimate)
    return estimate


def changes_mean(family: Family) -> bool:
    """Whether expected responses are others than μ, as zeros are added or left out."""
    return type(family).expectation is not Family.expectation


def refuse_generalized(state: FitState, what: str, way: str) -> None:
    """Refuse what is there for linear mixed models alone.

    Raises
    ------
    ModelError
    """
    if state.family is not None:
        raise ModelError(f"{what} is there for linear mixed models alone. {way}")
