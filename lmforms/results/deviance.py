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
    estimate, design = state.estimate, state.design
    p = len(estimate.beta)
    nu = design.n - p if estimate.reml else design.n
    r2 = nu * estimate.sigma**2
    e = residuals(state, "pearson")
    scaled = nu * (1.0 + np.log(2.0 * np.pi * r2 / nu))
    log_det_residual = design.residual.log_determinant()
    log_det_x = -np.linalg.slogdet(estimate.cov_beta / estimate.sigma**2)[1] if p else 0.0
    log_det = estimate.criterion - scaled - log_det_residual - estimate.reml * log_det_x
    rows = {
        "ln|L|²": (log_det, log_det),
        "ln|R_X|²": (log_det_x, log_det_x if estimate.reml else 0.0),
        "ln|R|": (log_det_residual, log_det_residual),
        "‖e‖²": (float(e @ e), np.nan),
        "‖u‖²": (max(r2 - float(e @ e), 0.0), np.nan),
        "r²": (r2, np.nan),
        "ν": (float(nu), np.nan),
        "ν(1 + ln(2πr²/ν))": (scaled, scaled),
        "criterion": (estimate.criterion, estimate.criterion),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "contribution"])
