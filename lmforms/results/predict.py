"""Predictions for the model's own rows and for new ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.frame import column_or_array, missing_by_column, plain_table
from ..data.random_design import term_columns
from ..data.table import Table, column_names, raw_table, row_count
from ..errors import ArgumentError, ColumnError, DataError, listed, near_matches, shortened
from ..formula.evaluator import Evaluator
from ..formula.piece import Piece, unaliased
from ..formula.terms import BoundRandomTerm, columns_of, factor_columns, factors_of, marked
from ..relationship.labels import named, other_type, values_of
from ..support.arguments import one_of, sequence
from ..support.arrays import FloatArray, IndexArray
from .state import FitState

if TYPE_CHECKING:
    from formulaic import ModelSpec
    from formulaic.parser.types import Factor

    from ..data.design import Design, GroupingFactor


def predict(
    state: FitState,
    data: Any,
    *,
    random: str | Sequence[str],
    new_levels: str,
    offset: npt.ArrayLike | None,
) -> pd.Series:
    """See :meth:`lmforms.MixedModelResults.predict`."""
    new_levels = one_of("new_levels", new_levels, ("raise", "zero"))
    terms = _chosen(state, random)
    if data is None:
        if offset is not None:
            raise ArgumentError("predict: offset needs new data.")
        return _own_rows(state, terms)

    bound = state.design.bound
    needed = columns_of(bound.fixed).union(*(columns_of(o) for o in bound.offsets))
    for t in terms:
        needed |= columns_of(bound.random[t].expression)
        needed |= {c for f in bound.random[t].group for c in factor_columns(f)}
    wanted = [c for c in bound.columns if c in needed]
    names = column_names(data)
    absent = [c for c in wanted if c not in names]
    if absent:
        raise ColumnError(
            f"predict: the new data lack `{absent[0]}`.{near_matches(absent[0], names)} "
            f"Columns needed: {listed(wanted)}."
        )
    table = raw_table(data, wanted)
    given = _given_offset(state, data, offset)
    n = len(given)
    incomplete = np.logical_or.reduce([np.zeros(n, bool), *missing_by_column(table).values()])
    rows = _as_fitted(state, plain_table(table.rows(~incomplete), bare=bound.bare))
    out = np.full(n, np.nan)
    out[~incomplete] = _linear_predictor(state, rows, terms, new_levels)
    index = data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(n)
    return pd.Series(out + given, index=index, name="predicted")


def _as_fitted(state: FitState, rows: Table) -> Table:
    """Predictors that were factors in the fit as factors with the same levels."""
    design = state.design
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
                f"predict: `{name}` was a number in the fit and is a factor now: make it numbers, "
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
                f"predict: `{name}` has levels that the model does not know: {named(new)}. "
                f"It knows {named(known)}.{way}"
            )
        dtype = bool if pd.api.types.is_bool_dtype(fitted.dtype) else fitted.dtype
        changed[name] = pd.Series(values, index=rows.index).astype(dtype)
    return rows.assign(changed)


def _as_used(design: Design, name: str) -> pd.Series:
    """A column of the fit, without levels that only rows have which a transformation made NaN."""
    column = design.frame.table[name]
    if not isinstance(column.dtype, pd.CategoricalDtype) or design.used.all():
        return column
    return column[design.used].cat.remove_unused_categories()


def _chosen(state: FitState, random: str | Sequence[str]) -> list[int]:
    """Indices of the random terms to add."""
    design = state.design
    if isinstance(random, str):
        if random == "all":
            return list(range(len(design.terms)))
        random = [] if random == "none" else [random]
    random = sequence("random", random, "grouping factors or terms, or 'all' or 'none'")
    chosen: set[int] = set()
    labels = [t.label for t in design.terms]
    groups = [design.groups[t.group].name for t in design.terms]
    for name in random:
        clean = " ".join(str(name).strip().removeprefix("(").removesuffix(")").split())
        pairs = list(zip(labels, groups, strict=True))
        found = {i for i, pair in enumerate(pairs) if clean in pair or name in pair}
        if not found:
            known = list(dict.fromkeys([*groups, *labels]))
            raise ArgumentError(
                f"random: `{name}` is neither a grouping factor nor a random term."
                f"{near_matches(clean, known)} Use 'all', 'none' or some of: {', '.join(known)}."
            )
        chosen |= found
    return sorted(chosen)


def _own_rows(state: FitState, terms: Sequence[int]) -> pd.Series:
    design = state.design
    values = design.X @ state.estimate.beta + design.offset
    spans = term_columns(design)
    for t in terms:
        g, columns = spans[t]
        effects = state.estimate.b[g][design.groups[g].codes, columns]
        values = values + np.einsum("ik,ik->i", design.terms[t].matrix.values, effects)
    return pd.Series(values, index=design.index, name="predicted")


def _linear_predictor(
    state: FitState, table: Table, terms: Sequence[int], new_levels: str
) -> FloatArray:
    design = state.design
    _check_row_by_row(state, terms)
    used = [c for c in state.contrasts if c in table]
    contrasts = {c: state.contrasts[c] for c in used}
    evaluator = Evaluator(table, state.scope, contrasts)
    bound = design.bound
    fixed = evaluator.matrix(design.fixed.spec, bound.formula.fixed, "the fixed part")
    values = fixed.values[:, design.x_kept] @ state.estimate.beta
    for made, piece in zip(design.offsets, bound.formula.offsets, strict=True):
        values += evaluator.matrix(made.spec, piece, "the offset").values[:, 0]
    spans = term_columns(design)
    for t in terms:
        term = design.terms[t]
        group = design.groups[term.group]
        spec = bound.random[t]
        what = f"the random term {spec.written}"
        basis = evaluator.matrix(term.matrix.spec, spec.piece, what).values
        labels = [evaluator.factor(f, spec.group_piece) for f in spec.group]
        codes = _codes(design, group, spec, labels, new_levels)
        g, columns = spans[t]
        effects = state.estimate.b[g][:, columns]
        known = codes >= 0
        values[known] += np.einsum("ik,ik->i", basis[known], effects[codes[known]])
    return np.asarray(values)


def _check_row_by_row(state: FitState, terms: Sequence[int]) -> None:
    """Refuse expressions that mean something else on other rows than those of the fit."""
    design = state.design
    bound = design.bound
    evaluator = Evaluator(design.frame.table, state.scope, state.contrasts)
    used: list[tuple[Iterable[Factor], ModelSpec | None, Piece]] = [
        (factors_of(bound.fixed), design.fixed.spec, bound.formula.fixed)
    ]
    for parsed, made, piece in zip(
        bound.offsets, design.offsets, bound.formula.offsets, strict=True
    ):
        used.append((factors_of(parsed), made.spec, piece))
    for t in terms:
        spec = bound.random[t]
        used.append((factors_of(spec.expression), design.terms[t].matrix.spec, spec.piece))
        used.append((spec.group, None, spec.group_piece))
    for factors, learnt, piece in used:
        for factor in factors:
            if evaluator.depends_on_other_rows(factor, learnt):
                name = shortened(unaliased(factor.expr))
                raise DataError(
                    f"predict: `{name}` depends on the other rows, so it is another "
                    "function on new data. Use what is remembered, such as center(x), "
                    "scale(x) or poly(x, 2), or compute it as a column of both tables.\n"
                    f"{marked(factor, piece)}"
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
        if name != group.name:  # the same interaction written in another order
            order = [name.split(":").index(part) for part in group.name.split(":")]
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
        raise DataError(f"`{group.name}` has levels that no row of the fit has: {named(new)}.{way}")
    return np.asarray(codes, dtype=np.intp)


def _lost_rows(design: Design, columns: Sequence[str], levels: Sequence[Any]) -> str:
    """Which of the levels had rows that were dropped, for a message."""
    seen: set[Any] = set()
    for table in (design.frame.incomplete, design.frame.table.rows(~design.used)):
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
    """Labels of different kinds are never equal."""
    if isinstance(label, (bool, Number)):
        return "number"
    if isinstance(label, dt.datetime):  # with pandas' own
        return "moment" if label.tzinfo is None else "moment in a zone"
    return "span" if isinstance(label, dt.timedelta) else type(label).__name__


def _given_offset(state: FitState, data: Any, offset: npt.ArrayLike | None) -> FloatArray:
    """The offset that came as an argument, for the new rows (zeros without one)."""
    column = state.offset_column
    fitted_with_one = "offset" in state.design.frame.extra
    if offset is not None and not fitted_with_one:
        raise ArgumentError("predict: the model was fitted without an offset argument.")
    if offset is None and column is not None:
        if column not in column_names(data):
            raise ColumnError(
                f"the model was fitted with offset='{column}': the new data need that column."
            )
        offset = column  # type: ignore[assignment]
    if offset is None and fitted_with_one:
        raise ArgumentError(
            "the model was fitted with an offset array: give predict(offset=...) its values "
            "for the new rows."
        )
    values = column_or_array("offset", offset, data)
    return np.zeros(row_count(data)) if values is None else values
