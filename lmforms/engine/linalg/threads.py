"""Limit the threads of BLAS and of compiled loops, which otherwise slow each other down.

The wheels of NumPy and SciPy include an OpenBLAS each, with its own pool of threads. If they are
called in turn on small matrices, the threads of one wait actively while the other works, which is
ten times slower than one thread. OpenMP's threads do the same for some milliseconds after a
compiled loop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from ...support.arrays import IntArray

THREADED_SCHUR = 1_000
"""From this size on SciPy's LAPACK may use threads; NumPy's BLAS never does."""

THREADED_WORK = 1e8
"""Pairs of entries from which a second thread is worthwhile in a compiled loop: with fewer it slows
the LAPACK call that follows by as much."""

MANY_ROWS, FEW_COLUMNS = 50_000, 16
"""Products of at least so many rows and at most so many columns are not faster with threads, and
slower where cores are shared."""

ONE_THREAD_PRODUCT, LONGEST_PART = 1 << 18, 8_192
"""OpenBLAS does not share a product of matrices of so many multiplications among threads, nor one
of vectors of a length below 10,000."""


def threads_of_rows(n: int, p: int) -> int:
    """What :func:`limited_blas_threads` takes for products of columns (n, p)."""
    return int(n >= MANY_ROWS and p <= FEW_COLUMNS)


def rows_of_part(p: int) -> int:
    """Rows of p columns whose products one thread computes; they stay in the cache."""
    rows = ONE_THREAD_PRODUCT // (p or 1) ** 2
    return LONGEST_PART if rows >= LONGEST_PART else max(rows, 512)


@lru_cache(maxsize=2)
def _pools(cholmod: bool) -> tuple[Any, Any]:
    """Controllers of all BLAS libraries, and of all but SciPy's; CHOLMOD may have a third."""
    import scipy.linalg.lapack  # noqa: F401  (so that SciPy's library is among those found)
    from threadpoolctl import ThreadpoolController

    every = ThreadpoolController().select(user_api="blas")
    others = [lib.filepath for lib in every.lib_controllers if "scipy.libs" not in lib.filepath]
    return every, every.select(filepath=others)


_AS_THEY_ARE = nullcontext()


def limited_blas_threads(largest: int) -> AbstractContextManager[Any]:
    """Limit BLAS threads while a model with dense blocks up to this size is fitted."""
    if largest == 0:  # NumPy alone, on small blocks
        return _AS_THEY_ARE
    every, others = _pools("sksparse" in sys.modules)
    limits: AbstractContextManager[Any] = (every if largest < THREADED_SCHUR else others).limit(
        limits=1
    )
    return limits


def loop_threads(work: float) -> int:
    """Threads for a compiled loop over so many pairs of entries.

    numba's number (``NUMBA_NUM_THREADS``, ``numba.set_num_threads``, or as many as the process
    has processors), and where that is not set no more than ``OMP_NUM_THREADS``.
    """
    if work < THREADED_WORK:
        return 1
    import numba

    threads = int(numba.get_num_threads())
    most = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if most.strip().isdecimal() and "NUMBA_NUM_THREADS" not in os.environ:
        threads = min(threads, max(1, int(most)))
    return threads


def in_threads(loop: Callable[[int, int, int], None], bounds: IntArray) -> None:
    """Call ``loop(part, begin, end)`` for every range of `bounds`, each in a thread of its own.

    The loop is compiled, so that it runs without the interpreter's lock. There is no pool of
    threads: to start one takes 0.1 ms, and what waits in a pool does not survive a fork.
    """
    parts = list(enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)))
    if len(parts) == 1:
        loop(0, *parts[0][1])
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        for done in [pool.submit(loop, part, *ends) for part, ends in parts]:
            done.result()
