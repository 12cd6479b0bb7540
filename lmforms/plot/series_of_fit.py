"""Series, times and places of the rows of a fit: those of its residual structure, or others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..correlation import Correlation
from ..data.frame import real_array
from ..data.group_codes import group_codes
from ..data.residual_columns import label_text, labelled_times
from ..errors import ArgumentError, DataError, listed, near_matches
from ..residual.prediction import correlations_between
from ..support.arrays import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class Model:
    """The correlation of the residuals at its estimates.

    Attributes
    ----------
    correlation : Correlation
    phi : ndarray
    points : ndarray (n, d)
    series : ndarray of int (n,)
    """

    correlation: Correlation
    phi: FloatArray
    points: FloatArray
    series: IndexArray

    def between(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Correlations of different rows at points (…, d)."""
        return correlations_between(self.correlation, self.phi, a, b)


def model_of(fit: Any) -> Model | None:
    """The correlation of the residuals of a fit; None if they are independent."""
    residual = fit.state.residual
    correlation = getattr(residual, "correlation", None)
    if correlation is None:
        return None
    phi = residual.phi[: correlation.n_parameters]
    return Model(correlation, phi, residual.points, residual.series)


def needed_model(fit: Any, what: str) -> Model:
    """The correlation of the residuals.

    Raises
    ------
    ArgumentError
        The fit has none.
    """
    found = model_of(fit)
    if found is None:
        raise ArgumentError(
            f"{what}: the residuals of this fit are uncorrelated: fit a structure first, such as "
            "residual='ar1(time | subject)'."
        )
    return found


def column_of(fit: Any, given: Any, argument: str) -> pd.Series:
    """A column of the model by its name, or values for its rows.

    Raises
    ------
    ArgumentError
        No such column.
    DataError
        Another number of values.
    """
    design = fit.state.design
    if isinstance(given, str):
        table = design.frame.rows_used(design.in_model)
        if given not in table:
            raise ArgumentError(
                f"{argument}: `{given}` is no column of the model.{near_matches(given, table)} It "
                f"has {listed(list(table))}. Of others pass the values, as in data[{given!r}]."
            )
        return table[given]
    index = design.index
    if isinstance(given, pd.Series) and not given.index.equals(index):
        if not given.index.is_unique or len(index.difference(given.index)):
            raise DataError(f"{argument}: its labels are not those of the rows of the fit.")
        given = given.reindex(index)
    values = pd.Series(np.asarray(given)) if not isinstance(given, pd.Series) else given
    if len(values) != design.n:
        raise DataError(f"{argument} has {len(values)} values; the fit uses {design.n} rows.")
    if values.isna().any():
        raise DataError(f"{argument} has missing values.")
    return pd.Series(
        values.array, index=index, name=argument if values.name is None else values.name
    )


def numbers_of(column: pd.Series, argument: str) -> FloatArray:
    """A column as numbers: labels such as ``week 4`` by theirs, others by their order."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return labelled_times(column).astype(np.float64)
    return real_array(argument, column)


def series_codes_of(fit: Any, given: Any) -> tuple[IndexArray, str]:
    """Series of the rows, and what they are called.

    Those of the argument, else of the residual structure, else the grouping factor with most
    levels, else one series.
    """
    if given is not None:
        return group_codes(column_of(fit, given, "series"))[0], "series"
    design, model = fit.state.design, model_of(fit)
    if model is not None:
        return model.series, ":".join(design.structure.spec.group)
    if not design.groups:
        return np.zeros(design.n, dtype=np.intp), ""
    group = max(design.groups, key=lambda g: len(g.labels))
    return group.codes, group.factor


def series_names(fit: Any, series: IndexArray) -> list[str]:
    """A text for each series of the residual structure, in the order of their codes."""
    design = fit.state.design
    group = design.structure.spec.group
    if not group:
        return [""]
    table = design.frame.rows_used(design.in_model)
    first = np.unique(series, return_index=True)[1]
    return [":".join(label_text(table[name].iloc[i]) for name in group) for i in first]


def place_labels(fit: Any, points: FloatArray) -> list[str]:
    """Texts of places in the structure: labels of visits, times, coordinates.

    Times are counted from the first of their series. Where no series has gaps that are not those
    between the times of the data, they are called by these, otherwise ``+0``, ``+1`` and so on.
    """
    design, structure = fit.state.design, fit.state.design.structure
    table = design.frame.rows_used(design.in_model)
    parts: list[Sequence[str]] = []
    start = 0
    for term, labels, step in zip(
        structure.spec.correlations, structure.labels, structure.steps, strict=True
    ):
        width = max(len(term.columns), 1)
        own = points[:, start : start + width]
        if not term.columns:
            parts.append([str(int(p) + 1) for p in own[:, 0]])
        elif term.facts.kind == "visit":
            parts.append([labels[int(p)] for p in own[:, 0]])
        elif term.facts.kind == "place":
            parts.append([", ".join(f"{x:.4g}" for x in p) for p in own])
        else:
            names = _times_by_point(structure.points[:, start], table[term.columns[0]], step)
            parts.append([names.get(p, f"+{p * step:g}") for p in own[:, 0].tolist()])
        start += width
    return [", ".join(texts) for texts in zip(*parts, strict=True)]


def _times_by_point(points: FloatArray, column: pd.Series, step: float) -> dict[float, str]:
    """What times counted from the first of a series are called; empty where that is ambiguous."""
    times, first = np.unique(numbers_of(column, str(column.name)), return_index=True)
    counted = np.unique(points)
    if len(times) != len(counted) or not np.allclose(times - times[0], step * counted):
        return {}
    texts = [label_text(column.iloc[int(i)]) for i in first]
    return dict(zip(counted.tolist(), texts, strict=True))
