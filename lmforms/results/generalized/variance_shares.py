"""Shares of variance of a generalised fit, labelled."""

from __future__ import annotations

import pandas as pd

from ...errors import ModelError
from ...inference.diagnostics.generalized_variance import generalized_parts
from ...tables.result_table import ResultTable
from ..fit_report import Check
from ..state import FitState
from ..variance_tables import ALL_GROUPS
from .rows import estimate_of


def generalized_r2(state: FitState, scale: str) -> pd.Series:
    """See :meth:`lmforms.GeneralizedResults.r2`."""
    parts = generalized_parts(state, estimate_of(state), scale)
    values = {
        "marginal": parts.fixed / parts.total,
        "conditional": (parts.fixed + parts.random) / parts.total,
    }
    out = pd.Series(values, name="r2")
    out.attrs.update(scale=scale, distribution=parts.method)
    return out


def generalized_icc(state: FitState, scale: str) -> ResultTable:
    """See :meth:`lmforms.GeneralizedResults.icc`.

    Raises
    ------
    ModelError
        No rows share a random effect.
    """
    parts = generalized_parts(state, estimate_of(state), scale)
    if not parts.groups:
        raise ModelError(
            "icc: an intraclass correlation is of rows that share random effects, and in this "
            "model none do. fit.r2() is defined."
        )
    variances = [*parts.groups.values(), parts.random]
    left = parts.random + parts.within
    columns = {
        "variance": variances,
        "adjusted": [value / left for value in variances],
        "unadjusted": [value / parts.total for value in variances],
    }
    what = "on the link" if scale == "latent" else "of the responses"
    notes = [
        f"Variances {what}; that of the distribution: {parts.method}.",
        "adjusted: of the variance that the fixed effects leave; unadjusted: of all of it.",
    ]
    if parts.rows:
        notes.append(f"{', '.join(parts.rows)}: a level for each row, counted as residuals.")
    title = f"Intraclass correlations, {scale} scale"
    return ResultTable(columns, index=[*parts.groups, ALL_GROUPS], title=title, notes=notes)


def share_facts(state: FitState) -> list[Check]:
    """R² and intraclass correlations, on the latent scale where there is one."""
    for scale in ("latent", "observation"):
        try:
            shares = generalized_r2(state, scale)
        except ModelError:
            continue
        said = (
            f"{shares['marginal']:.3f} by the fixed effects (marginal), "
            f"{shares['conditional']:.3f} with the random effects (conditional), on the {scale} "
            "scale."
        )
        facts = [Check("R²", "fact", said)]
        try:
            adjusted = generalized_icc(state, scale)["adjusted"]
        except ModelError:  # no rows share random effects
            return facts
        names = adjusted.index if len(adjusted) > 2 else adjusted.index[:1]  # one factor is all
        shown = ", ".join(f"{name} {adjusted[name]:.3f}" for name in names)
        said = f"{shown}, of the variance that the fixed effects leave."
        return [*facts, Check("intraclass correlation", "fact", said)]
    return []
