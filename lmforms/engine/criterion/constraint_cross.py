"""Derivatives of the criterion in θ and in the value of a coefficient that is held."""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from ..linalg.batched import outer_sum
from .evaluate import Evaluation
from .gls import ConstrainedFit
from .information import root_changes


def constraint_cross(at: Evaluation) -> FloatArray:
    """∂²d/∂θ∂v where c'β = v is given, zero for φ.

    With ∂β/∂v = u and w = Z'V₀⁻¹Xu, ∂²r²/∂θ_i∂v = 2c_i'w, and d has ν ln r².
    """
    problem, gls, out = at.problem, at.gls, np.zeros(at.problem.n_parameters)
    assert isinstance(gls, ConstrainedFit)
    lams, derivatives = problem.lams(at.theta), problem.derivatives(at.theta)
    t = [x @ gls.to_residual for x in at.marginal]
    w = [x[..., :-1] @ gls.along[:, None] for x in at.marginal]
    changes = root_changes(lams, derivatives)
    kt = problem.system.covariance_times(t)
    share = gls.slope / (gls.nu * at.sigma2)
    for d, s, w_i, t_i, kt_i in zip(changes, problem.theta_slices(), w, t, kt, strict=True):
        moved = outer_sum(2.0 * w_i + share * t_i, kt_i)
        out[s] = d.reshape(len(d), moved.size) @ moved.ravel() / at.sigma2
    return out
