"""The loop over ancestors, compiled by numba; imported for large pedigrees only."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.linalg.compiled import compiled

FAMILIES_AT_A_TIME = 64
"""Families that are processed together: those of one generation share most of their ancestors."""

BLOCK_BITS = 6
"""Ancestors are searched in blocks of 2⁶ animals, as most animals may be none."""


@compiled("void(float64[::1], float64[::1], float64)")
def _add_squares(total: Any, share: Any, d: Any) -> None:
    for c in range(len(share)):
        total[c] += share[c] * share[c] * d


@compiled("void(float64[::1], float64[::1])")
def _add_half(to: Any, share: Any) -> None:
    for c in range(len(to)):
        to[c] += 0.5 * share[c]


@compiled("void(float64[::1], float64[::1])")
def _set_half(to: Any, share: Any) -> None:
    for c in range(len(to)):
        to[c] = 0.5 * share[c]


@compiled("void(int64[::1], int64[::1], float64[::1], int64[::1], int64[::1], float64[::1])")
def inherited_variance(sire: Any, dam: Any, own: Any, first: Any, second: Any, out: Any) -> None:
    """Σ_k t_k² own_k with t the mean of the rows of T of the parents `first` and `second`.

    From the youngest ancestor to the oldest, half of the share of each is added to its parents.
    Shares are stored in slots that are reused at once, so that they stay in the cache.
    """
    n = len(sire)
    width = min(FAMILIES_AT_A_TIME, len(first))
    share = np.empty((n, width))
    free = np.arange(n)[::-1].copy()  # the last `left` slots of this stack are free
    left = n
    slot = np.full(n, -1)
    waiting = np.zeros((n >> BLOCK_BITS) + 1, dtype=np.uint8)
    total = np.empty(width)
    for start in range(0, len(first), width):
        stop = min(start + width, len(first))
        youngest = 0
        for f in range(start, stop):
            for p in (first[f], second[f]):
                if slot[p] < 0:
                    left -= 1
                    slot[p] = free[left]
                    share[slot[p]] = 0.0
                    waiting[p >> BLOCK_BITS] = 1
                share[slot[p], f - start] += 0.5
                youngest = max(youngest, p)
        total[:] = 0.0
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
                _add_squares(total, mine, own[j])
                for p in (sire[j], dam[j]):
                    if p < 0:
                        continue
                    if slot[p] < 0:
                        left -= 1
                        slot[p] = free[left]
                        waiting[p >> BLOCK_BITS] = 1
                        _set_half(share[slot[p]], mine)
                    else:
                        _add_half(share[slot[p]], mine)
                free[left] = slot[j]
                left += 1
                slot[j] = -1
        for f in range(start, stop):
            out[f] = total[f - start]
