"""The design of a model from its formula and data."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..engine.linalg.independent_columns import independent_columns
from ..errors import DataError, ModelError, RankWarning
from ..formula.evaluator import Evaluator
from ..formula.term_matrix import TermMatrix
from ..formula.terms import BoundFormula
from ..residual import Independent, Residual, Weighted
from ..support.arrays import BoolArray, FloatArray
from ..support.caller import caller_depth
from ..support.column_table import Table
from .design import Design
from .fitted_variances import table_with_fitted
from .frame import report_dropped
from .random_terms import check_sizes, random_parts
from .read import FormulaData
from .residual_confounding import refuse_confounded, refuse_too_many
from .residual_structure import bind_residual


def build_design(formula_data: FormulaData, *, related: Collection[str] = ()) -> Design:
    """Evaluate every part of the formula on its frame.

    Parameters
    ----------
    formula_data : FormulaData
    related : collection of str
        Grouping factors whose levels have a known covariance, and single terms by their `text`:
        see :func:`random_parts`. Their levels may have one row each.

    Raises
    ------
    DataError, FormulaError, ModelError
        The message names what is wrong.

    Warns
    -----
    MissingDataWarning, RankWarning
    """
    bound, frame = formula_data.bound, formula_data.frame
    parts = _evaluate(formula_data, frame.table)
    n = frame.table.n
    in_model = np.ones(n, dtype=bool) if formula_data.rows is None else formula_data.rows
    absent = _undefined(parts, in_model)
    if absent:
        undefined = np.logical_or.reduce(list(absent.values()))
        report_dropped(undefined, absent, formula_data.missing)
        in_model = in_model.copy()
        in_model[in_model] = ~undefined
    if not in_model.all():
        settled = frame.with_categories_of(in_model)
        if settled is not frame:  # a level that only these rows had has no column
            parts = _evaluate(formula_data, settled.table)
        parts = parts.subset(in_model)
    offset = frame.extra.get("offset", np.zeros(n))[in_model]
    if not np.isfinite(offset).all():
        raise DataError("offset is infinite in some rows: correct or drop them.")
    for matrix in parts.offsets:
        offset = offset + matrix.values[:, 0]
    weights = frame.extra.get("weights")
    weights = None if weights is None else weights[in_model]
    y = _check_response(parts.response, bound)
    groups, terms = random_parts(bound, parts.random, parts.labels, related)
    residual: Residual = Independent() if weights is None else Weighted(weights)
    structure, with_nugget = None, False
    if formula_data.residual is not None:
        rows = frame.rows_used(in_model)
        if formula_data.residual.depends_on_fitted:
            rows = table_with_fitted(formula_data, in_model, parts.fixed.values, y, offset)
        structure = bind_residual(formula_data.residual, rows)
        weighted = weights is not None
        residual = structure.parametric(weights)
        spec = structure.spec
        with_nugget = not spec.nugget and any(c.facts.takes_nugget for c in spec.correlations)
        refuse_confounded(structure, groups, terms, weighted=weighted, related=related)
    check_sizes(groups, terms, parts.fixed.values, residual, related, with_nugget)
    design = Design(
        formula_data=formula_data,
        in_model=in_model,
        y=y,
        offset=offset,
        residual=residual,
        fixed=parts.fixed,
        x_kept=independent_columns(parts.fixed.values),
        offsets=parts.offsets,
        terms=terms,
        groups=groups,
        structure=structure,
    )
    if structure is not None:
        refuse_too_many(structure, len(y), design.X.shape[1])
    if design.x_dropped:
        dropped = ", ".join(f"`{c}`" for c in design.x_dropped)
        warnings.warn(
            f"the fixed-effects columns are linearly dependent; dropped: {dropped}.",
            RankWarning,
            stacklevel=caller_depth(),
        )
    return design


@dataclass(frozen=True, eq=False)
class _Parts:
    """The evaluated parts of a formula."""

    response: TermMatrix
    fixed: TermMatrix
    random: tuple[TermMatrix, ...]
    offsets: tuple[TermMatrix, ...]
    labels: tuple[tuple[pd.Series, ...], ...]

    def subset(self, rows: BoolArray) -> _Parts:
        return _Parts(
            response=self.response.subset(rows),
            fixed=self.fixed.subset(rows),
            random=tuple(m.subset(rows) for m in self.random),
            offsets=tuple(m.subset(rows) for m in self.offsets),
            labels=tuple(tuple(s.loc[rows] for s in term) for term in self.labels),
        )


def _evaluate(formula_data: FormulaData, table: Table) -> _Parts:
    evaluator = Evaluator(table, formula_data.scope, formula_data.contrasts)
    bound, formula = formula_data.bound, formula_data.bound.formula
    offsets = [
        evaluator.matrix(parsed, part, "the offset")
        for parsed, part in zip(bound.offsets, formula.offsets, strict=True)
    ]
    for matrix, part in zip(offsets, formula.offsets, strict=True):
        if matrix.is_categorical or len(matrix.names) != 1:
            raise part.error(f"offset({part.label}) is not one column of numbers.")
    return _Parts(
        response=evaluator.matrix(bound.response, formula.response, "the response"),
        fixed=evaluator.matrix(bound.fixed, formula.fixed, "the fixed part"),
        random=tuple(
            evaluator.matrix(t.expression, t.part, f"the random term {t.written}")
            for t in bound.random
        ),
        offsets=tuple(offsets),
        labels=tuple(
            tuple(evaluator.factor(f, t.group_part) for f in t.group) for t in bound.random
        ),
    )


def _undefined(parts: _Parts, rows: BoolArray) -> dict[str, BoolArray]:
    """Where among `rows` a transformation gave NaN, by what gave it; infinities are refused."""
    absent: dict[str, BoolArray] = {}
    for matrix in (parts.response, parts.fixed, *parts.random, *parts.offsets):
        if np.isfinite(matrix.values).all():
            continue
        values = matrix.values[rows]
        infinite = np.isinf(values)
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise DataError(
                f"`{matrix.names[column]}` is infinite in {int(infinite.sum())} rows "
                f"(the first is row {row} of those used): correct or drop them."
            )
        for j in np.flatnonzero(np.isnan(values).any(axis=0)):
            absent[matrix.names[j]] = np.isnan(values[:, j])
    return absent


def _check_response(response: TermMatrix, bound: BoundFormula) -> FloatArray:
    part = bound.formula.response
    if response.is_categorical or len(response.names) != 1:
        kind = "is not numeric" if response.is_categorical else "has several columns"
        raise part.error(f"the response `{part.label}` {kind}; one numeric column is needed.")
    y = np.ascontiguousarray(response.values[:, 0])
    if len(y) > 1 and (y == y[0]).all():
        raise ModelError(f"the response `{part.label}` is constant ({y[0]:g}): nothing to model.")
    return y
