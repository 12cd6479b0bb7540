"""Tables of shares of variance: R², intraclass correlations, components, inflation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import ModelError, NumericalError
from ..inference.diagnostics.principal_components import random_components
from ..inference.diagnostics.variance_inflation import Inflation, variance_inflation
from ..inference.diagnostics.variance_parts import variance_parts
from ..tables.result_table import ResultTable
from .state import FitState

ALL_GROUPS = "all"
"""Row of all grouping factors together."""


def r_squared(state: FitState) -> pd.Series:
    """Marginal and conditional R², see :meth:`lmforms.MixedModelResults.r2`."""
    parts = variance_parts(state)
    values = {"marginal": parts.marginal_r2, "conditional": parts.conditional_r2}
    return pd.Series(values, name="r2")


def intraclass_correlations(state: FitState) -> ResultTable:
    """See :meth:`lmforms.MixedModelResults.icc`.

    Raises
    ------
    ModelError
        No rows share a random effect.
    """
    parts = variance_parts(state)
    if not parts.shared:
        raise ModelError(
            "icc: an intraclass correlation is of rows that share random effects, and in this "
            "model none do. fit.r2() is defined."
        )
    variances = [*parts.shared.values(), parts.random]
    adjusted = parts.random + parts.within
    columns = {
        "variance": variances,
        "adjusted": [value / adjusted for value in variances],
        "unadjusted": [value / (adjusted + parts.fixed) for value in variances],
    }
    notes = ["adjusted: of the variance that the fixed effects leave; unadjusted: of all of it."]
    if parts.rows:
        notes.append(f"{', '.join(parts.rows)}: a level for each row, counted as residuals.")
    return ResultTable(
        columns, index=[*parts.shared, ALL_GROUPS], title="Intraclass correlations", notes=notes
    )


def random_pca(state: FitState) -> ResultTable:
    """See :meth:`lmforms.MixedModelResults.random_effects_pca`.

    Raises
    ------
    ModelError
        There are no random effects.
    """
    if not state.design.groups:
        raise ModelError("random_effects_pca: the model has no random effects.")
    components = random_components(state)
    effects = list(dict.fromkeys(name for one in components for name in one.effects))
    rows, index = [], []
    for one in components:
        shares = one.shares
        for j, sd in enumerate(one.relative_sd):
            loadings = dict(zip(one.effects, one.directions[:, j], strict=True))
            index.append((one.group, f"PC{j + 1}"))
            rows.append(
                {
                    "sd": state.estimate.sigma * sd,
                    "relative_sd": sd,
                    "share": shares[j],
                    "cumulative": shares[: j + 1].sum(),
                    **{f"loading[{name}]": loadings.get(name, float("nan")) for name in effects},
                }
            )
    return ResultTable(
        rows,
        index=pd.MultiIndex.from_tuples(index, names=["group", "component"]),
        title="Principal components of the random effects",
        notes=["relative_sd is in units of σ; loadings are the direction of each component."],
    )


def fixed_inflation(state: FitState) -> tuple[Inflation, ...]:
    """Variance inflation of the terms that have coefficients, the intercept left out.

    Raises
    ------
    NumericalError
        There are no standard errors.
    """
    if not np.isfinite(state.estimate.cov_beta).all():
        raise NumericalError("vif: the fit has no standard errors.")
    terms = {
        name: columns
        for name, columns in state.design.fixed_terms.items()
        if len(columns) and name != "Intercept"
    }
    return variance_inflation(state.estimate.cov_beta, terms) if terms else ()


def vif_table(state: FitState) -> ResultTable:
    """See :meth:`lmforms.MixedModelResults.vif`.

    Raises
    ------
    ModelError, NumericalError
        There are no fixed effects but the intercept, or no standard errors.
    """
    found = fixed_inflation(state)
    if not found:
        raise ModelError("vif: the model has no fixed effects but the intercept.")
    notes = [
        "gvif_root is gvif^(1/(2 df)): how much wider intervals are than without collinearity."
    ]
    if "Intercept" not in state.design.x_names:
        notes.append("There is no intercept: columns are not centred, and gvif may mislead.")
    columns = {
        "gvif": [one.gvif for one in found],
        "df": [one.df for one in found],
        "gvif_root": [one.root for one in found],
    }
    return ResultTable(
        columns,
        index=[one.term for one in found],
        title="Variance inflation of the fixed effects",
        notes=notes,
    )
