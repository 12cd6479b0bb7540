"""θ that a user gives: an array in the order of the formula, or a fit to take it from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.design import Design
from ..data.frame import real_array
from ..data.theta_order import theta_by_group
from ..errors import ArgumentError, DataError
from ..support.arrays import FloatArray
from .estimates import CommonEstimates


def checked_theta(design: Design, start: Any, name: str = "start") -> list[FloatArray]:
    """θ by grouping factor, from an array in the order of the formula or from a fit."""
    if isinstance(start, CommonEstimates):
        start = start.theta
    try:
        theta = real_array(name, start)
    except DataError as error:
        raise ArgumentError(f"{error} Give an array of θ or a fitted model.") from None
    wanted = sum(g.covariance.n_theta for g in design.groups)
    if theta.shape != (wanted,):
        raise ArgumentError(
            f"{name} has shape {theta.shape}; this model has {wanted} parameters θ."
        )
    if not np.isfinite(theta).all():
        raise ArgumentError(f"{name} has missing or infinite values: {theta}.")
    return theta_by_group(design, theta)
