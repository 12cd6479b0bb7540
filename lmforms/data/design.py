"""The design of a model: y, X and the codes and bases of Z, with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd

from ..covariance import Covariance
from ..engine.rows import FactorRows, ModelRows
from ..errors import ModelError
from ..formula.term_matrix import TermMatrix
from ..formula.terms import BoundFormula
from ..residual import Residual, ResidualSpec
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Table
from .auxiliary_part import AuxiliaryPart
from .frame import Frame
from .level_labels import GivenLabels, LevelLabels
from .observed_response import ObservedResponse
from .random_structures import Places
from .read import FormulaData
from .residual_structure import BoundResidual

INTERCEPT = "Intercept"
"""Name of the column of ones."""


@dataclass(frozen=True, eq=False)
class RandomTerm:
    """A random term with its columns.

    Attributes
    ----------
    label : str
        Such as ``Days | Subject``.
    written : str
        Such as ``(Days || Subject)``, for messages.
    group : int
        Index of its grouping factor in the design.
    columns : tuple of str
        Names of its random effects.
    matrix : TermMatrix
        The basis (n, k) and how it was made.
    covariance : Covariance
        Its structure.
    places : Places, optional
        Where its random effects are, if these are places and not levels.
    """

    label: str
    written: str
    group: int
    columns: tuple[str, ...]
    matrix: TermMatrix
    covariance: Covariance
    places: Places | None = None


@dataclass(frozen=True, eq=False)
class GroupingFactor:
    """A grouping factor, with all random terms on it that share the covariance of its levels.

    Attributes
    ----------
    name : str
        Such as ``batch:cask``; of a term that has a `relationship` for itself that term, such as
        ``1 | animal``.
    factor : str
        Name of the grouping factor.
    labels : LevelLabels or GivenLabels
        Labels of the levels.
    codes : ndarray of int (n,)
    terms : tuple of int
        Indices of its random terms, in the order of the formula.
    covariance : Covariance
        Their structures, stacked if there are several.
    columns : tuple of str
        Names of all its random effects.
    """

    name: str
    factor: str
    labels: LevelLabels | GivenLabels
    codes: IndexArray
    terms: tuple[int, ...]
    covariance: Covariance
    columns: tuple[str, ...]

    @property
    def levels(self) -> pd.Index:
        """Labels of the levels (a MultiIndex for an interaction)."""
        return self.labels.index

    def with_levels(self, levels: pd.Index) -> GroupingFactor:
        """The same factor with other labels of its levels."""
        return replace(self, labels=GivenLabels(levels))


@dataclass(frozen=True, eq=False)
class Design:
    """Everything numeric about a model, with its labels.

    Attributes
    ----------
    formula_data : FormulaData
        The formula and the rows that it was evaluated on.
    in_model : ndarray of bool
        Rows of its frame that are in the model: all but those a transformation made NaN.
    y : ndarray (n,)
        The response as evaluated; proportions of successes, and codes of ordered classes.
    offset : ndarray (n,)
        Sum of all offsets.
    residual : Residual
    fixed : TermMatrix
        All columns of X, before the rank check.
    x_kept : ndarray of int
        Columns of `fixed` that are independent of earlier ones.
    offsets : tuple of TermMatrix
        One for each ``offset()`` of the formula.
    terms : tuple of RandomTerm
    groups : tuple of GroupingFactor
    structure : BoundResidual or None
        Correlations and variances of the residuals that are estimated.
    observed : ObservedResponse or None
        The response as a family takes it, with trials and weights; None in a linear model.
    auxiliary : mapping of str to AuxiliaryPart
        Columns of the parameters beside the mean, by the names of their formulas.
    thresholds : bool
        Whether parameters of the family are in the place of the intercept, which is not kept.
    """

    formula_data: FormulaData
    in_model: BoolArray
    y: FloatArray
    offset: FloatArray
    residual: Residual
    fixed: TermMatrix
    x_kept: IndexArray
    offsets: tuple[TermMatrix, ...]
    terms: tuple[RandomTerm, ...]
    groups: tuple[GroupingFactor, ...]
    structure: BoundResidual | None = None
    observed: ObservedResponse | None = None
    auxiliary: Mapping[str, AuxiliaryPart] = field(default_factory=dict)
    thresholds: bool = False

    @property
    def residual_spec(self) -> ResidualSpec | None:
        """The residual structure as it was asked for; None for independent residuals."""
        return self.formula_data.residual

    @property
    def bound(self) -> BoundFormula:
        """The formula with the columns it names."""
        return self.formula_data.bound

    @property
    def frame(self) -> Frame:
        """Complete rows of the columns used."""
        return self.formula_data.frame

    @property
    def left_out(self) -> tuple[Table, ...]:
        """Rows that were not used, by the reason."""
        return self.frame.incomplete, self.frame.table.rows(~self.in_model)

    has_rows: ClassVar[bool] = True
    """Whether the rows are here, and not only their sums."""

    @property
    def n(self) -> int:
        """Number of rows used."""
        return len(self.y)

    @property
    def index(self) -> pd.Index:
        """Labels of the rows used."""
        index = self.frame.table.index
        return index if self.in_model.all() else index[self.in_model]

    @property
    def x_names(self) -> list[str]:
        """Names of the columns of X."""
        return [self.fixed.names[j] for j in self.x_kept]

    @property
    def x_dropped(self) -> list[str]:
        """Names of the columns left out because they depend on earlier ones."""
        kept = set(self.x_kept.tolist())
        left_out = [name for j, name in enumerate(self.fixed.names) if j not in kept]
        return [name for name in left_out if not (self.thresholds and name == INTERCEPT)]

    def with_thresholds(self) -> Design:
        """The same without the intercept.

        Raises
        ------
        ModelError
            The formula has none: its other columns may have the place of one.
        """
        if INTERCEPT not in self.fixed.names:
            raise ModelError(
                "an ordinal model has thresholds in the place of the intercept: write the formula "
                "with it, that is without `0 +` and `- 1`."
            )
        place = self.fixed.names.index(INTERCEPT)
        return replace(self, x_kept=self.x_kept[self.x_kept != place], thresholds=True)

    @property
    def fixed_terms(self) -> dict[str, IndexArray]:
        """Columns of X of each fixed-effects term, in the order of the formula.

        Positions among the columns kept; a term whose columns were all dropped has none.

        Examples
        --------
        >>> import lmforms as lf
        >>> sleep = lf.datasets.load("sleepstudy")
        >>> lf.MixedModel("Reaction ~ Days + (1 | Subject)", sleep).design.fixed_terms
        {'Intercept': array([0]), 'Days': array([1])}
        """
        return {
            label: np.flatnonzero(np.isin(self.x_kept, columns))
            for label, columns in self.fixed.columns_by_term.items()
        }

    @property
    def X(self) -> FloatArray:
        """Fixed-effects columns, (n, p)."""
        if len(self.x_kept) == self.fixed.values.shape[1]:
            return self.fixed.values
        return self.fixed.values[:, self.x_kept]

    @property
    def description(self) -> str:
        """Formula, residual structure, and numbers of rows, of columns of X and of levels."""
        structure = "" if self.residual_spec is None else f", residual {self.residual_spec!s}"
        rows = f"{self.n:,} rows, {len(self.x_kept)} fixed effects"
        levels = [f"{len(g.labels):,} levels of {g.name}" for g in self.groups]
        return f"{str(self.bound.formula)!r}{structure}: {', '.join([rows, *levels])}"

    def __repr__(self) -> str:
        return f"<Design of {self.description}>"

    def used_column(self, name: str) -> pd.Series:
        """A column of the data, without levels that only rows outside the model have."""
        column = self.frame.table[name]
        if not isinstance(column.dtype, pd.CategoricalDtype) or self.in_model.all():
            return column
        return column[self.in_model].cat.remove_unused_categories()

    @property
    def coding_rows(self) -> tuple[Table, BoolArray]:
        """A table, and which of its rows have all combinations of levels that the model has."""
        return self.frame.table, self.in_model

    def coding(self, name: str) -> pd.Series:
        """The same column, for its type and its levels alone."""
        return self.used_column(name)

    def basis(self, group: GroupingFactor) -> FloatArray:
        """Basis columns of all terms on a grouping factor, (n, k)."""
        first, *others = group.terms
        if not others:
            return self.terms[first].matrix.values
        return np.hstack([self.terms[t].matrix.values for t in group.terms])

    def rows(self, y: FloatArray | None = None, phi: FloatArray | None = None) -> ModelRows:
        """The rows as the engine takes them, with another response or φ if given."""
        response = self.y if y is None else y
        factors = [FactorRows(g.codes, g.labels.size, self.basis(g)) for g in self.groups]
        return ModelRows(
            y=response - self.offset,
            X=self.X,
            factors=tuple(factors),
            residual=self.residual if phi is None else self.residual.at(phi),
            size=self.response_size(response),
        )

    def response_size(self, y: FloatArray) -> float:
        """Largest absolute value among a response and the offset."""
        largest = [np.maximum.reduce(np.abs(x), initial=0.0) for x in (y, self.offset)]
        return float(max(largest))
