"""Products of very many small blocks, compiled by numba; NumPy calls BLAS once per block."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled

_BLOCKS = "float64[:, :, :]"  # of any strides: transposed views come as they are


@compiled(f"void({_BLOCKS}, {_BLOCKS}, float64[:, :, ::1])")
def _multiply(a: Any, b: Any, out: Any) -> None:
    step = 0 if len(a) == 1 else 1  # memory is the limit: threads gain nothing
    rows, inner, cols = a.shape[1], a.shape[2], b.shape[2]
    for level in range(len(b)):
        for i in range(rows):
            for m in range(cols):
                s = 0.0
                for j in range(inner):
                    s += a[level * step, i, j] * b[level, j, m]
                out[level, i, m] = s


def multiply(a: Any, b: Any) -> Any:
    """Blockwise ``a @ b``; `a` may be one block for all."""
    out = np.empty((len(b), a.shape[-2], b.shape[-1]))
    _multiply(a if a.ndim == 3 else a[None], b, out)
    return out
