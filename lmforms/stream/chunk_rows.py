"""A chunk as the rows that the engine sums up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.coded_as_fitted import refuse_other_rows
from ..errors import DataError, LmformsError
from ..formula.aliases import unaliased
from ..formula.evaluator import Evaluator
from ..formula.formula_parts import FIXED, RESPONSE
from ..formula.plain_terms import plain_matrix
from ..residual import Independent, Residual, Weighted
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Levels, Table
from .chunk_columns import ChunkColumns, complete_rows
from .plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class ChunkRows:
    """The rows of a chunk that are in the model.

    Attributes
    ----------
    y, offset : ndarray (n,)
    X : ndarray (n, p)
    bases : tuple of ndarray (n, k)
        Of each grouping factor.
    labels : tuple of tuple of array
        Columns whose combinations are the levels of each grouping factor.
    residual : Residual
    n_read : int
        Number of rows that were read.
    missing : mapping of str to int
        Rows that were left out by what was missing or undefined.
    factor_counts : mapping of str to ndarray of int
        Rows of each level of the predictors that are factors.
    """

    y: FloatArray
    offset: FloatArray
    X: FloatArray
    bases: tuple[FloatArray, ...]
    labels: tuple[tuple[Any, ...], ...]
    residual: Residual
    n_read: int
    missing: Mapping[str, int]
    factor_counts: Mapping[str, IndexArray]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def size(self) -> float:
        """Largest absolute value of what the response is computed from."""
        both = (np.abs(x).max(initial=0.0) for x in (self.y, self.offset))
        return float(max(both))


def chunk_rows(plan: Plan, batch: pa.RecordBatch, where: str) -> ChunkRows:
    """Evaluate the formula on a chunk.

    Parameters
    ----------
    plan : Plan
    batch : pyarrow.RecordBatch
    where : str
        Of which partition it is, for messages.

    Raises
    ------
    DataError
        Levels that are not known, infinite values, or an expression that fails.
    """
    try:
        return _chunk_rows(plan, batch)
    except LmformsError as error:
        if len(error.args) != 1:
            raise
        raise type(error)(f"{where}: {error.args[0]}") from error


def _chunk_rows(plan: Plan, batch: pa.RecordBatch) -> ChunkRows:
    given = plan.formula_data
    weights_name, offset_name = given.weights_column, given.offset_column
    chunk = complete_rows(plan, batch)
    y, X, terms, offset, labels = _evaluated(plan, chunk)
    if offset_name is not None:
        offset = offset + chunk.table[offset_name].to_numpy(dtype=np.float64)
    columns = {"the response": y[:, None], FIXED: X, "the offset": offset[:, None]}
    columns |= {f"({t.label})": m for t, m in zip(plan.prototype.terms, terms, strict=True)}
    used, absent = _defined(columns)
    weights = None
    if weights_name is not None:
        weights = chunk.table[weights_name].to_numpy(dtype=np.float64)
    if used is not None:
        y, X, offset = y[used], X[used], offset[used]
        terms = [m[used] for m in terms]
        labels = [[_chosen(x, used) for x in own] for own in labels]
        weights = None if weights is None else weights[used]
    bases = []
    for group in plan.prototype.groups:
        own = [terms[t] for t in group.terms]
        bases.append(own[0] if len(own) == 1 else np.hstack(own))
    return ChunkRows(
        y=y,
        offset=offset,
        X=X,
        bases=tuple(bases),
        labels=tuple(tuple(labels[group.terms[0]]) for group in plan.prototype.groups),
        residual=Independent() if weights is None else Weighted(weights),
        n_read=chunk.n_read,
        missing={**chunk.missing, **absent},
        factor_counts={name: _level_counts(chunk.table, name, used) for name in plan.factors},
    )


def _evaluated(
    plan: Plan, chunk: ChunkColumns
) -> tuple[FloatArray, FloatArray, list[FloatArray], FloatArray, list[list[Any]]]:
    """y, X, the bases and labels of all random terms, and the sum of the offsets in the formula."""
    bound, table, prototype = plan.bound, chunk.table, plan.prototype
    matrices = _plain_matrices(plan, table)
    evaluator = None
    if matrices is None:
        given = plan.formula_data
        contrasts = {name: c for name, c in given.contrasts.items() if name in table}
        evaluator = Evaluator(table, given.scope, contrasts)
        parts = bound.formula
        specs = [
            (plan.response.spec, parts.response, RESPONSE),
            (prototype.fixed.spec, parts.fixed, FIXED),
        ]
        for term, bound_term in zip(prototype.terms, bound.random, strict=True):
            written = f"the random term {bound_term.written}"
            specs.append((term.matrix.spec, bound_term.part, written))
        for made, part in zip(prototype.offsets, parts.offsets, strict=True):
            specs.append((made.spec, part, "the offset"))
        matrices = [evaluator.matrix(*spec).values for spec in specs]
        every = range(len(prototype.terms))
        refuse_other_rows(prototype, evaluator, every, "a stream", response=plan.response)
    y, X, *others = matrices
    terms, offsets = others[: len(bound.random)], others[len(bound.random) :]
    offset = np.zeros(table.n)
    for column in offsets:
        offset = offset + column[:, 0]
    labels: list[list[Any]] = []
    for bound_term in bound.random:
        own: list[Any] = []
        for factor in bound_term.group:
            if factor.eval_method.value == "lookup":
                own.append(chunk.labels[unaliased(factor.expr)])
                continue
            if evaluator is None:
                evaluator = Evaluator(table, plan.formula_data.scope, {})
            made_labels = evaluator.factor(factor, bound_term.group_part)
            if made_labels.isna().any():
                name = unaliased(factor.expr)
                raise DataError(
                    f"the grouping factor `{name}` has missing labels after evaluation."
                )
            own.append(made_labels)
        labels.append(own)
    return np.ascontiguousarray(y[:, 0]), X, terms, offset, labels


def _plain_matrices(plan: Plan, table: Table) -> list[FloatArray] | None:
    """The parts of a formula of columns as they are; None where anything else is there."""
    plain = plan.bound.plain
    if plain is None:
        return None
    made: list[FloatArray] = []
    for terms in plain.distinct:
        found = plain_matrix(terms, table, plan.formula_data.contrasts)
        if found is None:
            return None
        made.append(np.asarray(found.values, dtype=np.float64))
    return [made[kind] for kind in plain.places]


def _defined(columns: Mapping[str, FloatArray]) -> tuple[BoolArray | None, dict[str, int]]:
    """Rows without NaN, None for all, and how often it is there; infinities are refused."""
    absent: dict[str, int] = {}
    undefined: list[BoolArray] = []
    for name, values in columns.items():
        if np.isfinite(values.sum()):  # one pass without an array of booleans
            continue
        infinite = np.isinf(values)
        if infinite.any():
            raise DataError(
                f"{name} is infinite in {int(infinite.any(axis=1).sum())} rows: correct or drop "
                "them."
            )
        gaps = np.asarray(np.isnan(values).any(axis=1))
        if gaps.any():
            absent[name] = int(gaps.sum())
            undefined.append(gaps)
    return ~np.logical_or.reduce(undefined) if undefined else None, absent


def _chosen(labels: Any, rows: BoolArray) -> Any:
    """Some of the labels, whatever holds them."""
    if isinstance(labels, (np.ndarray, pd.Series)):
        return labels[rows]
    import pyarrow as pa

    return labels.filter(pa.array(rows))


def _level_counts(table: Table, name: str, used: BoolArray | None) -> IndexArray:
    """Rows of each level of a factor."""
    column = table.plain(name)
    assert isinstance(column, Levels)
    codes = column.codes if used is None else column.codes[used]
    return np.bincount(codes, minlength=len(column.categories))
