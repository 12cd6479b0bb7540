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
    for text, category in (
        ("" if results.converged else f"not converged: {message}.", ConvergenceWarning),
        (results.unidentified_message, IdentificationWarning),
        (results.singular_message, SingularWarning),
        (results.bound_message, BoundWarning),
    ):
        if text:
            warnings.warn(text, category, stacklevel=caller_depth())
