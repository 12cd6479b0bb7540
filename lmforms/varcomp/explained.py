"""Whether draws from sums of squares would lose the residuals."""

from __future__ import annotations

from ..engine.residual_variance import explained_or_raise
from ..errors import NumericalError
from .component_problem import ComponentProblem

LOST_RESIDUAL = 1e-10
"""A residual variance below this share of that of y given X has at most five correct digits where
it is a difference of sums."""


def refuse_lost_residual(problem: ComponentProblem) -> None:
    """Raise if components explain y exactly, or up to less than the rounding of sums of squares.

    Raises
    ------
    ModelError, NumericalError
    """
    found = explained_or_raise(problem.rows, problem.roots)
    share = found.sum_of_squares / (problem.n * problem.y_scale**2)
    if share < LOST_RESIDUAL and not found.any_response:
        raise NumericalError(
            f"{' and '.join(problem.model.names)} leave only {share:.0e} of what X leaves of the "
            "response: that is lost in rounding where draws are made from sums of squares. "
            "method='ai' sums up residuals."
        )
