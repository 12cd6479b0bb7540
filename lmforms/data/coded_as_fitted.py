"""Columns of new rows that the right-hand side needs, coded as the rows of the fit were.

Factors get the levels of the fit; what has no counterpart there is refused, and so are expressions
that would be other functions on other rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import ArgumentError, ColumnError, DataError, listed, near_matches, shortened
from ..formula.aliases import unaliased
from ..formula.evaluator import Evaluator
from ..formula.formula_part import FormulaPart
from ..formula.formulaic_factors import columns_of, factor_columns, factors_of, mark_factor
from ..formula.term_matrix import TermMatrix
from ..support.arrays import FloatArray
from ..support.column_table import Table
from .design import Design
from .frame import column_or_array
from .input_table import column_names, raw_table, row_count
from .label_messages import named, other_type, values_of

if TYPE_CHECKING:
    from formulaic import ModelSpec
    from formulaic.parser.types import Factor


def needed_columns(
    design: Design,
    data: Any,
    terms: Sequence[int],
    what: str,
    unlabelled: Sequence[int] = (),
    auxiliary: Sequence[str] = (),
) -> Table:
    """The columns that the right-hand side needs, as they were given.

    Parameters
    ----------
    design : Design
    data : table
    terms : sequence of int
        Random terms that are needed with their grouping factors.
    what : str
        Method that the user called, for messages.
    unlabelled : sequence of int
        Random terms that are needed without them.
    auxiliary : sequence of str
        Parameters beside the mean that are needed.
    """
    needed = predictor_columns(design, (*terms, *unlabelled), auxiliary)
    for t in terms:
        needed |= group_columns(design, t)
    wanted = [c for c in design.formula_data.columns if c in needed]
    names = column_names(data)
    absent = [c for c in wanted if c not in names]
    if absent:
        way = near_matches(absent[0], names) if len(absent) == 1 else ""
        raise ColumnError(
            f"{what}: the new data lack {listed([f'`{c}`' for c in absent])}.{way} "
            f"Columns needed: {listed(wanted)}."
        )
    return raw_table(data, wanted)


def group_columns(design: Design, term: int) -> set[str]:
    """Columns by which a random term finds its level."""
    return {c for f in design.bound.random[term].group for c in factor_columns(f)}


def predictor_columns(
    design: Design, terms: Sequence[int], auxiliary: Iterable[str] = ()
) -> set[str]:
    """Columns of the fixed part, the offsets, left sides of random terms and other parameters."""
    bound = design.bound
    return columns_of(bound.fixed).union(
        *(columns_of(o) for o in bound.offsets),
        *(columns_of(bound.random[t].expression) for t in terms),
        *(design.auxiliary[name].formula.columns for name in auxiliary),
    )


def as_fitted(design: Design, rows: Table, what: str) -> Table:
    """Predictors that were factors in the fit as factors with the same levels."""
    predictors = predictor_columns(design, range(len(design.terms)), design.auxiliary)
    changed = {}
    for name, given in rows.items():
        fitted = design.coding(name)
        if name not in predictors or fitted.dtype == given.dtype:
            continue
        is_bool = pd.api.types.is_bool_dtype
        if isinstance(fitted.dtype, pd.CategoricalDtype):
            levels = fitted.cat.categories
        elif is_bool(fitted.dtype):
            levels = pd.Index([False, True], dtype=object)
        elif not len(given):  # no values, which have no type: all are missing
            changed[name] = given.astype(object).astype(fitted.dtype)
            continue
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
            way = other_type(new, known) or lost_rows(design, [name], new)
            if is_bool(fitted.dtype) and set(new) <= {0, 1}:
                way = " Make it boolean, by `.astype(bool)`."
            raise DataError(
                f"{what}: `{name}` has levels that the model does not know: {named(new)}. "
                f"It knows {named(known)}.{way}"
            )
        dtype = bool if pd.api.types.is_bool_dtype(fitted.dtype) else fitted.dtype
        changed[name] = pd.Series(values, index=rows.index).astype(dtype)
    return rows.assign(changed)


def check_row_by_row(
    design: Design, terms: Sequence[int], what: str, auxiliary: Sequence[str] = ()
) -> None:
    """Refuse expressions that mean something else on other rows than those of the fit."""
    given = design.formula_data
    evaluator = Evaluator(given.frame.table, given.scope, given.contrasts)
    refuse_other_rows(design, evaluator, terms, what, auxiliary)


def refuse_other_rows(
    design: Design,
    evaluator: Evaluator,
    terms: Sequence[int],
    what: str,
    auxiliary: Sequence[str] = (),
    response: TermMatrix | None = None,
) -> None:
    """The same on the rows of an evaluator, with the response if it is given.

    Raises
    ------
    DataError
    """
    bound = design.bound
    used: list[tuple[Iterable[Factor], ModelSpec | None, FormulaPart]] = [
        (factors_of(bound.fixed), design.fixed.spec, bound.formula.fixed)
    ]
    if response is not None:
        used.append((factors_of(bound.response), response.spec, bound.formula.response))
    for parsed, made, part in zip(
        bound.offsets, design.offsets, bound.formula.offsets, strict=True
    ):
        used.append((factors_of(parsed), made.spec, part))
    for t in terms:
        spec = bound.random[t]
        used.append((factors_of(spec.expression), design.terms[t].matrix.spec, spec.part))
        used.append((spec.group, None, spec.group_part))
    for name in auxiliary:
        own = design.auxiliary[name]
        used.append((factors_of(own.formula.terms), own.matrix.spec, own.formula.part))
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


def lost_rows(design: Design, columns: Sequence[str], levels: Sequence[Any]) -> str:
    """Which of the levels had rows that were dropped, for a message."""
    seen: set[Any] = set()
    for table in design.left_out:
        if all(name in table for name in columns):
            values = [values_of(table[name].astype(object)) for name in columns]
            seen |= set(values[0] if len(columns) == 1 else zip(*values, strict=True))
    lost = [level for level in levels if level in seen]
    return f" All rows of {named(lost)} were dropped for missing values." if lost else ""


def given_offset(design: Design, data: Any, offset: npt.ArrayLike | None, what: str) -> FloatArray:
    """The offset that came as an argument, for the new rows (zeros without one)."""
    column = design.formula_data.offset_column
    fitted_with_one = "offset" in design.formula_data.frame.extra
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
