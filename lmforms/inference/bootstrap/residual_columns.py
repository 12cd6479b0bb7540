"""Parameters of the residuals of replicates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...engine.replication.replicates import Replicates
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..residual_estimates import has_parameters, residual_values


def residual_columns(state: FitState, found: Replicates) -> FloatArray:
    """Values of :func:`.residual_values`, or σ alone, (c, parameters)."""
    if not has_parameters(state):
        return found.sigma[:, None]
    names, _, _ = residual_values(state)
    out = np.full((len(found), len(names)), np.nan)
    for j in np.flatnonzero(~found.failed):
        residual = state.residual.at(found.phi[j])
        estimate = replace(state.estimate, residual=residual)
        estimate = estimate.with_values(sigma=float(found.sigma[j]))
        out[j] = residual_values(replace(state, estimate=estimate))[1]
    return out
