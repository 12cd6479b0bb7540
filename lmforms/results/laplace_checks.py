"""The check of the Laplace approximation."""

from __future__ import annotations

import numpy as np

from ..errors import NumericalError, listed
from ..inference.diagnostics.laplace_accuracy import LaplaceAccuracy, laplace_accuracy
from ..tables.number_format import signed
from .fit_report import Check, Status
from .generalized.rows import estimate_of
from .state import FitState

TOPIC = "Laplace approximation"

LEAST_SHIFT = 0.2
"""Of an estimate, in standard errors, that the Laplace approximation may be off by."""

FEW_ROWS, LARGE_DEVIATION = 10, 1.5
"""Rows of a level, and a standard deviation on the link, where the Laplace approximation of several
grouping factors is doubted."""


def approximation(state: FitState) -> Check:
    """Whether the Laplace approximation is near the likelihood."""
    estimate = estimate_of(state)
    if estimate.nagq > 1:
        return Check(TOPIC, "ok", f"not used: quadrature with {estimate.nagq} nodes.")
    if estimate.nagq == 0:
        return Check(
            TOPIC,
            "note",
            "the fixed effects were profiled out with the random effects (nagq=0), which shrinks "
            "both.",
            "Use fit.refit(nagq=1), or more nodes.",
        )
    try:
        found = laplace_accuracy(estimate)
    except NumericalError as error:
        return Check(TOPIC, "problem", f"not compared with quadrature: {error}")
    return _several_factors(state) if found is None else _compared(state, found)


def _compared(state: FitState, found: LaplaceAccuracy) -> Check:
    group, lam = state.design.groups[0], estimate_of(state).lams[0]
    names = ["the variances"] * len(found.theta) + [f"`{x}`" for x in state.design.x_names]
    names += ["the family's parameters"] * len(found.coefficients)
    shifts = np.abs(np.concatenate([found.theta, found.beta, found.coefficients]))
    worst = int(np.argmax(shifts))
    rows = float(np.median(np.bincount(group.codes)[np.unique(group.codes)]))
    sd = float(np.sqrt(np.max(np.square(lam).sum(axis=1))))
    said = (
        f"with {found.nodes} nodes of quadrature −2 log-likelihood differs by "
        f"{signed(found.difference, '.2g')} at the same estimates, and the estimate that would "
        f"move most, of {names[worst]}, by about {shifts[worst]:.2g} standard errors ({rows:.3g} "
        f"rows per level of {group.name}, standard deviation {sd:.2g})."
    )
    if shifts[worst] < LEAST_SHIFT:
        return Check(TOPIC, "ok", said)
    status: Status = "problem" if shifts[worst] >= 1.0 else "note"
    nodes = 11 if len(lam) == 1 else found.nodes
    return Check(TOPIC, status, said, f"Try fit.refit(nagq={nodes}).")


def _several_factors(state: FitState) -> Check:
    doubtful = []
    for group, lam in zip(state.design.groups, estimate_of(state).lams, strict=True):
        rows = float(np.median(np.bincount(group.codes)[np.unique(group.codes)]))
        sd = float(np.sqrt(np.max(np.square(lam).sum(axis=1))))
        if rows < FEW_ROWS and sd > LARGE_DEVIATION:
            doubtful.append(
                f"{group.name} ({rows:.3g} rows per level, standard deviation {sd:.2g})"
            )
    how = "not compared with quadrature, which is for one grouping factor of independent levels"
    if not doubtful:
        return Check(TOPIC, "ok", f"{how}; no grouping factor has few rows and a large variance.")
    return Check(
        TOPIC,
        "note",
        f"{how}; doubtful for {listed(doubtful)}.",
        "Simulate from the fit, refit, and see whether the estimates come back.",
    )
