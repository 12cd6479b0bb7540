"""The blocks of a level of a chain of nested factors while it is eliminated.

Formulas and names are those of :mod:`.chain_operations`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray, IntArray
from .level_operations import ONE, ZERO, LevelOperations, Places, Rows
from .operation_kinds_kernels import TABLES

ZZ, COUPLING, RIGHT, EFFECTS, FRONT, REDUCED, PARENT_FRONT, PARENT_RIGHT, OUT, COVARIANCE = range(
    TABLES
)
"""Tables: Z_i'Z_i, Z_a'Z_i, Z_i'R*, B₀; what descendants take from S and C of the level and its
ancestors, and from ρ (on return of :func:`substitution`, v in its place); both, or Σ, of the
parents; m; Σ."""

Pattern = tuple[tuple[bool, ...], ...]
"""Which entries of a matrix are not zero."""


@dataclass(frozen=True)
class LevelKind:
    """What the operations at a level depend on.

    Attributes
    ----------
    k : int
        Effects of the level.
    above : int
        Effects of its ancestors.
    is_innermost : bool
    has_effects : bool
        Whether B₀ is not zero.
    lam : tuple of tuple of bool
        Which entries of λ are not zero.
    inverse : tuple of tuple of bool, optional
        Of λ⁻¹; None if λ has none.
    """

    k: int
    above: int
    is_innermost: bool
    has_effects: bool
    lam: Pattern
    inverse: Pattern | None


def pattern_of(matrix: FloatArray) -> Pattern:
    """Which entries are not zero."""
    return tuple(tuple(row) for row in (matrix != 0.0).tolist())


def parameters(*matrices: FloatArray) -> FloatArray:
    """The parameters of a list of operations: 1, and the entries of its matrices in order."""
    return np.concatenate([[1.0], *(matrix.ravel() for matrix in matrices)])


def triangle(n: int) -> IntArray:
    """Columns of the lower triangle of a symmetric n×n matrix in a table, (n, n)."""
    i, j = np.indices((n, n))
    i, j = np.maximum(i, j), np.minimum(i, j)
    return np.asarray(i * (i + 1) // 2 + j)


def triangle_size(n: int) -> int:
    """Number of these columns."""
    return n * (n + 1) // 2


def grid(rows: int, columns: int, first: int = 0) -> IntArray:
    """Columns of a matrix in a table, from `first` on."""
    return first + np.arange(rows * columns).reshape(rows, columns)


def places_of(patterns: tuple[Pattern, ...]) -> list[Places]:
    """Places of the entries of the matrices of :func:`parameters`."""
    out, first = [], ONE + 1
    for pattern in patterns:
        used = np.array(pattern, dtype=bool).reshape(len(pattern), -1)
        out.append(np.where(used, grid(*used.shape, first), ZERO))
        first += used.size
    return out


@dataclass(frozen=True, eq=False)
class Eliminated:
    """Blocks of a level while it is eliminated."""

    lam: Places
    inverse: Places
    S: Rows
    C: Rows
    J: Rows
    P: Rows
    Q: Rows


def eliminated(ops: LevelOperations, kind: LevelKind) -> Eliminated:
    """S and C less what descendants take, and the factor of A; parameters λ, λ⁻¹."""
    k, above = kind.k, kind.above
    lam, inverse = places_of((kind.lam, kind.lam if kind.inverse is None else kind.inverse))
    S, low = np.empty((k, k), dtype=np.intp), np.tril_indices(k)
    S[low] = S.T[low] = ops.load(ZZ, grid(k, k)[low])
    C = ops.load(COUPLING, grid(above, k))
    if not kind.is_innermost:
        places = triangle(k + above)
        ops.load_more(S[low], FRONT, places[:k, :k][low])
        ops.load_more(C, FRONT, places[k:, :k])
    half = ops.left(lam.T, S).T  # Sλ
    A: Rows = np.empty((k, k), dtype=np.intp)
    for i, j in pairs_of(low):
        identity = ops.numbers(np.array(ONE if i == j else ZERO))
        A[i, j] = A[j, i] = ops.combined(lam[:, i], half[:, j], int(identity))
    J = ops.inverse_root(A)
    P: Rows = np.empty((k, k), dtype=np.intp)
    for i in range(k):
        for j in range(k):
            P[i, j] = ops.combined(lam[i, : j + 1], J[j, : j + 1])
    return Eliminated(lam, inverse, S, C, J, P, ops.product(C, P))


def pairs_of(indices: tuple[IntArray, IntArray]) -> list[tuple[int, int]]:
    """Rows and columns, one pair after the other."""
    rows, columns = indices
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def reduced_right(
    ops: LevelOperations, kind: LevelKind, e: Eliminated, r: int
) -> tuple[Rows, Rows]:
    """ρ and c."""
    k = kind.k
    rho = ops.load(RIGHT, grid(k, r))
    if not kind.is_innermost:
        ops.load_more(rho, REDUCED, grid(k, r))
    c = ops.product(e.P.T, rho)
    if kind.has_effects:
        scaled = ops.left(e.inverse, ops.load(EFFECTS, grid(k, r)))
        for i in range(k):
            for s in range(r):
                ops.inner(e.J[i, : i + 1], scaled[: i + 1, s], c[i, s], -1.0)
    return rho, c
