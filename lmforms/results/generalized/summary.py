"""What a reader of a generalised fit wants first."""

from __future__ import annotations

import pandas as pd

from ...glmm.families.labels import family_label
from ...inference.coefficients import coefficient_table
from ...inference.model_comparison.criteria import aic, bic
from ...tables.number_format import fixed_decimals, signed
from ..quantities import singular_text, variance_components
from ..random_parameters import random_parameters
from ..state import FitState
from ..summary_tables import ModelSummary
from .family_tables import family_table
from .rows import estimate_of

TITLE = "Generalised linear mixed model fit by maximum likelihood"


def summarize_generalized(state: FitState, level: float | None = None) -> ModelSummary:
    """Facts, tables and notes of a fit.

    Parameters
    ----------
    state : FitState
    level : float, optional
        Of confidence limits of the fixed effects; none by default.
    """
    design, estimate = state.design, estimate_of(state)
    report = estimate.report([g.name for g in design.groups])
    groups = ", ".join(f"{g.name} ({len(g.labels)})" for g in design.groups)
    word = "yes" if estimate.converged else "NO"
    link = estimate.likelihood.link.name
    facts = [
        ("Formula", str(design.bound.formula)),
        ("Family", f"{family_label(estimate.family)}, {link.replace('_', ' ')} link"),
        *([("Approximation", _approximation(estimate.nagq))] if groups else []),
        ("Rows", str(design.n)),
        ("Groups", groups or "none: a generalised linear model"),
        ("Log-likelihood", signed(-0.5 * estimate.criterion, ".4f")),
        ("AIC, BIC", ", ".join(fixed_decimals([aic(state), bic(state)], 2))),
        ("Converged", f"{word}, {report.n_evaluations} evaluations"),
    ]
    tables: dict[str, pd.DataFrame] = {}
    if groups:
        tables["random"] = variance_components(state, brief=True)
    notes = []
    structures = random_parameters(state)
    if len(structures):
        tables["structures"] = structures
        notes += list(structures.notes)
    family = family_table(state)
    if len(family):
        tables["family"] = family
        notes += list(family.notes)
    if len(estimate.beta):
        tables["fixed"] = coefficient_table(state, "none", None, level)
    if estimate.nagq == 0:
        notes.append("standard errors hold the variances of the random effects at their estimates.")
    if design.x_dropped:
        notes.append(f"columns dropped as linearly dependent: {', '.join(design.x_dropped)}.")
    if estimate.singular:
        notes.append(singular_text(state))
    if estimate.no_standard_errors:
        notes.append(f"{estimate.no_standard_errors}.")
    if not estimate.converged:
        notes.append(f"not converged: {report.message}.")
    title = TITLE if groups else TITLE.replace("mixed ", "")
    return ModelSummary(title, tuple(facts), tables, tuple(notes))


def _approximation(nagq: int) -> str:
    """How the random effects are integrated out."""
    if nagq == 0:
        return "Laplace, fixed effects profiled out with the random effects (nagq=0)"
    return "Laplace" if nagq == 1 else f"adaptive Gauss–Hermite quadrature, {nagq} nodes"
