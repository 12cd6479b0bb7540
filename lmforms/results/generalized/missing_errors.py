"""A warning that a fit has no standard errors."""

from __future__ import annotations

import warnings

from ...errors import ConvergenceWarning
from ...support.caller import caller_depth
from ..state import FitState
from .family_checks import bound_message
from .rows import estimate_of
from .separated_columns import separation_text


def warn_without_errors(state: FitState) -> None:
    """Say why there are no standard errors, where the fit has not warned of the reason."""
    reason = estimate_of(state).no_standard_errors
    if reason and not separation_text(state) and not bound_message(state):
        warnings.warn(f"{reason}.", ConvergenceWarning, stacklevel=caller_depth())
