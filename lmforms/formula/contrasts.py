"""Contrasts given as arguments: checked, and as formulaic's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, DataError, near_matches
from ..support.column_table import Table


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
        contrast_object(name, contrast)


def contrast_object(name: str, contrast: Any) -> Any:
    """A formulaic contrast from ``"sum"``, ``"contr.sum"``, an object or a matrix."""
    from formulaic.transforms import ContrastsRegistry
    from formulaic.transforms.contrasts import Contrasts

    if isinstance(contrast, (Contrasts, np.ndarray, dict)):
        return contrast
    if isinstance(contrast, type) and issubclass(contrast, Contrasts):
        return contrast()
    if isinstance(contrast, (list, tuple)) and np.ndim(contrast) == 2:
        return np.asarray(contrast, dtype=np.float64)
    key = contrast.removeprefix("contr.") if isinstance(contrast, str) else ""
    known = [k for k in vars(ContrastsRegistry) if not k.startswith("_") and k != "custom"]
    if key not in known:
        raise ArgumentError(
            f"contrasts: `{contrast}` for `{name}` is unknown.{near_matches(key, known)} "
            f"Use one of {', '.join(sorted(known))}, or a contrast matrix."
        )
    return getattr(ContrastsRegistry, key)
