"""Whether models are summed up by compiled loops: one decision for all of them."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

ROWS_WORTH_LOADING = 10_000_000
"""Rows of which the sums repay loading numba and its loops, which take half a second to load and save
50 ns for each."""


def kernels_for(module: str, rows: int) -> Any:
    """A module of compiled loops in ``lmforms.engine``, where so many rows are worth loading it.

    Once it is loaded, it serves models of any size. None without numba.
    """
    name = f"{__package__}.{module}"
    if name in sys.modules:
        return sys.modules[name]
    if rows < ROWS_WORTH_LOADING:
        return None
    try:
        return import_module(name)
    except ImportError:
        return None
