"""Fits that can be bootstrapped."""

from __future__ import annotations

from ...errors import ModelError
from ...results.state import FitState
from ..generalized import generalized_estimate
from ..model_comparison.refits import SAMPLED


def check_fit(state: FitState, what: str = "bootstrap") -> None:
    """Refuse fits whose replicates would not be replicates of an estimate.

    Raises
    ------
    ModelError
        θ was given, the fit did not converge, was sampled, or made by conjugate gradients; or case
        weights of a family.
    """
    maker = "lf.lmer" if state.family is None else "lf.glmer"
    if not state.optimized:
        raise ModelError(
            f"{what}: θ of this fit was given, and replicates would be fitted by another rule than "
            f"the estimate. Take the fit that it was made from, or {maker}(…, start=theta)."
        )
    if not state.estimate.is_factored:
        raise ModelError(
            f"{what}: this fit was made by conjugate gradients, with an estimated criterion. Fit "
            "it with Control(factor='sparse') if memory allows, or take fit.conf_int()."
        )
    if not state.estimate.converged:
        raise ModelError(
            f"{what}: this fit did not converge ({state.estimate.message}), and replicates drawn "
            "from it would be of another model than the estimate. Fit it anew with "
            f"{maker}(…, start=fit), or with fewer random effects."
        )
    if state.family is not None and generalized_estimate(state).likelihood.weights is not None:
        raise ModelError(
            f"{what}: weights of this fit multiply the log-likelihood of its rows, and there is no "
            "distribution of weighted responses to draw from. Repeat the rows in the place of "
            "whole weights, or take fit.conf_int(method='profile')."
        )
    if state.method == SAMPLED:
        raise ModelError(
            f"{what}: method='gibbs' reports a sampled mode. Bootstrap a fit with method='auto'; "
            "draws of the posterior are in lmforms.varcomp.gibbs."
        )
