"""Which loops run compiled: numba is imported only where their work repays it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

COMPILED_WORK = 1e6
"""Pairs of entries above which compiled loops repay the import of numba."""


def compiled_kernels(
    room: Literal["kernels", "sparse_kernels", "takahashi_kernels"], work: float
) -> Any:
    """A module of compiled loops, where `work` repays its import and numba is installed."""
    if work < COMPILED_WORK:
        return None
    try:
        return import_module(f".{room}", __package__)
    except ImportError:
        return None
