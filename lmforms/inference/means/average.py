"""Predictions, slopes and comparisons averaged over rows of data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ...data.coded_as_fitted import check_row_by_row
from ...data.design import Design
from ...results.state import FitState
from ...support.arrays import BoolArray, FloatArray, IndexArray
from ...support.column_table import Table
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.f_statistic import t_p_values, t_quantiles
from ..degrees_of_freedom.methods import df_method
from .adjustment_names import limits_note, p_value_note
from .averaged_rows import AveragedRows
from .comparisons import Comparison
from .defined_rows import defined_columns
from .estimability import row_space
from .estimates import Estimates, estimates, flat_notes, zero_notes
from .grid import ENTRIES_AT_A_TIME
from .predictors import Predictor
from .rounding import rounding_of_means, rounding_of_slopes, without_rounding
from .slopes import data_range, slope_rows

RowFunctions = Callable[[Table], tuple[FloatArray, FloatArray]]
"""Linear functions (n, k) of the rows of a table, and the sizes of their parts (n, k)."""


@dataclass(frozen=True, eq=False)
class _Quantity:
    """What is averaged: its labels in the table, linear functions of rows, and number (slopes)."""

    labels: dict[str, str]
    functions: RowFunctions
    slope_of: str | None = None


def average_table(
    state: FitState,
    rows: AveragedRows,
    at: Sequence[Predictor],
    slopes: Sequence[str],
    comparisons: Sequence[Comparison],
    *,
    ddf: str,
    information: str | None,
    level: float,
    what: str,
) -> ResultTable:
    """Averages over rows, for each group of them and each combination of given values.

    Parameters
    ----------
    state : FitState
    rows : AveragedRows
    at : sequence of Predictor
        Values that all rows get, one combination after the other.
    slopes : sequence of str
        Numbers whose slopes are averaged; without these and `comparisons` it is predictions.
    comparisons : sequence of Comparison
    ddf, information
        See :func:`lmforms.inference.degrees_of_freedom.methods.df_method`.
    level : float
    what : str
        Method that the user called, for messages.
    """
    design = state.design
    check_row_by_row(design, [], what)
    method, space = df_method(state, ddf, information), row_space(design)
    quantities = _quantities(design, slopes, comparisons, what)
    predicting = not slopes and not comparisons
    parts: list[pd.DataFrame] = []
    functions, offsets = [], []
    for quantity in quantities:
        for given in given_values(at):
            functions.append(_averaged(design, rows, given, quantity))
            offsets.append(rows.mean_offset() if predicting else np.zeros(rows.n_groups))
            parts.append(label_columns(rows, given, quantity.labels))
    beta = state.estimate.beta
    found = estimates(beta, method, space, np.vstack(functions), np.concatenate(offsets))
    notes = [*method.notes, rows.note()]
    if design.terms and predicting:
        notes.append("Random effects are zero.")
    return finished_table(parts, found, slopes, comparisons, level, notes)


def given_values(at: Sequence[Predictor]) -> Iterator[dict[str, pd.Series]]:
    """Each combination of the values that all rows get."""
    for values in product(*(range(len(p.chosen)) for p in at)):
        yield {p.name: p.values.iloc[[v]] for p, v in zip(at, values, strict=True)}


def label_columns(
    rows: AveragedRows, given: Mapping[str, pd.Series], labels: Mapping[str, str]
) -> pd.DataFrame:
    """What is averaged, groups of rows, and values given: a row for each group."""
    part = rows.groups.copy()
    for name, value in given.items():
        part[name] = value.iloc[np.zeros(len(part), dtype=np.intp)].to_numpy()
        part[name] = part[name].astype(value.dtype)
    for place, (name, text) in enumerate(labels.items()):
        part.insert(place, name, text)
    return part


def finished_table(
    parts: Sequence[pd.DataFrame],
    found: Estimates,
    slopes: Sequence[str],
    comparisons: Sequence[Comparison],
    level: float,
    notes: Sequence[str],
) -> ResultTable:
    """The table of averages, with what is to be said of those that there are not."""
    predicting = not slopes and not comparisons
    columns = _columns(found, level, tests=not predicting)
    table = pd.concat(parts, ignore_index=True).assign(**columns)
    kind = "predictions" if predicting else "slopes" if slopes else "comparisons"
    notes = list(notes)
    lost = int((~found.estimable).sum())
    if lost:
        notes.append(f"{lost} of {len(found.estimable)} averages are not estimable: NaN.")
    if not predicting:
        notes += zero_notes(found.zero, "averages", adjusted=False)
        if slopes:
            notes += flat_notes(found.zero, slopes)
        notes.append(p_value_note("none", by_groups=False, error=0.0))
    notes.append(limits_note(level, "none"))
    return ResultTable(table, title=f"Average {kind}", notes=notes)


def _quantities(
    design: Design, slopes: Sequence[str], comparisons: Sequence[Comparison], what: str
) -> Iterator[_Quantity]:
    if not slopes and not comparisons:
        yield _Quantity({}, partial(_predictions, design, what))
    for name in slopes:
        yield _Quantity({"term": name}, partial(_slopes, design, name, what), name)
    for c in comparisons:
        labels = {"term": c.name, "contrast": c.label}
        yield _Quantity(labels, partial(_differences, design, c, what))


def _predictions(design: Design, what: str, table: Table) -> tuple[FloatArray, FloatArray]:
    rows = defined_columns(design, table, what)
    return rows, np.abs(rows)


def _slopes(design: Design, name: str, what: str, table: Table) -> tuple[FloatArray, FloatArray]:
    rows = slope_rows(design, table, name, what)
    return rows, np.abs(rows)


def _differences(
    design: Design, c: Comparison, what: str, table: Table
) -> tuple[FloatArray, FloatArray]:
    high = defined_columns(design, c.with_high(table), what)
    low = defined_columns(design, c.with_low(table), what)
    return high - low, np.abs(high) + np.abs(low)


def _averaged(
    design: Design, rows: AveragedRows, given: dict[str, pd.Series], quantity: _Quantity
) -> FloatArray:
    """Mean of linear functions over the rows of each group, (groups, k)."""
    k = design.fixed.values.shape[1]
    total, sizes = np.zeros((2, rows.n_groups, k))
    for chosen, table in blocks_of_rows(rows, given, k):
        values, parts = quantity.functions(table)
        total += sums(rows.codes[chosen], rows.n_groups, values)
        sizes += sums(rows.codes[chosen], rows.n_groups, parts)
    mean, size, name = total / rows.counts[:, None], sizes / rows.counts[:, None], quantity.slope_of
    if name is None:
        return without_rounding(mean, rounding_of_means(design, size))
    return without_rounding(mean, rounding_of_slopes(design, size, data_range(design, name)))


def blocks_of_rows(
    rows: AveragedRows, given: Mapping[str, pd.Series], k: int
) -> Iterator[tuple[BoolArray, Table]]:
    """The rows with given values, some at a time, as their columns of X (k) take memory."""
    n, size = rows.table.n, max(1, ENTRIES_AT_A_TIME // max(1, k))
    for start in range(0, n, size):
        chosen = np.zeros(n, dtype=bool)
        chosen[start : start + size] = True
        table = rows.table.rows(chosen)
        yield chosen, table.assign({name: _repeated(v, table) for name, v in given.items()})


def _repeated(value: pd.Series, table: Table) -> pd.Series:
    """One value as a column of a table."""
    column = value.iloc[np.zeros(table.n, dtype=np.intp)]
    return column.set_axis(table.index)


def sums(codes: IndexArray, groups: int, values: FloatArray) -> FloatArray:
    """Sums of rows of values (n, k) in each group, (groups, k)."""
    where = np.arange(len(codes))
    chosen = sp.csr_array((np.ones(len(codes)), (codes, where)), shape=(groups, len(codes)))
    return np.asarray(chosen @ values)


def _columns(found: Estimates, level: float, *, tests: bool) -> dict[str, FloatArray]:
    half = t_quantiles(found.df, level) * found.std_error
    out = {"estimate": found.estimate, "std_error": found.std_error, "df": found.df}
    if tests:
        out |= {
            "statistic": found.statistic,
            "p_value": t_p_values(found.statistic, found.df),
        }
    return out | {"lower": found.estimate - half, "upper": found.estimate + half}
