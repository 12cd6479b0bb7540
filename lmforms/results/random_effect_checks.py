"""The check of the distribution of random effects."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import listed
from ..inference.diagnostics.distribution_tests import normality
from ..tables.number_format import p_phrase
from . import quantities
from .fit_report import SIGNIFICANT, Check, label_text
from .state import FitState

FEWEST_EFFECTS = 8
"""Levels from which the distribution of random effects is looked at."""

LARGEST_STRAIGHT = 0.98
"""Shapiro and Wilk's statistic above which a deviation is too small to matter."""

KNOWN_SHARE = 1e-6
"""Of its variance that the data must tell about an effect."""


def random_normality(state: FitState) -> Check:
    """Whether random effects look like draws of a normal distribution."""
    topic = "distribution of random effects"
    found, far = [], []
    for group, values in effects_by_group(state).items():
        for effect, standardized in values.items():
            own = standardized.dropna()
            if len(own) < FEWEST_EFFECTS:
                continue
            test = normality(own.to_numpy(), f"{effect} | {group}")
            if test.p_value < SIGNIFICANT and test.statistic < LARGEST_STRAIGHT:
                found.append(f"{test.name} (Shapiro–Wilk, {p_phrase(test.p_value)})")
                far.append(f"{label_text(own.abs().idxmax())} of {group}")
    if not found:
        return Check(topic, "ok", "no sign against normal ones; shrinkage hides much of it.")
    return Check(
        topic,
        "note",
        f"not like normal ones: {'; '.join(found)}.",
        f"Look at lf.plot.random_effects_qq(fit). Farthest: {listed(list(dict.fromkeys(far)))}. "
        "Fixed effects suffer little, predictions of single levels more.",
    )


def effects_by_group(state: FitState) -> dict[str, pd.DataFrame]:
    """Random effects divided by their standard deviations, of independent levels.

    Grouping factors of few levels or with a known covariance are left out; effects that the data
    tell nothing about are missing. Var(b̂) = Var(b) − Var(b | y) differs between levels with few
    and many rows; after conjugate gradients it is not known, and effects are divided by that of
    all levels.
    """
    out = {}
    estimate = state.estimate
    conditional = estimate.conditional_covariances() if estimate.is_factored else None
    for g, (name, effects) in enumerate(quantities.random_effects(state).items()):
        if name in state.relationship or len(effects) < FEWEST_EFFECTS:
            continue
        lam = estimate.lams[g]
        prior = estimate.sigma**2 * np.einsum("ij,ij->i", lam, lam)
        variances = np.broadcast_to(prior, effects.shape)
        if conditional is not None:
            variances = variances - np.einsum("qkk->qk", conditional[g])
        known = (variances > KNOWN_SHARE * prior) & (prior > 0)
        out[name] = effects / np.sqrt(np.where(known, variances, np.nan))
    return out
