"""Whether the components of a model explain every row, by the definition of the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..engine import exact_fit
from ..errors import ModelError, NumericalError

if TYPE_CHECKING:
    from .model import ComponentModel

LOST_RESIDUAL = 1e-10
"""A residual variance below this share of that of y given X has at most five correct digits: it is
a difference of sums."""


def must_check_rows(model: ComponentModel, left: float) -> bool:
    """Whether whitened residuals of this root mean square have to be checked row by row."""
    size = max(model.response_size, float(np.abs(model.y).max(initial=0.0)))
    return left <= exact_fit.CHECKED_RATIO * exact_fit.resolution(size, model.root_weights)


def explained_rows(model: ComponentModel) -> exact_fit.Explained:
    """Whether the residuals from X, or from X and the components, are rounding errors."""
    import scipy.sparse as sp

    root = model.root_weights
    rows = sp.diags(root)
    effects = [exact_fit.Effects(sp.csr_matrix(rows @ c.Z), c.root) for c in model.components]
    return exact_fit.explained_by(model.y, model.X, effects, root, model.response_size)


def refuse_explained_by_fixed(model: ComponentModel) -> None:
    """Raise if the residuals from X are rounding errors.

    Raises
    ------
    ModelError
    """
    if explained_rows(replace(model, components=())).by_fixed:
        raise ModelError(
            "the columns of X explain the response exactly: no residual variance is left to "
            "split. Is the response computed from the predictors?"
        )


def refuse_lost_residual(model: ComponentModel, scale: float) -> None:
    """Raise if components explain y exactly, or up to less than the rounding of sums of squares.

    `scale` is the standard deviation of the residuals from X.

    Raises
    ------
    ModelError, NumericalError
    """
    found = explained_rows(model)
    if found.by_all:
        raise ModelError(no_residual(model))
    share = found.sum_of_squares / (model.n * scale**2)
    if share < LOST_RESIDUAL and not found.any_response:
        known = any(c.root is not None or c.precision is not None for c in model.components)
        raise NumericalError(
            f"{' and '.join(model.names)} leave only {share:.0e} of what X leaves of the "
            "response: that is lost in rounding where variance components are estimated from "
            "sums of squares." + ("" if known else " Use method='auto', which sums up residuals.")
        )


def no_residual(model: ComponentModel) -> str:
    """The message for components that explain every row."""
    return (
        f"{' and '.join(model.names)} explain every row and no residual variance is left. "
        "Records repeated within levels, or a covariance of lower rank, would tell the two "
        "apart."
    )
