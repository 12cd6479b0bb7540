"""The table of a model that was fitted in several ways, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.theta_order import theta_in_formula_order
from ..errors import listed
from ..inference.model_parameters import ModelParameter, model_parameters, parameter_values
from ..support.arrays import FloatArray
from ..tables.number_format import signed
from ..tables.result_table import ResultTable
from .state import FitState

CONJUGATE = "factor=cg"
"""Label of the fit whose optimum is estimated."""

AGREE = 1e-3
"""Criteria that differ by less are one optimum: far below what any test or standard error shows,
and above what searches without derivatives leave."""

DECIMALS = 8
"""Of differences of criteria: less is rounding."""

UNDETERMINED = 0.01
"""Parameters that differ by more of their size at one criterion are hardly determined."""

NEGLIGIBLE = 0.01
"""Of σ: the size that smaller standard deviations are compared by."""


@dataclass(frozen=True, eq=False)
class OtherFit:
    """A way to fit a model, and what it found.

    Attributes
    ----------
    label, kind : str
    state : FitState or None
        None if the way failed.
    evaluations : int
    converged : bool
    seconds : float
    """

    label: str
    kind: str
    state: FitState | None
    evaluations: int
    converged: bool
    seconds: float


def table_of_fits(
    state: FitState,
    found: Sequence[OtherFit],
    refused: Sequence[tuple[str, str]],
    interrupted: bool,
) -> ResultTable:
    """A row for each fit, and notes on what they say together.

    Parameters
    ----------
    state : FitState
        The fit that others are compared with.
    found : sequence of OtherFit
    refused : sequence of (str, str)
        Label and kind of the ways that do not suit the model.
    interrupted : bool
        Whether some ways were not tried.
    """
    chosen = [p for p in model_parameters(state) if p.kind != "fixed"]
    fixed = len(model_parameters(state)) - len(chosen)
    criteria = np.array([np.nan if x.state is None else x.state.estimate.criterion for x in found])
    values = np.full((len(found), len(chosen)), np.nan)
    for i, one in enumerate(found):
        if one.state is not None:
            values[i] = parameter_values(one.state)[fixed:]
    lowest = np.nanmin(criteria) if np.isfinite(criteria).any() else np.nan
    differences = np.round(criteria - lowest, DECIMALS)
    columns: dict[str, Any] = {
        "kind": [x.kind for x in found],
        "loglik": -0.5 * criteria,
        "difference": differences,
        "converged": [x.converged for x in found],
        "evaluations": [x.evaluations for x in found],
        "seconds": [x.seconds for x in found],
    }
    columns |= {p.name: values[:, j] for j, p in enumerate(chosen)}
    notes = _notes(found, differences)
    same = (differences <= AGREE) & [one.label != CONJUGATE for one in found]
    notes += _spread_notes(values[same], chosen, state.estimate.sigma) if same.sum() > 1 else []
    if any(one.label == CONJUGATE for one in found):
        notes.append(f"{CONJUGATE} estimates the optimum: a small difference is its noise.")
    if refused:
        notes.append(f"Not for this model: {_names(refused, found)}.")
    if interrupted:
        notes.append("Interrupted: other ways were not tried.")
    title = "The same model fitted in several ways"
    return ResultTable(columns, index=[x.label for x in found], title=title, notes=notes)


def _names(refused: Sequence[tuple[str, str]], found: Sequence[OtherFit]) -> str:
    """Ways by their labels, or by their kind if there are no others of it."""
    others = {one.kind for one in found}
    names = [label if kind in others else f"any {kind}" for label, kind in refused]
    return ", ".join(dict.fromkeys(names))


def _notes(found: Sequence[OtherFit], difference: Any) -> list[str]:
    """What the fits say together."""
    ended = np.isfinite(difference)
    exact = np.array([one.label != CONJUGATE for one in found])
    found = [one for one in found if one.label != CONJUGATE]
    ended, difference = ended[exact], difference[exact]
    same = ended & (difference <= AGREE)
    notes = ["difference: of −2 log-likelihood from the lowest."]
    if same.all():
        most = max(difference.max(), 10.0**-DECIMALS)
        notes.append(
            f"All {len(found)} ways agree: −2 log-likelihood within {signed(most, '.1g')}."
        )
    elif ended.any():
        higher = [
            f"{one.label} (by {difference[i]:.2g})"
            for i, one in enumerate(found)
            if ended[i] and not same[i]
        ]
        failed = [one.label for i, one in enumerate(found) if not ended[i]]
        notes.append(f"{same.sum()} of {len(found)} ways end at the lowest criterion.")
        notes += [f"Higher: {listed(higher)}."] if higher else []
        notes += [f"Failed: {listed(failed)}."] if failed else []
        if found[0].kind == "fit" and not same[0]:
            lowest = found[int(np.nanargmin(difference))]
            notes.append(
                f"This fit is not at the optimum: {lowest.label} is lower.{_again(lowest)}"
            )
    return notes


def _spread_notes(
    values: FloatArray, parameters: Sequence[ModelParameter], sigma: float
) -> list[str]:
    """How far parameters differ among fits of one criterion: by their size, or their range."""
    spreads, sizes = np.ptp(values, axis=0), np.abs(values).max(axis=0)
    for j, parameter in enumerate(parameters):
        if parameter.is_deviation:
            sizes[j] = max(sizes[j], NEGLIGIBLE * sigma)
        elif np.isfinite([parameter.low, parameter.high]).all():
            sizes[j] = parameter.high - parameter.low
    relative = np.divide(spreads, sizes, out=np.zeros_like(spreads), where=sizes > 0)
    if not np.isfinite(relative).any():
        return []
    worst = int(np.nanargmax(relative))
    name, low, high = parameters[worst].name, values[:, worst].min(), values[:, worst].max()
    if relative[worst] > UNDETERMINED:
        return [
            f"Though their likelihoods agree, {name} is from {low:.4g} to {high:.4g} in them: the "
            "data hardly determine it."
        ]
    return [f"Where they agree, parameters differ by at most {relative[worst]:.1g} of their size."]


def _again(found: OtherFit) -> str:
    """How to fit from where another search ended."""
    assert found.state is not None
    theta = theta_in_formula_order(found.state.design, found.state.estimate.theta)
    if not len(theta):
        return ""
    start = ", ".join(f"{value:.6g}" for value in theta)
    return f" Fit from there: fit.update(start=[{start}], control=lf.Control())."
