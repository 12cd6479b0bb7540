"""From any table to the rows and columns a model uses.

The needed columns in plain types: floats, integers, booleans, and categories for whatever
is text. Rows with missing values are dropped and counted.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import (
    ColumnError,
    DataError,
    MissingDataError,
    MissingDataWarning,
    near_matches,
)
from ..support.arguments import one_of
from ..support.arrays import BoolArray, FloatArray
from ..support.caller import caller_depth
from ..support.column_table import Table
from .align import in_row_order
from .exact_columns import exact_column
from .input_table import column_names, raw_table, row_labels
from .plain_frame import complete_plain_table
from .plain_types import PLAIN_DTYPES, plain_table

Missing = Literal["drop", "raise"]

MISSING_ROWS = ("drop", "raise")
"""What `missing` may be."""
NUMERIC_KINDS = ("integer", "floating", "mixed-integer-float", "boolean", "empty")
"""What pandas calls objects that are all numbers."""


@dataclass(frozen=True)
class Frame:
    """The rows and columns of one model.

    Attributes
    ----------
    table : Table
        The needed columns in plain types, on the user's index, complete rows only.
    complete : ndarray of bool, shape (rows given,)
        Which of the given rows are in `table`.
    extra : mapping of str to ndarray
        Arrays that came beside the table (weights, offset), for the rows kept.
    incomplete : Table
        The other rows, types as they came.
    """

    table: Table
    complete: BoolArray
    extra: Mapping[str, FloatArray]
    incomplete: Table = field(default_factory=Table)

    def with_categories_of(self, used: BoolArray) -> Frame:
        """The same rows, without categories that only rows outside `used` have.

        Those rows get another category: they are about to be dropped.
        """
        changed = {}
        for name, column in self.table.items():
            if isinstance(column.dtype, pd.CategoricalDtype):
                kept = column[used].cat.remove_unused_categories()
                if len(kept.cat.categories) < len(column.cat.categories):
                    filled = column.where(column.isin(kept.cat.categories), kept.cat.categories[0])
                    changed[name] = filled.cat.remove_unused_categories()
        return replace(self, table=self.table.assign(changed)) if changed else self

    def rows_used(self, used: BoolArray) -> Table:
        """The columns of the rows `used`, without categories that only others have."""
        return self.table if used.all() else self.with_categories_of(used).table.rows(used)


def build_frame(
    data: Any,
    columns: Iterable[str],
    *,
    direct: Iterable[str] = (),
    extra: Mapping[str, FloatArray] | None = None,
    missing: Missing = "drop",
) -> Frame:
    """Take the needed columns, in plain types, without incomplete rows.

    Parameters
    ----------
    data : pandas, polars or pyarrow table, or mapping of arrays
    columns : iterable of str
        The columns needed.
    direct : iterable of str
        Columns that enter the model as they are: numbers or factors, nothing else.
        Others are labels of grouping factors or arguments of calls, of any type.
    extra : mapping of str to ndarray (n,), optional
        Arrays beside the table, from :func:`column_or_array`. A missing offset drops its row; a
        missing weight does not, since that is an error (see :class:`~.residual.Weighted`).
    missing : {"drop", "raise"}

    Raises
    ------
    DataError
        Empty table, no complete row, or a type that cannot enter a model.
    """
    one_of("missing", missing, MISSING_ROWS)
    arrays = dict(extra or {})
    names, as_is = list(columns), frozenset(direct)
    gaps_of_offset = np.isnan(arrays["offset"]) if "offset" in arrays else None
    if gaps_of_offset is not None and not gaps_of_offset.any():
        gaps_of_offset = None
    plain = complete_plain_table(data, names, as_is) if gaps_of_offset is None else None
    if plain is not None:
        complete = np.empty(plain.n, dtype=bool)
        complete[:] = True  # np.ones takes longer
        return Frame(plain, complete, arrays)
    table = raw_table(data, names)
    n = table.n
    if n == 0:
        raise DataError("the data have no rows.")
    absent = missing_by_column(table)
    if gaps_of_offset is not None:
        absent["offset"] = gaps_of_offset
    complete = np.ones(n, dtype=bool)
    incomplete = Table()
    if absent:
        for gaps in absent.values():
            complete &= ~gaps
        report_dropped(~complete, absent, missing)
        incomplete, table = table.rows(~complete), table.rows(complete)
        arrays = {name: values[complete] for name, values in arrays.items()}
    return Frame(plain_table(table, direct=as_is), complete, arrays, incomplete)


def missing_by_column(table: Table) -> dict[str, BoolArray]:
    """For each column with missing values, where they are."""
    absent = {name: _missing(column) for name, column in table.items()}
    return {name: gaps for name, gaps in absent.items() if gaps is not None and gaps.any()}


def _missing(column: pd.Series) -> BoolArray | None:
    """Where a column is missing; None if its type has no missing values."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return None
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return np.isnan(column.to_numpy())
    if pd.api.types.is_float_dtype(dtype):  # nullable ones may hold NaN beside NA
        return np.isnan(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if isinstance(dtype, pd.CategoricalDtype):
        return np.asarray(column.array.codes) < 0
    return column.isna().to_numpy(dtype=bool)


def report_dropped(incomplete: BoolArray, where: Mapping[str, BoolArray], missing: str) -> None:
    """Warn about incomplete rows, or raise as `missing` asks, naming the columns."""
    counts = {name: int(gaps.sum()) for name, gaps in where.items() if gaps.any()}
    shown = ", ".join(f"`{name}` ({count})" for name, count in counts.items())
    m, n = int(incomplete.sum()), len(incomplete)
    if m == n:
        raise DataError(f"all {n} rows have a missing value: in {shown}.")
    text = f"{m} of {n} rows have missing values: in {shown}"
    if missing == "raise":
        raise MissingDataError(text, list(counts))
    warnings.warn(f"{text}. They are dropped.", MissingDataWarning, stacklevel=caller_depth())


def column_or_array(name: str, values: Any, data: Any) -> FloatArray | None:
    """An argument that is a column's name or an array, as an array (None stays None).

    Raises
    ------
    ColumnError
        The column does not exist.
    DataError
        It does not hold one number for each row.
    """
    if values is None:
        return None
    if isinstance(values, str):
        names = column_names(data)
        if values not in names:
            raise ColumnError(
                f"{name}={values!r} is not a column of the data.{near_matches(values, names)}"
            )
        values = raw_table(data, [values])[values]
    rows = row_labels(data)
    n = len(rows)
    array = real_array(name, in_row_order(name, values, rows))
    if array.shape != (n,):
        raise DataError(
            f"{name} has shape {array.shape}; one number for each of the {n} rows is needed."
        )
    return array


def real_array(name: str, values: Any) -> FloatArray:
    """Real numbers as float64 (missing ones as NaN); text is refused even if it looks like them.

    Raises
    ------
    DataError
        Text, labels, complex numbers or other objects.
    """
    if type(values) is np.ndarray and values.dtype in PLAIN_DTYPES:
        return values.astype(np.float64)
    try:
        shape = np.shape(values)
    except ValueError:
        raise DataError(f"{name}: real numbers are needed, not lists of them.") from None
    series = exact_column(name, values if len(shape) == 1 else np.ma.asarray(values).ravel())
    dtype = series.dtype
    if dtype.kind == "O" and pd.api.types.infer_dtype(series, skipna=True) in NUMERIC_KINDS:
        series = _floats(name, series)  # numbers among None, say
    elif not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
        held = "complex numbers" if pd.api.types.is_complex_dtype(dtype) else f"{dtype} values"
        raise DataError(f"{name}: real numbers are needed, and {held} are not numeric.")
    return series.to_numpy(dtype=np.float64, na_value=np.nan).reshape(shape)


def _floats(name: str, series: pd.Series) -> pd.Series:
    try:
        return series.astype("Float64")
    except OverflowError:
        raise DataError(f"{name}: numbers too large for double precision.") from None
