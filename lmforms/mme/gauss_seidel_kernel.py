"""The sweep of :mod:`.gauss_seidel`, compiled by numba; imported for long runs only."""

from __future__ import annotations

from typing import Any

from ..engine.linalg.compiled import compiled

_PLACES, _ENTRIES = "int64[::1]", "float64[::1]"
_COLUMNS = f"{_PLACES}, {_PLACES}, {_ENTRIES}"


@compiled(f"void({_COLUMNS}, {_ENTRIES}, {_ENTRIES}, {_COLUMNS}, {_ENTRIES}, {_ENTRIES})")
def sweep(
    indptr: Any,
    rows: Any,
    data: Any,
    squares: Any,
    diagonal: Any,
    off_indptr: Any,
    off_rows: Any,
    off_data: Any,
    g: Any,
    e: Any,
) -> None:
    """One sweep; the same as :func:`.gauss_seidel.sweep_in_python`."""
    for j in range(len(g)):
        right = squares[j] * g[j]
        for k in range(indptr[j], indptr[j + 1]):
            right += data[k] * e[rows[k]]
        for k in range(off_indptr[j], off_indptr[j + 1]):
            right -= off_data[k] * g[off_rows[k]]
        new = right / diagonal[j]
        change = new - g[j]
        for k in range(indptr[j], indptr[j + 1]):
            e[rows[k]] -= data[k] * change
        g[j] = new
