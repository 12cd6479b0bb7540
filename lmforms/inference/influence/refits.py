"""The model fitted again to the rows that a deletion leaves, with the same columns and levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ...engine.estimate import Estimate, estimate
from ...engine.prior import Prior
from ...errors import LmformsError, ModelError, NumericalError
from ...relationship.priors import priors_of
from ...results.state import FitState
from ...support.arrays import BoolArray, IndexArray
from ...support.progress import with_bar
from ..model_parameters import model_parameters, parameter_values
from .cases import Cases
from .deletions import Deletions
from .information_left import warn, warn_of_lost
from .orthonormal_coefficients import relative_to_fit
from .refits_by_sums import are_small_parts, estimate_by_sums
from .variances_left import keeps_variances


@dataclass(frozen=True, eq=False)
class Refits:
    """Fits without each case.

    Attributes
    ----------
    deletions : Deletions
    vcomp : DataFrame (m, parameters)
        Those of :func:`.model_parameters` that follow the fixed effects.
    converged : ndarray of bool (m,)
    """

    deletions: Deletions
    vcomp: pd.DataFrame
    converged: BoolArray


def estimate_without(
    state: FitState, rows: IndexArray, priors: Sequence[Prior], *, optimize: bool
) -> Estimate:
    """The estimate from all rows but some, at the fit's own θ or searched from there."""
    design, fitted = state.design, state.estimate
    kept = np.ones(design.n, dtype=bool)
    kept[rows] = False
    phi = fitted.phi if len(fitted.phi) else None
    start = None if optimize and fitted.singular else fitted.theta
    return estimate(
        design.rows(state.response, phi).subset(kept),
        [g.covariance for g in design.groups],
        reml=fitted.reml,
        control=state.control,
        priors=priors,
        start=start if optimize else None,
        at=None if optimize else start,
    )


def refuse_refits(state: FitState) -> None:
    """Raise where estimates of fewer rows are not comparable with those of the fit.

    Raises
    ------
    ModelError
    """
    spec = state.design.residual_spec
    if not state.optimized:
        raise ModelError(
            "influence: refit=True estimates θ again, but this model is at a given θ. Use "
            "refit=False, or the fit itself."
        )
    if state.method == "gibbs":
        raise ModelError(
            "influence: refit=True compares optima, and method='gibbs' reports a mode with "
            "Monte-Carlo error. Use refit=False, or fit with method='auto'."
        )
    if spec is not None and spec.depends_on_fitted:
        raise ModelError(
            "influence: refit=True is not there for residual variances that depend on fitted "
            "values, which change with every deletion. Use refit=False, or a variance function of "
            "a column."
        )


def refits(state: FitState, cases: Cases, estimable: BoolArray, progress: bool) -> Refits:
    """Fit the model without each case in turn.

    Parameters
    ----------
    state : FitState
    cases : Cases
    estimable : ndarray of bool (m,)
        Cases to be tried.
    progress : bool

    Notes
    -----
    After an interrupt the cases that were not reached are NaN. So are those that cannot be fitted.

    Warns
    -----
    NotEstimableWarning

    Raises
    ------
    ModelError
        No case can be fitted.
    """
    refuse_refits(state)
    keeps = keeps_variances(state, cases)
    warn_of_lost(cases, keeps, "variance parameters", "Use refit=False, which holds them.")
    estimable = estimable & keeps
    if not estimable.any():
        raise ModelError(
            f"influence: without any {cases.by} some of the parameters cannot be estimated. Delete "
            "smaller parts."
        )
    m, p = len(cases), len(state.estimate.beta)
    names = [parameter.name for parameter in model_parameters(state)[p:]]
    out = Deletions.missing(m, p)
    values = np.full((m, len(names)), np.nan)
    converged = np.zeros(m, dtype=bool)
    priors = priors_of(state.design, state.relationship)
    failures: list[tuple[int, LmformsError]] = []
    every, are_small = list(cases.rows()), are_small_parts(state, cases)
    done = 0
    try:
        for i in with_bar(np.flatnonzero(estimable), progress, "refits"):
            try:
                found = _refitted(state, every[i], priors, bool(are_small[i]))
                out.shifts[i], out.covariances[i] = relative_to_fit(found, state.estimate)
                out.sigma[i], converged[i] = found.sigma, found.converged
                values[i] = parameter_values(replace(state, estimate=found))[p:]
            except (ModelError, NumericalError) as exc:
                failures.append((int(i), exc))
            done += 1
    except KeyboardInterrupt:
        if not done:
            raise
        warn(f"interrupted after {done} of {int(estimable.sum())} refits: the others are NaN.")
    if len(failures) == done:
        raise ModelError(f"influence: the model cannot be refitted. {failures[0][1]}")
    if failures:
        which = cases.described(np.array([i for i, _ in failures]))
        warn(f"the model cannot be fitted without {which}: NaN. {failures[0][1]}")
    return Refits(out, pd.DataFrame(values, index=cases.labels, columns=names), converged)


def _refitted(
    state: FitState, rows: IndexArray, priors: Sequence[Prior], is_small: bool
) -> Estimate:
    found = estimate_by_sums(state, rows) if is_small else None
    return estimate_without(state, rows, priors, optimize=True) if found is None else found
