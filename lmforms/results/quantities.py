"""Numbers of a fit with their labels: functions of its state."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..data.random_design import random_part, term_columns
from ..data.residual_names import own_strata
from ..engine.status import unidentified_message
from ..residual.parametric import ParametricResidual
from ..support.arrays import FloatArray
from .singular import singular_message
from .state import FitState

SAME_DEVIATION = 1e-9
"""Standard deviations that differ by less than this share are one parameter."""

# --- fixed effects ---------------------------------------------------------------------------


def params(state: FitState) -> pd.Series:
    """Fixed effects β̂."""
    return pd.Series(state.estimate.beta, index=state.design.x_names, dtype=np.float64)


def standard_errors(state: FitState) -> pd.Series:
    """Standard errors of the fixed effects."""
    variances = np.diag(state.estimate.cov_beta)
    return pd.Series(np.sqrt(variances), index=state.design.x_names, dtype=np.float64)


# --- variances and random effects -------------------------------------------------------------


def relative_factors(state: FitState) -> list[FloatArray]:
    """Relative covariance factor λ of each random term, in formula order."""
    factors = state.estimate.lams
    return [factors[group][c, c] for group, c in term_columns(state.design)]


def term_thetas(state: FitState) -> list[FloatArray]:
    """θ of each random term, in formula order."""
    found: dict[int, FloatArray] = {}
    for group, theta in zip(state.design.groups, state.estimate.theta, strict=True):
        for t, own in zip(group.terms, group.covariance.theta_slices(), strict=True):
            found[t] = theta[own]
    return [found[t] for t in range(len(state.design.terms))]


def variance_components(state: FitState, brief: bool = False) -> pd.DataFrame:
    """Variances and covariances of the random effects, term by term, and the residual's.

    With `brief` a term whose structure has parameters of its own is one row if all its effects have
    one variance, and has no rows of covariances.
    """
    design, sigma = state.design, state.estimate.sigma
    rows: list[tuple[str, str, str, float, float]] = []
    for term, lam in zip(design.terms, relative_factors(state), strict=True):
        group = design.groups[term.group].name
        cov = sigma**2 * (lam @ lam.T)
        sd = np.sqrt(np.diag(cov))
        has_parameters = brief and bool(term.covariance.parameters())
        if has_parameters and np.ptp(sd) <= SAME_DEVIATION * sd.max():
            name = f"{len(term.columns)} effects of {term.label.rpartition(' | ')[0]}"
            rows.append((group, name, "", cov[0, 0], sd[0]))
            continue
        rows += [(group, c, "", cov[i, i], sd[i]) for i, c in enumerate(term.columns)]
        if has_parameters:
            continue
        for i, j in term.covariance.covariances():
            size = sd[i] * sd[j]
            corr = cov[i, j] / size if size > 0 else np.nan
            rows.append((group, term.columns[i], term.columns[j], cov[i, j], corr))
    rows += [("Residual", name, "", sd**2, sd) for name, sd in residual_deviations(state)]
    table = pd.DataFrame(rows, columns=["group", "name1", "name2", "variance", "sdcor"])
    if len(state.residual.phi):  # one who takes the variances elsewhere can tell
        table.attrs["residual"] = str(design.residual_spec)
    return table


def residual_deviations(state: FitState) -> list[tuple[str, float]]:
    """Standard deviations of the residuals by strata, or σ under an empty name.

    None of a family, whose variance is that of a response given its mean.
    """
    if state.family is not None:
        return []
    sigma, bound = state.estimate.sigma, state.design.structure
    strata = () if bound is None else own_strata(bound)
    if not strata or not isinstance(state.residual, ParametricResidual):
        return [("", sigma)]
    ratios = state.residual.natural[len(state.residual.natural) - len(strata) + 1 :]
    return list(zip(strata, (sigma * np.append(1.0, ratios)).tolist(), strict=True))


def kind_of_sums(state: FitState) -> str:
    """How sums depend on the parameters of the residuals, empty without any."""
    sums = getattr(state.estimate.problem, "sums", None)
    return "" if sums is None else str(sums.kind)


def random_effects(state: FitState) -> dict[str, pd.DataFrame]:
    """Conditional modes b̂, a frame (levels, effects) for each grouping factor."""
    return {
        g.name: pd.DataFrame(b, index=g.levels, columns=list(g.columns))
        for g, b in zip(state.design.groups, state.estimate.b, strict=True)
    }


def random_effects_cov(state: FitState) -> dict[str, pd.DataFrame]:
    """Var(b | y), a frame (levels · effects, effects) for each grouping factor."""
    out = {}
    for group, blocks in zip(
        state.design.groups, state.estimate.conditional_covariances(), strict=True
    ):
        q, k = len(group.labels), len(group.columns)
        levels = group.levels.repeat(k)
        labels = [levels.get_level_values(i) for i in range(levels.nlevels)]
        index = pd.MultiIndex.from_arrays(
            [*labels, list(group.columns) * q], names=[*levels.names, "effect"]
        )
        out[group.name] = pd.DataFrame(
            blocks.reshape(q * k, k), index=index, columns=list(group.columns)
        )
    return out


# --- rows ------------------------------------------------------------------------------------


def fitted_values(state: FitState) -> FloatArray:
    """Xβ̂ + Zb̂ + offset, (n,)."""
    design, estimate = state.design, state.estimate
    fixed = design.X @ estimate.beta + design.offset
    return np.asarray(fixed + random_part(design, estimate.b))


def marginal_residuals(state: FitState) -> FloatArray:
    """y − Xβ̂ − offset, (n,)."""
    design = state.design
    return np.asarray(state.response - design.X @ state.estimate.beta - design.offset)


def residuals(state: FitState, kind: str) -> FloatArray:
    """y − ŷ, divided by standard deviations or whitened: see `MixedModelResults.residuals`."""
    values = state.response - fitted_values(state)
    if kind == "normalized":
        return state.residual.normalised(values) / state.estimate.sigma
    if kind != "response":
        values = state.residual.scaled(values)
    return values / state.estimate.sigma if kind == "scaled" else values


# --- likelihood ------------------------------------------------------------------------------


# --- terms that are singular or not identified --------------------------------------------------


def terms_of(state: FitState, parts: Iterable[tuple[int, int]]) -> list[int]:
    """Places in the formula of parts of grouping factors, (factor, part)."""
    return [state.design.groups[g].terms[part] for g, part in parts]


def singular_text(state: FitState) -> str:
    """What is singular, and what to do about it; empty for a regular fit."""
    if not state.estimate.singular:
        return ""
    related = {name: known.form for name, known in state.relationship.items()}
    groups = [state.design.groups[term.group].name for term in state.design.terms]
    thetas = term_thetas(state)
    bounds = {
        t: [p.name for p, at in zip(own.parameters(), own.at_bound(thetas[t]), strict=True) if at]
        for t, own in enumerate(term.covariance for term in state.design.terms)
        if own.parameters()
    }
    return singular_message(
        state.design,
        terms_of(state, state.estimate.singular),
        [
            lam * np.sqrt(related[group].mean_variance()) if group in related else lam
            for group, lam in zip(groups, relative_factors(state), strict=True)
        ],
        state.control.singular,
        state.relationship,
        bounds,
    )


def unidentified_text(state: FitState) -> str:
    """Which variances the data cannot tell; empty where they can."""
    if not state.estimate.unidentified:
        return ""
    places = terms_of(state, state.estimate.unidentified)
    return unidentified_message([state.design.terms[t].written for t in places])
