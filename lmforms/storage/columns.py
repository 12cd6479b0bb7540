"""Columns of a table as facts in JSON and one array of numbers or codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..support.arrays import AnyArray
from .archive import Archive
from .labels import decode, encode

NUMBERS = "fiub"
"""NumPy's letters for floats, integers and booleans."""


def described(series: pd.Series) -> tuple[dict[str, Any], AnyArray]:
    """What a column is, and its numbers or codes.

    Raises
    ------
    DataError
        Its labels cannot be written; the message names the column.
    """
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in NUMBERS:
        return {"kind": "plain"}, series.to_numpy()
    try:
        if isinstance(series.dtype, pd.CategoricalDtype):
            facts = {"ordered": bool(series.cat.ordered), "levels": encode(series.cat.categories)}
            return {"kind": "category", **facts}, series.cat.codes.to_numpy()
        # pandas would look into objects of a Series for a type of their own
        codes, levels = pd.factorize(series.to_numpy() if series.dtype == object else series)
        index = pd.Index(levels, dtype=series.dtype, tupleize_cols=False)
        return {"kind": "labels", "levels": encode(index)}, codes
    except DataError as exc:
        raise DataError(
            f"save: the column `{series.name}`: {exc} Make it text, "
            f"data[{series.name!r}].astype(str), and fit again."
        ) from None


def restored(facts: dict[str, Any], archive: Archive, name: str, n: int) -> Any:
    """The column that :func:`described` took apart, from the array `name` of the file."""
    if facts["kind"] == "plain":
        return archive.array(name, n, NUMBERS)
    levels, codes = decode(facts["levels"]), archive.array(name, n, "i")
    if n and not 0 <= codes.min() <= codes.max() < len(levels) <= n:
        raise archive.damaged(f"the labels of {name} are not those of its codes")
    if facts["kind"] == "category":
        return pd.Categorical.from_codes(codes, categories=levels, ordered=facts["ordered"])
    return pd.Series(levels.take(codes).array, dtype=levels.dtype)  # objects stay objects
