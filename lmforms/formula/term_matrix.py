"""Columns that a part of a formula gives on some data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..support.arrays import BoolArray, FloatArray, IndexArray
from .formulaic_factors import factors_of, term_label

if TYPE_CHECKING:
    from formulaic import ModelSpec


class Terms(Protocol):
    """The terms that columns were made of."""

    @property
    def spec(self) -> ModelSpec:
        """What the transforms learnt."""

    @property
    def is_categorical(self) -> bool:
        """Whether any of it comes from a factor."""

    @property
    def columns_by_term(self) -> dict[str, IndexArray]:
        """Positions of the columns of each term, such as ``x:f``, in the order of the formula."""


@dataclass(frozen=True, eq=False)
class TermMatrix:
    """Columns that a part of the formula gives on some data.

    Attributes
    ----------
    values : ndarray (n, k)
    names : tuple of str
        formulaic's column names.
    terms : Terms
        How they were made.
    """

    values: FloatArray
    names: tuple[str, ...]
    terms: Terms

    @property
    def spec(self) -> ModelSpec:
        """What the transforms learnt, as formulaic's ModelSpec; evaluate it again on new data."""
        return self.terms.spec

    @property
    def is_categorical(self) -> bool:
        """Whether any of it comes from a factor."""
        return self.terms.is_categorical

    @property
    def columns_by_term(self) -> dict[str, IndexArray]:
        """Positions of the columns of each term, such as ``x:f``, in the order of the formula."""
        return self.terms.columns_by_term

    def subset(self, rows: BoolArray) -> TermMatrix:
        """Some of the rows."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, eq=False)
class EvaluatedTerms:
    """Terms that formulaic has evaluated, or could.

    Attributes
    ----------
    spec : formulaic.ModelSpec
    """

    spec: ModelSpec

    @property
    def is_categorical(self) -> bool:
        """Whether any of it comes from a factor."""
        states = [self.spec.encoder_state.get(f.expr) for f in factors_of(self.spec.formula)]
        return any(state is not None and state[0].value == "categorical" for state in states)

    @property
    def columns_by_term(self) -> dict[str, IndexArray]:
        """Positions of the columns of each term, in the order of the formula."""
        if self.spec.structure is None:  # products of numbers: one column a term
            positions = [[j] for j in range(len(self.spec.formula))]
        else:
            positions = [self.spec.term_indices[term] for term in self.spec.formula]
        return {
            term_label(term): np.asarray(columns, dtype=np.intp)
            for term, columns in zip(self.spec.formula, positions, strict=True)
        }
