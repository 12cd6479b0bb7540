"""Derivatives of the fixed part's columns in a number, by differences of fourth order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...data.design import Design
from ...errors import ArgumentError, ColumnError, DataError, listed, near_matches
from ...support.arguments import short_repr
from ...support.arrays import FloatArray
from ...support.column_table import Table
from .defined_rows import defined_columns
from .predictors import fixed_labels, fixed_predictors, is_label_column
from .step_functions import Differences, jump

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
    numbers = [n for n in names if n not in labels and not is_label_column(design.used_column(n))]
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


def slope_rows(design: Design, table: Table, name: str, what: str) -> FloatArray:
    """Derivative of each fixed-effects column in one number, at some rows, (n, k).

    Parameters
    ----------
    design : Design
    table : Table
        Rows coded as those of the fit.
    name : str
        From :func:`slope_variable`.
    what : str
        Method that the user called, for messages.

    Raises
    ------
    DataError
        The fixed part jumps next to a row, or is not defined there.

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
    at_row = defined_columns(design, table, what)
    total = np.zeros_like(at_row)
    differences = Differences(*at_row.shape)
    before, start = at_row, x
    for j in range(2 * REACH + 1):
        steps = j - REACH + shift
        end = np.where(steps != 0, x + steps * h, x)
        end = np.where(inside, np.clip(end, low, high), end)
        here = at_row
        if steps.any():
            moved = pd.Series(end, index=table.index, name=name)
            here = defined_columns(design, table.assign({name: moved}), what)
            total += weights[:, j, None] * (here - at_row)
        if j:
            differences.add(here - before, start, end)
        before, start = here, end
    where = jump(design, table, name, differences, what)
    if where is not None:
        raise DataError(
            f"{what}: the fixed part jumps at `{name}` = {where:.6g}, so it has no slope there: "
            f"compare predictions, as by average(comparison={{{name!r}: (low, high)}})."
        )
    return total / h


def _weights(shift: int) -> FloatArray:
    """Weights of f(x + (j + shift) h), j = −2 … 2, in h f'(x)."""
    points = np.arange(-REACH, REACH + 1) + shift
    powers = np.vander(points, increasing=True).T.astype(np.float64)
    wanted = np.zeros(len(points))
    wanted[1] = 1.0
    return np.asarray(np.linalg.solve(powers, wanted), dtype=np.float64)
