"""R's operators on columns: the functions that translated formulas call."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def number(value: Any) -> Any:
    """Booleans as 0.0 and 1.0, anything else as it is."""
    if isinstance(value, (bool, np.bool_)):
        return float(value)
    if getattr(getattr(value, "dtype", None), "kind", "") == "b":
        return value.astype(np.float64)
    return value


def _power(base: Any, exponent: Any) -> Any:
    base, exponent = number(base), number(exponent)
    if isinstance(base, (int, float)) and isinstance(exponent, (int, float)):
        # in floats, since integer powers such as 9^9^9 would not end
        return float(np.power(float(base), float(exponent)))
    if getattr(getattr(base, "dtype", None), "kind", "") in ("i", "u"):
        base = base.astype(np.float64)
    return base**exponent


def _logical(value: Any) -> Any:
    """Truth of each element; text has none."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind == "b" or np.ndim(value) == 0:
        return value
    if kind not in "iuf":
        raise TypeError("conditions are booleans or numbers, not labels: compare them, f == 'a'")
    _refuse_missing(value)
    return value != 0


def _refuse_missing(*values: Any) -> None:
    for value in values:
        if getattr(getattr(value, "dtype", None), "kind", "") == "f" and np.isnan(value).any():
            count = int(np.isnan(value).sum())
            raise ValueError(
                f"a condition on values that are NaN in {count} rows: compute it beforehand"
            )


def _both(left: Any, right: Any) -> Any:
    if np.ndim(left) == 0 and np.ndim(right) == 0:
        return left and right
    return np.logical_and(_logical(left), _logical(right))


def _either(left: Any, right: Any) -> Any:
    if np.ndim(left) == 0 and np.ndim(right) == 0:
        return left or right
    return np.logical_or(_logical(left), _logical(right))


def _negated(value: Any) -> Any:
    return not value if np.ndim(value) == 0 else np.logical_not(_logical(value))


def _holds(value: Any) -> str:
    """Whether values are ``"text"`` or ``"numbers"`` (or booleans); empty if unknown."""
    dtype = getattr(value, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):
        held = dtype.categories.inferred_type
        return {"string": "text", "integer": "numbers", "floating": "numbers"}.get(held, "")
    if isinstance(value, str):
        return "text"
    kind = "f" if isinstance(value, (bool, int, float)) else getattr(dtype, "kind", "")
    return "numbers" if kind in tuple("biuf") else ""


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def result(left: Any, right: Any) -> Any:
        _refuse_missing(left, right)
        if {_holds(left), _holds(right)} == {"text", "numbers"}:
            raise TypeError("compares text with numbers: put labels in quotes, f == '1'")
        return compare(left, right)

    return result


def _modulo(left: Any, right: Any) -> Any:
    return number(left) % number(right)


def _quotient(left: Any, right: Any) -> Any:
    return number(left) // number(right)


def _member(values: Any, table: Any) -> Any:
    return pd.Series(values).isin(list(np.atleast_1d(table)))


COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "__eq",
    ast.NotEq: "__ne",
    ast.Lt: "__lt",
    ast.LtE: "__le",
    ast.Gt: "__gt",
    ast.GtE: "__ge",
}

HELPERS: Mapping[str, Callable[..., Any]] = {
    "__number": number,
    "__power": _power,
    "__and": _both,
    "__or": _either,
    "__not": _negated,
    "__modulo": _modulo,
    "__quotient": _quotient,
    "__member": _member,
    **{name: _compared(getattr(operator, name.strip("_"))) for name in COMPARISONS.values()},
}
"""What evaluated code calls for operators."""
