"""Results in the tables of R's broom.mixed: one row an effect, and one row a fit.

Columns have the names that broom gives them, with dots; everywhere else the package has
``std_error``, ``p_value``, ``lower`` and ``upper``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, ModelError
from ..inference.coefficients import coefficient_tests
from ..inference.degrees_of_freedom.f_statistic import t_quantiles
from ..inference.model_comparison.criteria import aic, bic, npar
from ..support.arguments import one_of, sequence
from ..support.arrays import FloatArray
from ..tables.result_table import ResultTable
from .quantities import relative_factors, residual_deviations
from .residual_tables import residual_params
from .state import FitState

EFFECT_KINDS: dict[str, str] = {
    "fixed": "Fixed effects",
    "ran_pars": "Standard deviations and correlations",
    "ran_vals": "Random effects",
    "ran_coefs": "Coefficients by level",
}
"""Each kind of row, in the order in which they stand, and its title."""

GROUPED_KINDS = {"random": ("ran_pars", "ran_vals"), "all": ("fixed", "ran_pars", "ran_vals")}
"""Names for several kinds."""

KINDS_WITH_LIMITS = ("fixed", "ran_vals")

TEXT_COLUMNS = ("effect", "group", "level", "term")
NUMBER_COLUMNS = (
    *("estimate", "std.error", "statistic", "df", "p.value"),
    *("conf.low", "conf.high"),
)

Rows = dict[str, Any]
"""Columns of one kind of row: lists of text or labels, arrays of numbers."""


def effect_kinds(effects: Any) -> tuple[str, ...]:
    """The kinds of rows that the argument `effects` names, in the order of the table.

    Raises
    ------
    ArgumentError
        There is no such kind.

    Examples
    --------
    >>> effect_kinds("all"), effect_kinds(["ran_pars", "fixed"])
    (('fixed', 'ran_pars', 'ran_vals'), ('fixed', 'ran_pars'))
    """
    given = [effects] if isinstance(effects, str) else sequence("effects", effects, "texts")
    known = (*EFFECT_KINDS, *GROUPED_KINDS)
    if not given:
        raise ArgumentError(f"effects= is empty: name some of {', '.join(known)}.")
    named: set[str] = set()
    for name in given:
        found = one_of("effects", name, known, says=" Or a sequence of these.")
        named.update(GROUPED_KINDS.get(found, (found,)))
    return tuple(kind for kind in EFFECT_KINDS if kind in named)


def tidy_table(
    state: FitState,
    effects: Any,
    *,
    ddf: str,
    information: str | None,
    level: float | None,
) -> ResultTable:
    """One row for each effect.

    Parameters
    ----------
    state : FitState
    effects, ddf, information
        See :meth:`lmforms.MixedModelResults.tidy`.
    level : float, optional
        Of the limits; None without.

    Raises
    ------
    ArgumentError, ModelError
    """
    kinds = effect_kinds(effects)
    if not state.design.groups and not {"fixed", "ran_pars"} & set(kinds):
        raise ModelError("the model has no random effects: use effects='fixed'.")
    if level is not None and not set(KINDS_WITH_LIMITS) & set(kinds):
        raise ArgumentError(
            f"conf_int=True: {' and '.join(kinds)} have no limits here; the effects "
            f"{' and '.join(KINDS_WITH_LIMITS)} have."
        )
    parts: list[Rows] = []
    notes: list[str] = []
    for kind in kinds:
        rows, said = _rows_of(state, kind, ddf, information, level)
        parts.append({"effect": [kind] * len(rows["estimate"]), **rows})
        notes += said
    if level is not None:
        notes.append(f"Limits: {100 * level:g} %.")
    title = ", ".join(EFFECT_KINDS[kind] for kind in kinds)
    return ResultTable(_together(parts), title=title, notes=notes)


def _rows_of(
    state: FitState, kind: str, ddf: str, information: str | None, level: float | None
) -> tuple[Rows, list[str]]:
    """The rows of one kind, and notes."""
    if kind == "fixed":
        return _fixed_effects(state, ddf, information, level)
    if kind == "ran_pars":
        return _random_parameters(state), []
    if kind == "ran_vals":
        return _random_effects(state, level)
    return _coefficients_by_level(state), []


def _fixed_effects(
    state: FitState, ddf: str, information: str | None, level: float | None
) -> tuple[Rows, list[str]]:
    found = coefficient_tests(state, ddf, information)
    rows: Rows = {
        "term": state.design.x_names,
        "estimate": found.estimate,
        "std.error": found.std_error,
        "statistic": found.statistic,
        "p.value": found.p_value,
    }
    if state.family is None:
        rows["df"] = found.df
    if level is not None:
        rows["conf.low"], rows["conf.high"] = found.intervals(level)
    return rows, list(found.method.notes)


def _random_parameters(state: FitState) -> Rows:
    """Standard deviations and correlations, by the columns of each term's triangle, and σ̂."""
    design, sigma = state.design, state.estimate.sigma
    rows: list[tuple[str, str, float]] = []
    for term, lam in zip(design.terms, relative_factors(state), strict=True):
        group, names = design.groups[term.group].name, term.columns
        cov = sigma**2 * (lam @ lam.T)
        sd = np.sqrt(np.diag(cov))
        pairs = term.covariance.covariances()
        for i, name in enumerate(names):
            rows.append((group, f"sd__{name}", sd[i]))
            for j in (j for first, j in pairs if first == i):
                size = sd[i] * sd[j]
                correlation = cov[i, j] / size if size > 0 else np.nan
                rows.append((group, f"cor__{name}.{names[j]}", correlation))
    rows += [("Residual", *row) for row in _residual_parameters(state)]
    return {
        "group": [group for group, _, _ in rows],
        "term": [term for _, term, _ in rows],
        "estimate": np.array([value for _, _, value in rows], dtype=np.float64),
    }


def _residual_parameters(state: FitState) -> list[tuple[str, float]]:
    """σ̂, or standard deviations of strata, and the parameters of correlations and variances."""
    found = [
        (f"sd__{name}" if name else "sd__Observation", sd)
        for name, sd in residual_deviations(state)
    ]
    params = residual_params(state)
    others = params[~params.index.str.startswith("sd[")] if len(params) else params
    return found + [(str(name), float(value)) for name, value in others.items()]


def _random_effects(state: FitState, level: float | None) -> tuple[Rows, list[str]]:
    """Conditional modes with conditional standard deviations, √Var(b | y)."""
    b = state.estimate.b
    notes = []
    if state.estimate.is_factored:
        blocks = state.estimate.conditional_covariances()
        errors = [np.sqrt(np.einsum("qkk->qk", own)) for own in blocks]
    else:
        errors = [np.full(effects.shape, np.nan) for effects in b]
        notes.append(
            "Random effects without std.error: a fit by conjugate gradients has no factor to "
            "compute it from."
        )
    names = [group.columns for group in state.design.groups]
    rows = _by_level(state, names, b) | {"std.error": _stacked(errors)}
    if level is not None:
        half = t_quantiles(np.array([np.inf]), level) * rows["std.error"]
        rows["conf.low"], rows["conf.high"] = rows["estimate"] - half, rows["estimate"] + half
    return rows, notes


def _coefficients_by_level(state: FitState) -> Rows:
    """Fixed effects plus the random effects of the same name, level by level."""
    fixed = dict(zip(state.design.x_names, state.estimate.beta.tolist(), strict=True))
    names, values = [], []
    for group, b in zip(state.design.groups, state.estimate.b, strict=True):
        both = list(dict.fromkeys([*fixed, *group.columns]))
        total = np.tile([fixed.get(name, 0.0) for name in both], (len(group.labels), 1))
        total[:, [both.index(name) for name in group.columns]] += b
        names.append(both)
        values.append(total)
    return _by_level(state, names, values)


def _by_level(
    state: FitState, names: Sequence[Sequence[str]], values: Sequence[FloatArray]
) -> Rows:
    """Values (levels, k) of each grouping factor, effect by effect and within it by level."""
    groups: list[str] = []
    levels: list[Any] = []
    terms: list[str] = []
    for group, own in zip(state.design.groups, names, strict=True):
        q, k = len(group.labels), len(own)
        groups += [group.name] * (q * k)
        levels += group.levels.tolist() * k
        terms += [name for name in own for _ in range(q)]
    return {"group": groups, "level": levels, "term": terms, "estimate": _stacked(values)}


def _stacked(values: Sequence[FloatArray]) -> FloatArray:
    """Matrices (levels, k) column by column, one after the other."""
    return np.concatenate([np.empty(0), *(own.T.ravel() for own in values)])


def _together(parts: Sequence[Rows]) -> dict[str, pd.Series]:
    """Rows of several kinds under each other; what a kind does not have is missing."""
    parts = [rows for rows in parts if len(rows["estimate"])] or parts[:1]
    made: dict[str, pd.Series] = {}
    for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS):
        if not any(name in rows for rows in parts):
            continue
        counts = [len(rows["estimate"]) for rows in parts]
        if name in NUMBER_COLUMNS:
            absent = [np.full(count, np.nan) for count in counts]
            numbers = [rows.get(name, gap) for rows, gap in zip(parts, absent, strict=True)]
            made[name] = pd.Series(np.concatenate(numbers), dtype=np.float64)
        else:
            labels: list[Any] = []
            for rows, count in zip(parts, counts, strict=True):
                labels += rows.get(name, [None] * count)
            column = pd.Series(labels, dtype=object)
            inferred = column.infer_objects()
            # pandas makes floats of integers beside None
            as_floats = inferred.dtype.kind == "f" and any(isinstance(v, int) for v in labels)
            made[name] = column if as_floats else inferred
    return made


def glance_table(state: FitState) -> ResultTable:
    """One row for the fit: size, σ̂ and criteria.

    Parameters
    ----------
    state : FitState
    """
    estimate, n = state.estimate, state.design.n
    columns: dict[str, list[float]] = {
        "nobs": [n],
        "sigma": [estimate.sigma],
        "logLik": [-0.5 * estimate.criterion],
        "AIC": [aic(state)],
        "BIC": [bic(state)],
        "REMLcrit" if estimate.reml else "deviance": [estimate.criterion],
        "df.residual": [n - npar(state)],
    }
    notes = []
    if estimate.criterion_se > 0:
        notes.append(
            "Fitted by conjugate gradients: the criterion is an estimate with standard error "
            f"{estimate.criterion_se:.2g}."
        )
    return ResultTable(columns, title="The fit in one row", notes=notes)
