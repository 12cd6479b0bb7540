"""The design of a model whose rows were summed up and not kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NoReturn

import numpy as np
import pandas as pd

from ..engine.rows import ModelRows
from ..errors import ModelError
from ..formula.formulaic_factors import columns_of, factors_of, label_columns
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Table
from .design import Design, GroupingFactor, RandomTerm
from .frame import Frame

VALUES_OF_NUMBERS = 32
"""Values of numbers with each combination of levels, so that products of them are independent."""

MOST_COMBINED_ROWS = 1_000_000
"""Rows of :func:`all_combinations`: more take hundreds of MB."""

NEEDS_ROWS = (
    "this needs the rows of the fit, and the model was fitted from sums of a stream: fitted values "
    "of a table are `fit.predict(table)`, and residuals its response less these; for the rest fit "
    "rows in memory, some of them if there are too many."
)


def refuse_rows() -> NoReturn:
    """Say that there are no rows.

    Raises
    ------
    ModelError
    """
    raise ModelError(NEEDS_ROWS)


class NoRows:
    """Stands for an array with a value for each row that was never kept: all its uses are refused.

    Examples
    --------
    >>> NoRows() - 1.0
    Traceback (most recent call last):
    ...
    lmforms.errors.ModelError: this needs the rows of the fit, and the model was fitted from sums...
    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        refuse_rows()

    __array__ = __len__ = __iter__ = __getitem__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __neg__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __invert__ = __bool__ = __float__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # what Python and pickle ask every object for
            raise AttributeError(name)
        refuse_rows()


@dataclass(frozen=True, eq=False)
class SummedDesign(Design):
    """Names, codings and levels of a design, without its rows.

    `fixed` holds a root R of the columns' products, R'R = X'X, in the place of the rows of X; each
    random term the root of its own, with the mean squares of the rows.

    Attributes
    ----------
    count : int
        Number of rows that were summed up.
    """

    count: int = 0

    has_rows: ClassVar[bool] = False

    @property
    def n(self) -> int:
        """Number of rows used."""
        return self.count

    @property
    def frame(self) -> Frame:
        """Not there."""
        refuse_rows()

    @property
    def coding_rows(self) -> tuple[Table, BoolArray]:
        """Rows with every combination of levels, which are not those of the data.

        Where no column of X depends on others, which combinations occur does not matter: all that
        terms ask about is estimable.
        """
        if len(self.x_kept) < len(self.fixed.names):
            refuse_rows()
        factors = list(factors_of(self.bound.fixed))
        table = self.formula_data.frame.table
        levels = {name for f in factors for name in label_columns(f, grouping=False)}
        if any(not has_levels(table[name]) for name in levels):
            refuse_rows()  # of numbers as labels it is not known which there are
        made = all_combinations(table, sorted(columns_of(self.bound.fixed)))
        return made, np.ones(made.n, dtype=bool)

    def coding(self, name: str) -> pd.Series:
        """A column for its type and its levels alone."""
        return self.formula_data.frame.table[name]

    @property
    def left_out(self) -> tuple[Table, ...]:
        """Rows that were not used: they were not kept either."""
        return ()

    @property
    def index(self) -> pd.Index:
        """Not there."""
        refuse_rows()

    @property
    def X(self) -> FloatArray:
        """Not there."""
        refuse_rows()

    def basis(self, group: GroupingFactor) -> FloatArray:
        """Not there."""
        refuse_rows()

    def rows(self, y: FloatArray | None = None, phi: FloatArray | None = None) -> ModelRows:
        """Not there."""
        refuse_rows()


def has_levels(column: pd.Series) -> bool:
    """Whether a column is a factor or boolean."""
    return isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == bool


def all_combinations(table: Table, names: Sequence[str]) -> Table:
    """Every combination of the levels of factors, each with several values of the numbers."""
    factors = [name for name in names if has_levels(table[name])]
    sizes = [len(_levels(table[name])) for name in factors]
    cells = math.prod(sizes)
    if cells * VALUES_OF_NUMBERS > MOST_COMBINED_ROWS:
        refuse_rows()
    n = cells * VALUES_OF_NUMBERS
    codes = np.unravel_index(np.arange(n) % cells, sizes) if sizes else ()
    index, columns = pd.RangeIndex(n), {}
    for name, own in zip(factors, codes, strict=True):
        levels = _levels(table[name])
        values = levels.take(own) if isinstance(levels, pd.Categorical) else levels[own]
        columns[name] = pd.Series(values, index=index, name=name)
    places = np.arange(n) // cells
    for number, name in enumerate(x for x in names if x not in factors):
        values = table[name].to_numpy()
        if not len(values):  # of sums that were loaded: any numbers
            values = 1.0 + np.arange(VALUES_OF_NUMBERS) * np.sqrt(2.0 + number) % 1.0
        columns[name] = pd.Series(values[places % len(values)], index=index, name=name)
    return Table(columns, index)


def _levels(column: pd.Series) -> Any:
    if column.dtype == bool:
        return np.array([False, True])
    return pd.Categorical.from_codes(np.arange(len(column.cat.categories)), dtype=column.dtype)


def summed_design(
    prototype: Design,
    count: int,
    labels: Sequence[pd.Index],
    root: FloatArray,
    kept: IndexArray,
    effects: Sequence[FloatArray],
) -> SummedDesign:
    """The design of rows that were summed up.

    Parameters
    ----------
    prototype : Design
        Of a few rows with all levels of all factors among the predictors.
    count : int
        Number of rows.
    labels : sequence of Index
        Levels of each grouping factor.
    root : ndarray (r, p)
        R with R'R = X'X, of all columns of X.
    kept : ndarray of int
        Columns that do not depend on earlier ones.
    effects : sequence of ndarray (r, k)
        The same root of the basis of each random term.
    """
    absent: Any = NoRows()
    groups = tuple(
        replace(
            group.with_levels(own.set_names(group.levels.names)),
            codes=absent,
        )
        for group, own in zip(prototype.groups, labels, strict=True)
    )
    return SummedDesign(
        formula_data=prototype.formula_data,
        in_model=absent,
        y=absent,
        offset=absent,
        residual=prototype.residual,
        fixed=replace(prototype.fixed, values=np.ascontiguousarray(root)),
        x_kept=kept,
        offsets=prototype.offsets,
        terms=tuple(map(partial(_summed_term, count), prototype.terms, effects)),
        groups=groups,
        count=count,
    )


def _summed_term(count: int, term: RandomTerm, root: FloatArray) -> RandomTerm:
    values = root * np.sqrt(len(root) / count)
    return replace(term, matrix=replace(term.matrix, values=values))
