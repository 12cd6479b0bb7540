"""Confidence intervals by method: one function for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ArgumentError
from ..results.result_table import ResultTable
from ..results.state import FitState
from .coefficients import coefficient_intervals
from .wald_intervals import all_wald_intervals


@dataclass(frozen=True)
class IntervalOptions:
    """What is asked for.

    Attributes
    ----------
    level : float
    which : {"fixed", "all"}
    ddf, information : str or None
        Degrees of freedom, for Wald intervals only.
    """

    level: float
    which: str
    ddf: str | None = None
    information: str | None = None


def _wald(state: FitState, options: IntervalOptions) -> ResultTable:
    ddf = "satterthwaite" if options.ddf is None else options.ddf
    intervals = coefficient_intervals if options.which == "fixed" else all_wald_intervals
    return intervals(state, options.level, ddf, options.information)


def _profile(state: FitState, options: IntervalOptions) -> ResultTable:
    from scipy.special import ndtri

    from .profile.profiles_of_fit import LEAST_LIMIT, profile_of

    if options.ddf is not None or options.information is not None:
        raise ArgumentError(
            "ddf= and information= are for method='wald': the profile has no degrees of freedom."
        )
    z = float(ndtri(0.5 + 0.5 * options.level))
    profile = profile_of(state, options.which, max(z, LEAST_LIMIT))
    return profile.conf_int(options.level)


INTERVALS: dict[str, Callable[[FitState, IntervalOptions], ResultTable]] = {
    "wald": _wald,
    "profile": _profile,
}
"""Intervals by the name of the method."""
