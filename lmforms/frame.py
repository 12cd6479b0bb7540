"""From any table to the rows and columns a model uses.

pandas, polars, pyarrow (through narwhals, the door that formulaic uses too) and mappings
of arrays become one pandas frame of the needed columns, of plain types: floats, integers,
booleans, and categories for whatever is text. Rows with missing values are dropped and
counted.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import ArgumentError, ColumnError, DataError, MissingDataWarning, near_matches

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Missing = Literal["drop", "raise"]


@dataclass(frozen=True)
class Frame:
    """The rows and columns of one model.

    Attributes
    ----------
    data : pandas.DataFrame
        The needed columns in plain types, on the user's index, complete rows only.
    kept : ndarray of bool, shape (rows given,)
        Which of the given rows are in `data`.
    extra : mapping of str to ndarray
        Arrays that came beside the table (weights, offset), for the rows kept.
    """

    data: pd.DataFrame
    kept: BoolArray
    extra: Mapping[str, FloatArray]

    def with_categories_of(self, used: BoolArray) -> Frame:
        """The same rows, without categories that only rows outside `used` have.

        Those rows get another category: they are about to be dropped.
        """
        changed = {}
        for name in self.data.columns:
            column = self.data[name]
            if isinstance(column.dtype, pd.CategoricalDtype):
                kept = column[used].cat.remove_unused_categories()
                if len(kept.cat.categories) < len(column.cat.categories):
                    filled = column.where(column.isin(kept.cat.categories), kept.cat.categories[0])
                    changed[name] = filled.cat.remove_unused_categories()
        return replace(self, data=self.data.assign(**changed)) if changed else self


def column_names(data: Any) -> list[str]:
    """Names of the columns of any table.

    Raises
    ------
    DataError
        `data` is no table, or has two columns of one name.
    """
    if isinstance(data, pd.DataFrame):
        names = [c if isinstance(c, str) else str(c) for c in data.columns]
    elif isinstance(data, Mapping):
        names = [str(k) for k in data]
    else:
        names = list(_narwhals(data).columns)
    duplicated = sorted({n for n in names if names.count(n) > 1}) if len(names) < 1000 else []
    if duplicated:
        raise DataError(f"the data have two columns named `{duplicated[0]}`: rename one.")
    return names


def build_frame(
    data: Any,
    columns: Iterable[str],
    *,
    bare: Iterable[str] = (),
    extra: Mapping[str, FloatArray] | None = None,
    missing: Missing = "drop",
) -> Frame:
    """Take the needed columns, in plain types, without incomplete rows.

    Parameters
    ----------
    data : pandas, polars or pyarrow table, or mapping of arrays
    columns : iterable of str
        The columns needed.
    bare : iterable of str
        Columns that enter the model as they are: numbers or factors, nothing else.
        Others are labels of grouping factors or arguments of calls, of any type.
    extra : mapping of str to ndarray (n,), optional
        Arrays beside the table, from :func:`beside`. A missing offset drops its row; a
        missing weight does not, since that is an error (see :class:`~.residual.Weighted`).
    missing : {"drop", "raise"}

    Raises
    ------
    DataError
        Empty table, no complete row, or a type that cannot enter a model.
    """
    if missing not in ("drop", "raise"):
        raise ArgumentError(f"missing={missing!r}: use 'drop' or 'raise'.")
    table = raw_table(data, list(columns))
    n = len(table) if len(table.columns) else row_count(data)
    if n == 0:
        raise DataError("the data have no rows.")
    arrays = dict(extra or {})

    absent = missing_by_column(table)
    if "offset" in arrays:
        absent["offset"] = np.isnan(arrays["offset"])
    incomplete = np.zeros(n, dtype=bool)
    for gaps in absent.values():
        incomplete |= gaps
    if incomplete.any():
        report_dropped(incomplete, absent, missing)
        table = table.loc[~incomplete]
        arrays = {name: values[~incomplete] for name, values in arrays.items()}
    plain = plain_table(table, bare=bare)
    return Frame(data=plain, kept=~incomplete, extra=arrays)


def missing_by_column(table: pd.DataFrame) -> dict[str, BoolArray]:
    """For each column, where it is missing."""
    return {str(c): table[c].isna().to_numpy(dtype=bool) for c in table.columns}


def plain_table(table: pd.DataFrame, *, bare: Iterable[str] = ()) -> pd.DataFrame:
    """Complete rows as floats, integers, booleans and categories without unused ones."""
    as_is = set(bare)
    plain = {c: _plain(table[c], c, as_is=c in as_is) for c in table.columns}
    return pd.DataFrame(plain, index=table.index)


def report_dropped(incomplete: BoolArray, where: Mapping[str, BoolArray], missing: str) -> None:
    """Warn about incomplete rows, or raise as `missing` asks, naming the columns."""
    counts = {name: int(gaps.sum()) for name, gaps in where.items() if gaps.any()}
    shown = ", ".join(f"`{name}` ({count})" for name, count in counts.items())
    m, n = int(incomplete.sum()), len(incomplete)
    if m == n:
        raise DataError(f"all {n} rows have a missing value: in {shown}.")
    text = f"{m} of {n} rows have missing values: in {shown}"
    if missing == "raise":
        raise DataError(f"{text}. Fill or drop them, or use missing='drop'.")
    warnings.warn(f"{text}. They are dropped.", MissingDataWarning, stacklevel=caller_depth())


def beside(name: str, values: Any, data: Any) -> FloatArray | None:
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
    n = row_count(data)
    array = real_array(name, values)
    if array.shape != (n,):
        raise DataError(
            f"{name} has shape {array.shape}; one number for each of the {n} rows is needed."
        )
    return array


def real_array(name: str, values: Any) -> FloatArray:
    """Numbers, not what looks like them, as float64 (missing ones as NaN).

    Raises
    ------
    DataError
        Text, labels, complex numbers or other objects.
    """
    series = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values).ravel())
    if series.dtype.kind == "O":  # numbers among None, say
        series = series.infer_objects()
    dtype = series.dtype
    if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
        held = "complex numbers" if pd.api.types.is_complex_dtype(dtype) else f"{dtype} values"
        raise DataError(f"{name}: real numbers are needed, and {held} are not numeric.")
    return series.to_numpy(dtype=np.float64, na_value=np.nan).reshape(np.shape(values))


def group_codes(values: pd.Series) -> tuple[npt.NDArray[np.intp], pd.Index]:
    """Integer codes and level labels of a grouping variable, unused levels left out.

    Categories keep their order; other labels are sorted.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        used = _used_categories(values)
        return used.cat.codes.to_numpy().astype(np.intp), pd.Index(used.cat.categories)
    try:
        codes, levels = pd.factorize(values)
    except TypeError:
        raise DataError(
            f"the labels of `{values.name}` are {type(values.iloc[0]).__name__} objects; "
            "labels must be hashable, such as text or numbers."
        ) from None
    with contextlib.suppress(TypeError):  # labels of mixed types have no order
        codes, levels = pd.factorize(values, sort=True)
    return codes.astype(np.intp), pd.Index(levels)


# --- any table to pandas ------------------------------------------------------------------


def _narwhals(data: Any) -> Any:
    import narwhals.stable.v1 as nw

    try:
        table = nw.from_native(data, eager_only=True)
    except TypeError:
        raise DataError(
            "data must be a pandas, polars or pyarrow table or a mapping of arrays, "
            f"not {type(data).__name__}."
        ) from None
    return table


def row_count(data: Any) -> int:
    """Number of rows of any table."""
    if isinstance(data, Mapping) and not isinstance(data, pd.DataFrame):
        return len(next(iter(data.values()), ()))
    return len(data)


def raw_table(data: Any, columns: list[str]) -> pd.DataFrame:
    """The named columns of any table as a pandas frame, types as they came."""
    if isinstance(data, pd.DataFrame):
        names = [c if isinstance(c, str) else str(c) for c in data.columns]
        positions = [names.index(c) for c in columns]
        table = data.iloc[:, positions]
        return table if list(table.columns) == columns else table.set_axis(columns, axis=1)
    if isinstance(data, Mapping):
        given = {str(k): v for k, v in data.items()}
        lengths = {c: len(np.atleast_1d(np.asarray(given[c]))) for c in columns}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"`{c}` {m}" for c, m in lengths.items())
            raise DataError(f"the arrays differ in length: {shown}.")
        return pd.DataFrame({c: _one_dimensional(c, given[c]) for c in columns})
    table = _narwhals(data)
    return pd.DataFrame({c: _from_narwhals(table[c]) for c in columns})


def _one_dimensional(name: str, values: Any) -> Any:
    if np.ndim(values) != 1:
        raise DataError(f"`{name}` has {np.ndim(values)} dimensions; one is needed.")
    return values


def _from_narwhals(series: Any) -> Any:
    """A column of any table library, without needing that library's own pandas bridge."""
    import narwhals.stable.v1 as nw

    dtype = series.dtype
    if dtype.is_float() or (dtype.is_numeric() and series.null_count() and not dtype.is_decimal()):
        return series.cast(nw.Float64).to_numpy()
    if dtype.is_numeric() and not dtype.is_decimal():
        return series.to_numpy()
    if dtype in (nw.Categorical, nw.Enum):
        categories = series.cat.get_categories().to_list()
        return pd.Categorical(series.cast(nw.String).to_list(), categories=categories)
    if dtype == nw.Boolean and not series.null_count():
        return np.asarray(series.to_list(), dtype=bool)
    if dtype.is_temporal():
        return pd.to_datetime(pd.Series(series.to_list()), errors="coerce")
    return pd.Series(series.to_list(), dtype=object)


# --- plain types ---------------------------------------------------------------------------

_REFUSED = {
    "datetime": "a date or time",
    "timedelta": "a time span",
    "period": "a period",
    "interval": "an interval",
    "complex": "complex numbers",
    "decimal": "decimal objects",
}


def _plain(series: pd.Series, name: str, *, as_is: bool) -> pd.Series:
    """The column as float64/integer/bool/category; refuse what cannot enter a model."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _used_categories(series)
    if pd.api.types.is_bool_dtype(dtype):
        return series.astype(bool)
    if pd.api.types.is_integer_dtype(dtype):
        return series.astype(np.int64)
    if pd.api.types.is_float_dtype(dtype):
        return series.astype(np.float64)
    if dtype.kind == "O" or isinstance(dtype, pd.StringDtype) or dtype.kind in "UTS":
        return _plain_object(series, name, as_is=as_is)
    if not as_is:
        return series  # a call in the formula makes something of it, or a grouping does
    kind = next((k for k in _REFUSED if k in str(dtype)), str(dtype))
    raise DataError(
        f"`{name}` holds {_REFUSED.get(kind, f'values of type {dtype}')}: convert it to numbers "
        f"or to a category before it can be a predictor."
    )


def _plain_object(series: pd.Series, name: str, *, as_is: bool) -> pd.Series:
    held = pd.api.types.infer_dtype(series, skipna=True)
    if held in ("string", "empty"):
        return series.astype(object).astype("category")
    if held == "boolean":
        return series.astype(bool)
    if held == "integer":
        return series.astype(np.int64)
    if held in ("floating", "mixed-integer-float"):
        return series.astype(np.float64)
    if not as_is:
        return series  # labels of a grouping factor, or the argument of a call
    raise DataError(
        f"`{name}` holds objects ({held}): convert it to numbers, or to text or a category."
    )


def _used_categories(series: pd.Series) -> pd.Series:
    """Without categories that no row has (the same object if there are none)."""
    codes = series.cat.codes.to_numpy()
    count = len(series.cat.categories)
    seen = np.bincount(codes[codes >= 0], minlength=count)
    return series if seen.all() else series.cat.remove_unused_categories()


def caller_depth() -> int:
    """Stack level of the first frame outside the package, for warnings."""
    import sys

    depth, frame = 1, sys._getframe(1)
    package = __name__.partition(".")[0]
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back  # type: ignore[assignment]
        depth += 1
    return depth
