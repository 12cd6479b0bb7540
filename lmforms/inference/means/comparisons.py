"""Comparisons of predictions at two values of a predictor, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...data.design import Design
from ...errors import ArgumentError, near_matches
from ...support.arguments import number, short_repr
from ...support.column_table import Table
from .predictors import (
    Predictor,
    chosen_names,
    fixed_labels,
    fixed_predictors,
    given_predictors,
    is_label_column,
)

WAYS = ("reference", "pairwise", "sequential")
"""Comparisons of the levels of a factor: with the first, all pairs, neighbours."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two values of a predictor, or a step from the value of each row.

    Attributes
    ----------
    name, label : str
    low, high : Series (1,), or None
        Values that all rows get.
    step : float
        What is added to the values of the rows where there are no such values.
    """

    name: str
    label: str
    low: pd.Series | None = None
    high: pd.Series | None = None
    step: float = 0.0

    def with_low(self, table: Table) -> Table:
        """The rows at the lower value."""
        return table if self.low is None else self._at(table, self.low)

    def with_high(self, table: Table) -> Table:
        """The rows at the higher value."""
        if self.high is not None:
            return self._at(table, self.high)
        return table.assign({self.name: table[self.name].astype(np.float64) + self.step})

    def _at(self, table: Table, value: pd.Series) -> Table:
        column = value.iloc[np.zeros(table.n, dtype=np.intp)].set_axis(table.index)
        return table.assign({self.name: column})


def read_comparisons(design: Design, comparison: Any, what: str) -> list[Comparison]:
    """Comparisons as the user gives them.

    Parameters
    ----------
    design : Design
    comparison : str, sequence of str, or mapping
        Names of predictors; or with what to compare: two values (low, high); for a number what
        is added to it, for a factor one of :data:`WAYS`. By default 1 and ``"reference"``.
    what : str
        Method that the user called, for messages.

    Raises
    ------
    ArgumentError, ColumnError, DataError
    """
    names = fixed_predictors(design)
    ways = dict(comparison) if isinstance(comparison, Mapping) else {}
    chosen = chosen_names("comparison", ways or comparison, names, what)
    out: list[Comparison] = []
    for name in chosen:
        column = design.used_column(name)
        is_factor = name in fixed_labels(design) or is_label_column(column)
        way = ways.get(name)
        if isinstance(way, (tuple, list, np.ndarray)):
            out.append(_between(design, name, list(way), what))
        elif is_factor:
            out += _of_levels(design, name, "reference" if way is None else way, what)
        else:
            step = number(f"{what}: comparison[{name!r}]", 1.0 if way is None else way)
            out.append(Comparison(name, f"{step:+g}", step=step))
    return out


def _between(design: Design, name: str, values: Sequence[Any], what: str) -> Comparison:
    if len(values) != 2:
        raise ArgumentError(
            f"{what}: comparison[{name!r}]={short_repr(values)}: two values, (low, high), are "
            "needed."
        )
    (predictor,) = given_predictors(design, {name: values}, f"{what}: comparison")
    return _pair(predictor, 1, 0)


def _of_levels(design: Design, name: str, way: Any, what: str) -> list[Comparison]:
    if not isinstance(way, str) or way not in WAYS:
        hint = near_matches(way, WAYS) if isinstance(way, str) else ""
        raise ArgumentError(
            f"{what}: comparison[{name!r}]={short_repr(way)}: `{name}` is a factor: use two "
            f"levels, (low, high), or one of {', '.join(map(repr, WAYS))}.{hint}"
        )
    column = design.used_column(name)
    levels = (
        list(column.cat.categories)
        if isinstance(column.dtype, pd.CategoricalDtype)
        else np.unique(column[design.in_model] if len(column) != design.n else column).tolist()
    )
    (predictor,) = given_predictors(design, {name: levels}, what)
    m = len(levels)
    pairs = {
        "reference": [(j, 0) for j in range(1, m)],
        "sequential": [(j + 1, j) for j in range(m - 1)],
        "pairwise": [(j, i) for i in range(m) for j in range(i + 1, m)],
    }[way]
    return [_pair(predictor, high, low) for high, low in pairs]


def _pair(predictor: Predictor, high: int, low: int) -> Comparison:
    values = predictor.values
    texts = predictor.texts
    return Comparison(
        predictor.name,
        f"{texts[high]} - {texts[low]}",
        low=values.iloc[[low]],
        high=values.iloc[[high]],
    )
