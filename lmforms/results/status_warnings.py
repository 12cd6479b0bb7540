"""Warnings about how a fit ended."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..errors import (
    BoundWarning,
    ConvergenceWarning,
    IdentificationWarning,
    SingularWarning,
)
from ..support.caller import caller_depth

if TYPE_CHECKING:
    from .model_results import MixedModelResults


def warn_of_status(results: MixedModelResults, message: str) -> None:
    """What the user should know of how the fit ended."""
    said = {
        ConvergenceWarning: "" if results.converged else f"not converged: {message}.",
        IdentificationWarning: results.unidentified_message,
        SingularWarning: results.singular_message,
        BoundWarning: results.bound_message,
    }
    for category in filter(said.get, said):
        warnings.warn(said[category], category, stacklevel=caller_depth())
