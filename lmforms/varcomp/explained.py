"""Whether the components of a model explain every row, by the definition of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine import exact_fit
from ..errors import ModelError, NumericalError

if TYPE_CHECKING:
    from .component_problem import ComponentProblem

LOST_RESIDUAL = 1e-10
"""A residual variance below this share of that of y given X has at most five correct digits where
it is a difference of sums."""


def must_check_rows(problem: ComponentProblem, left: float) -> bool:
    """Whether residuals of this mean square, in the engine's units, are to be checked by rows."""
    pilot = problem.cp.scaling.pilot
    size = pilot.y_scale * max(left, 0.0) ** 0.5
    return bool(size <= exact_fit.CHECKED_RATIO * pilot.resolution)


def explained_rows(problem: ComponentProblem) -> exact_fit.Explained:
    """Whether the residuals from X, or from X and the components, are rounding errors."""
    return exact_fit.explained(problem.rows, [prior.root for prior in problem.priors])


def refuse_explained_by_fixed(problem: ComponentProblem) -> None:
    """Raise if the residuals from X are rounding errors.

    Raises
    ------
    ModelError
    """
    if explained_rows(problem).by_fixed:
        raise ModelError(
            "the columns of X explain the response exactly: no residual variance is left to "
            "split. Is the response computed from the predictors?"
        )


def refuse_explained(problem: ComponentProblem) -> exact_fit.Explained:
    """Raise if the components explain y exactly.

    Raises
    ------
    ModelError
    """
    found = explained_rows(problem)
    if found.by_all:
        raise ModelError(no_residual(problem))
    return found


def refuse_lost_residual(problem: ComponentProblem) -> None:
    """Raise if components explain y exactly, or up to less than the rounding of sums of squares.

    Raises
    ------
    ModelError, NumericalError
    """
    found = refuse_explained(problem)
    share = found.sum_of_squares / (problem.n * problem.y_scale**2)
    if share < LOST_RESIDUAL and not found.any_response:
        raise NumericalError(
            f"{' and '.join(problem.model.names)} leave only {share:.0e} of what X leaves of the "
            "response: that is lost in rounding where draws are made from sums of squares. "
            "method='ai' sums up residuals."
        )


def no_residual(problem: ComponentProblem) -> str:
    """The message for components that explain every row."""
    return (
        f"{' and '.join(problem.model.names)} explain every row and no residual variance is left. "
        "Records repeated within levels, or a covariance of lower rank, would tell the two "
        "apart."
    )
