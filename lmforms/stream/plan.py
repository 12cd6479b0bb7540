"""What every chunk of a model is read and evaluated with: the same for all sites and processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ..covariance import Covariance
from ..data.design import INTERCEPT, Design
from ..data.read import FormulaData
from ..engine.sums.units import Scaling
from ..formula.aliases import unaliased
from ..formula.formulaic_factors import columns_of, factor_columns
from ..formula.term_matrix import TermMatrix
from ..formula.terms import BoundFormula


@dataclass(frozen=True, eq=False)
class Plan:
    """How the chunks of a model are read.

    Attributes
    ----------
    prototype : Design
        Of a few rows in which every level of every factor occurs: names, codings, structures, and
        what transforms have learnt. Its numbers stand for nothing.
    response : TermMatrix
        Of the same rows.
    factors : mapping of str to CategoricalDtype
        Levels of the predictors that are factors.
    levels : mapping of str to Index
        Levels that the user gave: grouping columns may have no others.
    orders : mapping of str to Index
        Order of the labels of grouping columns that have one of their own.
    scaling : Scaling or None
        Units of the sums; None before there is a sample.
    """

    prototype: Design
    response: TermMatrix
    factors: Mapping[str, pd.CategoricalDtype]
    levels: Mapping[str, pd.Index]
    orders: Mapping[str, pd.Index]
    scaling: Scaling | None = None

    @property
    def formula_data(self) -> FormulaData:
        """The formula, bound to the columns."""
        return self.prototype.formula_data

    @property
    def bound(self) -> BoundFormula:
        """Its terms."""
        return self.prototype.bound

    @cached_property
    def predictors(self) -> tuple[str, ...]:
        """Columns that expressions are evaluated on."""
        return predictor_names(self.bound)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Columns of labels."""
        return label_names(self.bound)

    @property
    def beside(self) -> tuple[str, ...]:
        """Columns of weights and offset."""
        given = (self.formula_data.weights_column, self.formula_data.offset_column)
        return tuple(name for name in given if name is not None)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        return tuple(dict.fromkeys([*self.predictors, *self.labels, *self.beside]))

    @property
    def matrices(self) -> list[TermMatrix]:
        """Of the response, the fixed part, the random terms and the offsets."""
        terms = [term.matrix for term in self.prototype.terms]
        return [self.response, self.prototype.fixed, *terms, *self.prototype.offsets]

    @property
    def covariances(self) -> tuple[Covariance, ...]:
        """Structure of each grouping factor."""
        return tuple(group.covariance for group in self.prototype.groups)

    @property
    def label_orders(self) -> list[list[pd.Index | None]]:
        """Order of the labels of each column of each grouping factor; None for their own."""
        groups = self.prototype.groups
        factors = [self.bound.random[group.terms[0]].group for group in groups]
        return [[self.orders.get(unaliased(f.expr)) for f in own] for own in factors]

    @property
    def constant(self) -> int | None:
        """Column of X that is one in all rows."""
        return _place(self.prototype.fixed.names)

    @property
    def constants(self) -> tuple[int | None, ...]:
        """The same of the basis of each grouping factor."""
        terms = self.prototype.terms
        return tuple(
            _place(terms[group.terms[0]].matrix.names) if len(group.terms) == 1 else None
            for group in self.prototype.groups
        )


def predictor_names(bound: BoundFormula) -> tuple[str, ...]:
    """Columns of the response, the fixed part, offsets, and left sides of random terms.

    With those that calls in grouping factors use.
    """
    used = columns_of(bound.response) | columns_of(bound.fixed)
    for parsed in (*bound.offsets, *(term.expression for term in bound.random)):
        used |= columns_of(parsed)
    for term in bound.random:
        for factor in term.group:
            if factor.eval_method.value != "lookup":
                used |= factor_columns(factor)
    return tuple(name for name in bound.columns if name in used)


def label_names(bound: BoundFormula) -> tuple[str, ...]:
    """Columns that are labels of grouping factors as they are."""
    factors = [factor for term in bound.random for factor in term.group]
    names = [unaliased(f.expr) for f in factors if f.eval_method.value == "lookup"]
    return tuple(dict.fromkeys(names))


def _place(names: tuple[str, ...]) -> int | None:
    return names.index(INTERCEPT) if INTERCEPT in names else None
