"""The response of a generalised linear mixed model from the left-hand side of its formula."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from ..errors import DataError, FormulaError, ModelError
from ..formula.aliases import unaliased
from ..formula.formula_part import FormulaPart
from ..formula.formulaic_factors import factors_of
from ..formula.term_matrix import TermMatrix
from ..formula.terms import BoundFormula
from ..support.arrays import BoolArray, FloatArray
from ..support.column_table import Table
from .label_messages import named, row_of
from .observed_response import ObservedResponse, ResponseKind

WHOLE = 1e-6
"""Distance from a whole number, or from 0 and 1, that counts as rounding: of successes relative to
the number of trials."""

BINOMIAL_FORMS = (
    "A binomial response is 0 or 1, a boolean, a factor of two levels, cbind(successes, failures), "
    "or proportions with weights= for the numbers of trials"
)


def observed_response(
    kind: ResponseKind,
    matrix: TermMatrix,
    bound: BoundFormula,
    weights: FloatArray | None,
    table: Table,
    index: pd.Index,
) -> ObservedResponse:
    """What the left-hand side of a formula says, as a family takes it.

    `weights` are numbers of trials if the response is 0 or 1, a factor, or proportions (R's
    ``glm``). With ``cbind(successes, failures)``, and for families without trials, they multiply
    the log-likelihood of each row (glmmTMB).

    Parameters
    ----------
    kind : ResponseKind
    matrix : TermMatrix (n, k)
        Of the response.
    bound : BoundFormula
    weights : ndarray (n,) or None
    table : Table
        Columns of the data: which of them are ordered.
    index : pandas.Index (n,)
        Labels of the rows, for messages.

    Raises
    ------
    DataError, FormulaError, ModelError
        The response or the weights are not what the kind needs, or the likelihood has no maximum.
    """
    reader = _Reader(matrix, bound, index)
    is_counts = bool(bound.formula.counts)
    if is_counts and kind != "trials":
        raise reader.error(
            "cbind(successes, failures) is a response of binomial families; this one takes one "
            "column"
        )
    if kind == "trials":
        response = reader.counts() if is_counts else reader.successes(weights)
    elif kind == "ordinal":
        response = reader.classes(table)
    else:
        response = ObservedResponse(kind, reader.column())
    response.check(reader.label)
    if weights is None or (kind == "trials" and not is_counts):
        return response
    reader.check_case_weights(weights)
    return replace(response, case_weights=weights)


@dataclass(frozen=True, eq=False)
class _Reader:
    """Reads an evaluated response, one method a kind."""

    matrix: TermMatrix
    bound: BoundFormula
    index: pd.Index

    @property
    def part(self) -> FormulaPart:
        return self.bound.formula.response

    @property
    def label(self) -> str:
        return f"`{self.part.label}`"

    def error(self, message: str) -> FormulaError:
        return self.part.error(f"the response {self.label}: {message}.")

    def refuse(self, what: str, values: FloatArray, bad: BoolArray, way: str) -> NoReturn:
        """Refuse the rows that are `bad`, showing the first."""
        first = int(np.flatnonzero(bad)[0])
        count = int(bad.sum())
        more = f"{count:,} rows, such as " if count > 1 else ""
        rows = more + row_of(self.index, first)
        raise DataError(f"{what} {values[first]:.10g} in {rows}. {way}.")

    def column(self) -> FloatArray:
        """The only column, of numbers."""
        if self.matrix.is_categorical or self.matrix.values.shape[1] != 1:
            what = "is not numeric" if self.matrix.is_categorical else "has several columns"
            raise self.part.error(
                f"the response {self.label} {what}; one numeric column is needed."
            )
        return np.ascontiguousarray(self.matrix.values[:, 0])

    def labels(self) -> tuple[Any, ...]:
        """Levels of a factor, in their order."""
        (factor,) = factors_of(self.bound.response)
        state = self.matrix.spec.encoder_state[factor.expr][1]
        return tuple(state["categories"])

    # --- successes of trials ------------------------------------------------------------------

    def counts(self) -> ObservedResponse:
        """``cbind(successes, failures)``."""
        parts = self.bound.formula.counts
        if len(parts) != 2:
            columns = "1 column" if len(parts) == 1 else f"{len(parts)} columns"
            raise self.error(
                f"cbind() has {columns} and takes two, successes and failures, as in "
                "cbind(successes, size - successes)"
            )
        values = self.matrix.values
        if self.matrix.is_categorical or values.shape[1] != 2:
            raise self.error(
                "each part of cbind() is one column of counts; of booleans write as.numeric(b)"
            )
        for part, column in zip(parts, values.T, strict=True):
            what, negative = f"the response: `{part.label}` is", column < -WHOLE
            if negative.any():
                way = "Write cbind(successes, failures), where failures = size - successes"
                self.refuse(what, column, negative, way)
            fractions = np.abs(column - np.rint(column)) > WHOLE
            if fractions.any():
                self.refuse(what, column, fractions, "Counts are whole numbers")
        successes, failures = np.rint(values).T
        return ObservedResponse("trials", successes, successes + failures)

    def successes(self, weights: FloatArray | None) -> ObservedResponse:
        """0 or 1, a factor of two levels, or proportions of `weights` trials."""
        levels = None
        if self.matrix.is_categorical:
            levels = self.labels()
            if len(levels) > 2:
                raise self.error(
                    f"it has {len(levels)} levels ({named(levels)}). {BINOMIAL_FORMS}. Write for "
                    f"example {self.part.label} == {levels[-1]!r}, or use an ordinal family"
                )
            if len(levels) < 2:
                raise ModelError(
                    f"the response {self.label} is {levels[0]!r} in all rows: "
                    "the likelihood has no maximum."
                )
            y = np.ascontiguousarray(self.matrix.values[:, 1])
        else:
            y = self.column()
            outside = ~((y >= -WHOLE) & (y <= 1.0 + WHOLE))
            if outside.any():
                self.refuse(f"the response {self.label} is", y, outside, BINOMIAL_FORMS)
            y = np.clip(y, 0.0, 1.0)
        if weights is None:
            between = np.abs(y - np.rint(y)) > WHOLE
            if between.any():
                way = "Proportions need the numbers of trials: give weights="
                self.refuse(f"the response {self.label} is", y, between, way)
            return ObservedResponse("trials", np.rint(y), np.ones(len(y)), levels=levels)
        trials = self.trials(weights)
        successes = y * trials
        fractions = np.abs(successes - np.rint(successes)) > WHOLE * np.maximum(trials, 1.0)
        if fractions.any():
            first = int(np.flatnonzero(fractions)[0])
            raise DataError(
                f"the response {self.label} is {y[first]:.10g} of {trials[first]:.10g} trials in "
                f"{row_of(self.index, first)}, which is {successes[first]:.10g} successes and no "
                "whole number: weights= must be the numbers of trials of these proportions."
            )
        return ObservedResponse("trials", np.rint(successes), trials, levels=levels)

    def trials(self, weights: FloatArray) -> FloatArray:
        """Numbers of trials, which came as weights."""
        finite = np.where(np.isfinite(weights), weights, -1.0)
        bad = (finite < 0) | (np.abs(finite - np.rint(finite)) > WHOLE * np.maximum(finite, 1.0))
        if bad.any():
            self.refuse(
                f"weights= must be numbers of trials of {self.label}, whole and not negative, not",
                weights,
                bad,
                "For weights of the log-likelihood write the response as "
                "cbind(successes, failures)",
            )
        return np.rint(weights)

    # --- other kinds --------------------------------------------------------------------------

    def classes(self, table: Table) -> ObservedResponse:
        """Codes of ordered classes."""
        if self.matrix.is_categorical:
            levels = self.labels()
            if len(levels) > 2:
                self.check_order(levels, table)
            y = self.matrix.values @ np.arange(float(len(levels)))
        else:
            numbers = self.column()
            bad = numbers != np.rint(numbers)
            if bad.any():
                way = "Classes are whole numbers, or levels of an ordered category"
                self.refuse(f"the response {self.label} is", numbers, bad, way)
            classes, codes = np.unique(numbers, return_inverse=True)
            y, levels = codes.astype(np.float64), tuple(map(int, classes))
        if len(levels) < 2:
            raise ModelError(
                f"the response {self.label} is {levels[0]!r} in all rows: nothing to model."
            )
        return ObservedResponse("ordinal", y, levels=levels)

    def check_order(self, levels: tuple[Any, ...], table: Table) -> None:
        """Refuse text, whose order is that of the alphabet."""
        if not all(isinstance(level, str) for level in levels):
            return
        (factor,) = factors_of(self.bound.response)
        name = unaliased(factor.expr)
        is_column = factor.eval_method.value == "lookup"
        if is_column and getattr(table[name].dtype, "ordered", False):
            return
        given = f"data[{name!r}]" if is_column else "labels"
        raise self.error(
            f"its {len(levels)} levels ({named(levels)}) have no order: make it an ordered "
            f"category, a column pandas.Categorical({given}, categories=[…], ordered=True)"
        )

    def check_case_weights(self, weights: FloatArray) -> None:
        """Refuse weights of the log-likelihood that are zero, negative or not finite."""
        bad = ~(weights > 0) | ~np.isfinite(weights)
        if bad.any():
            way = "To leave a row out, drop it"
            self.refuse("weights must be positive and finite, not", weights, bad, way)
