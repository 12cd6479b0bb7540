"""Whether models are summed up by compiled loops: one decision for all of them."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

ROWS_WORTH_LOADING = 1_000_000
"""Rows of which the sums repay the import of numba: it takes as long as NumPy's sums of so many."""

ROWS_WITH_NUMBA = 20_000
"""The same where numba has been imported for something else."""


def kernels_for(module: str, rows: int) -> Any:
    """A module of compiled loops in ``lmforms.engine``, where so many rows are worth loading it.

    Once it is loaded, it serves models of any size. None without numba.
    """
    name = f"{__package__}.{module}"
    if name in sys.modules:
        return sys.modules[name]
    if rows < (ROWS_WITH_NUMBA if "numba" in sys.modules else ROWS_WORTH_LOADING):
        return None
    try:
        return import_module(name)
    except ImportError:
        return None
