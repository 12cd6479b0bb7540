"""Columns of the fixed part on rows where the formula has values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ...data.design import Design
from ...data.fixed_rows import fixed_columns, formula_offset
from ...errors import DataError
from ...support.arrays import FloatArray
from ...support.column_table import Table


def defined_columns(design: Design, table: Table, what: str) -> FloatArray:
    """Every column of the fixed part on rows coded as those of the fit, (n, k), all finite.

    Parameters
    ----------
    design : Design
    table : Table
        See :func:`lmforms.data.fixed_rows.fixed_columns`.
    what : str
        Method that the user called, for messages.

    Raises
    ------
    DataError
        A row is outside of the domain of the formula, as −1 is for ``log(x)``.
    """
    return _finite(design, table, fixed_columns, what)


def defined_offset(design: Design, table: Table, what: str) -> FloatArray:
    """Sum of the formula's ``offset()`` terms, (n,), all finite: see above."""
    return _finite(design, table, formula_offset, what)


def _finite(
    design: Design, table: Table, values: Callable[[Design, Table], FloatArray], what: str
) -> FloatArray:
    with np.errstate(all="ignore"):  # what is not finite is an error below
        found = values(design, table)
        finite = np.isfinite(found.reshape(table.n, -1)).all(axis=1)
        if finite.all():
            return found
        row = np.zeros(table.n, dtype=bool)
        row[np.argmin(finite)] = True
        table = table.rows(row)
        names = _culprits(design, table, values)
    where = ", ".join(f"`{name}` = {float(table[name].iloc[0]):.6g}" for name in names)
    raise DataError(
        f"{what}: the formula has no finite value where {where}: choose values at which it is "
        "defined, by at= or in comparison= or data=."
    )


def _culprits(
    design: Design, table: Table, values: Callable[[Design, Table], FloatArray]
) -> list[str]:
    """Numbers of one row with a value that makes it undefined; all if it is several together."""
    numbers = [name for name in table if pd.api.types.is_numeric_dtype(table[name].dtype)]
    first = int(np.argmax(design.in_model))
    undefined = ~np.isfinite(values(design, table)).reshape(-1)
    names = []
    for name in numbers:
        value = design.frame.table[name].iloc[[first]].set_axis(table.index)
        changed = values(design, table.assign({name: value})).reshape(-1)
        if np.isfinite(changed[undefined]).any():
            names.append(name)
    return names or numbers
