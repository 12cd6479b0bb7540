"""Tables that commands read: labels as they are written, or as a fit knows them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ..data.file_dialect import MISSING, Dialect
from ..errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from ..data.table_files import TableFile
    from ..formula.auxiliary import AuxiliaryFormula
    from ..formula.terms import BoundFormula
    from ..residual.specification import ResidualSpec
    from ..results.generalized.generalized_results import GeneralizedResults
    from ..results.model_results import MixedModelResults


def dialect_of(args: Namespace) -> Dialect:
    """What the arguments say of a file of delimited text."""
    return Dialect(args.sep, args.decimal, args.encoding, tuple(args.na), tuple(args.text))


def data_for(
    file: TableFile,
    bound: BoundFormula,
    structure: ResidualSpec | None,
    numeric: Collection[str],
    auxiliary: Sequence[AuxiliaryFormula] = (),
) -> Any:
    """A table for a formula that is to be fitted.

    Parameters
    ----------
    file : TableFile
    bound : BoundFormula
    structure : ResidualSpec or None
    numeric : collection of str
        Columns of numbers besides those of the formula: weights and offset.
    auxiliary : sequence of AuxiliaryFormula
        Formulas of parameters beside the mean.
    """
    labels, numbers = _roles(bound, structure, auxiliary, with_response=True)
    return file.table(labels, numbers | (set(numeric) & set(file.columns)))


def data_as_fitted(
    path: str, dialect: Dialect, fit: MixedModelResults | GeneralizedResults
) -> tuple[TableFile, Any]:
    """A file and its table for predictions, with labels read as those of the fit were.

    Parameters
    ----------
    path : str
    dialect : Dialect
    fit : MixedModelResults or GeneralizedResults

    Raises
    ------
    DataError
        Besides what reading raises: labels that are no whole numbers where those of the fit are.
    """
    from ..data.delimited import DelimitedFile
    from ..data.table_files import table_file

    design = fit.state.design
    formula_data, fitted = design.formula_data, design.frame.table
    auxiliary = tuple(formula_data.auxiliary.values())
    bound, structure = formula_data.bound, formula_data.residual
    labels, numbers = _roles(bound, structure, auxiliary, with_response=False)
    numbers |= {c for c in (formula_data.weights_column, formula_data.offset_column) if c}
    texts = {name for name in fitted if _is_text(_labels_of(fitted[name]))}
    whole = {name for name in labels - numbers if _labels_of(fitted[name]).dtype.kind in "iu"}
    file = table_file(path, dialect)
    if not isinstance(file, DelimitedFile):
        table = file.table()
        return file, {name: table[name] for name in file.columns}  # for predictions in pandas
    marked = {name for name in texts if fitted[name].isin(set(MISSING) - {""}).any()}
    table = file.table(texts | whole, numbers - texts, marked)
    changed = {}
    for name in table.columns.intersection(sorted(texts)):
        if table[name].dtype.kind in "iu":  # plain whole numbers: their text is what was there
            changed[name] = table[name].astype(object).map(str, na_action="ignore")
    for name in table.columns.intersection(sorted(whole)):
        if _is_text(_labels_of(table[name])):
            changed[name] = _whole_numbers(name, table[name], fitted[name])
    return file, table.assign(**changed) if changed else table


def _roles(
    bound: BoundFormula,
    structure: ResidualSpec | None,
    auxiliary: Sequence[AuxiliaryFormula],
    *,
    with_response: bool,
) -> tuple[set[str], set[str]]:
    """Columns that are labels in a model, and columns that may be numbers (or both)."""
    from ..formula.formulaic_factors import (
        columns_of,
        factor_columns,
        factors_of,
        label_columns,
    )

    sides = [bound.fixed, *bound.offsets, *(t.expression for t in bound.random)]
    sides += [formula.terms for formula in auxiliary]
    known = set(bound.columns).union(*(formula.columns for formula in auxiliary))
    direct = bound.direct_columns.union(*(formula.direct_columns for formula in auxiliary))
    if with_response:
        sides.append(bound.response)
    grouping = {f for term in bound.random for f in term.group}
    labels, numbers = set[str](), set[str]()
    for factor in grouping.union(*map(factors_of, sides)):
        coded = label_columns(factor, grouping=factor in grouping)
        labels |= coded
        numbers |= factor_columns(factor) - coded
    used = known & set().union(*map(columns_of, sides))
    labels, numbers = labels & known, (numbers | direct) & used
    if structure is not None:
        labels |= set(structure.group)
        numbers |= structure.numeric_columns
    return labels, numbers


def _labels_of(column: pd.Series) -> Any:
    """The categories of a factor, or the column itself."""
    return column.cat.categories if column.dtype == "category" else column


def _is_text(labels: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.infer_dtype(labels, skipna=True) == "string")


def _whole_numbers(name: str, given: pd.Series, fitted: pd.Series) -> pd.Series:
    """Labels that were read as text as the whole numbers that they are in the fit."""
    from ..data.delimited import is_plain_integer
    from ..data.label_messages import named

    odd = [text for text in given.dropna().unique() if not is_plain_integer(text)]
    if odd:
        raise DataError(
            f"the labels of `{name}` were whole numbers in the fit, such as {fitted.iloc[0]}, and "
            f"here are {named(odd)} too: write them in the same way, or leave these rows out."
        )
    return given.astype(object).map(int, na_action="ignore").astype("Int64")
