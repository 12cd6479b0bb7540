r"""Responses made of a fit's own random effects and residuals, drawn with replacement.

The predicted random effects û and residuals ê vary less than the model says. With S the mean of
ûû' over the levels of a grouping factor, û centred, and Σ = σ²λλ' their estimated covariance, the
effects û A with A'SA = Σ are drawn, a level at a time:

    A' = L_Σ L_S⁻¹,      L_ΣL_Σ' = Σ,  L_SL_S' = S.

Residuals, multiplied by √w, are centred and get the mean square σ²; a row's draw is divided by its
own √w.

References
----------
Carpenter, Goldstein, Rasbash (2003), *A novel bootstrap procedure for assessing the relationship
between class size and achievement*, Applied Statistics 52(4), section 3.2.
"""

from __future__ import annotations

import numpy as np

from ...covariance import canonical_factor
from ...errors import ModelError
from ...results.quantities import residuals
from ...results.state import FitState
from ...support.arrays import FloatArray

NEGLIGIBLE = 1e-7
"""Singular values of L_S below this share of the largest are zero."""

INFLATED = 1e-6
"""Relative error up to which A'SA is Σ."""


def check_residual_bootstrap(state: FitState) -> None:
    """Refuse models whose residuals or levels are not exchangeable.

    Raises
    ------
    ModelError
    """
    way = "Use kind='parametric'."
    if len(state.estimate.phi) or not state.residual.by_row:
        raise ModelError(
            "bootstrap: kind='residual' draws independent residuals with known weights; the "
            f"residuals of this model have a structure. {way}"
        )
    for group in state.design.groups:
        if group.name in state.relationship:
            raise ModelError(
                f"bootstrap: kind='residual' draws levels of `{group.name}` independently, and "
                f"they are related. {way}"
            )


def inflated_effects(state: FitState, g: int) -> FloatArray:
    """Predicted effects of a grouping factor, centred, with the estimated covariance, (q, k).

    Raises
    ------
    ModelError
        There are too few levels for that covariance.
    """
    estimate, group = state.estimate, state.design.groups[g]
    b, lam = estimate.b[g], estimate.lams[g]
    centred = b - b.mean(axis=0)
    own = canonical_factor(centred.T / np.sqrt(len(b)))
    target = estimate.sigma * lam
    size = np.abs(target).max(initial=0.0)
    if size == 0.0:
        return np.zeros_like(b)
    out = centred @ (target @ np.linalg.pinv(own, rcond=NEGLIGIBLE)).T
    found = out.T @ out / len(b)
    if np.abs(found - target @ target.T).max() > INFLATED * size**2:
        raise ModelError(
            f"bootstrap: kind='residual' cannot give the {len(b)} predicted effects of "
            f"`{group.name}` their estimated covariance: there are too few levels, or their "
            "predictions have a lower rank. Use kind='parametric'."
        )
    return np.asarray(out)


def inflated_residuals(state: FitState) -> FloatArray:
    """Residuals times √w, centred, with mean square σ², (n,)."""
    found = residuals(state, "pearson")
    found = found - found.mean()
    return np.asarray(found * (state.estimate.sigma / np.sqrt(np.mean(found**2))))


class ResidualDraws:
    """Draws of effects and residuals of a fit.

    Parameters
    ----------
    state : FitState
    generator : numpy.random.Generator
    """

    def __init__(self, state: FitState, generator: np.random.Generator) -> None:
        check_residual_bootstrap(state)
        self._generator = generator
        self._effects = [inflated_effects(state, g) for g in range(len(state.design.groups))]
        self._residuals = inflated_residuals(state)
        variances = state.residual.variances()
        self._sd = None if variances is None else np.sqrt(variances)

    def next(self) -> tuple[list[FloatArray], FloatArray]:
        """Effects (q, k) of each grouping factor, and residuals (n,)."""
        effects = []
        for own in self._effects:
            effects.append(own[self._generator.integers(len(own), size=len(own))])
        n = len(self._residuals)
        rows = self._residuals[self._generator.integers(n, size=n)]
        return effects, rows if self._sd is None else rows * self._sd
