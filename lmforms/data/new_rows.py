"""The design of new rows, coded as the rows of the fit were.

Factors get the levels of the fit, transforms use what they learnt there, and levels of grouping
factors are found by their labels. What has no counterpart in the fit is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError
from ..formula.aliases import unaliased
from ..formula.evaluator import Evaluator
from ..formula.terms import BoundRandomTerm
from ..support.arrays import BoolArray, IndexArray
from ..support.column_table import Table
from .coded_as_fitted import (
    as_fitted,
    check_row_by_row,
    given_offset,
    group_columns,
    lost_rows,
    needed_columns,
    predictor_columns,
)
from .design import Design, GroupingFactor
from .design_rows import DesignRows, TermRows
from .frame import missing_by_column
from .label_messages import named, other_type
from .plain_types import plain_table
from .random_structures import place_basis


def new_rows(
    design: Design,
    data: Any,
    terms: Sequence[int],
    *,
    new_levels: str,
    offset: npt.ArrayLike | None,
    what: str,
    unlabelled: Sequence[int] = (),
    auxiliary: Sequence[str] = (),
) -> DesignRows:
    """Evaluate the design of a fit on other rows.

    Parameters
    ----------
    design : Design
    data : pandas, polars or pyarrow table, or mapping of arrays
        With every column that the right-hand side needs.
    terms : sequence of int
        Random terms that are needed, by their indices in the design.
    new_levels : {"raise", "zero"}
        Refuse levels that the fit does not have, or give them the code −1. A missing label makes
        a row incomplete, or is a level that the fit does not have.
    offset : array, optional
        For a model fitted with an offset array: its values for the new rows.
    what : str
        Method that the user called, for messages.
    unlabelled : sequence of int
        Other random terms, whose columns are evaluated without a grouping factor: all codes −1.
    auxiliary : sequence of str
        Parameters beside the mean whose columns are needed, by the names of their formulas.

    Raises
    ------
    ColumnError
        A column is not there.
    DataError
        New levels, another type of a column, or an expression whose values depend on other rows.
    ArgumentError
        An offset is needed, or given without need.
    """
    formula_data, bound = design.formula_data, design.bound
    used = sorted({*terms, *unlabelled})
    given_table = needed_columns(design, data, terms, what, unlabelled, auxiliary)
    given = given_offset(design, data, offset, what)
    n = len(given)
    gaps = missing_by_column(given_table)
    labels_only: set[str] = set()
    if new_levels == "zero":
        labels_only = {c for t in terms for c in group_columns(design, t)}
        labels_only -= predictor_columns(design, used, auxiliary)
    complete = ~_any([own for name, own in gaps.items() if name not in labels_only], n)
    without_gaps = [c for c in given_table if c not in labels_only or c not in gaps]
    own_rows = _columns(given_table, without_gaps).rows(complete)
    direct = bound.direct_columns.union(
        *(design.auxiliary[name].formula.direct_columns for name in auxiliary)
    )
    table = as_fitted(design, plain_table(own_rows, direct=direct), what)
    check_row_by_row(design, used, what, auxiliary)
    contrasts = {name: c for name, c in formula_data.contrasts.items() if name in table}
    evaluator = Evaluator(table, formula_data.scope, contrasts)
    fixed = evaluator.matrix(design.fixed.spec, bound.formula.fixed, "the fixed part")
    total = np.zeros(table.n)
    for fitted, part in zip(design.offsets, bound.formula.offsets, strict=True):
        total += evaluator.matrix(fitted.spec, part, "the offset").values[:, 0]
    beside = {}
    for name in auxiliary:
        own_part = design.auxiliary[name]
        formula = own_part.formula
        made = evaluator.matrix(own_part.matrix.spec, formula.part, formula.what)
        beside[name] = _spread(own_part.chosen(made.values), complete, np.nan)
    found = {}
    for t in used:
        term, spec = design.terms[t], bound.random[t]
        where = f"the random term {spec.written}"
        basis = evaluator.matrix(term.matrix.spec, spec.part, where).values
        if term.places is not None:
            basis = place_basis(term.places, basis, spec, new_levels)
        codes = np.full(n, -1, dtype=np.intp)
        if t in terms:
            columns = sorted(group_columns(design, t))
            labelled = complete & ~_any([gaps[c] for c in columns if c in gaps], n)
            own = evaluator
            if not all(c in table for c in columns):
                labels_there = _columns(given_table, columns).rows(labelled)
                own = Evaluator(plain_table(labels_there), formula_data.scope, {})
            labels = [own.factor(f, spec.group_part) for f in spec.group]
            group = design.groups[term.group]
            codes[labelled] = _codes(design, group, spec, labels, new_levels)
        found[t] = TermRows(codes, _spread(basis, complete, 0.0))
    return DesignRows(
        design=design,
        index=data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(n),
        complete=complete,
        X=_spread(fixed.values[:, design.x_kept], complete, np.nan),
        offset=given + _spread(total, complete, np.nan),
        terms=found,
        auxiliary=beside,
    )


def _any(conditions: Iterable[BoolArray], n: int) -> BoolArray:
    """Where any of some conditions holds, (n,)."""
    return np.asarray(np.logical_or.reduce([np.zeros(n, dtype=bool), *conditions]))


def _columns(table: Table, names: Iterable[str]) -> Table:
    """Some of the columns."""
    return Table({name: table[name] for name in names}, table.index)


def _spread(values: Any, rows: BoolArray, filler: float) -> Any:
    """Values of the chosen rows among all rows, `filler` elsewhere."""
    if rows.all():
        return values
    out = np.full((len(rows), *values.shape[1:]), filler, dtype=values.dtype)
    out[rows] = values
    return out


def _codes(
    design: Design,
    group: GroupingFactor,
    spec: BoundRandomTerm,
    labels: Sequence[pd.Series],
    new_levels: str,
) -> IndexArray:
    """Codes of the model's levels; −1 for a new one."""
    if len(labels) == 1:
        given = pd.Index(labels[0].astype(object), dtype=object)
        codes = group.levels.astype(object).get_indexer(given)
    else:
        name = spec.group_name
        if name != group.factor:  # the same interaction written in another order
            order = [name.split(":").index(part) for part in group.factor.split(":")]
            labels = [labels[i] for i in order]
        given = pd.MultiIndex.from_arrays([x.astype(object) for x in labels])
        codes = pd.Index(group.levels.to_flat_index()).get_indexer(given.to_flat_index())
    unknown = codes < 0
    if not unknown.any():
        return np.asarray(codes, dtype=np.intp)
    new = list(dict.fromkeys(given[unknown].tolist()))
    levels = group.levels
    parts = list(zip(*new, strict=True)) if len(labels) > 1 else [new]
    ways = (type_mismatch(part, levels.get_level_values(i)) for i, part in enumerate(parts))
    way = next(filter(None, ways), "")
    if way or new_levels == "raise":
        columns = [unaliased(f.expr) for f in spec.group]
        way = way or (
            f"{lost_rows(design, columns, new)} Use new_levels='zero' to predict them without "
            "their random effects."
        )
        raise DataError(
            f"`{group.factor}` has levels that no row of the fit has: {named(new)}.{way}"
        )
    return np.asarray(codes, dtype=np.intp)


def type_mismatch(given: Sequence[Any], known: pd.Index) -> str:
    """What to do about labels that are no new levels: written like one, or of another type."""
    labels = known.unique().tolist()
    there, kinds = set(labels), {_kind(label) for label in labels}
    new = [label for label in given if label not in there]
    other = next((label for label in new if _kind(label) not in kinds), None)
    way = other_type(new, labels)
    if way or other is None:
        return way
    return (
        f" {other!r} is {type(other).__name__} where the data had labels like {labels[0]!r} "
        f"({type(labels[0]).__name__}): give both the same type."
    )


def _kind(label: Any) -> str:
    """The kind of a label: labels of different kinds are never equal."""
    if isinstance(label, (bool, Number)):
        return "number"
    if isinstance(label, dt.datetime):  # with pandas' own
        return "moment" if label.tzinfo is None else "moment in a zone"
    return "span" if isinstance(label, dt.timedelta) else type(label).__name__
