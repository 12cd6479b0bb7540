"""θ by grouping factor, as the engine has it, and by term of the formula, as users have it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..support.arrays import FloatArray
from .design import Design


def theta_in_formula_order(design: Design, by_group: Sequence[FloatArray]) -> FloatArray:
    """θ of each grouping factor, put together in the order of the terms."""
    parts: dict[int, FloatArray] = {}
    for group, theta in zip(design.groups, by_group, strict=True):
        for t, s in zip(group.terms, group.covariance.theta_slices(), strict=True):
            parts[t] = theta[s]
    return np.concatenate([np.empty(0), *(parts[t] for t in range(len(design.terms)))])


def theta_by_group(design: Design, theta: FloatArray) -> list[FloatArray]:
    """The inverse of :func:`theta_in_formula_order`."""
    ends = np.cumsum([0, *(t.covariance.n_theta for t in design.terms)])
    return [
        np.concatenate([theta[ends[t] : ends[t + 1]] for t in group.terms])
        for group in design.groups
    ]
