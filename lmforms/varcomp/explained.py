"""Whether components explain every row: the common definition, for a model of components."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..engine import exact_fit
from ..errors import ModelError, NumericalError

if TYPE_CHECKING:
    from .model import ComponentModel

LOST_RESIDUAL = 1e-10
"""A residual variance below this share of what X leaves is a difference of sums with five digits
or fewer."""


def doubtful(model: ComponentModel, left: float) -> bool:
    """Whether residuals of this root mean square, whitened, are to be looked at row by row."""
    size = max(model.size, float(np.abs(model.y).max(initial=0.0)))
    return left <= exact_fit.DOUBTFUL * exact_fit.resolution(size, model.root_weights)


def explained_rows(model: ComponentModel) -> exact_fit.Explained:
    """Whether X, or X and the components, leave nothing of y but rounding."""
    import scipy.sparse as sp

    root = model.root_weights
    rows = sp.diags(root)
    effects = [exact_fit.Effects(sp.csr_matrix(rows @ c.Z), c.root) for c in model.components]
    return exact_fit.explained_by(model.y, model.X, effects, root, model.size)


def refuse_explained_by_fixed(model: ComponentModel) -> None:
    """Raise if X leaves nothing of y but rounding.

    Raises
    ------
    ModelError
    """
    if explained_rows(replace(model, components=())).by_fixed:
        raise ModelError(
            "the columns of X explain the response exactly: no residual variance is left to "
            "split. Is the response computed from the predictors?"
        )


def refuse_lost(model: ComponentModel, scale: float) -> None:
    """Raise if components leave nothing of y, or too little for sums of squares to show.

    `scale` is the spread of what X leaves of y.

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
