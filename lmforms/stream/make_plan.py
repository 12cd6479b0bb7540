"""A plan from a formula and the first rows of a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.build_design import refuse_no_column
from ..data.column_ranks import ColumnRanks
from ..data.design import Design
from ..data.random_terms import random_parts
from ..data.read import FormulaData, read_formula_data
from ..engine.rows import FactorRows, ModelRows
from ..engine.sums.sample_units import sample_scaling
from ..errors import ArgumentError, DataError, ModelError
from ..formula.bind import bind
from ..formula.evaluator import Learnt
from ..formula.formula_parts import formula_parts
from ..formula.parse import parse_formula
from ..formula.terms import BoundFormula
from ..residual import Independent, Residual, Weighted
from ..sources.arrow_types import kind_of
from ..support.arrays import FloatArray, IndexArray
from .chunk_columns import ChunkColumns, chunk_columns
from .chunk_rows import ChunkRows
from .plan import Plan, label_names, predictor_names

if TYPE_CHECKING:
    import pyarrow as pa

PROTOTYPE_ROWS = 64
"""Rows of a sample from which names and codings are made, beside one for each level."""


@dataclass(frozen=True)
class Facts:
    """What is known of a source beside its first rows.

    Attributes
    ----------
    levels : mapping of str to Index
        Levels that the user gave.
    categories : frozenset of str
        Columns of categories.
    ranges : mapping of str to (float, float)
        The least and the largest number of columns that splines take.
    order : tuple of str
        All columns as they stand in the source.
    """

    levels: Mapping[str, pd.Index] = field(default_factory=dict)
    categories: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    order: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ModelText:
    """What a user says of a model.

    Attributes
    ----------
    formula : str
    weights, offset : str or None
        Columns.
    contrasts, context : mapping or None
    """

    formula: str
    weights: str | None = None
    offset: str | None = None
    contrasts: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("weights", "offset"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ArgumentError(
                    f"{name}= of a stream is the name of a column, not "
                    f"{type(value).__name__}: make it a column of the source."
                )

    def bound(self, schema: pa.Schema) -> BoundFormula:
        """The formula with the columns of a source."""
        beside = [name for name in (self.weights, self.offset) if name is not None]
        for name in beside:
            if name not in schema.names:
                raise DataError(f"`{name}` is not a column of the source.")
        return bind(parse_formula(self.formula), tuple(schema.names), reserved=tuple(beside))


def categorical_columns(schema: pa.Schema) -> frozenset[str]:
    """Columns of categories, which have an order of their own."""
    import pyarrow as pa

    return frozenset(field.name for field in schema if pa.types.is_dictionary(field.type))


def factor_columns_of(bound: BoundFormula, schema: pa.Schema) -> list[str]:
    """Predictors that are text or categories."""
    categories = categorical_columns(schema)
    return [
        name
        for name in predictor_names(bound)
        if name in categories or kind_of(schema.field(name).type) == "text"
    ]


def make_plan(
    text: ModelText,
    bound: BoundFormula,
    batch: pa.RecordBatch,
    factors: Mapping[str, pd.CategoricalDtype],
    facts: Facts,
) -> Plan | None:
    """A plan from the first rows; None if no row of them is complete.

    Parameters
    ----------
    text : ModelText
    bound : BoundFormula
    batch : pyarrow.RecordBatch
    factors : mapping of str to CategoricalDtype
        All levels of the predictors that are factors.
    facts : Facts

    Raises
    ------
    FormulaError, ModelError, DataError
    """
    beside = [name for name in (text.weights, text.offset) if name is not None]
    labels = label_names(bound)
    predictors = list(dict.fromkeys([*predictor_names(bound), *beside]))
    chunk = chunk_columns(batch, predictors=predictors, factors=factors, labels=labels)
    if not chunk.table.n:
        return None
    frame = _prototype_frame(chunk, factors, labels, facts.ranges, facts.order)
    given = read_formula_data(
        text.formula,
        frame,
        weights=text.weights,
        offset=text.offset,
        contrasts=text.contrasts,
        context=text.context,
    )
    orders = {name: _categories(batch, name) for name in labels if name in facts.categories}
    orders |= {name: own for name, own in facts.levels.items() if name in labels}
    return plan_of(given, factors, facts.levels, orders)


def plan_of(
    given: FormulaData,
    factors: Mapping[str, pd.CategoricalDtype],
    levels: Mapping[str, pd.Index],
    orders: Mapping[str, pd.Index],
    learnt: Learnt | None = None,
) -> Plan:
    """The plan of a formula, by the rows of its frame.

    Parameters
    ----------
    given : FormulaData
    factors, levels, orders
        See :class:`.plan.Plan`.
    learnt : Learnt, optional
        What transforms and factors know from other rows: there need be no rows then.

    Raises
    ------
    FormulaError, ModelError, DataError
    """
    table = given.frame.table
    parts = formula_parts(given.bound, table, given.scope, given.contrasts, learnt=learnt)
    refuse_no_column(parts.response, given.bound)
    groups, terms = random_parts(given.bound, parts.random, parts.labels, (), _AllColumns())
    for term in terms:
        if term.places is not None:
            raise ModelError(
                f"the random term {term.written} has an effect for each place in the data: it "
                "needs all rows in memory."
            )
    prototype = Design(
        formula_data=given,
        in_model=np.ones(table.n, dtype=bool),
        y=parts.response.values[:, 0],
        offset=np.zeros(table.n),
        residual=Independent(),
        fixed=parts.fixed,
        x_kept=np.arange(len(parts.fixed.names)),
        offsets=parts.offsets,
        terms=terms,
        groups=groups,
    )
    return Plan(prototype, parts.response, dict(factors), dict(levels), dict(orders))


def _categories(batch: pa.RecordBatch, name: str) -> pd.Index:
    levels = dict.fromkeys(batch.column(name).dictionary.to_pylist())  # some may stand twice
    return pd.Index([level for level in levels if level is not None], dtype=object)


def with_units(plan: Plan, chunks: Sequence[ChunkRows]) -> Plan:
    """The plan with units that suit the first rows."""
    y = np.concatenate([rows.y - rows.offset for rows in chunks])
    none = np.zeros(len(y), dtype=np.intp)
    bases = zip(*(rows.bases for rows in chunks), strict=True)
    sample = ModelRows(
        y,
        np.concatenate([rows.X for rows in chunks]),
        tuple(FactorRows(none, 1, np.concatenate(own)) for own in bases),
        joined_residuals([rows.residual for rows in chunks]),
    )
    scaling = sample_scaling(sample, plan.covariances, plan.constant, plan.constants)
    return replace(plan, scaling=scaling)


def joined_residuals(parts: Sequence[Residual]) -> Residual:
    """Of the rows of all parts."""
    if isinstance(parts[0], Independent):
        return parts[0]
    return Weighted(np.concatenate([1.0 / _variances(part) for part in parts]))


def _variances(residual: Residual) -> FloatArray:
    found = residual.variances()
    assert found is not None
    return found


class _AllColumns(ColumnRanks):
    """Takes all columns as independent: some rows cannot tell."""

    def independent(self, columns: FloatArray) -> IndexArray:
        return np.arange(columns.shape[1])


def _prototype_frame(
    chunk: ChunkColumns,
    factors: Mapping[str, pd.CategoricalDtype],
    labels: Sequence[str],
    ranges: Mapping[str, tuple[float, float]],
    order: Sequence[str],
) -> pd.DataFrame:
    """Some rows of a chunk, and one more for each level of every factor and end of a range."""
    n = min(PROTOTYPE_ROWS, chunk.table.n)
    most = max((len(dtype.categories) for dtype in factors.values()), default=0)
    rows = np.arange(n + max(2, most)) % n
    more = np.arange(len(rows) - n)
    made: dict[str, Any] = {}
    for name, column in chunk.table.items():
        values = column.iloc[rows].reset_index(drop=True)
        if name in factors:
            codes = column.iloc[:n].cat.codes.to_numpy()
            codes = np.concatenate([codes, more % len(factors[name].categories)])
            values = pd.Series(pd.Categorical.from_codes(codes, dtype=factors[name]))
        elif pd.api.types.is_bool_dtype(values.dtype):
            values.iloc[n:] = more % 2 == 0
        elif name in ranges:
            values = values.astype(np.float64)
            values.iloc[n:] = np.array(ranges[name])[more % 2]
        made[name] = values
    for name in labels:
        if name not in made:
            own = chunk.labels[name]
            if isinstance(own, (np.ndarray, pd.Series)):
                made[name] = pd.Series(own).iloc[rows].reset_index(drop=True)
            else:
                made[name] = pd.Series(own.take(rows).to_pylist())
    in_order = [name for name in order if name in made]  # for `.`, and which column is dropped
    return pd.DataFrame({name: made[name] for name in in_order})
