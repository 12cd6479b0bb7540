"""Derivatives of the fixed part's columns in a number, by differences of fourth order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...data.coded_as_fitted import as_used
from ...data.design import Design
from ...data.fixed_rows import fixed_columns
from ...errors import ArgumentError, ColumnError, DataError, listed, near_matches
from ...support.arguments import short_repr
from ...support.arrays import FloatArray
from ...support.column_table import Table
from .predictors import fixed_labels, fixed_predictors, is_label_column

STEP = 1e-3
"""Step of the differences as a share of the range of the data. Of smooth functions the truncation
is a share of about 1e-12 then, as is the rounding."""

REACH = 2
"""Steps to either side; next to an end of the data's range the five points are shifted inwards, as
splines have no values beyond."""


def slope_variable(design: Design, name: object, argument: str, what: str) -> str:
    """A number of the fixed part.

    Raises
    ------
    ArgumentError
        Not a name, or the name of a factor.
    ColumnError
        No predictor of the fixed part.
    DataError
        It does not vary.
    """
    names = fixed_predictors(design)
    labels = fixed_labels(design)
    numbers = [n for n in names if n not in labels and not is_label_column(as_used(design, n))]
    known = f" Numbers: {listed(numbers)}." if numbers else " It has no numbers."
    if not isinstance(name, str):
        raise ArgumentError(f"{what}: {argument}={short_repr(name)}: a name is needed.{known}")
    if name not in names:
        raise ColumnError(
            f"{what}: {argument} is `{name}`, which is not a predictor of the fixed part."
            f"{near_matches(name, numbers)}{known}"
        )
    if name not in numbers:
        raise ArgumentError(f"{what}: `{name}` is a factor and has no slope.{known}")
    low, high = data_range(design, name)
    if low == high:
        raise DataError(f"{what}: `{name}` does not vary in the data, so it has no slope.")
    return name


def data_range(design: Design, name: str) -> tuple[float, float]:
    """Least and largest value of a column in the rows of the fit."""
    values = design.frame.table[name].to_numpy(dtype=np.float64)[design.in_model]
    return float(values.min()), float(values.max())


def slope_rows(design: Design, table: Table, name: str) -> FloatArray:
    """Derivative of each fixed-effects column in one number, at some rows, (n, k).

    Parameters
    ----------
    design : Design
    table : Table
        Rows coded as those of the fit.
    name : str
        From :func:`slope_variable`.

    Notes
    -----
    Five points a step h apart, whose differences are exact for polynomials of degree 4.
    """
    low, high = data_range(design, name)
    h = STEP * (high - low)
    x = table[name].to_numpy(dtype=np.float64)
    inside = (x >= low) & (x <= high)
    left = np.where(inside, np.clip(np.floor((x - low) / h + 1e-6), 0, REACH), REACH)
    right = np.where(inside, np.clip(np.floor((high - x) / h + 1e-6), 0, REACH), REACH)
    shift = np.where(left < REACH, REACH - left, right - REACH).astype(np.intp)
    weights = np.stack([_weights(s) for s in range(-REACH, REACH + 1)])[shift + REACH]
    at_row = fixed_columns(design, table)
    total = np.zeros_like(at_row)
    for j in range(2 * REACH + 1):
        steps = j - REACH + shift
        if not weights[:, j].any() or not steps.any():
            continue
        moved = pd.Series(np.where(steps != 0, x + steps * h, x), index=table.index, name=name)
        if inside.any():
            moved = moved.where(~inside, moved.clip(low, high))
        difference = fixed_columns(design, table.assign({name: moved})) - at_row
        total += weights[:, j, None] * difference
    return total / h


def _weights(shift: int) -> FloatArray:
    """Weights of f(x + (j + shift) h), j = −2 … 2, in h f'(x)."""
    points = np.arange(-REACH, REACH + 1) + shift
    powers = np.vander(points, increasing=True).T.astype(np.float64)
    wanted = np.zeros(len(points))
    wanted[1] = 1.0
    return np.asarray(np.linalg.solve(powers, wanted), dtype=np.float64)
