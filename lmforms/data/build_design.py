"""The design of a model from its formula and data."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

import numpy as np

from ..errors import DataError, ModelError, RankWarning
from ..formula.formula_parts import FormulaParts, formula_parts
from ..formula.term_matrix import TermMatrix
from ..formula.terms import BoundFormula
from ..residual import Independent, Residual, Weighted
from ..support.arrays import BoolArray, FloatArray
from ..support.caller import caller_depth
from ..support.column_table import Table
from .auxiliary_part import AuxiliaryPart
from .column_ranks import ColumnRanks
from .design import Design
from .fitted_variances import table_with_fitted
from .frame import report_dropped
from .random_terms import check_sizes, random_parts, refuse_one_level
from .read import FormulaData
from .residual_confounding import refuse_confounded, refuse_too_many
from .residual_structure import bind_residual
from .response_reader import observed_response


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
    parts = _parts(formula_data, frame.table)
    n = len(parts.response.values)
    in_model = formula_data.rows
    if in_model is None:  # where no row was dropped, all are marked as complete
        in_model = frame.complete if len(frame.complete) == n else np.ones(n, dtype=bool)
    absent = _undefined(parts, in_model)
    takes_all = not absent and (formula_data.rows is None or in_model.all())
    if absent:
        undefined = np.logical_or.reduce(list(absent.values()))
        report_dropped(undefined, absent, formula_data.missing)
        in_model = in_model.copy()
        in_model[in_model] = ~undefined
    if not takes_all:
        settled = frame.with_categories_of(in_model)
        if settled is not frame:  # a level that only these rows had has no column
            parts = _parts(formula_data, settled.table)
        parts = parts.subset(in_model)
    offset = np.zeros(len(parts.response.values))
    if "offset" in frame.extra:
        offset = frame.extra["offset"][in_model]
        if not np.isfinite(offset).all():
            raise DataError("offset is infinite in some rows: correct or drop them.")
    for matrix in parts.offsets:
        offset = offset + matrix.values[:, 0]
    weights = frame.extra.get("weights")
    weights = None if weights is None else weights[in_model]
    observed = None
    residual: Residual = Independent()
    if formula_data.response_kind is None:
        y = _check_response(parts.response, bound)
        residual = residual if weights is None else Weighted(weights)
    else:
        kind, index = formula_data.response_kind, frame.table.index[in_model]
        observed = observed_response(kind, parts.response, bound, weights, frame.table, index)
        y = observed.proportions
    ranks = ColumnRanks()
    groups, terms = random_parts(bound, parts.random, parts.labels, related, ranks)
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
    if observed is None:
        check_sizes(groups, terms, parts.fixed.values, residual, related, with_nugget)
    else:  # random effects of single rows are told from a family's own variance
        refuse_one_level(groups, terms)
    design = Design(
        formula_data=formula_data,
        in_model=in_model,
        y=y,
        offset=offset,
        residual=residual,
        fixed=parts.fixed,
        x_kept=ranks.independent(parts.fixed.values),
        offsets=parts.offsets,
        terms=terms,
        groups=groups,
        structure=structure,
        observed=observed,
        auxiliary=_auxiliary(formula_data, parts, ranks) if parts.auxiliary else {},
    )
    if structure is not None:
        refuse_too_many(structure, len(y), design.X.shape[1])
    if len(design.x_kept) < len(design.fixed.names):
        warn_of_dropped("the fixed-effects columns", design.x_dropped)
    return design


def _auxiliary(
    formula_data: FormulaData, parts: FormulaParts, ranks: ColumnRanks
) -> dict[str, AuxiliaryPart]:
    """Columns of the parameters beside the mean; of those that are dropped it warns."""
    made = {}
    for name, matrix in parts.auxiliary.items():
        kept = ranks.independent(matrix.values)
        part = made[name] = AuxiliaryPart(formula_data.auxiliary[name], matrix, kept)
        if part.dropped:
            warn_of_dropped(f"{name}: the columns", part.dropped)
    return made


def warn_of_dropped(what: str, names: Sequence[str]) -> None:
    """Say which columns are left out."""
    dropped = ", ".join(f"`{c}`" for c in names)
    warnings.warn(
        f"{what} are linearly dependent; dropped: {dropped}.",
        RankWarning,
        stacklevel=caller_depth(),
    )


def _parts(formula_data: FormulaData, table: Table) -> FormulaParts:
    bound, auxiliary = formula_data.bound, formula_data.auxiliary
    return formula_parts(bound, table, formula_data.scope, formula_data.contrasts, auxiliary)


def _undefined(parts: FormulaParts, rows: BoolArray) -> dict[str, BoolArray]:
    """Where among `rows` a transformation gave NaN, by what gave it; infinities are refused."""
    absent: dict[str, BoolArray] = {}
    for matrix in dict.fromkeys(parts.matrices):
        if np.logical_and.reduce(np.isfinite(matrix.values), axis=None):
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


def refuse_no_column(response: TermMatrix, bound: BoundFormula) -> None:
    """Refuse a response of a linear model that is not one column of numbers.

    Raises
    ------
    FormulaError
    """
    part = bound.formula.response
    if bound.formula.counts:
        raise part.error(
            "cbind(successes, failures) is a response of binomial models: fit it by lf.glmer(…, "
            "family='binomial'). A linear model has one numeric column on the left of `~`."
        )
    if response.is_categorical or len(response.names) != 1:
        kind = "is not numeric" if response.is_categorical else "has several columns"
        raise part.error(f"the response `{part.label}` {kind}; one numeric column is needed.")


def refuse_constant(low: float, high: float, bound: BoundFormula) -> None:
    """Refuse a response that has one value.

    Raises
    ------
    ModelError
    """
    if low == high:
        label = bound.formula.response.label
        raise ModelError(f"the response `{label}` is constant ({low:g}): nothing to model.")


def _check_response(response: TermMatrix, bound: BoundFormula) -> FloatArray:
    refuse_no_column(response, bound)
    y = np.ascontiguousarray(response.values[:, 0])
    if len(y) > 1 and y[-1] == y[0] and (y == y[0]).all():
        refuse_constant(y[0], y[0], bound)
    return y
