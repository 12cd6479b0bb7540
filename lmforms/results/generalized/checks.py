"""Checks of a generalised fit, in words, with what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import ModelError, NumericalError
from ...glmm.families.ordinal import Ordinal
from ...inference.diagnostics.residual_tests import dispersion
from ...support.arrays import FloatArray
from ...tables.number_format import p_phrase
from .. import fit_checks
from ..fit_report import SIGNIFICANT, Check, FitReport
from ..laplace_checks import approximation
from ..residual_checks import LEAST_DISTANCE
from ..state import FitState
from .family_checks import at_bound
from .rows import estimate_of
from .separated_columns import MEANINGLESS, separation_text
from .simulations import (
    SimulatedSums,
    generalized_residuals,
    shaped_effects,
    simulated_sums,
)
from .variance_shares import share_facts

LEAST_RATIO = 1.2
"""Of observed and expected dispersion or zeros, below which a difference is too small to matter."""

RANKED_DRAWS, FEWEST_DRAWS = 199, 20
"""Simulated responses from which ranks can be significant, and below which nothing is tested."""


def checked_generalized(state: FitState, n: int, rng: np.random.Generator) -> FitReport:
    """See :meth:`lmforms.GeneralizedResults.check`."""
    infinite = separated(state)
    checks = [
        convergence(state),
        fit_checks.singularity(state),
        infinite,
        at_bound(state),
        approximation(state),
        *simulation_checks(state, n, rng),
        fit_checks.dropped_columns(state),
        collinearity(state, infinite),
        levels(state),
        *share_facts(state),
    ]
    return FitReport(f"Check of {state.design.bound.formula}", tuple(checks))


def collinearity(state: FitState, infinite: Check) -> Check:
    """Terms whose coefficients are inflated by others, where these are finite and have errors."""
    if infinite.status != "ok":
        return Check("collinearity", "ok", "not computed, as coefficients are infinite.")
    try:
        return fit_checks.collinearity(state)
    except NumericalError as error:
        return Check("collinearity", "problem", f"not known: {error}", "Do what the message says.")


def convergence(state: FitState) -> Check:
    """Whether the optimiser's test was met."""
    found = fit_checks.convergence(state)
    if found.status != "problem":
        return found
    return replace(found, advice="Do what the message says, and compare other starts.")


def separated(state: FitState) -> Check:
    """Whether coefficients are infinite."""
    said = separation_text(state)
    if not said:
        return Check("separation", "ok", "no sign of infinite coefficients.")
    finding, _, advice = said.partition(f" {MEANINGLESS} ")
    return Check("separation", "problem", f"{finding} {MEANINGLESS}", advice)


def levels(state: FitState) -> Check:
    """Grouping factors with few levels."""
    found = fit_checks.levels(state)
    if found.status == "ok":
        return found
    advice = "Make the factor a fixed effect, or test by a bootstrap of the likelihood ratio."
    return replace(found, advice=advice)


# --- simulated responses ------------------------------------------------------------------------


def simulation_checks(state: FitState, n: int, rng: np.random.Generator) -> list[Check]:
    """Dispersion, zeros, and quantile residuals."""
    try:
        sums = simulated_sums(state, n, rng)
    except (NumericalError, ModelError) as error:
        finding = f"responses could not be simulated and fitted: {error}"
        return [Check("dispersion", "problem", finding)]
    return [
        overdispersion(state, sums),
        zeros(state, sums),
        distribution(state, n, rng),
        random_shapes(state, sums),
    ]


def compared(observed: float, simulated: FloatArray) -> float:
    """Two-sided p-value of an observed number among simulated ones.

    By its rank, or with few of them by the t distribution of a further number.
    """
    from scipy.stats import t

    m = len(simulated)
    if m >= RANKED_DRAWS:
        return dispersion(observed, simulated).p_value
    spread = float(np.std(simulated, ddof=1)) * np.sqrt(1.0 + 1.0 / m)
    if spread == 0.0:
        return 1.0 if observed == simulated[0] else 0.0
    return float(2.0 * t.sf(abs(observed - simulated.mean()) / spread, m - 1))


def overdispersion(state: FitState, sums: SimulatedSums) -> Check:
    """Pearson's χ² beside that of simulated responses."""
    topic, estimate = "dispersion", estimate_of(state)
    response, family = estimate.likelihood.response, estimate.family
    if family.takes_trials and not (response.of_trials() > 1.0).any():
        return Check(topic, "ok", "single trials cannot be overdispersed.")
    if isinstance(family, Ordinal):
        return Check(topic, "ok", "ordered classes have no dispersion.")
    weights = estimate.likelihood.weights
    if weights is not None and np.ptp(weights) > 0.0:
        return Check(topic, "ok", "not tested, as log-likelihoods of rows have weights.")
    df = max(state.design.n - len(estimate.beta) - estimate.n_theta - estimate.n_of_rows, 1)
    ratio = sums.pearson / df
    if not np.isfinite(ratio) or len(sums.simulated_pearson) < FEWEST_DRAWS:
        return Check(
            topic,
            "ok",
            f"Pearson's χ² divided by its degrees of freedom {ratio:.3g}; not tested, as too few "
            "responses could be simulated.",
        )
    times = sums.pearson / float(sums.simulated_pearson.mean())
    # logarithms of sums of squares are nearer to normal ones, and have the same ranks
    p_value = compared(np.log(sums.pearson), np.log(sums.simulated_pearson))
    said = (
        f"Pearson's χ² divided by its degrees of freedom {ratio:.3g}; {times:.3g} times "
        f"that of {len(sums.simulated_pearson)} simulated responses ({p_phrase(p_value)})."
    )
    if p_value >= SIGNIFICANT or 1.0 / LEAST_RATIO < times < LEAST_RATIO:
        return Check(topic, "ok", said)
    if times < 1.0:
        advice = "Standard errors are too large rather than too small."
        return Check(topic, "note", f"less than the family's: {said}", advice)
    others = {
        "poisson": 'family="negative_binomial"',
        "binomial": 'family="beta_binomial"',
        "zero_inflated_poisson": 'family="negative_binomial"',
    }
    way = others.get(family.name, "a formula of the dispersion")
    return Check(
        topic,
        "problem",
        f"more than the family's, so that standard errors are too small: {said}",
        f"Look for a predictor that is missing; else try {way} or a random effect for each row.",
    )


def zeros(state: FitState, sums: SimulatedSums) -> Check:
    """The number of zeros beside that of simulated responses."""
    topic, family = "zeros", estimate_of(state).family
    if family.takes_trials or not family.has_zero:
        return Check(topic, "ok", "not a response with zeros of its own.")
    usual = float(np.mean(sums.simulated_zeros))
    said = f"{sums.zeros} observed, {usual:.4g} in the mean of simulated responses"
    if len(sums.simulated_zeros) < FEWEST_DRAWS or usual == sums.zeros:
        return Check(topic, "ok", f"{said}.")
    p_value = compared(sums.zeros, sums.simulated_zeros)
    said = f"{said} ({p_phrase(p_value)})."
    ratio = (sums.zeros + 1.0) / (usual + 1.0)
    if p_value >= SIGNIFICANT or 1.0 / LEAST_RATIO < ratio < LEAST_RATIO:
        return Check(topic, "ok", said)
    if ratio < 1.0:
        return Check(topic, "note", f"too few: {said}", "Try a hurdle family.")
    return Check(
        topic,
        "note",
        f"too many: {said}",
        "Look at the dispersion first; then try zero_inflation='~ 1' and compare by lf.anova.",
    )


def distribution(state: FitState, n: int, rng: np.random.Generator) -> Check:
    """Uniformity of quantile residuals."""
    topic = "simulated residuals"
    try:
        found = generalized_residuals(state, n, rng, "new")
    except ModelError as error:
        return Check(topic, "ok", f"not computed: {error}")
    test = found.tests.loc["uniformity"]
    said = (
        f"largest distance from uniform ones {test['statistic']:.2g} "
        f"({p_phrase(float(test['p_value']))}, approximate, {found.n} responses)."
    )
    if test["p_value"] >= SIGNIFICANT or test["statistic"] < LEAST_DISTANCE:
        return Check(topic, "ok", said)
    return Check(
        topic,
        "note",
        f"the responses are not distributed as the model says: {said}",
        "Look at fit.simulated_residuals() against predictors: a term, the link or the family may "
        "be wrong.",
    )


def random_shapes(state: FitState, sums: SimulatedSums) -> Check:
    """Whether modes of random effects look like those of simulated responses."""
    topic, effects = "distribution of random effects", shaped_effects(state)
    m = len(sums.simulated_shapes)
    if not effects or m < FEWEST_DRAWS:
        return Check(topic, "ok", "not tested: few independent levels, or few simulated responses.")
    found = []
    for (g, j), own, others in zip(effects, sums.shapes, sums.simulated_shapes.T, strict=True):
        if not np.isfinite(own) or not np.isfinite(others).all():
            continue  # a variance of zero
        p_value = (1 + np.count_nonzero(others <= own)) / (m + 1)
        if p_value < SIGNIFICANT:
            group = state.design.groups[g]
            name = f"{group.columns[j]} | {group.name}"
            found.append(
                f"{name} (Shapiro–Wilk {own:.3g}, in simulated responses {p_phrase(p_value)})"
            )
    if not found:
        return Check(topic, "ok", "no sign against normal ones, among simulated responses.")
    return Check(
        topic,
        "note",
        f"not like normal ones: {'; '.join(found)}.",
        "Look at fit.random_effects for levels that lie apart. Fixed effects suffer little, "
        "predictions of single levels and means of the population more.",
    )
