"""Warnings about how a fit ended."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..errors import (
    BoundWarning,
    ConvergenceWarning,
    IdentificationWarning,
    SeparationWarning,
    SingularWarning,
)
from ..support.caller import caller_depth
from .generalized.family_checks import bound_message
from .generalized.separated_columns import separation_text

if TYPE_CHECKING:
    from .generalized.generalized_results import GeneralizedResults
    from .model_results import MixedModelResults


def warn_of_status(results: MixedModelResults, message: str) -> None:
    """What the user should know of how the fit ended."""
    _warn(
        ("" if results.converged else f"not converged: {message}.", ConvergenceWarning),
        (results.unidentified_message, IdentificationWarning),
        (results.singular_message, SingularWarning),
        (results.bound_message, BoundWarning),
    )


def warn_of_generalized(results: GeneralizedResults) -> None:
    """The same for a generalised model."""
    message, separated = results.state.estimate.message, separation_text(results.state)
    # without a finite predictor, no variance is large or small
    singular = "" if separated else results.singular_message
    _warn(
        ("" if results.converged else f"not converged: {message}.", ConvergenceWarning),
        (singular, SingularWarning),
        (separated, SeparationWarning),
        (bound_message(results.state), BoundWarning),
    )


def _warn(*said: tuple[str, type[Warning]]) -> None:
    for text, category in said:
        if text:
            warnings.warn(text, category, stacklevel=caller_depth())
