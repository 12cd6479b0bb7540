"""The reference grid: combinations of levels and values at which a model is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...data.coded_as_fitted import check_row_by_row
from ...data.design import Design
from ...errors import DataError, ModelError
from ...support.arrays import FloatArray, IndexArray
from ...support.column_table import Table
from .nesting import Nests, nested_factors, nesting_notes, occurring, term_columns
from .predictors import Predictor, grid_predictors

MAX_CELLS = 1_000_000
"""Cells of a grid; their codes take some 100 MB."""

ENTRIES_AT_A_TIME = 2_000_000
"""Entries of the design of the cells that are evaluated at once."""


@dataclass(frozen=True, eq=False)
class ReferenceGrid:
    """Combinations of the values of all predictors of the fixed part.

    Attributes
    ----------
    design : Design
    predictors : tuple of Predictor
    nests : mapping of str to tuple of str
        Nested factors; combinations that do not occur are not in the grid.
    codes : ndarray of int (cells, predictors)
        Places among the chosen values of each predictor.
    counts : ndarray (cells,)
        Rows of the fit with the cell's levels. Numbers do not count, so that cells which
        differ in them only have the same counts.
    what : str
        Method that the user called, for messages.
    """

    design: Design
    predictors: tuple[Predictor, ...]
    nests: Nests
    codes: IndexArray
    counts: FloatArray
    what: str

    @property
    def names(self) -> list[str]:
        """Names of the predictors."""
        return [p.name for p in self.predictors]

    def predictor(self, name: str) -> Predictor:
        """The predictor of a name."""
        return self.predictors[self.names.index(name)]

    def table(self, codes: IndexArray) -> Table:
        """Cells as rows of data, in the types that the columns have in the fit."""
        index = pd.RangeIndex(len(codes))
        columns = {
            p.name: p.values.iloc[codes[:, j]].reset_index(drop=True)
            for j, p in enumerate(self.predictors)
        }
        return Table(columns, index)

    @property
    def cells_at_a_time(self) -> int:
        """Cells whose design is evaluated at once."""
        return max(1, ENTRIES_AT_A_TIME // max(1, self.design.fixed.values.shape[1]))


def reference_grid(design: Design, at: Any, what: str) -> ReferenceGrid:
    """The reference grid of a fit.

    Parameters
    ----------
    design : Design
    at : mapping of str to values, or None
    what : str
        Method that the user called, for messages.

    Raises
    ------
    ModelError
        The grid is too large.
    DataError
        An expression of the formula would be another function on other rows.
    """
    predictors = grid_predictors(design, at, what)
    check_row_by_row(design, [], what)
    nests = nested_factors(predictors, term_columns(design))
    return grid_of(design, predictors, nests, what)


def grid_of(
    design: Design, predictors: Sequence[Predictor], nests: Nests, what: str
) -> ReferenceGrid:
    """The grid of given predictors."""
    sizes = [len(p.chosen) for p in predictors]
    cells = int(np.prod(sizes, dtype=np.float64)) if sizes else 1
    if cells > MAX_CELLS:
        largest = max(predictors, key=lambda p: len(p.chosen)).name
        # average has no joint tests
        other = ", or average over the rows of the data by average(by=...)"
        raise ModelError(
            f"{what}: the reference grid has {cells:,} cells, more than {MAX_CELLS:,}: choose "
            f"some levels, as by at={{{largest!r}: [...]}}{'' if what == 'joint_tests' else other}."
        )
    codes = np.indices(sizes, dtype=np.intp).reshape(len(sizes), cells).T
    codes = codes[_occurring_cells(predictors, nests, codes)]
    if not len(codes):
        raise DataError(
            f"{what}: no combination of the levels in `at` occurs: {' '.join(nesting_notes(nests))}"
        )
    return ReferenceGrid(design, tuple(predictors), nests, codes, _counts(predictors, codes), what)


def _occurring_cells(predictors: Sequence[Predictor], nests: Nests, codes: IndexArray) -> Any:
    """Cells whose nested factors have levels that occur together."""
    by_name = {p.name: p for p in predictors}
    place = {p.name: j for j, p in enumerate(predictors)}
    kept = np.ones(len(codes), dtype=bool)
    for inner, outer in nests.items():
        found, shape = occurring(by_name, inner, outer)
        levels = [by_name[name].chosen[codes[:, place[name]]] for name in (inner, *outer)]
        kept &= np.isin(np.ravel_multi_index(tuple(levels), shape), found)
    return kept


def _counts(predictors: Sequence[Predictor], codes: IndexArray) -> FloatArray:
    """Rows of the fit that have the levels of each cell."""
    factors = [(j, p) for j, p in enumerate(predictors) if p.is_factor]
    if not factors:
        return np.ones(len(codes))
    shape = tuple(len(p.chosen) for _, p in factors)
    place = []
    for _, p in factors:
        where = np.full(len(p.levels), -1, dtype=np.intp)
        where[p.chosen] = np.arange(len(p.chosen))
        place.append(where[p.codes])
    rows = np.stack(place)
    rows = rows[:, (rows >= 0).all(axis=0)]
    total = np.bincount(np.ravel_multi_index(tuple(rows), shape), minlength=int(np.prod(shape)))
    cell = np.ravel_multi_index(tuple(codes[:, j] for j, _ in factors), shape)
    return total[cell].astype(np.float64)
