"""Expected information of the parameters φ of a residual structure, without random effects.

For ln|R| and quadratic forms in R⁻¹ the expected second derivative of −2 × log-likelihood is
tr(R⁻¹R_iR⁻¹R_j), with R_i = ∂R/∂φ_i: a sum over series, and over patterns where series share R.

References
----------
Searle, Casella, McCulloch (1992), *Variance Components*, section 6.3.
"""

from __future__ import annotations

import numpy as np

from ..support.arrays import FloatArray
from .parametric import ParametricResidual
from .whitening import PatternWhitening

CHUNK_NUMBERS = 1 << 21
"""Numbers in the matrices of the patterns that are treated together."""

SAME_SD = 1e-12
"""Relative difference of standard deviations that are the same."""


def expected_information(
    residual: ParametricResidual, counts: FloatArray | None = None
) -> FloatArray | None:
    """tr(R⁻¹R_iR⁻¹R_j) less what σ² takes, (n_phi, n_phi); None where it is not cheap.

    Parameters
    ----------
    residual : ParametricResidual
    counts : ndarray (n,), optional
        Number of copies of each series, at each of its rows.
    """
    whitening = residual.whitening
    if not isinstance(whitening, PatternWhitening):
        return None
    slopes = residual.log_sd_slopes
    times = np.ones(len(residual.series)) if counts is None else counts
    k = len(residual.phi)
    information, traces, n = np.zeros((k, k)), np.zeros(k), times.sum()
    parts = zip(whitening.order.patterns, whitening.roots, whitening.changes(), strict=True)
    for pattern, roots, changes in parts:
        first = pattern.rows[pattern.ends[:-1]]  # one series for each pattern
        sd = residual.inverse_sd
        if len(slopes) and not _are_same(sd[pattern.rows], sd[first[pattern.which]]):
            return None
        m = roots.shape[1]
        copies = np.bincount(pattern.which, times[pattern.rows[:, 0]], len(roots))
        step = max(1, CHUNK_NUMBERS // (k * m * m))
        for start in range(0, len(roots), step):
            chunk = slice(start, start + step)
            W = roots[chunk]
            own = [W @ changes(chunk) @ W.swapaxes(1, 2)]
            if len(slopes):
                half = (W * slopes[:, first[chunk]][:, :, None, :]) @ np.linalg.inv(W)
                own.append(half + half.swapaxes(2, 3))
            B = np.concatenate(own)
            traces += np.einsum("kpii,p->k", B, copies[chunk])
            flat = (B * np.sqrt(copies[chunk])[:, None, None]).reshape(k, -1)
            information += flat @ flat.T
    return np.asarray(information - np.outer(traces, traces) / n)


def _are_same(a: FloatArray, b: FloatArray) -> bool:
    """Whether numbers differ by rounding only."""
    return bool((np.abs(a - b) <= SAME_SD * np.abs(b)).all())
