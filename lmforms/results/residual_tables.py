"""What a user reads of the residuals' structure: its text, parameters and covariance matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..data.group_codes import group_codes
from ..data.residual_columns import label_text
from ..data.residual_structure import BoundResidual
from ..errors import ArgumentError, ModelError, listed, near_matches
from ..inference.residual_estimates import (
    SIGMA,
    names_at_bound,
    residual_estimates,
    residual_values,
)
from ..residual.parametric import ParametricResidual
from ..support.arguments import short_repr
from ..support.arrays import IndexArray
from ..tables.result_table import ResultTable
from .state import FitState

INDEPENDENT = "iid"

MOST_ROWS = 5000
"""Rows of a series up to which its covariance is made as a dense matrix."""


def residual_text(state: FitState) -> str:
    """The structure as text, ``iid`` without one."""
    spec = state.design.residual_spec
    return INDEPENDENT if spec is None else str(spec)


def residual_heading(state: FitState) -> str:
    """The structure and the number of series, for a summary; empty for independent residuals."""
    bound = state.design.structure
    if bound is None or bound.spec.is_independent:
        return ""
    if bound.correlation is None:
        strata = f", {len(bound.strata)} strata" if bound.strata else ""
        return f"{bound.spec}{strata}"
    count = len(np.unique(bound.series))
    return f"{bound.spec}, {count} series" if bound.spec.group else f"{bound.spec}, one series"


def residual_params(state: FitState) -> pd.Series:
    """Natural parameters by name, standard deviations of strata among them; σ is not."""
    names, values, _ = residual_values(state)
    series = pd.Series(values, index=list(names), name="residual_params", dtype=np.float64)
    return series.drop(SIGMA, errors="ignore")


def residual_table(state: FitState, level: float = 0.95) -> ResultTable:
    """Parameters of the residuals with standard errors and limits.

    Parameters
    ----------
    state : FitState
    level : float
        Of the limits.
    """
    found = residual_estimates(state, level)
    notes = []
    if found.names and state.optimized:
        notes.append(
            "Standard errors of residual parameters by the delta method; limits: "
            f"{100 * level:g} %, on the scale of the logarithm or the logit."
        )
    elif found.names:
        notes.append("No standard errors of parameters that were given, not estimated.")
    notes += structure_notes(state)
    columns = {
        "name": list(found.names),
        "estimate": found.estimate,
        "std_error": found.std_error,
        "lower": found.lower,
        "upper": found.upper,
    }
    return ResultTable(columns, title=f"Residuals: {residual_text(state)}", notes=notes)


def structure_notes(state: FitState) -> list[str]:
    """What is to be said of the parameters: those at a bound, and the unit of time."""
    bound = state.design.structure
    if bound is None:
        return []
    notes = []
    at_bound = bound_message(state)
    if at_bound:
        notes.append(at_bound)
    for term, step in zip(bound.spec.correlations, bound.steps, strict=True):
        if term.facts.kind == "time" and step != 1.0:
            notes.append(f"One step of time is {step:g} of {term.columns[0]}.")
    functions = [term for term in bound.spec.variances if term.function != "idh"]
    if len(bound.spec.variances) > 1 or functions:
        first = f" ({bound.strata[0]})" if bound.strata else ""
        parts = ", ".join(map(str, bound.spec.variances))
        notes.append(f"sigma: standard deviation where {parts} is 1{first}.")
    return notes


def bound_message(state: FitState) -> str:
    """Which parameters are at a bound, and what it means; empty for none."""
    names = () if state.design.structure is None else names_at_bound(state)
    if not names:
        return ""
    several = len(names) > 1
    which = f"parameter{'s' * several} {', '.join(names)} {'are' if several else 'is'}"
    bounds = "their bounds" if several else "its bound"
    residual = state.residual
    ending = "The fit is the optimum"
    if isinstance(residual, ParametricResidual) and residual.is_nearly_singular:
        ending = "The residual covariance is singular there: the likelihood may have no maximum"
    return (
        f"the residual {which} at {bounds}, without a standard error. {ending}; "
        f"{residual_text(state)} may say more than the data do: compare a simpler structure by "
        "lf.compare."
    )


# --- the covariance matrix of a series ---------------------------------------------------------


def residual_covariance(state: FitState, series: Any, correlation: bool) -> ResultTable:
    """Covariance, or correlation, of the residuals of a series.

    Parameters
    ----------
    state : FitState
    series : label, tuple of labels, or None
        None: all visits, where variances depend on nothing else; otherwise the series with most
        rows, the first of those.
    correlation : bool

    Raises
    ------
    ArgumentError, ModelError
    """
    bound, residual = state.design.structure, state.residual
    if bound is None or bound.correlation is None or not isinstance(residual, ParametricResidual):
        raise ModelError(
            "residual_covariance: residuals of different rows are independent in this model, "
            f"residual={residual_text(state)!r}, so that there are no series. Standard deviations "
            "are in fit.vcomp."
        )
    if series is None and _is_of_visits(state):
        rows, name = np.unique(bound.points[:, 0], return_index=True)[1], "all visits"
    else:
        rows, name = _series_rows(state, bound, series)
        rows = rows[np.lexsort(bound.points[rows].T[::-1])]
    together = replace(residual, series=np.zeros(state.design.n, dtype=np.intp))
    R = np.asarray(together.subset(rows).matrix(len(rows)).todense())
    R = 0.5 * (R + R.T)
    sd = np.sqrt(R.diagonal())
    R = R / np.outer(sd, sd) if correlation else state.estimate.sigma**2 * R
    labels = _row_labels(state, rows)
    kind = "Correlations" if correlation else "Covariances"
    title = f"{kind} of the residuals" + (f", {name}" if name else "")
    return ResultTable(R, index=labels, columns=labels, title=title)


def _is_of_visits(state: FitState) -> bool:
    """Whether variances and correlations are functions of labelled visits alone."""
    bound = state.design.structure
    assert bound is not None
    if len(bound.labels) != 1 or not bound.labels[0]:
        return False
    own = bound.spec.correlations[0].columns
    residual = state.residual
    weighted = isinstance(residual, ParametricResidual) and residual.weights is not None
    return not weighted and all(
        term.function == "idh" and term.columns == own for term in bound.spec.variances
    )


def _model_table(state: FitState) -> Any:
    """The columns of the rows used."""
    design = state.design
    return design.frame.with_categories_of(design.in_model).table.rows(design.in_model)


def _series_rows(state: FitState, bound: BoundResidual, series: Any) -> tuple[IndexArray, str]:
    """Rows of the series that is asked for, and what it is called."""
    table, n = _model_table(state), state.design.n
    coded = [group_codes(table[name]) for name in bound.spec.group]
    codes, first = np.unique(bound.series, return_index=True)
    called = [tuple(label_text(levels[own[i]]) for own, levels in coded) for i in first.tolist()]
    if series is None:
        code = int(np.bincount(bound.series).argmax())
    else:
        code = int(codes[_place_of(series, bound, called)])
    rows = np.flatnonzero(bound.series == code)
    if len(rows) > MOST_ROWS:
        raise ModelError(
            f"residual_covariance: a dense matrix of {len(rows)} rows is refused; up to "
            f"{MOST_ROWS} are given. fit.matrices.R times fit.scale is the covariance of all "
            f"{n} rows, sparse."
        )
    name = ":".join(called[int(np.searchsorted(codes, code))])
    return rows, f"series {name}" if name else ""


def _place_of(series: Any, bound: BoundResidual, called: Sequence[tuple[str, ...]]) -> int:
    """The place of a series among all."""
    group = bound.spec.group
    if not group:
        raise ArgumentError(
            f"residual_covariance: series={short_repr(series)}, but all rows are one series in "
            f"{str(bound.spec)!r}: leave series= out."
        )
    given = series if isinstance(series, (tuple, list)) else (series,)
    wanted = tuple(label_text(label) for label in given)
    if wanted in called:
        return called.index(wanted)
    names = [":".join(name) for name in called]
    what = " and ".join(f"`{name}`" for name in group)
    form = "" if len(group) == 1 else f" Give a tuple of {len(group)} labels."
    raise ArgumentError(
        f"residual_covariance: {short_repr(series)} is no series of {what}."
        f"{near_matches(':'.join(wanted), names)} Series: {listed(names)}.{form}"
    )


def _row_labels(state: FitState, rows: IndexArray) -> pd.Index:
    """Where rows stand in their series: visits, times or places; else labels of the data."""
    bound = state.design.structure
    assert bound is not None
    columns = [name for term in bound.spec.correlations for name in term.columns]
    if not columns:
        return state.design.index[rows]
    table = _model_table(state)
    values = [_plain(table[name].iloc[rows]) for name in columns]
    if len(values) == 1:
        return pd.Index(values[0], name=columns[0])
    return pd.MultiIndex.from_arrays(values, names=columns)


def _plain(values: pd.Series) -> list[Any]:
    """Labels, whole numbers as such."""
    out = values.tolist()
    if all(isinstance(v, float) and v.is_integer() for v in out):
        return [int(v) for v in out]
    return out
