"""The criterion of a fit term by term, in the user's units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .quantities import residuals
from .state import FitState


def deviance_terms(state: FitState) -> pd.DataFrame:
    """ln|L|², ln|R_X|², ln|R|, r² and its parts, and ν(1 + ln(2πr²/ν)).

    Parameters
    ----------
    state : FitState

    Returns
    -------
    DataFrame
        Columns ``value`` and ``contribution``.
    """
    parts, criterion = state.estimate.parts, state.estimate.criterion
    e = state.residual.whiten(residuals(state, "response"))
    squares = float(e @ e)
    rows = {
        "ln|L|²": (parts.log_det, parts.log_det),
        "ln|R_X|²": (parts.log_det_x, parts.log_det_x if parts.reml else 0.0),
        "ln|R|": (parts.log_det_residual, parts.log_det_residual),
        "‖e‖²": (squares, np.nan),
        "‖u‖²": (max(parts.r2 - squares, 0.0), np.nan),
        "r²": (parts.r2, np.nan),
        "ν": (float(parts.nu), np.nan),
        "ν(1 + ln(2πr²/ν))": (parts.scaled_residual, parts.scaled_residual),
        "criterion": (criterion, criterion),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "contribution"])
