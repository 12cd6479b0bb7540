"""The table of the parameters of structured random effects."""

from __future__ import annotations

from ..inference.structure_parameters import structure_parameters
from ..tables.result_table import ResultTable
from .state import FitState

QUANTILE = 1.959963984540054
"""Of the normal distribution at 0.975."""


def random_parameters(state: FitState) -> ResultTable:
    """Parameters of the structures: standard deviations, correlations, ranges, loadings.

    Parameters
    ----------
    state : FitState

    Returns
    -------
    ResultTable
        One row for each parameter; none for terms ``(x | g)`` and ``diag(x | g)``.
    """
    found = structure_parameters(state, QUANTILE)
    terms = state.design.terms
    notes = []
    if found:
        notes.append(
            "Standard errors by the delta method; limits: 95 %, on the scale of the logarithm or "
            "the logit."
        )
    bounds = [f"{x.parameter.name} of {terms[x.term].written}" for x in found if x.at_bound]
    if bounds:
        notes.append(f"At its bound: {', '.join(bounds)}.")
    columns = {
        "term": [terms[x.term].written for x in found],
        "name": [x.parameter.name for x in found],
        "estimate": [x.estimate for x in found],
        "std_error": [x.std_error for x in found],
        "lower": [x.lower for x in found],
        "upper": [x.upper for x in found],
    }
    return ResultTable(columns, title="Structures of the random effects", notes=notes)
