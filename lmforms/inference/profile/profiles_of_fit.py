"""Make the profiles of a fit: which parameters, of which criterion, from which optimum."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError, ConvergenceWarning, ModelError, listed, near_matches
from ...results.state import FitState
from ...support.arguments import number, short_repr
from ...support.caller import caller_depth
from ...support.progress import with_bar
from ..model_parameters import ModelParameter, model_parameters
from ..unidentified import refuse_unidentified
from .curve import LowerCriterionError
from .generalized_curve import profiled_generalized
from .profile import ParameterProfile, Profile, ProfiledModel
from .profiled_fit import profiled_fit, undefined_correlations, warn_of_lower

LIMIT = 3.0348542587702925
"""√χ² at 0.99 with two degrees of freedom: intervals up to 99.7 %, and joint regions up to 99 %."""

LEAST_LIMIT, LARGEST_LIMIT = 0.5, 8.0
"""Bounds of `limit`."""

MOST_RESTARTS = 3
"""How often a profile may find a lower criterion."""


def profile_of(
    state: FitState,
    which: Any = "all",
    limit: float | None = None,
    reml: bool = False,
    progress: bool = False,
) -> Profile:
    """The profiles of a fit, see :meth:`lmforms.MixedModelResults.profile`."""
    limit = (
        LIMIT if limit is None else number("limit", limit, least=LEAST_LIMIT, most=LARGEST_LIMIT)
    )
    chosen, by_name = _chosen(state, which)
    if reml and (fixed := [p.name for p in chosen if p.kind == "fixed"]):
        if by_name or which == "fixed":
            raise ModelError(
                f"{listed(fixed)}: the restricted likelihood has no fixed effects to profile. "
                "Leave out reml=True, or take which='random'."
            )
        chosen = [p for p in chosen if p.kind != "fixed"]
    fit: ProfiledModel
    fit = profiled_fit(state, reml) if state.family is None else profiled_generalized(state)
    refuse_unidentified(fit.state, chosen)
    for _ in range(MOST_RESTARTS):
        undefined = undefined_correlations(fit.state)
        if by_name and (named := [p.name for p in chosen if p.name in undefined]):
            raise ModelError(
                f"{listed(named)}: a standard deviation is estimated at zero, where the "
                "correlation is not defined. Profile the standard deviation instead."
            )
        try:
            found = _profiles(fit, [p for p in chosen if p.name not in undefined], limit, progress)
            break
        except LowerCriterionError as lower:
            warn_of_lower("a profile", lower.decrease)
            fit = fit.refitted_from(lower.held, lower.point.x)
    else:
        raise ModelError(
            "profiles found a lower criterion again and again: refit with another start."
        )
    failed = [p.name for p in found if not p.curve.converged]
    if failed:
        warnings.warn(
            f"profile: some searches did not converge for {listed(failed)}.",
            ConvergenceWarning,
            stacklevel=caller_depth(),
        )
    notes = _notes(state, reml)
    missing = [p.name for p in chosen if p.name in undefined]
    return Profile(fit, found, missing, notes)


def _profiles(
    fit: ProfiledModel, chosen: Sequence[ModelParameter], limit: float, progress: bool
) -> list[ParameterProfile]:
    found = []
    try:
        for parameter in with_bar(chosen, progress, "profile"):
            found.append(ParameterProfile(parameter, fit.curve(parameter, limit)))
    except KeyboardInterrupt:
        if not found:
            raise
    return found


def _chosen(state: FitState, which: Any) -> tuple[list[ModelParameter], bool]:
    """The parameters asked for, and whether it was by their names."""
    known = list(model_parameters(state))
    if isinstance(which, str):
        if which == "all":
            return known, False
        if which in ("fixed", "random"):
            chosen = [p for p in known if (p.kind == "fixed") == (which == "fixed")]
            if not chosen:
                raise ModelError("profile: the model has no fixed effects.")
            return chosen, False
        which = [which]
    try:
        names = list(which)
    except TypeError:
        names = []
    by_name = {p.name: p for p in known}
    for name in names or [which]:
        if not isinstance(name, str) or name not in by_name:
            hint = near_matches(name, by_name) if isinstance(name, str) else ""
            raise ArgumentError(
                f"which={short_repr(name)}: use 'all', 'fixed', 'random', or names among "
                f"{listed(list(by_name))}.{hint}"
            )
    return [p for p in known if p.name in names], True


def _notes(state: FitState, reml: bool) -> list[str]:
    if reml:
        return ["Profiles of the restricted likelihood."]
    if state.estimate.reml:
        return ["Profiles of the likelihood (ML), not of the restricted likelihood of the fit."]
    return ["Profiles of the likelihood (ML)."]
