"""The rows and columns of a fit, read by another formula or with other options."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError, ColumnError, DataError, near_matches
from ..formula.auxiliary import AuxiliaryFormula
from ..formula.bind import bind
from ..formula.contrasts import check_contrasts
from ..formula.parse import parse_formula
from ..formula.scope import Scope
from ..formula.terms import BoundFormula
from ..formula.update_formula import update_formula
from ..residual.grammar import residual_spec
from ..support.arguments import UNCHANGED
from ..support.arrays import FloatArray
from ..support.caller import caller_variables
from .align import in_row_order
from .design import Design
from .fitted_variances import EXTRA_NAME
from .frame import real_array
from .input_table import column_names
from .plain_types import plain_table
from .read import (
    FormulaData,
    all_columns,
    all_free_names,
    bound_auxiliary,
    check_residual_columns,
    checked_contrasts,
    direct_columns,
    read_formula_data,
)


@dataclass(frozen=True, kw_only=True)
class ModelChanges:
    """What is to be another in a model; whatever is UNCHANGED stays as it is.

    Attributes
    ----------
    formula : str
        A whole formula, or one with ``.`` for what the old one has there.
    data : table
        Other rows than those of the fit.
    weights, offset, contrasts, residual, relationship, context
        As for :class:`lmforms.MixedModel`.
    auxiliary : mapping of str to str or None
        Formulas of parameters beside the mean that are to be others, or no longer there.
    """

    formula: Any = UNCHANGED
    data: Any = UNCHANGED
    weights: Any = UNCHANGED
    offset: Any = UNCHANGED
    contrasts: Any = UNCHANGED
    residual: Any = UNCHANGED
    relationship: Any = UNCHANGED
    context: Any = UNCHANGED
    auxiliary: Any = UNCHANGED

    @property
    def is_nothing(self) -> bool:
        """Whether the model stays what it is."""
        return all(value is UNCHANGED for value in vars(self).values())


@contextmanager
def column_advice(changes: ModelChanges) -> Iterator[None]:
    """Say in an error about a column which columns a fit has, and how to give it others."""
    try:
        yield
    except ColumnError as exc:
        if changes.data is not UNCHANGED:
            raise
        raise ColumnError(
            f"update: {exc}\nA fit keeps the columns that it uses. For others give the table "
            "again: fit.update(formula, data)."
        ) from None


def changed_formula_data(design: Design, changes: ModelChanges) -> FormulaData:
    """The formula and the rows of a changed model.

    Without other data: the rows that the design uses, and no others, so that the two fits can be
    compared; columns are those that its formula, or an earlier one, needed.

    Raises
    ------
    ColumnError
        A column was not kept.
    FormulaError, DataError, ArgumentError
    """
    if changes.context is not UNCHANGED and not isinstance(changes.context, Mapping):
        raise ArgumentError(
            f"update: context must be a mapping, not {type(changes.context).__name__}."
        )
    if changes.data is not UNCHANGED:
        return _of_other_data(design.formula_data, changes)
    old, table = design.formula_data, design.frame.table
    formula, bound = old.formula, old.bound
    if changes.formula is not UNCHANGED:
        formula = parse_formula(update_formula(bound, changes.formula, tuple(table)))
        bound = bind(formula, tuple(table))
    auxiliary = _auxiliary(old, bound, changes, list(table))
    codings = dict(old.contrasts)
    if changes.contrasts is not UNCHANGED:
        used = all_columns(bound, None, auxiliary)
        codings = checked_contrasts(changes.contrasts, used, list(table))
        check_contrasts(codings, table)
    extra = {name: values for name, values in old.frame.extra.items() if name != EXTRA_NAME}
    named = {"weights": old.weights_column, "offset": old.offset_column}
    for name, values in (("weights", changes.weights), ("offset", changes.offset)):
        if values is UNCHANGED:
            continue
        extra.pop(name, None)
        named[name] = values if isinstance(values, str) else None
        if values is not None:
            extra[name] = _for_rows(design, name, values)
    structure = old.residual
    if changes.residual is not UNCHANGED:
        structure = residual_spec(changes.residual)
        check_residual_columns(structure, list(table), "fit")
    plain = plain_table(table, direct=direct_columns(bound, structure, auxiliary))
    return FormulaData(
        formula=formula,
        bound=bound,
        frame=replace(old.frame, table=plain, extra=extra),
        scope=_scope(old.scope, all_free_names(bound, auxiliary), changes.context),
        contrasts=codings,
        offset_column=named["offset"],
        missing=old.missing,
        weights_column=named["weights"],
        rows=None if design.in_model.all() else design.in_model,
        residual=structure,
        response_kind=old.response_kind,
        auxiliary=auxiliary,
    )


def _auxiliary(
    old: FormulaData, bound: BoundFormula, changes: ModelChanges, columns: list[str]
) -> Mapping[str, AuxiliaryFormula]:
    """Formulas of parameters beside the mean, of a changed model on the same rows."""
    changed = {} if changes.auxiliary is UNCHANGED else dict(changes.auxiliary)
    kept = {name: formula for name, formula in old.auxiliary.items() if name not in changed}
    if bound is not old.bound:
        for formula in kept.values():
            formula.check_response(bound)
    return {**kept, **bound_auxiliary(changed, bound, columns, ())} if changed else kept


def _scope(scope: Scope, names: Collection[str], context: Any) -> Scope:
    """The names of the fit, and of what it does not know those in `context` or of the caller."""
    if context is not UNCHANGED:
        return scope.extended(context, before=True)
    unknown = [name for name in names if name not in scope]
    if not unknown:
        return scope
    return scope.extended(Scope.implicit(caller_variables(), unknown).given)


def _for_rows(design: Design, name: str, values: Any) -> FloatArray:
    """Weights or an offset, given as a kept column or for the rows used, for all of the frame."""
    table = design.frame.table
    if isinstance(values, str):
        if values not in table:
            raise ColumnError(
                f"{name}={values!r} is not a column of the fit.{near_matches(values, table)} "
                f"Give an array, or the table as below."
            )
        return real_array(name, table[values])
    what = f"update: {name}"
    found = real_array(what, in_row_order(what, values, design.index, allow_more=True))
    if found.shape != (design.n,):
        raise DataError(f"{what} has shape {found.shape}; the model uses {design.n} rows.")
    if np.isnan(found).any():
        raise DataError(f"{what} has missing values.")
    out = np.ones(len(design.in_model))  # rows that are not in the model need some number
    out[design.in_model] = found
    return out


def _of_other_data(old: FormulaData, changes: ModelChanges) -> FormulaData:
    """Another table, read anew."""
    names = tuple(column_names(changes.data))
    source = old.formula.source
    if changes.formula is not UNCHANGED:
        source = update_formula(old.bound, changes.formula, names)
    bound = bind(parse_formula(source), names)
    columns = {"weights": old.weights_column, "offset": old.offset_column}
    given: dict[str, Any] = {}
    for name, values in (("weights", changes.weights), ("offset", changes.offset)):
        if values is UNCHANGED and columns[name] is None and name in old.frame.extra:
            raise ArgumentError(
                f"update: the fit was given its {name} as an array; give {name}= for the rows of "
                "the new table, or None for none."
            )
        given[name] = columns[name] if values is UNCHANGED else values
    auxiliary = {name: formula.part.source for name, formula in old.auxiliary.items()}
    if changes.auxiliary is not UNCHANGED:
        auxiliary |= changes.auxiliary
    beside = bound_auxiliary(auxiliary, bound, names, ())
    contrasts = changes.contrasts
    if contrasts is UNCHANGED:
        used = all_columns(bound, None, beside)
        contrasts = {name: c for name, c in old.contrasts.items() if name in used}
    return read_formula_data(
        source,
        changes.data,
        **given,
        contrasts=contrasts,
        missing=old.missing,
        residual=old.residual if changes.residual is UNCHANGED else changes.residual,
        context=_scope(old.scope, all_free_names(bound, beside), changes.context),
        response=old.response_kind,
        auxiliary=auxiliary,
    )


def response_of(old: Design, response: FloatArray, new: Design) -> FloatArray:
    """The response of a changed model: that of the fit, unless the formula has another.

    Parameters
    ----------
    old : Design
    response : ndarray (n,)
        What was fitted: the design's own, unless it was replaced by ``refit(y)``.
    new : Design

    Raises
    ------
    ArgumentError
        It was replaced, and the new design has other rows.
    """
    if np.array_equal(response, old.y) or str(old.bound.response) != str(new.bound.response):
        return new.y
    if new.frame.incomplete is not old.frame.incomplete:
        raise ArgumentError(
            "update: the response was replaced by refit(y), and there is none for the rows of "
            "another table: fit the model by lmforms.lmer."
        )
    return response[new.in_model[old.in_model]]
