"""The design of new rows, coded as the rows of the fit were.

Factors get the levels of the fit, transforms use what they learnt there, and levels of grouping
factors are found by their labels. What has no counterpart in the fit is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import ArgumentError, ColumnError, DataError, listed, near_matches, shortened
from ..formula.aliases import unaliased
from ..formula.evaluator import Evaluator
from ..formula.formula_part import FormulaPart
from ..formula.formulaic_factors import columns_of, factor_columns, factors_of, mark_factor
from ..formula.terms import BoundRandomTerm
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Table
from .design import Design, GroupingFactor
from .design_rows import DesignRows, TermRows
from .frame import column_or_array, missing_by_column
from .input_table import column_names, raw_table, row_count
from .label_messages import named, other_type, values_of
from .plain_types import plain_table

if TYPE_CHECKING:
    from formulaic import ModelSpec
    from formulaic.parser.types import Factor


def new_rows(
    design: Design,
    data: Any,
    terms: Sequence[int],
    *,
    new_levels: str,
    offset: npt.ArrayLike | None,
    what: str,
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
        Refuse levels that the fit does not have, or give them the code −1.
    offset : array, optional
        For a model fitted with an offset array: its values for the new rows.
    what : str
        Method that the user called, for messages.

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
    table = _needed_columns(design, data, terms, what)
    given = _given_offset(design, data, offset, what)
    n = len(given)
    gaps = missing_by_column(table).values()
    complete = ~np.logical_or.reduce([np.zeros(n, dtype=bool), *gaps])
    table = _as_fitted(design, plain_table(table.rows(complete), direct=bound.direct_columns), what)
    _check_row_by_row(design, terms, what)
    contrasts = {name: c for name, c in formula_data.contrasts.items() if name in table}
    evaluator = Evaluator(table, formula_data.scope, contrasts)
    fixed = evaluator.matrix(design.fixed.spec, bound.formula.fixed, "the fixed part")
    total = np.zeros(table.n)
    for made, part in zip(design.offsets, bound.formula.offsets, strict=True):
        total += evaluator.matrix(made.spec, part, "the offset").values[:, 0]
    found = {}
    for t in terms:
        term, spec = design.terms[t], bound.random[t]
        where = f"the random term {spec.written}"
        basis = evaluator.matrix(term.matrix.spec, spec.part, where).values
        labels = [evaluator.factor(f, spec.group_part) for f in spec.group]
        codes = _codes(design, design.groups[term.group], spec, labels, new_levels)
        found[t] = TermRows(_spread(codes, complete, -1), _spread(basis, complete, 0.0))
    return DesignRows(
        design=design,
        index=data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(n),
        complete=complete,
        X=_spread(fixed.values[:, design.x_kept], complete, np.nan),
        offset=given + _spread(total, complete, np.nan),
        terms=found,
    )


def _spread(values: Any, rows: BoolArray, filler: float) -> Any:
    """Values of the chosen rows among all rows, `filler` elsewhere."""
    if rows.all():
        return values
    out = np.full((len(rows), *values.shape[1:]), filler, dtype=values.dtype)
    out[rows] = values
    return out


def _needed_columns(design: Design, data: Any, terms: Sequence[int], what: str) -> Table:
    """The columns that the right-hand side needs, as they were given."""
    bound = design.bound
    needed = columns_of(bound.fixed).union(*(columns_of(o) for o in bound.offsets))
    for t in terms:
        needed |= columns_of(bound.random[t].expression)
        needed |= {c for f in bound.random[t].group for c in factor_columns(f)}
    wanted = [c for c in bound.columns if c in needed]
    names = column_names(data)
    absent = [c for c in wanted if c not in names]
    if absent:
        raise ColumnError(
            f"{what}: the new data lack `{absent[0]}`.{near_matches(absent[0], names)} "
            f"Columns needed: {listed(wanted)}."
        )
    return raw_table(data, wanted)


def _as_fitted(design: Design, rows: Table, what: str) -> Table:
    """Predictors that were factors in the fit as factors with the same levels."""
    predictors = columns_of(design.bound.fixed).union(
        *(columns_of(t.expression) for t in design.bound.random),
        *(columns_of(o) for o in design.bound.offsets),
    )
    changed = {}
    for name, given in rows.items():
        fitted = _as_used(design, name)
        if name not in predictors or fitted.dtype == given.dtype:
            continue
        is_bool = pd.api.types.is_bool_dtype
        if isinstance(fitted.dtype, pd.CategoricalDtype):
            levels = fitted.cat.categories
        elif is_bool(fitted.dtype):
            levels = pd.Index([False, True], dtype=object)
        elif isinstance(given.dtype, pd.CategoricalDtype) or is_bool(given.dtype):
            raise DataError(
                f"{what}: `{name}` was a number in the fit and is a factor now: make it numbers, "
                f"as by pandas.to_numeric(data[{name!r}])."
            )
        else:
            continue
        values = pd.Index(given.astype(object), dtype=object)
        if pd.api.types.is_bool_dtype(given.dtype) != (levels.inferred_type == "boolean"):
            new = values[:1]  # True is not the level 1, nor 1 the level True
        else:
            new = values[~values.isin(levels)].unique()
        if len(new):
            new, known = values_of(new), values_of(levels)
            way = other_type(new, known) or _lost_rows(design, [name], new)
            raise DataError(
                f"{what}: `{name}` has levels that the model does not know: {named(new)}. "
                f"It knows {named(known)}.{way}"
            )
        dtype = bool if pd.api.types.is_bool_dtype(fitted.dtype) else fitted.dtype
        changed[name] = pd.Series(values, index=rows.index).astype(dtype)
    return rows.assign(changed)


def _as_used(design: Design, name: str) -> pd.Series:
    """A column of the fit, without levels that only rows outside the model have."""
    column = design.frame.table[name]
    if not isinstance(column.dtype, pd.CategoricalDtype) or design.in_model.all():
        return column
    return column[design.in_model].cat.remove_unused_categories()


def _check_row_by_row(design: Design, terms: Sequence[int], what: str) -> None:
    """Refuse expressions that mean something else on other rows than those of the fit."""
    formula_data, bound = design.formula_data, design.bound
    evaluator = Evaluator(formula_data.frame.table, formula_data.scope, formula_data.contrasts)
    used: list[tuple[Iterable[Factor], ModelSpec | None, FormulaPart]] = [
        (factors_of(bound.fixed), design.fixed.spec, bound.formula.fixed)
    ]
    for parsed, made, part in zip(
        bound.offsets, design.offsets, bound.formula.offsets, strict=True
    ):
        used.append((factors_of(parsed), made.spec, part))
    for t in terms:
        spec = bound.random[t]
        used.append((factors_of(spec.expression), design.terms[t].matrix.spec, spec.part))
        used.append((spec.group, None, spec.group_part))
    for factors, learnt, part in used:
        for factor in factors:
            if evaluator.depends_on_other_rows(factor, learnt):
                name = shortened(unaliased(factor.expr))
                raise DataError(
                    f"{what}: `{name}` depends on the other rows, so it is another "
                    "function on new data. Use what is remembered, such as center(x), "
                    "scale(x) or poly(x, 2), or compute it as a column of both tables.\n"
                    f"{mark_factor(factor, part)}"
                )


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
    ways = (_other_type(part, levels.get_level_values(i)) for i, part in enumerate(parts))
    way = next(filter(None, ways), "")
    if way or new_levels == "raise":
        columns = [unaliased(f.expr) for f in spec.group]
        way = way or (
            f"{_lost_rows(design, columns, new)} Use new_levels='zero' to predict them without "
            "their random effects."
        )
        raise DataError(
            f"`{group.factor}` has levels that no row of the fit has: {named(new)}.{way}"
        )
    return np.asarray(codes, dtype=np.intp)


def _lost_rows(design: Design, columns: Sequence[str], levels: Sequence[Any]) -> str:
    """Which of the levels had rows that were dropped, for a message."""
    seen: set[Any] = set()
    for table in (design.frame.incomplete, design.frame.table.rows(~design.in_model)):
        if all(name in table for name in columns):
            values = [values_of(table[name].astype(object)) for name in columns]
            seen |= set(values[0] if len(columns) == 1 else zip(*values, strict=True))
    lost = [level for level in levels if level in seen]
    return f" All rows of {named(lost)} were dropped for missing values." if lost else ""


def _other_type(given: Sequence[Any], known: pd.Index) -> str:
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


def _given_offset(design: Design, data: Any, offset: npt.ArrayLike | None, what: str) -> FloatArray:
    """The offset that came as an argument, for the new rows (zeros without one)."""
    column = design.formula_data.offset_column
    fitted_with_one = "offset" in design.frame.extra
    if offset is not None and not fitted_with_one:
        raise ArgumentError(f"{what}: the model was fitted without an offset argument.")
    if offset is None and column is not None:
        if column not in column_names(data):
            raise ColumnError(
                f"the model was fitted with offset='{column}': the new data need that column."
            )
        offset = column  # type: ignore[assignment]
    if offset is None and fitted_with_one:
        raise ArgumentError(
            f"the model was fitted with an offset array: give {what}(offset=...) its values "
            "for the new rows."
        )
    values = column_or_array("offset", offset, data)
    return np.zeros(row_count(data)) if values is None else values
