"""All kinds of residuals of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from ..support.arrays import FloatArray
from .quantities import marginal_residuals, residuals
from .state import FitState

if TYPE_CHECKING:
    from ..inference.influence.marginal_rows import MarginalRows

ResidualKind = Literal[
    "response",
    "pearson",
    "scaled",
    "normalized",
    "standardized",
    "studentized",
    "marginal",
    "marginal-standardized",
]

RESIDUAL_KINDS: tuple[str, ...] = get_args(ResidualKind)


def residuals_of_kind(
    state: FitState, kind: str, prepared: Callable[[], MarginalRows]
) -> FloatArray:
    """Residuals (n,): see :meth:`lmforms.MixedModelResults.residuals`.

    Parameters
    ----------
    state : FitState
    kind : str
    prepared : callable
        The rows as leverages have them, for the kinds that need these.
    """
    from ..inference.influence import standardized

    if kind == "standardized":
        return standardized.standardized(prepared(), state.estimate.sigma)
    if kind == "studentized":
        estimate = state.estimate
        return standardized.studentized(prepared(), estimate.sigma, estimate.problem.nu)
    if kind == "marginal-standardized":
        return standardized.marginal_standardized(prepared(), state)
    return marginal_residuals(state) if kind == "marginal" else residuals(state, kind)
