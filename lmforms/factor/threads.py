"""Keep the BLAS copies of NumPy and SciPy out of each other's way.

Their wheels bring an OpenBLAS each, with a pool of threads each. Called in turn on small
matrices, one pool spins while the other works: ten times slower than one thread alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

THREADED_SCHUR = 1_000
"""From this size on SciPy's LAPACK keeps its threads; NumPy's BLAS never does."""


@lru_cache(maxsize=2)
def _pools(cholmod: bool) -> tuple[Any, Any]:
    """Controllers of all BLAS libraries, and of all but SciPy's; CHOLMOD may bring a third."""
    import scipy.linalg.lapack  # noqa: F401  (so that SciPy's library is among those found)
    from threadpoolctl import ThreadpoolController

    every = ThreadpoolController().select(user_api="blas")
    others = [lib.filepath for lib in every.lib_controllers if "scipy.libs" not in lib.filepath]
    return every, every.select(filepath=others)


@contextmanager
def calm_threads(largest: int) -> Iterator[None]:
    """Limit BLAS threads while a model with dense blocks up to this size is fitted."""
    if largest == 0:  # NumPy alone, on small blocks
        yield
        return
    every, others = _pools("sksparse" in sys.modules)
    with (every if largest < THREADED_SCHUR else others).limit(limits=1):
        yield
