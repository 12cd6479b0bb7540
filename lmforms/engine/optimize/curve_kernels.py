"""Whether a variance has other minima, in compiled code: the curves of :mod:`.variance_curves`."""

from __future__ import annotations

from math import exp, inf, log
from typing import Any

from ..linalg.compiled import compiled

_VECTOR, _MATRIX, _STACK = "float64[::1]", "float64[:, ::1]", "float64[:, :, ::1]"

MOST_PRODUCT, LEAST_PRODUCT = 1e100, 1e-100
"""Factors are multiplied within these bounds, so that many levels need one logarithm."""


@compiled(
    f"boolean({_MATRIX}, {_STACK}, {_VECTOR}, float64, int64, boolean, {_VECTOR}, float64, "
    f"float64, float64, float64, {_MATRIX})"
)
def may_have_other_minima(
    d: Any,
    c: Any,
    variances: Any,
    r2: Any,
    nu: Any,
    reml: Any,
    grid: Any,
    smallest: Any,
    largest: Any,
    least_information: Any,
    rise: Any,
    room: Any,
) -> Any:
    """Whether a curve has several turns, or is lower somewhere. Twin: `Curves.other_minima`.

    Parameters
    ----------
    d, c : ndarray (s, m), (s, m, r)
        Eigenvalues and rows c_j of each level.
    variances : ndarray (s,)
    r2, nu : float, int
    reml : bool
    grid : ndarray (points,)
    smallest, largest, least_information, rise : float
        The constants of :mod:`.variance_curves`.
    room : ndarray (r, r)
    """
    m, r = c.shape[1], c.shape[2]
    for direction in range(len(d)):
        most = 0.0
        for j in range(m):
            left = 1.0 - variances[direction] * d[direction, j]
            own = d[direction, j] / (left if left > least_information else least_information)
            if own > most:
                most = own
        least = most
        for j in range(m):
            left = 1.0 - variances[direction] * d[direction, j]
            own = d[direction, j] / (left if left > least_information else least_information)
            if own < least:
                least = own
        if least < least_information * most:
            least = least_information * most
        low, high = log(smallest / most), log(largest / least)
        turns, before, fell = 0, inf, True
        for point in range(-1, len(grid)):
            more = -variances[direction]
            if point >= 0:
                more += exp(low + (high - low) * grid[point])
            for a in range(r):
                for b in range(a):
                    room[a, b] = 0.0
                room[a, a] = 1.0 if a < r - 1 else r2
            value, product = 0.0, 1.0
            for j in range(m):
                scale = 1.0 + more * d[direction, j]
                if not scale > 0.0:
                    value = inf
                product *= scale
                if not LEAST_PRODUCT < product < MOST_PRODUCT:
                    value += log(product)
                    product = 1.0
                weight = more / scale
                for a in range(r):
                    for b in range(a + 1):
                        room[a, b] -= weight * c[direction, j, a] * c[direction, j, b]
            value += log(product)
            for e in range(r - 1):  # Gaussian elimination of the columns of X
                if not room[e, e] > 0.0:
                    value = inf
                elif reml:
                    value += log(room[e, e])
                for a in range(e + 1, r):
                    for b in range(e + 1, a + 1):
                        room[a, b] -= room[a, e] * room[b, e] / room[e, e]
            ratio = room[r - 1, r - 1] / r2
            value = value + nu * log(ratio) if ratio > 0.0 else inf
            if not value < inf:
                value = inf
            if value < -rise:
                return True
            if point >= 0:
                falls = value <= before
                if not falls and fell:
                    turns += 1
                fell = falls
            before = value
        if turns > 1:
            return True
    return False
