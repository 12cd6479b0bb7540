"""Which loops run compiled, and how: numba is imported only where their work repays it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

COMPILED_WORK = 1e6
"""Pairs of entries above which compiled loops repay the import of numba."""


def compiled_kernels(module: str, work: float) -> Any:
    """A module of compiled loops, where `work` repays its import and numba is installed.

    Parameters
    ----------
    module : str
        Where it is in ``lmforms.engine``, such as ``"linalg.takahashi_kernels"``.
    work : float
    """
    if work < COMPILED_WORK:
        return None
    try:
        return import_module(f"..{module}", __package__)
    except ImportError:
        return None


def compiled(signature: str, *, parallel: bool = False) -> Callable[[F], F]:
    """Compile a loop when it is defined, and keep it on disk where there is a place for it.

    The package and the home directory may both be read-only, the disk full, or a file of the
    cache damaged: the loop is then compiled for this process alone.

    Parameters
    ----------
    signature : str
        Types of the arguments and of the result.
    parallel : bool
        Whether it has loops of ``numba.prange``.
    """
    import numba

    def compile_it(function: F) -> F:
        try:
            cached = numba.njit([signature], cache=True, parallel=parallel)
            return cast(F, cached(function))
        except Exception:  # an error of the loop itself comes again
            return cast(F, numba.njit([signature], parallel=parallel)(function))

    return compile_it
