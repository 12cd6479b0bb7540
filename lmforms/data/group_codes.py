"""Integer codes of grouping variables."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import IndexArray
from ..support.column_table import MAX_EXACT_INTEGER
from .plain_types import plain_objects, used_categories

MOST_NUMBERS_PER_ROW = 8
"""Whole numbers from a range of up to this many for each row are coded by marking those that
occur: a longer range takes more time than sorting."""


def group_codes(values: pd.Series) -> tuple[IndexArray, pd.Index]:
    """Integer codes and level labels of a grouping variable, unused levels left out.

    Categories keep their order; other labels are sorted.

    Raises
    ------
    DataError
        Labels that are not hashable, or whole numbers that floats cannot tell apart.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        used = used_categories(values).array
        refuse_rounded(values.name, used.categories)
        return used.codes.astype(np.intp), used.categories
    if dtype.kind == "O":  # of a call, say
        values = plain_objects(values, str(values.name), as_is=False)
        if isinstance(values.dtype, pd.CategoricalDtype):
            return group_codes(values)
    if isinstance(dtype, np.dtype) and dtype.kind == "i" and len(values):
        found = codes_of_integers(values.to_numpy())
        if found is not None:
            return found
    try:
        codes, levels = pd.factorize(values)
    except TypeError:
        raise DataError(
            f"the labels of `{values.name}` are {type(values.iloc[0]).__name__} objects; "
            "labels must be hashable, such as text or numbers."
        ) from None
    with contextlib.suppress(TypeError):  # labels of mixed types have no order
        codes, levels = pd.factorize(values, sort=True)
    refuse_rounded(values.name, levels)
    return codes.astype(np.intp), pd.Index(levels, tupleize_cols=False)


def codes_of_integers(values: IndexArray) -> tuple[IndexArray, pd.Index] | None:
    """Codes and labels of whole numbers in order; None if they are far apart."""
    low, high = int(values.min()), int(values.max())
    size = high - low + 1
    if size > MOST_NUMBERS_PER_ROW * len(values):
        return None
    present, codes = distinct_numbers(values.astype(np.intp) - low, size)
    return codes, pd.Index((present + low).astype(values.dtype))


def distinct_numbers(numbers: IndexArray, size: int) -> tuple[IndexArray, IndexArray]:
    """The different ones among whole numbers from 0 to `size` - 1 in order, and their places.

    Examples
    --------
    >>> distinct_numbers(np.array([7, 2, 7]), 9)
    (array([2, 7]), array([1, 0, 1]))
    """
    if size > MOST_NUMBERS_PER_ROW * len(numbers):
        present, codes = np.unique(numbers, return_inverse=True)
        return present, codes.astype(np.intp)
    occurs = np.zeros(size, dtype=bool)
    occurs[numbers] = True
    (present,) = occurs.nonzero()
    if len(present) == size:
        return present, numbers
    return present, (np.cumsum(occurs) - 1)[numbers]


def refuse_rounded(name: Any, levels: Any) -> None:
    """Whole numbers as floats so large that other numbers may have been rounded to them.

    Raises
    ------
    DataError
    """
    if levels.dtype.kind != "f":
        return
    levels = np.asarray(levels)
    rounded = levels[np.isfinite(levels) & (np.abs(levels) >= MAX_EXACT_INTEGER)]
    if len(rounded):
        raise DataError(
            f"the labels of `{name}` are floats as large as {rounded[-1]:.17g}, where neighbouring "
            "whole numbers are the same float: read them as whole numbers (Int64 where some are "
            "missing) or as text."
        )
