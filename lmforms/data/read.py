"""A formula and its data, read and checked: what every design is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from ..errors import ArgumentError, ColumnError, DataError, listed, near_matches
from ..formula.auxiliary import AuxiliaryFormula, bind_auxiliary
from ..formula.bind import bind
from ..formula.contrasts import check_contrasts
from ..formula.parse import MixedFormula, parse_formula
from ..formula.scope import Scope
from ..formula.terms import BoundFormula
from ..residual.grammar import residual_spec
from ..residual.specification import ResidualSpec
from ..support.arrays import BoolArray
from ..support.caller import caller_variables
from .frame import Frame, Missing, build_frame, column_or_array
from .input_table import column_names
from .observed_response import ResponseKind


@dataclass(frozen=True, eq=False)
class FormulaData:
    """A formula with the rows and columns of a table that it uses.

    Attributes
    ----------
    formula : MixedFormula
        As the user wrote it.
    bound : BoundFormula
        Its terms, with the names of the columns known.
    frame : Frame
        Complete rows of the columns used, and of those that an earlier formula used;
        ``frame.extra`` may hold ``weights`` and ``offset``.
    scope : Scope
        Functions and variables that calls in the formula may use.
    contrasts : mapping
        Coding of factors by column name.
    offset_column : str or None
        Column that was given as the argument `offset`.
    missing : {"drop", "raise"}
        What to do with rows that have missing values.
    weights_column : str or None
        Column that was given as the argument `weights`.
    rows : ndarray of bool or None
        Rows of the frame that the model may use; None for all.
    residual : ResidualSpec or None
        Structure of the residuals; None for independent ones.
    response_kind : ResponseKind or None
        What the family of a generalised model takes; None for a linear model.
    auxiliary : mapping of str to AuxiliaryFormula
        Formulas of parameters beside the mean, by their names.
    """

    formula: MixedFormula
    bound: BoundFormula
    frame: Frame
    scope: Scope
    contrasts: Mapping[str, Any]
    offset_column: str | None
    missing: Missing
    weights_column: str | None = None
    rows: BoolArray | None = None
    residual: ResidualSpec | None = None
    response_kind: ResponseKind | None = None
    auxiliary: Mapping[str, AuxiliaryFormula] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the formulas and the residual structure use."""
        return all_columns(self.bound, self.residual, self.auxiliary)


def read_formula_data(
    formula: str,
    data: Any,
    *,
    weights: str | npt.ArrayLike | None = None,
    offset: str | npt.ArrayLike | None = None,
    contrasts: Mapping[str, Any] | None = None,
    missing: Missing = "drop",
    residual: str | ResidualSpec | None = None,
    context: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
    reserved: Sequence[str] = (),
    response: ResponseKind | None = None,
    auxiliary: Mapping[str, str | None] | None = None,
) -> FormulaData:
    """Parse a formula, find its names, and take what it needs from a table.

    Parameters
    ----------
    formula, data, weights, offset, contrasts, missing, residual, context
        See :class:`lmforms.MixedModel`.
    variables : mapping, optional
        Variables that stand for a missing `context`; the caller's own by default.
    reserved : sequence of str
        Columns that ``.`` does not stand for, besides those of `weights` and `offset` and the
        group of `residual`.
    response : {"counts", "continuous", "trials", "ordinal"}, optional
        What the family of a generalised model takes; None for a linear model. It says what the
        left-hand side may be and what `weights` are: see
        :func:`.response_reader.observed_response`.
    auxiliary : mapping of str to str, optional
        Right-hand sides of parameters beside the mean, such as ``{"dispersion": "~ x"}``: fixed
        effects only. None stands for no formula.

    Raises
    ------
    FormulaError, ColumnError, DataError, ArgumentError

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"y": [1.0, 2.0, 4.0], "g": ["a", "a", "b"], "other": [0, 0, 0]})
    >>> formula_data = read_formula_data("y ~ 1 + (1 | g)", table)
    >>> formula_data.bound.columns, formula_data.frame.table.n
    (('y', 'g'), 3)
    """
    parsed = parse_formula(formula)
    if context is not None and not isinstance(context, Mapping):
        raise ArgumentError(f"context must be a mapping, not {type(context).__name__}.")
    names = column_names(data)
    weights_column = weights if isinstance(weights, str) else None
    offset_column = offset if isinstance(offset, str) else None
    taken = [column for column in (weights_column, offset_column) if column is not None]
    structure = None if residual is None else residual_spec(residual)
    if structure is not None:
        check_residual_columns(structure, names)
        taken += structure.group
    bound = bind(parsed, tuple(names), reserved=(*reserved, *taken))
    beside: dict[str, AuxiliaryFormula] = {}
    if auxiliary:
        beside = bound_auxiliary(auxiliary, bound, names, (*reserved, *taken))
    if response is not None and structure is not None:
        raise ArgumentError(
            "residual= is for linear models: the variances of a generalised model follow from its "
            "family. Leave it out, or use a random term such as ar1(0 + f | g)."
        )
    free_names = all_free_names(bound, beside) if beside else bound.free_names
    if context is not None:
        scope = context if isinstance(context, Scope) else Scope(context)
    elif free_names:
        known = caller_variables() if variables is None else variables
        scope = Scope.implicit(known, free_names)
    else:
        scope = Scope()
    codings = {}
    if contrasts is not None:
        codings = checked_contrasts(contrasts, all_columns(bound, None, beside), names)
    extra = {}
    for name, values in (("weights", weights), ("offset", offset)):
        if values is not None and (array := column_or_array(name, values, data)) is not None:
            extra[name] = array
    used = all_columns(bound, structure, beside)
    direct = direct_columns(bound, structure, beside)
    frame = build_frame(data, used, direct=direct, extra=extra, missing=missing)
    if codings:
        check_contrasts(codings, frame.table)
    return FormulaData(
        formula=parsed,
        bound=bound,
        frame=frame,
        scope=scope,
        contrasts=codings,
        offset_column=offset_column,
        missing=missing,
        weights_column=weights_column,
        residual=structure,
        response_kind=response,
        auxiliary=beside,
    )


def bound_auxiliary(
    given: Mapping[str, str | None],
    bound: BoundFormula,
    columns: Sequence[str],
    reserved: Sequence[str],
) -> dict[str, AuxiliaryFormula]:
    """Formulas of parameters beside the mean, parsed; names without a formula are left out."""
    return {
        name: bind_auxiliary(name, source, bound, columns, reserved=reserved)
        for name, source in given.items()
        if source is not None
    }


def all_columns(
    bound: BoundFormula,
    spec: ResidualSpec | None,
    auxiliary: Mapping[str, AuxiliaryFormula],
) -> tuple[str, ...]:
    """Columns that a formula, a residual structure and other parameters use, each once."""
    if spec is None and not auxiliary:
        return bound.columns
    more = [] if spec is None else [*spec.columns]
    for formula in auxiliary.values():
        more += formula.columns
    return tuple(dict.fromkeys([*bound.columns, *more]))


def all_free_names(
    bound: BoundFormula, auxiliary: Mapping[str, AuxiliaryFormula]
) -> frozenset[str]:
    """Names in the calls of all formulas that are no columns."""
    return bound.free_names.union(*(formula.free_names for formula in auxiliary.values()))


def check_residual_columns(
    spec: ResidualSpec | None, columns: Sequence[str], of: str = "data"
) -> None:
    """Refuse a residual structure of columns that are not there.

    Raises
    ------
    ColumnError
    """
    absent = [] if spec is None else [c for c in spec.columns if c not in columns]
    if absent:
        raise ColumnError(
            f"residual={str(spec)!r}: `{absent[0]}` is not a column of the {of}."
            f"{near_matches(absent[0], columns)} Columns: {listed(list(columns))}."
        )


def direct_columns(
    bound: BoundFormula,
    spec: ResidualSpec | None,
    auxiliary: Mapping[str, AuxiliaryFormula],
) -> frozenset[str]:
    """Columns that enter the model as they are, or as numbers of the residual structure."""
    direct = bound.direct_columns | (frozenset() if spec is None else spec.numeric_columns)
    if not auxiliary:
        return direct
    return direct.union(*(formula.direct_columns for formula in auxiliary.values()))


def checked_contrasts(
    contrasts: Mapping[str, Any] | None, used: Sequence[str], columns: Sequence[str]
) -> dict[str, Any]:
    """Coding of factors by column name, each a column that the formula uses."""
    if contrasts is None:
        return {}
    if not isinstance(contrasts, Mapping):
        raise ArgumentError("contrasts must map column names to contrasts.")
    for name in contrasts:
        if name not in columns:
            name = str(name)
            raise ColumnError(
                f"contrasts: `{name}` is not a column of the data.{near_matches(name, columns)}"
            )
        if name not in used:
            raise DataError(f"contrasts: `{name}` is not in the formula.")
    return dict(contrasts)
