"""Whether a variance has other minima, in compiled code: the curves of :mod:`.variance_curves`."""

from __future__ import annotations

from math import exp, inf, log, nan
from typing import Any

from ..linalg.compiled import compiled

_VECTOR, _MATRIX, _STACK = "float64[::1]", "float64[:, ::1]", "float64[:, :, ::1]"

FACTORS_PER_LOGARITHM = 8
"""So many factors are multiplied before a logarithm: each is at most the product of the range of
the levels' d, 1e12, and of 1e4."""


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
    room : ndarray (4 + r², points + 1)
    """
    m, r, points = c.shape[1], c.shape[2], len(grid) + 1
    product, value, more, weight = room[0], room[1], room[2], room[3]
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
        for g in range(points):
            variance = exp(low + (high - low) * grid[g - 1]) if g > 0 else 0.0
            more[g] = variance - variances[direction]
            product[g], value[g] = 1.0, 0.0
            for a in range(r):
                for b in range(a + 1):
                    one = 1.0 if a < r - 1 else r2
                    room[4 + a * r + b, g] = one if a == b else 0.0
        for j in range(m):
            for g in range(points):
                scale = 1.0 + more[g] * d[direction, j]
                product[g] *= scale if scale > 0.0 else nan
                weight[g] = more[g] / scale
            if j % FACTORS_PER_LOGARITHM == 0:
                for g in range(points):
                    value[g] += log(product[g])
                    product[g] = 1.0
            for a in range(r):
                for b in range(a + 1):
                    square = c[direction, j, a] * c[direction, j, b]
                    left_over = room[4 + a * r + b]
                    for g in range(points):
                        left_over[g] -= weight[g] * square
        turns, before, fell = 0, inf, True
        for g in range(points):
            found = value[g] + log(product[g])
            for e in range(r - 1):  # Gaussian elimination of the columns of X
                pivot = room[4 + e * r + e, g]
                if reml:
                    found += log(pivot)
                for a in range(e + 1, r):
                    for b in range(e + 1, a + 1):
                        taken = room[4 + a * r + e, g] * room[4 + b * r + e, g] / pivot
                        room[4 + a * r + b, g] -= taken
            found += nu * log(room[4 + r * r - 1, g] / r2)
            if not found < inf:
                found = inf
            if found < -rise:
                return True
            if g > 0:
                falls = found <= before
                if not falls and fell:
                    turns += 1
                fell = falls
            before = found
        if turns > 1:
            return True
    return False
