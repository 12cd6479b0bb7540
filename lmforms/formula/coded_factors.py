"""Factors of an evaluated formula: their values on the rows, and how their columns are coded."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..support.arrays import BoolArray, FloatArray, IndexArray
from .aliases import unaliased
from .evaluator import Evaluator
from .formula_part import FormulaPart
from .formulaic_factors import factors_of

if TYPE_CHECKING:
    from formulaic import ModelSpec
    from formulaic.parser.types import Factor

WHAT = "the fixed part"


@dataclass(frozen=True)
class CodedFactor:
    """What one factor of a formula, such as ``f`` or ``poly(x, 2)``, is on the rows of a fit.

    Attributes
    ----------
    codes : ndarray of int (n,) or None
        Level of each row; None for numbers.
    values : ndarray (n, k) or None
        Columns of numbers; None for levels.
    full : ndarray (levels or k, columns)
        Its columns in the model, as combinations of the indicators of its levels or of `values`,
        where they are not reduced for other terms.
    reduced : ndarray (levels or k, columns)
        The same where they are: the contrast matrix.
    treatment : ndarray (levels or k, columns)
        `reduced` for treatment contrasts with the first level as reference, whatever those of
        the model.
    """

    codes: IndexArray | None
    values: FloatArray | None
    full: FloatArray
    reduced: FloatArray
    treatment: FloatArray

    @cached_property
    def size(self) -> int:
        """Number of levels, or of columns of numbers."""
        return len(self.full)


def coded_factors(
    evaluator: Evaluator, spec: ModelSpec, part: FormulaPart, rows: BoolArray
) -> dict[str, CodedFactor]:
    """Every factor of an evaluated formula, by its text in formulaic.

    Parameters
    ----------
    evaluator : Evaluator
        On the table that the formula was evaluated on.
    spec : formulaic.ModelSpec
        Of that evaluation.
    part : FormulaPart
        For messages.
    rows : ndarray of bool
        Rows of the table that are in the model.
    """
    reduced_numbers = {
        scoped.factor.expr
        for structure in spec.structure or ()
        for term in structure.scoped_terms
        for scoped in term.factors
        if scoped.reduced
    }
    found: dict[str, CodedFactor] = {}
    for factor in factors_of(spec.formula):
        if factor.expr in found:
            continue
        coded = _levels(evaluator, spec, factor, rows)
        if coded is None:
            reduced = factor.expr in reduced_numbers
            coded = _numbers(evaluator, spec, factor, part, rows, reduced)
        found[factor.expr] = coded
    return found


def factors_with_levels(spec: ModelSpec) -> set[str]:
    """Texts of the factors of an evaluated formula that have levels; all others are numbers."""
    return {f.expr for f in factors_of(spec.formula) if _contrasts(spec, f.expr) is not None}


def _contrasts(spec: ModelSpec, expr: str) -> Any:
    """The contrasts of a factor and its levels; None for numbers and for codings of other kinds."""
    kind, state = spec.encoder_state.get(expr, (None, {}))
    return state.get("contrasts") if kind is not None and kind.value == "categorical" else None


def _levels(
    evaluator: Evaluator, spec: ModelSpec, factor: Factor, rows: BoolArray
) -> CodedFactor | None:
    """A factor with levels; None for any other."""
    contrasts = _contrasts(spec, factor.expr)
    if contrasts is None:
        return None
    if factor.eval_method.value == "lookup":
        values: Any = evaluator.table[unaliased(factor.expr)]
    else:
        values = evaluator.value(factor, copy.deepcopy(spec.transform_state))
    levels = pd.Categorical(values, categories=contrasts.levels)

    def coding(reduced: bool) -> FloatArray:
        if reduced and len(contrasts.levels) == 1:  # whatever the contrasts, no columns
            return np.empty((1, 0))
        return np.asarray(contrasts.get_coding_matrix(reduced_rank=reduced), dtype=np.float64)

    return CodedFactor(
        codes=np.asarray(levels.codes, dtype=np.intp)[rows],
        values=None,
        full=coding(False),
        reduced=coding(True),
        treatment=np.eye(len(contrasts.levels))[:, 1:],
    )


def _numbers(
    evaluator: Evaluator,
    spec: ModelSpec,
    factor: Factor,
    part: FormulaPart,
    rows: BoolArray,
    reduced: bool,
) -> CodedFactor:
    """Columns of numbers, as many as the factor has by itself."""
    values = _alone(evaluator, spec, [factor], part, full_rank=False)[rows]
    identity = np.eye(values.shape[1])
    kept = np.arange(values.shape[1])
    if reduced:  # a basis that spans the constant, such as bs(x, include_intercept=True)
        fewer = _alone(evaluator, spec, [None, factor], part, full_rank=True)[rows][:, 1:]
        kept = np.array([_position(column, values) for column in fewer.T], dtype=np.intp)
    fewer_columns = identity[:, kept]
    return CodedFactor(None, values, identity, fewer_columns, fewer_columns)


def _position(column: FloatArray, columns: FloatArray) -> int:
    """Which of the columns a column is."""
    return int(np.argmin(np.abs(columns - column[:, None]).max(axis=0)))


def _alone(
    evaluator: Evaluator,
    spec: ModelSpec,
    factors: Iterable[Factor | None],
    part: FormulaPart,
    *,
    full_rank: bool,
) -> FloatArray:
    """Columns of a formula of single factors (None: the intercept), with what `spec` learnt."""
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor, Term

    one = Factor("1", eval_method="literal")
    terms = [Term((one if factor is None else factor,)) for factor in factors]
    alone = ModelSpec(
        SimpleFormula(terms),
        ensure_full_rank=full_rank,
        na_action="ignore",
        output="numpy",
        transform_state=copy.deepcopy(spec.transform_state),
        encoder_state=copy.deepcopy(spec.encoder_state),
    )
    return evaluator.matrix(alone, part, WHAT).values
