"""`step`: backward elimination of random effects, then of fixed terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from ...errors import ArgumentError, listed, near_matches
from ...formula.term_names import matching
from ...results.state import FitState
from ...support.arguments import proportion, sequence
from ...tables.result_table import ResultTable
from .fits_compared import check_estimated
from .likelihood_ratio import CHI_SQUARED_NOTE, NO_TEST, fit_notes, likelihood_columns
from .reductions import Reduction, fixed_reductions, random_reductions
from .refits import changed_fit
from .single_terms import FULL, NOTHING, ReducedFit, f_table, reduced_random_fits, test_notes


@dataclass(frozen=True, eq=False)
class Elimination:
    """A backward elimination: what was taken out in which order, and the fit that is left.

    Attributes
    ----------
    random : ResultTable
        A row for each random effect tested, as of :meth:`lmforms.MixedModelResults.ranova`;
        ``eliminated`` counts those taken out, and is 0 for what stays.
    fixed : ResultTable
        Likewise for the fixed terms, with F tests.
    final : MixedModelResults
        The fit of what is left.
    """

    random: ResultTable
    fixed: ResultTable
    final: Any

    @property
    def formula(self) -> str:
        """The formula that is left."""
        return str(self.final.formula)

    def __repr__(self) -> str:
        return f"{self.random}\n\n{self.fixed}\n\nLeft: {self.formula}"

    def _repr_html_(self) -> str:
        tables = self.random._repr_html_() + self.fixed._repr_html_()
        return f"{tables}<p>Left: <code>{escape(self.formula)}</code></p>"


def step(
    fit: Any,
    *,
    ddf: str = "satterthwaite",
    information: str | None = None,
    alpha_random: float | None = 0.1,
    alpha_fixed: float | None = 0.05,
    keep: Sequence[str] = (),
) -> Elimination:
    """See :meth:`lmforms.MixedModelResults.step`."""
    state: FitState = fit.state
    check_estimated("step", state)
    random_level = None if alpha_random is None else proportion("alpha_random", alpha_random)
    fixed_level = None if alpha_fixed is None else proportion("alpha_fixed", alpha_fixed)
    kept = _checked_names(state, keep)
    fit, random = _without_random(fit, random_level, kept)
    fit, fixed = _without_fixed(fit, fixed_level, kept, ddf, information)
    return Elimination(random, fixed, fit)


def _checked_names(state: FitState, keep: Sequence[str]) -> list[str]:
    """The names of terms to keep.

    Raises
    ------
    ArgumentError
        A name that is no term.
    """
    if isinstance(keep, str):
        keep = [keep]
    names = [str(name) for name in sequence("keep", keep, "terms of the model")]
    fixed = [label for label in state.design.fixed_terms if label != "Intercept"]
    random = [term.written for term in state.design.terms]
    intercepts = [f"(1 | {group.factor})" for group in state.design.groups]
    known = list(dict.fromkeys([*fixed, *random, *intercepts]))
    for name in names:
        if not matching(name, known):
            raise ArgumentError(
                f"step: keep has `{name}`, which is no term of the model."
                f"{near_matches(name, known)} It has {listed(known)}."
            )
    return names


def _open(reductions: Sequence[Reduction], keep: Sequence[str]) -> list[Reduction]:
    """The reductions of terms that are not kept."""
    return [r for r in reductions if not any(matching(name, [r.term, r.label]) for name in keep)]


# --- random effects --------------------------------------------------------------------------


def _without_random(fit: Any, level: float | None, keep: Sequence[str]) -> tuple[Any, ResultTable]:
    """Take out the random effect of the largest p-value until all are below the level."""
    first: FitState = fit.state
    tested: list[ReducedFit] = []
    counts: list[int] = []
    while True:
        reduced = reduced_random_fits(fit.state, random_reductions(fit.state))
        free = {r.label for r in _open([r.reduction for r in reduced], keep)}
        candidates = [r for r in reduced if r.reduction.label in free]
        worst = max(candidates, key=lambda r: _or_zero(r.test.p_value), default=None)
        if worst is None or level is None or not worst.test.p_value > level:
            tested += reduced
            counts += [0] * len(reduced)
            break
        tested.append(worst)
        counts.append(len(counts) + 1)
        fit = worst.fit
    states = [first, *(r.state for r in tested)]
    columns = likelihood_columns(states, [NO_TEST, *(r.test for r in tested)])
    labels = [NOTHING, *(r.reduction.label for r in tested)]
    kind = "REML" if first.estimate.reml else "maximum likelihood"
    return fit, ResultTable(
        {"eliminated": [0, *counts], **columns},
        index=pd.Index(labels),
        title=f"Random effects, backward elimination, {kind}",
        notes=[
            f"{CHI_SQUARED_NOTE}; taken out while p_value > {level}."
            if level is not None
            else f"{CHI_SQUARED_NOTE}; none is taken out.",
            *test_notes(tested),
            *fit_notes(dict(zip([FULL, *labels[1:]], states, strict=True))),
        ],
    )


def _or_zero(p_value: float) -> float:
    return 0.0 if np.isnan(p_value) else p_value


# --- fixed effects ---------------------------------------------------------------------------


def _without_fixed(
    fit: Any, level: float | None, keep: Sequence[str], ddf: str, information: str | None
) -> tuple[Any, ResultTable]:
    """Take out the fixed term of the largest p-value until all are below the level."""
    rows: list[pd.DataFrame] = []
    counts: list[int] = []
    while True:
        state: FitState = fit.state
        reductions = fixed_reductions(state.design)
        table = f_table(state, reductions, ddf, information)
        free = _open(reductions, keep)
        p_values = [_or_zero(table.loc[r.label, "p_value"]) for r in free]
        worst = int(np.argmax(p_values)) if free else -1
        if not free or level is None or not p_values[worst] > level:
            rows.append(pd.DataFrame(table))
            counts += [0] * len(table)
            break
        rows.append(pd.DataFrame(table.loc[[free[worst].label]]))
        counts.append(len(counts) + 1)
        fit = changed_fit(state, free[worst].changes, state.estimate.reml)
    found = pd.concat(rows)
    found.insert(0, "eliminated", counts)
    rule = "none is taken out" if level is None else f"taken out while p_value > {level}"
    return fit, ResultTable(
        found,
        title="Fixed effects, backward elimination",
        notes=[f"F tests; {rule}.", *table.notes],
    )
