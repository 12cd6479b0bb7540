"""Contrasts given as arguments: checked, and as formulaic's objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, DataError, listed, near_matches
from ..support.column_table import Table

_WITH_BASE = re.compile(r"(treatment|SAS)\((.+)\)", re.DOTALL)
"""A coding with its base level, such as ``treatment(B)``."""


def check_contrasts(contrasts: Mapping[str, Any], table: Table) -> None:
    """Refuse contrasts for what is no factor.

    Raises
    ------
    DataError
        A column of numbers.
    ArgumentError
        A contrast that is none.
    """
    for name, contrast in contrasts.items():
        numeric = pd.api.types.is_numeric_dtype(table[name].dtype)
        if numeric and not pd.api.types.is_bool_dtype(table[name].dtype):
            raise DataError(
                f"contrasts: `{name}` holds numbers; make it a factor first, "
                f"data[{name!r}].astype('category')."
            )
        contrast_object(name, contrast, table[name])


def contrast_object(name: str, contrast: Any, column: pd.Series) -> Any:
    """A formulaic contrast from ``"sum"``, ``"contr.sum"``, an object or a matrix.

    ``"treatment(B)"`` and ``"SAS(B)"`` have the level of the column that is printed so as base.
    """
    from formulaic.transforms import ContrastsRegistry
    from formulaic.transforms.contrasts import Contrasts

    if isinstance(contrast, (Contrasts, np.ndarray, dict)):
        return contrast
    if isinstance(contrast, type) and issubclass(contrast, Contrasts):
        return contrast()
    if isinstance(contrast, (list, tuple)) and np.ndim(contrast) == 2:
        return np.asarray(contrast, dtype=np.float64)
    key = contrast.removeprefix("contr.") if isinstance(contrast, str) else ""
    with_base = _WITH_BASE.fullmatch(key)
    if with_base:
        coding, base = with_base.groups()
        return getattr(ContrastsRegistry, coding)(base=_level_called(base, name, column))
    known = [k for k in vars(ContrastsRegistry) if not k.startswith("_") and k != "custom"]
    if key not in known:
        raise ArgumentError(
            f"contrasts: `{contrast}` for `{name}` is unknown.{near_matches(key, known)} "
            f"Use one of {', '.join(sorted(known))}, or a contrast matrix."
        )
    return getattr(ContrastsRegistry, key)


def _level_called(text: str, name: str, column: pd.Series) -> Any:
    """The level of a factor that is printed as a text, which may stand in quotes."""
    levels = column.astype("category").cat.categories.tolist()
    by_text = {str(level): level for level in levels}
    plain = text.strip()
    unquoted = plain[1:-1] if plain[:1] in ("'", '"') and plain[:1] == plain[-1:] else plain
    for written in (text, plain, unquoted):
        if written in by_text:
            return by_text[written]
    raise ArgumentError(
        f"contrasts: `{name}` has no level {unquoted!r}.{near_matches(unquoted, by_text)} "
        f"It has {listed(list(by_text))}."
    )
