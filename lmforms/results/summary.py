"""What a reader of a fit wants first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..data.design import Design
from ..inference.coefficients import coefficient_table
from ..inference.model_comparison.criteria import aic, bic
from ..tables.number_format import fixed_decimals, signed
from .quantities import (
    residuals,
    singular_text,
    unidentified_text,
    variance_components,
)
from .random_parameters import random_parameters
from .residual_tables import residual_heading, residual_table
from .state import FitState
from .summary_tables import ModelSummary


def summarize(
    state: FitState,
    ddf: str = "satterthwaite",
    information: str | None = None,
    level: float | None = None,
) -> ModelSummary:
    """Facts, tables and notes of a fit.

    Parameters
    ----------
    state : FitState
    ddf, information
        See :func:`lmforms.inference.degrees_of_freedom.methods.df_method`.
    level : float, optional
        Of confidence limits of the fixed effects; none by default.

    Returns
    -------
    ModelSummary
    """
    design, estimate = state.design, state.estimate
    method = "REML" if estimate.reml else "maximum likelihood"
    mixed = bool(design.groups)
    report = estimate.report([g.name for g in design.groups])
    structure = residual_heading(state)
    title = f"Linear {'mixed ' if mixed else ''}model fit by {method}"
    groups = ", ".join(f"{g.name} ({len(g.labels)})" for g in design.groups)
    error = estimate.criterion_se
    facts = [
        ("Formula", str(design.bound.formula)),
        ("Rows", _rows(design)),
        ("Groups", groups or f"none: {_least_squares(structure)}"),
        *([("Residuals", structure)] if structure else []),
        ("REML criterion" if estimate.reml else "Deviance", _estimated(estimate.criterion, error)),
        ("Log-likelihood", _estimated(-0.5 * estimate.criterion, 0.5 * error)),
        ("AIC, BIC", ", ".join(fixed_decimals([aic(state), bic(state)], 2))),
    ]
    if design.has_rows:
        scaled = np.quantile(residuals(state, "scaled"), [0.0, 0.25, 0.5, 0.75, 1.0])
        shown = ", ".join(fixed_decimals(scaled, 3))
        facts.append(("Scaled residuals", f"{shown} (min, quartiles, max)"))
    if mixed or structure:
        word = "yes" if estimate.converged else "NO"
        given = "θ was given" if mixed else "parameters were given"
        end = f"{word}, {report.n_evaluations} evaluations" if state.optimized else given
        facts.append(("Converged", end))
    fixed, notes = pd.DataFrame(), []
    if len(estimate.beta):
        fixed = coefficient_table(state, ddf, information, level)
        notes += [note.removesuffix(".") + "." for note in fixed.notes]
    if design.x_dropped:
        notes.append(f"columns dropped as linearly dependent: {', '.join(design.x_dropped)}.")
    if estimate.unidentified:
        notes.append(unidentified_text(state))
    if estimate.singular:
        notes.append(singular_text(state))
    if not estimate.is_factored:
        notes.append(
            "fitted by conjugate gradients: the likelihood, AIC and BIC are estimates; see "
            "fit.criterion_se and fit.optimizer."
        )
    if not estimate.converged:
        notes.append(f"not converged: {report.message}.")
    tables: dict[str, pd.DataFrame] = {}
    if mixed:
        tables["random"] = variance_components(state, brief=True)
        structures = random_parameters(state)
        if len(structures):
            tables["structures"] = structures
            notes += structures.notes
    residual = residual_table(state)
    if len(residual):
        tables["residual"] = residual
        notes += residual.notes
    if len(fixed):
        tables["fixed"] = fixed
    return ModelSummary(title, tuple(facts), tables, tuple(notes))


def _rows(design: Design) -> str:
    return str(design.n) if design.has_rows else f"{design.n}, summed up"


def _least_squares(structure: str) -> str:
    return "generalised least squares" if structure else "ordinary least squares"


def _estimated(value: float, error: float) -> str:
    """A number, with its standard error where there is one."""
    return signed(value, ".4f") + (f" ± {error:.2g} (estimated)" if error > 0 else "")
