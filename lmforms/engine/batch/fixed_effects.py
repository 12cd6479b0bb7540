r"""Variances of the fixed effects of many responses, and their derivatives in θ.

With P of :mod:`lmforms.engine.batch.derivatives` and its rows P_X that belong to X, the covariance
Φ₀ = (X'V₀⁻¹X)⁻¹ is the last block of P, and

    ∂Φ₀/∂θ_i = −P_X Y_i P_X'             for the leading factor,
    ∂Φ₀/∂θ_j = P_X Y₂' D_j Y₂ P_X'       for the others:  P_X Y₂' = Φ₀X'V₀⁻¹Z₂.
"""

from __future__ import annotations

import numpy as np

from ...support.arrays import FloatArray
from .criterion import Point, effects
from .derivatives import leading_changes
from .shared_sums import SharedSums


def fixed_effect_variances(
    shared: SharedSums, at: Point, linear: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Var(a'β̂)/σ² for rows a of `linear`, and its derivatives.

    Parameters
    ----------
    shared : SharedSums
    at : Point
        Of c responses.
    linear : ndarray (s, p)

    Returns
    -------
    variances : ndarray (c, s)
    changes : ndarray (c, s, n_theta)
    """
    m = shared.m
    root = effects(shared, at).inverse_root
    half = linear @ root[:, m:]
    rows = half @ root.swapaxes(1, 2)  # aP_X, (c, s, r)
    changes = np.empty((*rows.shape[:2], shared.n_theta))

    _, change = leading_changes(shared, at)
    slope_g = at.g[:, None] @ change @ at.g[:, None]
    gram = shared.weighted(slope_g)  # −Y_i of U, (c, n, r, r)
    along = rows[:, None] @ gram
    changes[..., shared.lead.theta] = np.einsum("cnsr,csr->csn", along, rows)

    moments = rows @ at.gram[..., :m]
    for _, part in shared.rest:
        lam = part.lam(at.theta)
        levels = moments[..., part.columns].reshape(*moments.shape[:2], part.q, part.k)
        square = levels.swapaxes(-1, -2) @ levels  # (c, s, k, k)
        own = np.einsum("nab,cdb,csad->csn", part.slopes, lam, square, optimize=True)
        changes[..., part.theta] = 2.0 * own
    return np.square(half).sum(axis=2), changes
