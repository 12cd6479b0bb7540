"""The loop over ancestors, compiled by numba; imported for large pedigrees only."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.linalg.compiled import compiled

FAMILIES_AT_A_TIME = 64
"""Families that are processed together: those of one generation share most of their ancestors."""

BLOCK_BITS = 6
"""Ancestors are searched in blocks of 2⁶ animals, as most animals may be none."""

_PLACES, _NUMBERS = "int64[::1]", "float64[::1]"


@compiled(
    f"void({_PLACES}, {_PLACES}, {_NUMBERS}, {_PLACES}, {_PLACES}, {_NUMBERS}, "
    f"float64[:, ::1], {_PLACES}, {_PLACES}, uint8[::1])"
)
def _inherited_variance(
    sire: Any,
    dam: Any,
    own: Any,
    first: Any,
    second: Any,
    out: Any,
    share: Any,
    free: Any,
    slot: Any,
    waiting: Any,
) -> None:
    n, width = share.shape
    left = n  # the last slots of the stack `free`
    for start in range(0, len(first), width):
        count = min(width, len(first) - start)
        total = out[start : start + count]
        youngest = 0
        for f in range(count):
            for p in (first[start + f], second[start + f]):
                if slot[p] < 0:
                    left -= 1
                    slot[p] = free[left]
                    for c in range(count):
                        share[slot[p], c] = 0.0
                    waiting[p >> BLOCK_BITS] = 1
                share[slot[p], f] += 0.5
                youngest = max(youngest, p)
        for block in range(youngest >> BLOCK_BITS, -1, -1):
            if waiting[block] == 0:
                continue
            waiting[block] = 0
            first_animal = block << BLOCK_BITS
            last_animal = min(first_animal + (1 << BLOCK_BITS), n) - 1
            for j in range(last_animal, first_animal - 1, -1):
                if slot[j] < 0:
                    continue
                mine = share[slot[j]]
                for c in range(count):
                    total[c] += mine[c] * mine[c] * own[j]
                for p in (sire[j], dam[j]):
                    if p < 0:
                        continue
                    kept = 1.0
                    if slot[p] < 0:
                        left -= 1
                        slot[p] = free[left]
                        waiting[p >> BLOCK_BITS] = 1
                        kept = 0.0
                    theirs = share[slot[p]]
                    for c in range(count):
                        theirs[c] = kept * theirs[c] + 0.5 * mine[c]
                free[left] = slot[j]
                left += 1
                slot[j] = -1


def inherited_variance(sire: Any, dam: Any, own: Any, first: Any, second: Any) -> Any:
    """Σ_k t_k² own_k with t the mean of the rows of T of the parents `first` and `second`.

    From the youngest ancestor to the oldest, half of the share of each is added to its parents.
    Shares are stored in slots that are reused at once, so that they stay in the cache.
    """
    n, families = len(sire), len(first)
    out = np.zeros(families)
    share = np.zeros((n, min(FAMILIES_AT_A_TIME, families)))
    free = np.arange(n)[::-1].copy()
    slot = np.full(n, -1)
    waiting = np.zeros((n >> BLOCK_BITS) + 1, dtype=np.uint8)
    _inherited_variance(sire, dam, own, first, second, out, share, free, slot, waiting)
    return out
