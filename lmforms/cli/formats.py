"""Tables and fits as text: for readers, as CSV, and as JSON without NaN."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..support.label_texts import joined_label

if TYPE_CHECKING:
    import pandas as pd


def rendered(shown: Any, form: str) -> str:
    """A summary or table in one of the formats for readers."""
    return str(shown) if form == "text" else str(getattr(shown, f"to_{form}")())


def csv_text(table: pd.DataFrame, *, sep: str = ",", decimal: str = ".") -> str:
    """A table without its index; numbers in full, nothing where there is none."""
    import pandas as pd

    shown = pd.DataFrame(table)
    for name in table.select_dtypes(object).columns:
        labels = [joined_label(v) if isinstance(v, tuple) else v for v in table[name]]
        shown = shown.assign(**{name: pd.Series(labels, index=table.index, dtype=object)})
    text = shown.to_csv(index=False, sep=sep, decimal=decimal, lineterminator="\n")
    return str(text).removesuffix("\n")


def json_text(value: Any) -> str:
    """JSON of plain values, in letters that every terminal has."""
    return json.dumps(plain(value), indent=2, allow_nan=False)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as mappings from column to value."""
    columns = [plain(table.iloc[:, j].tolist()) for j in range(table.shape[1])]
    names = list(map(str, table.columns))
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """Values that JSON has: what is missing, NaN or infinite is None.

    Examples
    --------
    >>> plain({"df": float("nan"), "level": ("A", 1)})
    {'df': None, 'level': ['A', 1]}
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(held) for key, held in value.items()}
    if hasattr(value, "item"):  # NumPy's numbers
        value = value.item()
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Iterable):
        return [plain(held) for held in value]
    text = str(value)
    return None if text in ("<NA>", "NaT") else text
