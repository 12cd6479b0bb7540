"""Other optima of variance components: the criterion along one component's variance at a time.

The curves are those of :mod:`lmforms.engine.optimize.variance_curves`. With U the eigenvectors
of Z_i'V₀⁻¹Z_i in the metric of Q_i, U'Q_iU = I, and from the factored equations
(:mod:`.equations`)

    Z_i'V₀⁻¹Z_i = [Q − QM⁻¹Q]_ii / γ_i,    c = U'Q_i[B_i, b_i] / √γ_i.

With one component its curve is the whole criterion.
"""

from __future__ import annotations

import numpy as np

from ..engine.optimize.variance_curves import MOST_FIXED_COLUMNS, Curves, single_levels
from ..support.arrays import FloatArray
from .likelihood import Likelihood

FEW_EFFECTS = 300
"""With more random effects than this, models have enough levels for a single optimum."""


def other_minima(at: Likelihood) -> list[FloatArray]:
    """Ratios σ_i²/σ² of local minima of the curves through `at`, lowest first.

    Parameters
    ----------
    at : Likelihood
        With the σ² that belongs to its ratios.
    """
    if at.sums.m > FEW_EFFECTS or at.sums.p > MOST_FIXED_COLUMNS:
        return []
    from scipy.linalg import eigh

    q = at.equations.dense_precision
    known = q - q @ at.factored.inverse() @ q
    moments = np.column_stack([at.scaled_effects_of_x, at.scaled_effects])
    found = []
    for i, (s, ratio) in enumerate(zip(at.sums.spans, at.ratios, strict=True)):
        d, vectors = eigh(known[s, s] / ratio, q[s, s])
        c = vectors.T @ q[s, s] @ moments[s] / np.sqrt(ratio)
        levels = single_levels(np.maximum(d, 0.0)[None], c[None])
        curves = Curves(at.quadratic, at.nu, at.reml, np.array([ratio]), *levels)
        for _, variance, change in curves.other_minima():
            ratios = at.variances[:-1] / at.scale
            ratios[i] = variance
            found.append((change, ratios))
    return [ratios for _, ratios in sorted(found, key=lambda candidate: candidate[0])]
