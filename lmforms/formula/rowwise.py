"""Whether an expression treats each row by itself, so that new rows can be given to it.

``I(x - x.mean())`` is another function of x on other rows: a model may be fitted with it,
and predictions for new rows would silently be wrong. Code made of elementwise functions is
known to be safe; other code is evaluated on some of the rows of the fit and compared.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import AnyArray, IndexArray
from ..support.column_table import Table
from .aliases import unaliased
from .expression import INFIX
from .label_columns import LABEL_FUNCTIONS

ROUNDING_SHARE = 1e-8
"""Largest difference between values on some and on all rows that counts as rounding, relative to
the largest value. Elementwise functions differ by 1e-16, functions of other rows by a share of
the spread."""

SAMPLE_ROWS = 12
"""Rows in a sample."""


def is_elementwise(
    node: ast.AST, is_column: Callable[[str], bool], resolve: Callable[[ast.expr], Any]
) -> bool:
    """Whether code is made of functions that are known to treat each row by itself.

    Other code may be elementwise too: :func:`depends_on_other_rows` tests it.
    """

    def known(part: ast.AST) -> bool:
        return is_elementwise(part, is_column, resolve)

    match node:
        case ast.Expression():
            return known(node.body)
        case ast.Constant():
            return True
        case ast.Name():
            return is_column(node.id) or np.isscalar(resolve(node))
        case ast.Attribute():
            return np.isscalar(resolve(node)) or isinstance(resolve(node), type)
        case ast.Tuple() | ast.List():
            return all(known(e) for e in node.elts)
        case ast.BinOp():
            return known(node.left) and known(node.right)
        case ast.UnaryOp():
            return known(node.operand)
        case ast.BoolOp():
            return all(known(v) for v in node.values)
        case ast.Compare():
            return known(node.left) and all(known(c) for c in node.comparators)
        case ast.Call():
            if isinstance(node.func, ast.Name) and node.func.id in INFIX.values():
                return all(known(a) for a in node.args)
            function = resolve(node.func)
            return (_is_elementwise_function(function) or _takes_labels(node.func)) and all(
                known(a) for a in [*node.args, *(k.value for k in node.keywords)]
            )
    return False


def _is_elementwise_function(function: Any) -> bool:
    if isinstance(function, np.ufunc):
        return function.signature is None
    return bool(
        getattr(function, "__is_stateful_transform__", False)  # remembers what it learnt
        or getattr(function, "is_elementwise", False)
        or any(function is known for known in (abs, round, np.where, np.clip, np.round))
    )


def _takes_labels(func: ast.expr) -> bool:
    """``I``, ``C`` and the codings that it takes."""
    text = unaliased(ast.unparse(func))
    return text in ("I", "Treatment", *LABEL_FUNCTIONS) or text.startswith("contr.")


def depends_on_other_rows(
    evaluate: Callable[[Table], Any], table: Table, known: Any = None
) -> bool:
    """Whether the values of some rows change when others are left out, or fail.

    Parameters
    ----------
    evaluate : callable
        Gives the values of an expression on a table of rows.
    table : Table
        The columns that the expression uses.
    known : object, optional
        The values on the table, where they are known.

    Examples
    --------
    >>> rows = Table({"x": pd.Series([1.0, 2.0, 5.0])}, pd.RangeIndex(3))
    >>> depends_on_other_rows(lambda t: t["x"] - t["x"].min(), rows)
    True
    >>> depends_on_other_rows(lambda t: t["x"].clip(0, 2), rows)
    False
    """
    everywhere = _columns(evaluate(table) if known is None else known)
    for rows in samples(table):
        columns = {name: c.iloc[rows].reset_index(drop=True) for name, c in table.items()}
        chosen = Table(columns, pd.RangeIndex(len(rows)))
        try:
            here = _columns(evaluate(chosen))
        except Exception:  # the user's code may raise anything
            return True
        if here.keys() != everywhere.keys():
            return True
        if not all(_same(here[name], everywhere[name][rows]) for name in here):
            return True
    return False


def samples(table: Table) -> Iterator[IndexArray]:
    """Rows in reversed order; and for each column those of its lower and of its upper values.

    What depends on a minimum, a mean or a rank changes among the lower or the upper values,
    what depends on neighbours in a reversed order.
    """
    n = table.n
    yield np.arange(n)[::-1][:SAMPLE_ROWS]
    yield np.arange(n)[::-1][n // 2 : n // 2 + 2]
    for column in table.values():
        codes, levels = pd.factorize(column, sort=_sortable(column))
        lower = codes < len(levels) / 2
        for part in (lower, ~lower):
            rows = np.flatnonzero(part)[::-1]
            if len(rows):
                yield rows[:: max(1, len(rows) // SAMPLE_ROWS)][:SAMPLE_ROWS]
                yield rows[:2]


def _sortable(column: pd.Series) -> bool:
    return column.dtype.kind in "biufmM"


def _columns(values: Any) -> dict[Any, AnyArray]:
    """Values of an expression as arrays over rows, by name."""
    values = getattr(values, "__wrapped__", values)
    if isinstance(values, dict):
        return {k: v for name, part in values.items() for k, v in _under(name, part)}
    if isinstance(values, pd.DataFrame):
        return {name: np.asarray(values[name]) for name in values}
    array = np.asarray(values)
    if array.ndim == 2:
        return dict(enumerate(array.T))
    return {"": array.reshape(-1)}


def _under(name: Any, part: Any) -> Iterator[tuple[Any, AnyArray]]:
    for inner, values in _columns(part).items():
        yield (name, inner), values


def _same(here: AnyArray, there: AnyArray) -> bool:
    if here.shape != there.shape:
        return False
    if here.dtype.kind in "biuf" and there.dtype.kind in "biuf":
        a, b = here.astype(np.float64), there.astype(np.float64)
        size = max(np.nanmax(np.abs(b), initial=0.0), np.finfo(float).tiny)
        return bool(np.allclose(a, b, rtol=0.0, atol=ROUNDING_SHARE * size, equal_nan=True))
    return all(
        x is y or x == y or (pd.isna(x) and pd.isna(y))
        for x, y in zip(here.tolist(), there.tolist(), strict=True)
    )
