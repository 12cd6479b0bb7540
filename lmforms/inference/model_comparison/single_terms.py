"""Tests of the terms of a fit, each taken out by itself: `ranova` and `drop1`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...errors import ArgumentError, ModelError
from ...results.state import FitState
from ...support.arguments import one_of
from ...tables.result_table import ResultTable
from ..terms.term_tests import anova_table
from ..terms.wald_tests import wald_table
from .fits_compared import ComparedFit, check_estimated
from .likelihood_ratio import (
    CHI_SQUARED_NOTE,
    MIXTURE_NOTE,
    NO_TEST,
    LikelihoodRatio,
    fit_notes,
    likelihood_columns,
    likelihood_ratio,
)
from .nested_models import one_variance_more, random_is_within
from .reductions import Reduction, fixed_reductions, random_reductions
from .refits import by_criterion, changed_fit

DROP1_TESTS = ("lrt", "F")
GENERALIZED_DROP1_TESTS = ("lrt", "wald")

NOTHING = "<none>"
"""Label of the row of the model from which nothing is taken out, as in R."""

FULL = "the full model"
"""What notes call it."""


@dataclass(frozen=True, eq=False)
class ReducedFit:
    """A fit of a reduced model and its test against the full one.

    Attributes
    ----------
    reduction : Reduction
    fit : MixedModelResults, or what has a state
    test : LikelihoodRatio
    """

    reduction: Reduction
    fit: Any
    test: LikelihoodRatio

    @property
    def state(self) -> FitState:
        """The state of the fit."""
        state: FitState = self.fit.state
        return state


# --- random effects --------------------------------------------------------------------------


def reduced_random_fits(full: FitState, reductions: Sequence[Reduction]) -> list[ReducedFit]:
    """Reduced random parts, fitted and tested by the criterion of the full fit."""
    rows = np.arange(full.design.n)
    large = ComparedFit(NOTHING, full, rows)
    out = []
    for reduction in reductions:
        fit = changed_fit(full, reduction.changes, full.estimate.reml)
        small = ComparedFit(reduction.label, fit.state, rows)
        test = likelihood_ratio(
            fit.state,
            full,
            nested=random_is_within(small, large),
            one_variance=one_variance_more(small, large),
        )
        out.append(ReducedFit(reduction, fit, test))
    return out


def ranova(state: FitState) -> ResultTable:
    """See :meth:`lmforms.MixedModelResults.ranova`."""
    check_estimated("ranova", state)
    if not state.design.terms:
        raise ModelError("ranova: the model has no random effects.")
    full = by_criterion(state, state.estimate.reml)
    reduced = reduced_random_fits(full, random_reductions(full))
    kind = "REML" if full.estimate.reml else "maximum likelihood"
    return likelihood_table(full, reduced, f"Random effects, each taken out ({kind})")


def likelihood_table(full: FitState, reduced: Sequence[ReducedFit], title: str) -> ResultTable:
    """The full model's row, and one for each reduced model."""
    labels = [NOTHING, *(r.reduction.label for r in reduced)]
    states, tests = [full, *(r.state for r in reduced)], [NO_TEST, *(r.test for r in reduced)]
    return ResultTable(
        likelihood_columns(states, tests),
        index=pd.Index(labels),
        title=f"{title}: {full.design.bound.formula}",
        notes=[
            f"{CHI_SQUARED_NOTE}, against {NOTHING}.",
            *test_notes(reduced),
            *fit_notes(dict(zip([FULL, *labels[1:]], states, strict=True))),
        ],
    )


def test_notes(reduced: Sequence[ReducedFit]) -> list[str]:
    """What is to be said of p-values: the mixture, and those that there are not."""
    notes = [MIXTURE_NOTE] if any(r.test.p_value_mixture >= 0 for r in reduced) else []
    untested = [r for r in reduced if np.isnan(r.test.p_value)]
    for why, chosen in (
        ("there are no fewer parameters", [r for r in untested if r.test.df <= 0]),
        ("the reduced model is no special case", [r for r in untested if r.test.df > 0]),
    ):
        if chosen:
            labels = ", ".join(r.reduction.label for r in chosen)
            notes.append(f"No test, as {why}: {labels}.")
    return notes


# --- fixed effects ---------------------------------------------------------------------------


def drop1(
    state: FitState, test: str, ddf: str | None = None, information: str | None = None
) -> ResultTable:
    """See :meth:`lmforms.MixedModelResults.drop1`, and of generalised models that there."""
    general = state.family is not None
    if one_of("test", test, GENERALIZED_DROP1_TESTS if general else DROP1_TESTS) == "lrt":
        given = [n for n, v in (("ddf", ddf), ("information", information)) if v is not None]
        if given:
            raise ArgumentError(
                f"drop1: {given[0]}= is for test='F'; likelihood ratios have no denominator "
                "degrees of freedom."
            )
        check_estimated("drop1", state)
    reductions = fixed_reductions(state.design)
    if not reductions:
        raise ModelError("drop1: the fixed part has no term that can be dropped.")
    if test == "F":
        return f_table(state, reductions, ddf or "satterthwaite", information)
    if test == "wald":
        return wald_drops(state, reductions)
    full = by_criterion(state, reml=False)
    reduced = []
    for reduction in reductions:
        fit = changed_fit(full, reduction.changes, reml=False)
        reduced.append(ReducedFit(reduction, fit, likelihood_ratio(fit.state, full)))
    table = likelihood_table(full, reduced, "Fixed terms, each taken out (maximum likelihood)")
    out = ResultTable(
        table.drop(columns="p_value_mixture"),
        title=table.title,
        notes=table.notes,
    )
    if state.estimate.reml:
        out.notes += ("Refitted by maximum likelihood.",)
    return out


def wald_drops(state: FitState, reductions: Sequence[Reduction]) -> ResultTable:
    """Wald χ² tests of the fixed terms of reductions, each after all other terms."""
    table = wald_table(state, 2, [reduction.label for reduction in reductions])
    table.title = "Wald χ² tests of the fixed terms that can be dropped"
    table.notes = table.notes[1:]
    return table


def f_table(
    state: FitState, reductions: Sequence[Reduction], ddf: str, information: str | None
) -> ResultTable:
    """F tests of the fixed terms of reductions, each after all other terms (Type II)."""
    labels = [reduction.label for reduction in reductions]
    table = anova_table(state, 2, ddf, information, labels)
    table.title = "F tests of the fixed terms that can be dropped"
    table.notes = table.notes[1:]  # which types there are has no part here
    return table
