"""Statistics that compare a mixed model and a form on the same rows: pure functions of arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..support.arrays import FloatArray

CONSTANT_SPREAD = 1e-10
"""Values whose standard deviation is below this share of their size are constant."""

CANCELLING_RATIO = 2.0
"""Two parts cancel if their sums of squares exceed that of their sum by this factor."""

NOTABLE_SHARE = 0.1
"""An unexplained share of a part that is worth a note."""


class PartComparison(NamedTuple):
    """Statistics of one part of the model and its counterpart, with the weights of the model.

    Attributes
    ----------
    mean_model, mean_form : float
    sd_model, sd_form : float
        About these means.
    correlation : float
        NaN if either is constant.
    explained : float
        1 − the squares of their difference over those of the model's part, both about their
        means; NaN if that is constant.
    rms_difference : float
        Root mean squared difference, means included.
    """

    mean_model: float
    mean_form: float
    sd_model: float
    sd_form: float
    correlation: float
    explained: float
    rms_difference: float


def compare_parts(
    model: FloatArray, form: FloatArray, w: FloatArray | None = None
) -> PartComparison:
    """Compare two parts of the same rows.

    Parameters
    ----------
    model, form : ndarray (n,)
    w : ndarray (n,), optional
        Prior weights.

    Examples
    --------
    >>> same = compare_parts(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    >>> same.correlation.__round__(6), same.explained.__round__(6), same.rms_difference
    (1.0, 1.0, 1.0)
    """
    a, b = float(np.average(model, weights=w)), float(np.average(form, weights=w))
    sd_a, sd_b = (_spread(x, mean, w) for x, mean in ((model, a), (form, b)))
    gap = model - form
    correlation = explained = np.nan
    if sd_a > 0:
        explained = 1.0 - float(np.average((gap - (a - b)) ** 2, weights=w)) / sd_a**2
        if sd_b > 0:
            correlation = float(np.average((model - a) * (form - b), weights=w)) / (sd_a * sd_b)
    rms = float(np.sqrt(np.average(gap**2, weights=w)))
    return PartComparison(a, b, sd_a, sd_b, correlation, explained, rms)


def _spread(x: FloatArray, mean: float, w: FloatArray | None) -> float:
    """The standard deviation, zero for rounding."""
    spread = float(np.sqrt(np.average((x - mean) ** 2, weights=w)))
    return spread if spread > CONSTANT_SPREAD * float(np.abs(x).max()) else 0.0


def parts_cancel(first: FloatArray, second: FloatArray) -> bool:
    """Whether two parts are much larger than their sum.

    Examples
    --------
    >>> [parts_cancel(np.array([10.0]), np.array([second])) for second in (-9.0, 1.0)]
    [True, False]
    """
    whole = float(np.sum((first + second) ** 2))
    return float(np.sum(first**2) + np.sum(second**2)) > CANCELLING_RATIO * whole


def parts_exchanged(fixed: PartComparison, fitted: PartComparison) -> bool:
    """Whether model and form differ in the fixed part and agree in the sum of both parts.

    Examples
    --------
    >>> part = PartComparison(0.0, 0.0, 1.0, 1.0, 0.6, 0.3, 0.9)
    >>> parts_exchanged(part, part._replace(explained=0.99)), parts_exchanged(part, part)
    (True, False)
    """
    apart = (1.0 - fixed.explained) * fixed.sd_model**2
    left = (1.0 - fitted.explained) * fitted.sd_model**2
    return fixed.explained < 1.0 - NOTABLE_SHARE and left < NOTABLE_SHARE * apart
