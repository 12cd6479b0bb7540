"""Rows that predictions, slopes and comparisons are averaged over, and their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...data.coded_as_fitted import as_fitted, given_offset, needed_columns
from ...data.design import Design
from ...data.fixed_rows import formula_offset
from ...data.frame import missing_by_column
from ...data.group_codes import group_codes
from ...data.input_table import column_names, raw_table
from ...data.plain_types import plain_table
from ...errors import ArgumentError, ColumnError, DataError, listed, near_matches
from ...support.arguments import short_repr
from ...support.arrays import FloatArray, IndexArray
from ...support.column_table import Table


@dataclass(frozen=True, eq=False)
class AveragedRows:
    """Rows coded as those of the fit, in groups.

    Attributes
    ----------
    table : Table
    offset : ndarray (n,), or None
        None where it is not known, as averages of predictions need it only.
    codes : ndarray of int (n,)
        Group of each row.
    groups : DataFrame
        Values of the grouping columns of each group; the first varies fastest.
    is_own : bool
        Whether they are the rows of the fit.
    """

    table: Table
    offset: FloatArray | None
    codes: IndexArray
    groups: pd.DataFrame
    is_own: bool

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.groups)

    @property
    def counts(self) -> FloatArray:
        """Rows in each group."""
        return np.bincount(self.codes, minlength=self.n_groups).astype(np.float64)

    def mean_offset(self) -> FloatArray:
        """Mean offset of each group."""
        assert self.offset is not None
        return np.bincount(self.codes, self.offset, minlength=self.n_groups) / self.counts

    def note(self) -> str:
        """What was averaged over."""
        which = "used in the fit" if self.is_own else "given"
        groups = f", by {', '.join(f'`{c}`' for c in self.groups)}" if len(self.groups.T) else ""
        return f"Averaged over the {self.table.n:,} rows {which}{groups}."


def averaged_rows(
    design: Design, data: Any, by: Sequence[str], *, with_offset: bool, what: str
) -> AveragedRows:
    """The rows of the fit, or those of a table, in groups of equal values of some columns.

    Parameters
    ----------
    design : Design
    data : table, optional
    by : sequence of str
        Columns of the fit, or of `data`.
    with_offset : bool
        Whether the offset is needed.
    what : str
        Method that the user called, for messages.

    Raises
    ------
    ColumnError, DataError, ArgumentError
    """
    if data is None:
        known, groups = list(design.frame.table), design.frame.table
        _check_by(by, known, "the model's columns", what)
        table = groups.rows(design.in_model)
        offset = design.offset if with_offset else None
        return _grouped(table, offset, {name: table[name] for name in by}, is_own=True)
    table = _coded(design, data, what)
    offset = _new_offset(design, data, table, what) if with_offset else None
    _check_by(by, column_names(data), "the columns of `data`", what)
    raw = raw_table(data, list(by)) if by else Table()
    if missing_by_column(raw):
        name = next(iter(missing_by_column(raw)))
        raise DataError(f"{what}: `{name}` of `by` has missing values: drop or fill them.")
    plain = plain_table(raw)
    columns = {name: plain[name].set_axis(table.index) for name in by}
    return _grouped(table, offset, columns, is_own=False)


def _coded(design: Design, data: Any, what: str) -> Table:
    """The columns of a table that the fixed part needs, coded as in the fit."""
    raw = needed_columns(design, data, [], what)
    n = len(next(iter(raw.values()))) if len(raw) else 0
    if len(raw) and n == 0:
        raise DataError(f"{what}: the data have no rows.")
    for name, gaps in missing_by_column(raw).items():
        raise DataError(
            f"{what}: `{name}` has missing values in {int(gaps.sum())} rows: drop or fill them."
        )
    return as_fitted(design, plain_table(raw, direct=design.bound.direct_columns), what)


def _new_offset(design: Design, data: Any, table: Table, what: str) -> FloatArray:
    if "offset" in design.frame.extra and design.formula_data.offset_column is None:
        raise ArgumentError(
            f"{what}: the model was fitted with an offset array, whose values for `data` are not "
            "known: fit it with a column of the data, offset='name'."
        )
    return given_offset(design, data, None, what) + formula_offset(design, table)


def _check_by(by: Sequence[str], known: Sequence[str], of: str, what: str) -> None:
    for name in by:
        if not isinstance(name, str):
            raise ArgumentError(f"{what}: by={short_repr(by)}: names of columns are needed.")
        if name not in known:
            raise ColumnError(
                f"{what}: by has `{name}`, which is not one of {of}.{near_matches(name, known)} "
                f"Columns: {listed(list(known))}."
            )
    twice = [name for i, name in enumerate(by) if name in by[:i]]
    if twice:
        raise ArgumentError(f"{what}: by has `{twice[0]}` twice.")


def _grouped(
    table: Table, offset: FloatArray | None, columns: Mapping[str, pd.Series], *, is_own: bool
) -> AveragedRows:
    """Rows in groups; names are those of the mapping, as Series may have none."""
    if not columns:
        groups = pd.DataFrame(index=pd.RangeIndex(1))
        return AveragedRows(table, offset, np.zeros(table.n, dtype=np.intp), groups, is_own)
    codes, levels = zip(*(group_codes(column) for column in columns.values()), strict=True)
    pairs, inverse = np.unique(np.stack(codes[::-1], axis=1), axis=0, return_inverse=True)
    groups = pd.DataFrame(
        {
            name: pd.Series(level.take(pairs[:, -1 - j])).astype(column.dtype)
            for j, ((name, column), level) in enumerate(zip(columns.items(), levels, strict=True))
        }
    )
    return AveragedRows(table, offset, inverse.reshape(-1), groups, is_own)
