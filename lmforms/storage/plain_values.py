"""Numbers, text, arrays and containers of them as JSON, and back with their types and all bits.

What transforms have learnt and matrices of contrasts are such values. :func:`decode_value` builds
nothing else, whatever a file holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError

NUMBERS = "fiub"
"""NumPy's letters for floats, integers and booleans."""

MAX_ITEM_BYTES = 8
"""Bytes of one number."""


def encode_value(value: Any) -> Any:
    """A value as JSON: its own kinds as they are, the others as [kind, content].

    Raises
    ------
    DataError
        It is, or holds, something else.

    Examples
    --------
    >>> encode_value({0: np.float64(0.5), 1: None})
    ['dict', [[0, ['number', '<f8', 0.5]], [1, None]]]
    >>> decode_value(encode_value(np.array([1, 2])))
    array([1, 2])
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [type(value).__name__, [encode_value(item) for item in value]]
    if type(value) is dict:
        return ["dict", [[encode_value(k), encode_value(v)] for k, v in value.items()]]
    plain = isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in NUMBERS
    if plain and value.dtype.itemsize <= MAX_ITEM_BYTES:
        kind = value.dtype.newbyteorder("<").str
        if isinstance(value, np.generic):
            return ["number", kind, value.item()]
        return ["array", kind, list(value.shape), value.ravel().tolist()]
    raise DataError(f"a value of type {type(value).__name__} cannot be written.")


def decode_value(value: Any) -> Any:
    """The value that :func:`encode_value` took apart.

    Raises
    ------
    DataError, TypeError, ValueError
        There is none.
    """
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise DataError("a mapping of JSON is no value.")
        return value
    kind, *content = value
    if kind in ("list", "tuple"):
        (items,) = content
        found = [decode_value(item) for item in items]
        return tuple(found) if kind == "tuple" else found
    if kind == "dict":
        (pairs,) = content
        return {decode_value(k): decode_value(v) for k, v in pairs}
    if kind == "number":
        dtype, number = content
        return _numbers(dtype, number)[()]
    if kind == "array":
        dtype, shape, numbers = content
        return _numbers(dtype, numbers).reshape(shape)
    raise DataError(f"{kind!r} is no kind of values.")


def _numbers(dtype: str, numbers: Any) -> Any:
    found = np.dtype(dtype)
    if found.kind not in NUMBERS or found.itemsize > MAX_ITEM_BYTES:
        raise DataError(f"{dtype!r} is no type of numbers.")
    return np.array(numbers, dtype=found.newbyteorder("="))


def count_of(value: Any) -> int:
    """How many numbers, texts and the like are in a value.

    Examples
    --------
    >>> count_of({"knots": [1.0, 2.0], "bounds": np.zeros((2, 3))})
    8
    """
    if isinstance(value, dict):
        return sum(map(count_of, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(count_of, value))
    return int(np.size(value))
