"""Which loops run compiled, and how: numba is imported only where their work repays it.

What takes numba long to compile, and what replaces it:

- arrays that are made in a loop: they are handed to it;
- ``parallel=True``: a loop over a range, and :func:`.threads.in_threads`;
- functions of NumPy, array expressions, assignments to slices and products of matrices, each of
  which is Python code that is compiled, too: plain loops;
- a function that others call, with :func:`numba.njit`: :func:`inner` leaves out what only calls
  from Python need. It is compiled for itself and once more in each caller;
- one function for several types. ``a = 0`` is of a type of its own until it is assigned again:
  ``np.int64(0)``, where `a` is an argument of another function.

A place in an array that may be negative takes a check, which keeps LLVM from using vectors: in the
innermost loops places are unsigned, or the index of a loop in a row or slice.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar, cast

from .kernel_cache import KernelCache

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"no_cfunc_wrapper": True, "error_model": "numpy"}
"""Of all compiled functions. A division by zero gives infinity or NaN, which the callers check."""

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


def compiled(signature: str, *, allocates: bool = False) -> Callable[[F], F]:
    """Compile a loop when it is defined, or load it from disk: see :mod:`.kernel_cache`.

    It stands in a module whose name ends with ``_kernels`` or ``_kernel``, and so do the
    functions and constants that it uses. Other threads run while it does.

    Parameters
    ----------
    signature : str
        Types of the arguments and of the result.
    allocates : bool
        Whether it makes arrays. Without numba's management of memory, compiling takes a quarter
        less time.
    """
    import numba

    def compile_it(function: F) -> F:
        options = OPTIONS | {"nogil": True, "_nrt": allocates}
        loop = numba.njit(**options)(function)
        if loop is not function:  # which it is where users have disabled numba
            loop._cache = KernelCache(function)
            with _no_collection():
                loop.compile(signature)
            loop.disable_compile()
        return cast(F, loop)

    return compile_it


def inner(function: F) -> F:
    """Compile a function that only compiled loops call, once for all types it is called with."""
    return _inner(function)


def inner_sum(function: F) -> F:
    """The same for a function whose sums may be taken in any order, which is faster."""
    return _inner(function, fastmath={"reassoc"})


def _inner(function: F, **options: Any) -> F:
    import numba

    options |= OPTIONS | {"no_cpython_wrapper": True, "_nrt": False}
    return cast(F, numba.njit(**options)(function))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's collector walks through all that numba makes, and finds nothing to free."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
