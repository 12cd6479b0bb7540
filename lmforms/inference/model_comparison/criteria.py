"""Criteria by which models are compared: functions of the state of a fit."""

from __future__ import annotations

import numpy as np

from ...results.state import FitState


def npar(state: FitState) -> int:
    """Number of parameters: rank of X, θ of the random effects, φ of the residuals, and σ.

    Of a generalised model the coefficients of its family's parameters take the place of φ and σ.
    """
    return len(state.estimate.beta) + state.estimate.n_theta + state.estimate.n_of_rows


def loglik(state: FitState) -> float:
    """Log-likelihood, restricted under REML."""
    return -0.5 * state.estimate.criterion


def aic(state: FitState) -> float:
    """criterion + 2 npar."""
    return state.estimate.criterion + 2.0 * npar(state)


def aicc(state: FitState) -> float:
    """AIC + 2k(k + 1)/(n − k − 1) for k parameters and n rows; NaN where n ≤ k + 1.

    References
    ----------
    Hurvich, Tsai (1989), *Regression and Time Series Model Selection in Small Samples*,
    Biometrika 76(2).
    """
    k, n = npar(state), state.design.n
    return aic(state) + 2.0 * k * (k + 1) / (n - k - 1) if n > k + 1 else np.nan


def bic(state: FitState) -> float:
    """criterion + ln(n) npar, with n the number of rows also under REML."""
    return state.estimate.criterion + float(np.log(state.design.n)) * npar(state)
