r"""Averages over rows on the scale of the response, of a generalised model.

With h the inverse link, :math:`η_i = x_i'β + o_i` and d the derivative of x in a number, the rows'

- predictions are :math:`h(η_i)`, with the gradient :math:`h'(η_i) x_i` in β,
- slopes are :math:`h'(η_i) d_i'β`, with :math:`h''(η_i) (d_i'β) x_i + h'(η_i) d_i`,
- comparisons are differences of predictions,

and standard errors are those of the averages by the delta method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ...data.coded_as_fitted import check_row_by_row
from ...errors import ModelError
from ...results.state import FitState
from ...support.arrays import BoolArray, FloatArray
from ...support.column_table import Table
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.methods import df_method
from ..generalized import changes_mean, generalized_estimate
from .average import blocks_of_rows, finished_table, given_values, label_columns, sums
from .averaged_rows import AveragedRows
from .comparisons import Comparison
from .defined_rows import defined_columns
from .estimability import RowSpace, row_space
from .estimates import Estimates, degrees_of_freedom
from .link_scale import link_scale, scale_notes
from .predictors import Predictor, offset_names
from .response_scale import ResponseScale
from .rounding import rounding_of_slopes, without_rounding
from .slopes import data_range, slope_rows


@dataclass(frozen=True, eq=False)
class _Rows:
    """Values of rows (n,), their gradients in all coefficients (n, k), and whether they exist."""

    values: FloatArray
    gradients: FloatArray
    estimable: BoolArray


@dataclass(frozen=True, eq=False)
class _Mean:
    """The mean as a function of rows."""

    state: FitState
    scale: ResponseScale
    space: RowSpace
    what: str

    def columns(self, table: Table) -> FloatArray:
        return defined_columns(self.state.design, table, self.what)

    def linear(self, X: FloatArray) -> FloatArray:
        return np.asarray(X[:, self.space.kept] @ self.state.estimate.beta)

    def predictions(self, table: Table, offset: FloatArray) -> _Rows:
        X = self.columns(table)
        h, first, _, _ = self.scale.inverse(self.linear(X) + offset)
        return _Rows(h, first[:, None] * X, self.space.contains(X))

    def slopes(self, name: str, table: Table, offset: FloatArray) -> _Rows:
        design = self.state.design
        X, D = self.columns(table), slope_rows(design, table, name, self.what)
        D = without_rounding(D, rounding_of_slopes(design, np.abs(D), data_range(design, name)))
        _, first, second, _ = self.scale.inverse(self.linear(X) + offset)
        slope = self.linear(D)
        gradients = (second * slope)[:, None] * X + first[:, None] * D
        return _Rows(first * slope, gradients, self.space.contains(X) & self.space.contains(D))

    def differences(self, c: Comparison, table: Table, offset: FloatArray) -> _Rows:
        high = self.predictions(c.with_high(table), offset)
        low = self.predictions(c.with_low(table), offset)
        return _Rows(
            high.values - low.values,
            high.gradients - low.gradients,
            high.estimable & low.estimable,
        )


Quantity = tuple[dict[str, str], Callable[[Table, FloatArray], _Rows]]
"""Labels of what is averaged in the table, and its values in rows."""


def average_response_table(
    state: FitState,
    rows: AveragedRows,
    at: Sequence[Predictor],
    slopes: Sequence[str],
    comparisons: Sequence[Comparison],
    *,
    level: float,
    what: str,
) -> ResultTable:
    """Averages over rows, for each group of them and each combination of given values.

    Parameters
    ----------
    state : FitState
        Of a generalised model.
    rows, at, slopes, comparisons, level, what
        As of :func:`lmforms.inference.means.average.average_table`; the rows with their offset.

    Raises
    ------
    ModelError
        Expected responses are other functions of the coefficients, or the offset would change.
    """
    design, family = state.design, generalized_estimate(state).family
    if changes_mean(family):
        raise ModelError(
            f"{what}: expected responses of the {family.name} family depend on its zeros, too: "
            "kind='link' averages linear predictors, and predict() gives expected responses."
        )
    changed = [*(p.name for p in at), *slopes, *(c.name for c in comparisons)]
    offsets = {*offset_names(design), design.formula_data.offset_column}
    moving = [name for name in changed if name in offsets]
    if moving:
        raise ModelError(
            f"{what}: `{moving[0]}` is in an offset of the model, which would change with it: "
            "average what predict() gives for changed data."
        )
    check_row_by_row(design, [], what)
    method, space = df_method(state, "none"), row_space(design)
    mean = _Mean(state, link_scale(state), space, what)
    parts: list[pd.DataFrame] = []
    averages, gradients, estimable = [], [], []
    for labels, values in _quantities(mean, slopes, comparisons):
        for given in given_values(at):
            found = _averaged(rows, given, values, design.fixed.values.shape[1])
            averages.append(found.values)
            gradients.append(found.gradients)
            estimable.append(found.estimable)
            parts.append(label_columns(rows, given, labels))
    L, known = np.vstack(gradients)[:, space.kept], np.concatenate(estimable)
    average = np.concatenate(averages)
    exists = known & np.isfinite(average)
    variance = np.einsum("ij,ij->i", L @ method.covariance, L)
    df = np.full(len(L), np.nan)
    df[exists] = degrees_of_freedom(method, L[exists])
    result = Estimates(
        functions=L,
        covariance=method.covariance,
        estimable=known,
        estimate=np.where(exists, average, np.nan),
        std_error=np.where(exists, np.sqrt(np.maximum(variance, 0.0)), np.nan),
        df=df,
    )
    notes = [*method.notes, rows.note()]
    notes.append("On the scale of the response; standard errors by the delta method.")
    notes += scale_notes(state)
    outside = int((known & ~exists).sum())
    if outside:
        notes.append(f"{outside} averages have rows without a mean under {mean.scale.label}: NaN.")
    return finished_table(parts, result, slopes, comparisons, level, notes)


def _quantities(
    mean: _Mean, slopes: Sequence[str], comparisons: Sequence[Comparison]
) -> Iterator[Quantity]:
    if not slopes and not comparisons:
        yield {}, mean.predictions
    for name in slopes:
        yield {"term": name}, partial(mean.slopes, name)
    for c in comparisons:
        yield {"term": c.name, "contrast": c.label}, partial(mean.differences, c)


def _averaged(
    rows: AveragedRows,
    given: dict[str, pd.Series],
    values: Callable[[Table, FloatArray], _Rows],
    k: int,
) -> _Rows:
    """Means of rows in each group."""
    offset = rows.offset
    assert offset is not None
    total, gradient = np.zeros((rows.n_groups, 1)), np.zeros((rows.n_groups, k))
    unknown = np.zeros((rows.n_groups, 1))
    for chosen, table in blocks_of_rows(rows, given, k):
        found, codes = values(table, offset[chosen]), rows.codes[chosen]
        total += sums(codes, rows.n_groups, found.values[:, None])
        gradient += sums(codes, rows.n_groups, found.gradients)
        unknown += sums(codes, rows.n_groups, (~found.estimable).astype(np.float64)[:, None])
    count = rows.counts
    return _Rows(total[:, 0] / count, gradient / count[:, None], unknown[:, 0] == 0.0)
