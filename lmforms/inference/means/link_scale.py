"""The scale of the response of a generalised model: the inverse of its link."""

from __future__ import annotations

import math

import numpy as np

from ...glmm.estimate import GeneralizedEstimate
from ...glmm.families.base import Family
from ...glmm.families.links import Link
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..generalized import changes_mean, generalized_estimate
from .response_scale import Derivatives, ResponseScale

RANGES = {"identity": (-np.inf, np.inf), "log": (0.0, np.inf), "logit": (0.0, 1.0)}
"""Ranges of means, by the inner predictor of a family."""

TYPICAL = (
    "Random effects are zero: a typical group, which is not the mean over the population of them."
)


def link_scale(state: FitState) -> ResponseScale:
    """The inverse link of a generalised fit, on the linear predictors that have a mean.

    Differences of a logit are odds ratios and those of a logarithm ratios; of other links they
    have no such meaning.

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
    >>> link_scale(fit.state).inverse(np.array([0.0]))[0], link_scale(fit.state).ratio
    (array([0.5]), 'odds ratios')
    """
    estimate = generalized_estimate(state)
    link, family = estimate.likelihood.link, estimate.family

    def step(eta: FloatArray) -> Derivatives:
        h, first, second, third = link.inner("identity", eta, 3)
        return h, first, second, third

    least, most = _range(estimate)
    return ResponseScale(
        label=f"the {link.name} link",
        response=state.design.bound.formula.response.label,
        steps=(step,),
        least=least,
        most=most,
        base=math.e if link.name in ("logit", "log") else 0.0,
        ratio=_ratio(link, family),
        notes=scale_notes(state),
    )


def scale_notes(state: FitState) -> tuple[str, ...]:
    """What is to be said of means on the scale of the response."""
    estimate = generalized_estimate(state)
    is_mixed = bool(estimate.problem.covariances)
    notes = [TYPICAL] if is_mixed and estimate.likelihood.link.name != "identity" else []
    if changes_mean(estimate.family):
        notes.append(
            f"Means μ of the {estimate.family.name} family before its zeros are added or left "
            "out, not expected responses."
        )
    return tuple(notes)


def _range(estimate: GeneralizedEstimate) -> tuple[float, float]:
    """Linear predictors that have a mean."""
    link, inner = estimate.likelihood.link, estimate.family.inner
    if link.name == "inverse" and inner == "identity":  # the side of the pole where the data are
        return (0.0, np.inf) if np.median(estimate.eta) > 0.0 else (-np.inf, 0.0)
    low, high = RANGES[inner]
    if link.name != "identity":  # all others have means above 0 alone
        low = max(low, 0.0)
    if link.exact == "logit":
        high = min(high, 1.0)
    with np.errstate(all="ignore"):
        first, second = sorted(link.of_mean(np.array([low, high])).tolist())
    return first, second


def _ratio(link: Link, family: Family) -> str:
    """What exponentials of differences are."""
    if link.name == "logit":
        return "odds ratios"
    if link.name != "log":
        return ""
    if family.takes_trials:
        return "risk ratios"
    return "rate ratios" if family.discrete else "ratios"
