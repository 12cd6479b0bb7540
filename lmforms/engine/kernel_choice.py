"""When the compiled kernels of fits are loaded: once a process has fitted so much that it pays.

Loading numba and the kernels takes more time than the fit of a small model, and compiling them
where nothing is cached takes seconds. Nobody who fits once pays for that. Every fit that kernels
would speed up counts, by the random effects that it passes over; beyond a bound, which is higher
where they are not cached, they are loaded, all together. So they are for a model of very many rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from ..errors import ArgumentError
from .linalg.kernel_cache import is_cached

LOADING_COST = 400_000
"""Random effects whose passes without kernels take about the time of loading numba and kernels from
the cache, which is 0.6 s: 200 small fits, or two of 100,000 groups with slopes."""

COMPILING_RATIO = 10
"""Compiling them takes at least so many times as long as loading them."""

SMALL_FIT = 2_000
"""A small fit counts as so many random effects: its calls are what costs."""

ROWS_WORTH_LOADING = 1_000_000
"""Rows of which the sums repay the import of numba: it takes as long as NumPy's sums of so many."""

ROWS_WITH_NUMBA = 20_000
"""The same where numba has been imported for something else."""

KERNELS_OF_FITS = (
    "factor.level_kernels",
    "factor.level_operation_kernels",
    "optimize.newton_kernels",
    "optimize.curve_kernels",
    "sums.row_kernels",
)


@dataclass(frozen=True)
class FitKernels:
    """Modules of compiled loops."""

    levels: Any
    operations: Any
    newton: Any
    curves: Any
    rows: Any

    def __reduce__(self) -> Any:
        """Modules are not pickled: another process has its own kernels, or none."""
        return _loaded_kernels, ()


def _loaded_kernels() -> FitKernels | None:
    return _Process.loaded


class _Process:
    """Random effects that this process has passed over, and what it has loaded."""

    passed = 0
    loaded: FitKernels | None = None


_demanded: ContextVar[bool | str] = ContextVar("compiled", default="auto")


@contextmanager
def compiled_as(demanded: bool | str) -> Iterator[None]:
    """Take or leave kernels as :attr:`lmforms.Control.compiled` demands."""
    token = _demanded.set(demanded)
    try:
        yield
    finally:
        _demanded.reset(token)


def kernels_of_fit(effects: int) -> FitKernels | None:
    """Compiled kernels, if the fit of a model with so many random effects should use them.

    Raises
    ------
    ArgumentError
        Kernels are demanded and numba cannot be imported.
    """
    demanded = _demanded.get()
    if demanded == "auto" and _Process.loaded is None:
        _Process.passed += max(effects, SMALL_FIT)
        if not _is_worth_loading(_Process.passed, LOADING_COST):
            return None
    return _kernels(demanded)


def kernels_of_rows(rows: int) -> Any:
    """Compiled sums over rows, if so many rows should use them; see :func:`kernels_of_fit`."""
    demanded = _demanded.get()
    if demanded == "auto" and _Process.loaded is None:
        least = ROWS_WITH_NUMBA if "numba" in sys.modules else ROWS_WORTH_LOADING
        if not _is_worth_loading(rows, least):
            return None
    found = _kernels(demanded)
    return None if found is None else found.rows


def _is_worth_loading(work: int, least: int) -> bool:
    if work < least:
        return False
    return work >= COMPILING_RATIO * least or _are_cached()


@cache
def _are_cached() -> bool:
    """Whether this process has found the kernels compiled when it asked first."""
    return all(is_cached(f"{__package__}.{name}") for name in KERNELS_OF_FITS)


def _kernels(demanded: bool | str) -> FitKernels | None:
    if demanded is False:
        return None
    if _Process.loaded is None:
        try:
            modules = [import_module(f".{name}", __package__) for name in KERNELS_OF_FITS]
        except ImportError:
            if demanded == "auto":
                return None
            raise ArgumentError(
                "Control(compiled=True) needs numba, which cannot be imported: install it, or "
                "leave `compiled` out."
            ) from None
        _Process.loaded = FitKernels(*modules)
    return _Process.loaded
