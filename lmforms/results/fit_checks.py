"""Checks of how a fit ended and of its design, in words, with what to do."""

from __future__ import annotations

import numpy as np

from ..errors import listed
from ..inference.residual_estimates import names_at_bound
from ..support.conventions import MOST_INFLATION
from ..tables.number_format import signed
from . import quantities, residual_tables
from .fit_report import Check, FitReport
from .influence_checks import influential
from .random_effect_checks import random_normality
from .residual_checks import residual_checks
from .state import FitState
from .variance_facts import variance_facts
from .variance_tables import fixed_inflation

FEW_LEVELS = 5
"""With fewer levels the variance of a grouping factor is hardly known."""


def checked_fit(state: FitState, n: int, generator: np.random.Generator) -> FitReport:
    """See :meth:`lmforms.MixedModelResults.check`."""
    checks = [*status_checks(state), *design_checks(state), *residual_checks(state, n, generator)]
    if state.design.groups:
        checks.append(random_normality(state))
    checks += [influential(state), *variance_facts(state)]
    return FitReport(f"Check of {state.design.bound.formula}", tuple(checks))


def status_checks(state: FitState) -> list[Check]:
    """How the fit ended: convergence, singularity, bounds, identification."""
    return [convergence(state), singularity(state), bounds(state), identification(state)]


def design_checks(state: FitState) -> list[Check]:
    """The columns of X and the levels of the grouping factors."""
    return [dropped_columns(state), collinearity(state), levels(state)]


def convergence(state: FitState) -> Check:
    """Whether the optimiser's test was met."""
    topic, report = "convergence", state.estimate.report([g.name for g in state.design.groups])
    if not state.optimized:
        return Check(
            topic,
            "note",
            "the parameters were given, not estimated.",
            "fit.refit() estimates them.",
        )
    size = (
        f"{report.n_evaluations} evaluations, largest entry of the gradient "
        f"{signed(report.gradient_norm, '.1g')}, predicted decrease "
        f"{signed(report.decrement, '.1g')}"
    )
    if not report.converged:
        return Check(
            topic,
            "problem",
            f"not converged ({size}): {report.message}.",
            "Do what the message says, and compare fit.all_fit().",
        )
    if "another local optimum" in report.message:
        return Check(
            topic,
            "note",
            f"{report.message} ({size}).",
            "Compare fit.all_fit(), and do not rely on the variances of either optimum.",
        )
    return Check(topic, "ok", f"converged ({size}).")


def singularity(state: FitState) -> Check:
    """Whether a covariance of random effects is singular."""
    topic = "random effects"
    if not state.design.groups:
        return Check(topic, "ok", "there are none.")
    message = quantities.singular_text(state)
    if not message:
        return Check(topic, "ok", "no covariance is singular.")
    said, _, remedy = message.partition(" The fit is the optimum; to remove the redundancy, ")
    return Check(
        topic,
        "note",
        f"{said} The fit is the optimum, and fixed effects are valid.",
        f"To remove the redundancy, {remedy}",
    )


def bounds(state: FitState) -> Check:
    """Whether parameters of the residuals are at a bound."""
    topic = "residual parameters"
    if not len(state.residual.phi):
        return Check(topic, "ok", "none beside the variance.")
    if not names_at_bound(state):
        return Check(topic, "ok", "none is at a bound.")
    return Check(
        topic,
        "note",
        residual_tables.bound_message(state),
        "Take a structure without this parameter, and compare both by lf.anova.",
    )


def identification(state: FitState) -> Check:
    """Whether the data determine all variances."""
    message = quantities.unidentified_text(state)
    topic = "identification"
    if not message:
        return Check(topic, "ok", "the data determine all variances.")
    finding, _, _ = message.partition(" Is the same grouping")
    terms = [
        state.design.terms[t].written
        for t in quantities.terms_of(state, state.estimate.unidentified)
    ]
    return Check(
        topic,
        "problem",
        finding,
        f"Leave {terms[-1]} out, or what has the same grouping among the fixed effects.",
    )


def dropped_columns(state: FitState) -> Check:
    """Columns of X that depend on earlier ones."""
    topic, names = "rank of the fixed effects", state.design.x_dropped
    if not names:
        return Check(topic, "ok", "no column depends on others.")
    return Check(
        topic,
        "note",
        f"dropped, as they depend on earlier columns: {listed(names)}.",
        "Their effects cannot be told from those of the columns kept: predictions hold, single "
        "coefficients are of the smaller model. Write a formula without them.",
    )


def collinearity(state: FitState) -> Check:
    """Terms whose coefficients are inflated by others."""
    topic, found = "collinearity", fixed_inflation(state)
    if len(found) < 2:
        return Check(topic, "ok", "fewer than two terms.")
    high = [one for one in found if one.root**2 > MOST_INFLATION]
    worst = max(found, key=lambda one: one.root)
    if not high:
        return Check(topic, "ok", f"largest inflation of a variance {worst.root**2:.3g}.")
    names = listed([f"{one.term} ({one.root**2:.3g})" for one in high])
    products = [one.term for one in high if ":" in one.term or "*" in one.term]
    advice = (
        "Of predictors in a product or a power subtract the mean: write center(x) in the place of "
        "x. Otherwise leave one of them out, or test them together by fit.contrast."
        if products
        else "Leave one of them out, or test them together by fit.contrast."
    )
    return Check(
        topic,
        "note",
        f"variances of coefficients are inflated, per coefficient, by other terms: {names}.",
        advice,
    )


def levels(state: FitState) -> Check:
    """Grouping factors with few levels."""
    topic = "levels"
    if not state.design.groups:
        return Check(topic, "ok", "no grouping factors.")
    counts = {g.name: int(np.unique(g.codes).size) for g in state.design.groups}
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW_LEVELS]
    if not few:
        shown = listed([f"{name} {count}" for name, count in counts.items()])
        return Check(topic, "ok", f"{shown}.")
    refit = "" if state.estimate.reml else ".refit(reml=True)"
    ddf = "kenward-roger" if state.estimate.is_factored else "satterthwaite"
    return Check(
        topic,
        "note",
        f"few levels, so that variances between them are poorly estimated: {', '.join(few)}.",
        f'Test by fit{refit}.summary(ddf="{ddf}"), or make the factor a fixed effect.',
    )
