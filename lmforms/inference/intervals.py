"""Confidence intervals by method: one function for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError
from ..results.state import FitState
from ..tables.result_table import ResultTable
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
    n, seed
        Number of replicates and random numbers, for bootstraps only.
    """

    level: float
    which: str
    ddf: str | None = None
    information: str | None = None
    n: int | None = None
    seed: Any = None

    def refuse(self, *names: str) -> None:
        """Refuse options of another method."""
        given = [name for name in names if getattr(self, name) is not None]
        if given:
            raise ArgumentError(f"conf_int: {given[0]}= is for method={OWNERS[given[0]]!r}.")


OWNERS = {"ddf": "wald", "information": "wald", "n": "bootstrap", "seed": "bootstrap"}
"""The method that each option is for."""

REPLICATES = 1000
"""Of a bootstrap unless another number is asked for."""


def _wald(state: FitState, options: IntervalOptions) -> ResultTable:
    options.refuse("n", "seed")
    usual = "satterthwaite" if state.family is None else "none"
    ddf = usual if options.ddf is None else options.ddf
    intervals = coefficient_intervals if options.which == "fixed" else all_wald_intervals
    return intervals(state, options.level, ddf, options.information)


def _profile(state: FitState, options: IntervalOptions) -> ResultTable:
    from scipy.special import ndtri

    from .profile.profiles_of_fit import LEAST_LIMIT, profile_of

    options.refuse("ddf", "information", "n", "seed")
    z = float(ndtri(0.5 + 0.5 * options.level))
    profile = profile_of(state, options.which, max(z, LEAST_LIMIT))
    return profile.conf_int(options.level)


def _bootstrap(state: FitState, options: IntervalOptions) -> ResultTable:
    from .bootstrap.run import bootstrap_intervals

    options.refuse("ddf", "information")
    n = REPLICATES if options.n is None else options.n
    return bootstrap_intervals(state, options.level, options.which, n, options.seed)


INTERVALS: dict[str, Callable[[FitState, IntervalOptions], ResultTable]] = {
    "wald": _wald,
    "profile": _profile,
    "bootstrap": _bootstrap,
}
"""Intervals by the name of the method."""
