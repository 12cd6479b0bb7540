"""What is computed at every level of a chain of nested factors, as lists of operations.

Every level i of a factor belongs to one level of the next one, and so to one level of each factor
further out: its ancestors. Levels are eliminated from the innermost factor outwards. With V of
what has been eliminated before, S = Z_i'V⁻¹Z_i, C = Z_a'V⁻¹Z_i for the ancestors' columns Z_a,
ρ = Z_i'V⁻¹R* and λ of the factor,

    A = λ'Sλ + I = LL',   J = L⁻¹,   P = λJ',   Q = CP,   c = P'ρ − Jλ⁻¹B₀,

and QQ' and Qc are what the level takes from S, C and ρ of its ancestors
(:func:`elimination`). Then, from the outermost factor inwards, v of the ancestors gives

    v = P(c − Q'v_a),   m = Z_i'V₀⁻¹R = ρ − Sv − C'v_a

of the level, and Σ = ΛA⁻¹Λ' of the ancestors gives what the gradient needs (:func:`substitution`):

    (A⁻¹)_ii = J'BJ = J'(I + Q'ΣQ)J,   Σ_ii = PBP',   Σ_ai = −ΣQP',

or, where λ has no inverse, Z_i'V₀⁻¹Z_i = S − [S C']Σ[S C']' with Σ of the level and its ancestors.
For directions c_j of effects, with x_j = λ⁻¹c_j of their factor,

    c_j'Z'V₀⁻¹Zc_h = x_j'x_h − (L⁻¹x_j)'(L⁻¹x_h)

takes an elimination alone (:func:`differentiation`). Where λ has no inverse Zc_j is eliminated
like R*: c_j'Sc_h takes the place of x_j'x_h, −P'Sc_j that of L⁻¹x_j.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .chain_blocks import (
    COVARIANCE,
    FRONT,
    OUT,
    PARENT_FRONT,
    PARENT_RIGHT,
    REDUCED,
    RIGHT,
    Eliminated,
    LevelKind,
    Pattern,
    eliminated,
    grid,
    pairs_of,
    places_of,
    reduced_right,
    triangle,
)
from .level_operations import ONE, LevelOperations, OperationList, Rows

MOST_LISTS = 50
"""Lists of each kind that are kept: a search has a few, of up to half a million bytes each."""


@lru_cache(maxsize=MOST_LISTS)
def elimination(kind: LevelKind, r: int) -> OperationList:
    """What a level takes from its ancestors; parameters λ, λ⁻¹."""
    ops = LevelOperations()
    k, above = kind.k, kind.above
    e = eliminated(ops, kind)
    _, c = reduced_right(ops, kind, e, r)
    front = right = None
    if not kind.is_innermost:
        front = ops.load(FRONT, triangle(k + above)[k:, k:])
        right = ops.load(REDUCED, grid(above, r, k * r))
    low = np.tril_indices(above)
    front = ops.symmetric_product(e.Q, e.Q.T, front, -1.0)
    ops.scatter(front[low], PARENT_FRONT, triangle(above)[low])
    ops.scatter(ops.product(e.Q, c, right, -1.0), PARENT_RIGHT, grid(above, r))
    return ops.finished()


@lru_cache(maxsize=MOST_LISTS)
def effects(kind: LevelKind, r: int) -> OperationList:
    """v of a level alone, in the place of m; parameters λ, λ⁻¹."""
    ops = LevelOperations()
    e = eliminated(ops, kind)
    _, c = reduced_right(ops, kind, e, r)
    outer = ops.gather(PARENT_RIGHT, grid(kind.above, r))
    ops.store(ops.product(e.P, ops.product(e.Q.T, outer, c, -1.0)), OUT, grid(kind.k, r))
    return ops.finished()


@lru_cache(maxsize=MOST_LISTS)
def substitution(kind: LevelKind, r: int) -> OperationList:
    """m and Σ of a level; parameters λ, λ⁻¹.

    Sums are the part of R'V₀⁻¹R that :func:`~lmforms.engine.criterion.gls.marginal_moments`
    adds, and (A⁻¹)_ii, or Z_i'V₀⁻¹Z_i where λ has no inverse: lower triangles.
    """
    ops = LevelOperations()
    k, above = kind.k, kind.above
    moments, traces = ops.sums(r, r), ops.sums(k, k)
    e = eliminated(ops, kind)
    m, c = reduced_right(ops, kind, e, r)
    outer = ops.gather(PARENT_RIGHT, grid(above, r))
    v = ops.product(e.P, ops.product(e.Q.T, outer, c, -1.0))
    ops.product(e.S, v, m, -1.0)
    ops.product(e.C.T, outer, m, -1.0)
    ops.store(m, OUT, grid(k, r))
    if not kind.is_innermost:
        ops.store(v, REDUCED, grid(k, r))
        ops.store(outer, REDUCED, grid(above, r, k * r))
    _add_moments(ops, moments, ops.load(RIGHT, grid(k, r)), v, m, ops.left(e.lam.T, m))
    _covariances(ops, kind, e, traces)
    return ops.finished()


def _add_moments(ops: LevelOperations, sums: Rows, z: Rows, v: Rows, m: Rows, u: Rows) -> None:
    """u'u − (z'v + v'm), made symmetric."""
    for i in range(len(z)):
        both = [ops.combined([ONE, ONE], [z[i, s], m[i, s]]) for s in range(z.shape[1])]
        for s, t in zip(*np.tril_indices(z.shape[1]), strict=True):
            ops.inner([u[i, s]], [u[i, t]], sums[s, t])
            ops.inner([both[s], both[t]], [v[i, t], v[i, s]], sums[s, t], -0.5)


def _covariances(ops: LevelOperations, kind: LevelKind, e: Eliminated, traces: Rows) -> None:
    """Add to the traces, and store Σ of the level and its ancestors."""
    k, above = kind.k, kind.above
    low, low_above = np.tril_indices(k), np.tril_indices(above)
    outer: Rows = np.empty((above, above), dtype=np.intp)
    outer[low_above] = outer.T[low_above] = ops.gather(PARENT_FRONT, triangle(above)[low_above])
    W: Rows = np.empty((above, k), dtype=np.intp)  # QJ
    for g in range(above):
        for i in range(k):
            W[g, i] = ops.inner(e.Q[g, i:], e.J[i:, i])
    Y = ops.product(outer, W)
    inverse: Rows = np.empty((k, k), dtype=np.intp)  # (A⁻¹)_ii
    for i, j in pairs_of(low):
        x, y = [*e.J[i:, i], *W[:, i]], [*e.J[i:, j], *Y[:, j]]
        inverse[i, j] = inverse[j, i] = ops.inner(x, y)
    if kind.inverse is not None:
        for i, j in pairs_of(low):
            ops.combined([ONE], [inverse[i, j]], traces[i, j])
        if kind.is_innermost:
            return
    half = ops.left(e.lam, inverse)
    own: Rows = np.empty((k, k), dtype=np.intp)
    for i, j in pairs_of(low):
        own[i, j] = own[j, i] = ops.combined(e.lam[j], half[i])
    across = ops.left(e.lam, Y.T, -1.0)  # Σ_ia
    if not kind.is_innermost:
        places = triangle(k + above)
        ops.store(own[low], COVARIANCE, places[:k, :k][low])
        ops.store(across, COVARIANCE, places[:k, k:])
        ops.store(outer[low_above], COVARIANCE, places[k:, k:][low_above])
    if kind.inverse is None:
        sigma: Rows = np.block([[own, across], [across.T, outer]])
        both: Rows = np.hstack([e.S, e.C.T])
        right = ops.product(sigma, both.T)
        for i, j in pairs_of(low):
            ops.combined([ONE], [e.S[i, j]], traces[i, j])
            ops.inner(both[i], right[:, j], traces[i, j], -1.0)


@lru_cache(maxsize=MOST_LISTS)
def differentiation(
    kind: LevelKind, r: int, before: int, directions: tuple[Pattern, ...], right: Pattern
) -> OperationList:
    """Sums of products of t and V, and L⁻¹x; parameters λ, λ⁻¹, [t V] of m, and each direction.

    `directions` are λ⁻¹D_j, or D_j where λ has no inverse, of the factor's own θ; there are
    `before` others, of inner factors. Sums are tt', t ⊗ V, VV' and what is taken from
    c_j'Z'V₀⁻¹Zc_h, lower triangles.
    """
    ops = LevelOperations()
    k, above, p, n = kind.k, kind.above, len(right[0]) - 1, before + len(directions)
    tt, tv, vv, taken = ops.sums(k, k), ops.sums(k, k * p), ops.sums(k, k), ops.sums(n, n)
    e = eliminated(ops, kind)
    patterns = kind.lam, kind.lam if kind.inverse is None else kind.inverse, right, *directions
    _, _, to_right, *to_directions = places_of(patterns)
    both = ops.left(to_right.T, ops.load(RIGHT, grid(k, r)).T).T
    t, v = both[:, :1], both[:, 1:]
    for i, j in pairs_of(np.tril_indices(k)):
        ops.inner(t[i], t[j], tt[i, j])
        ops.inner(v[i], v[j], vv[i, j])
    for i in range(k):
        for j in range(k * p):
            ops.inner(t[i], [v[j // p, j % p]], tv[i, j])
    rho = ops.load(REDUCED, grid(k, before)) if before else np.empty((k, 0), dtype=np.intp)
    x = [ops.left(places, t)[:, 0] for places in to_directions]
    own: Rows = np.array(x, dtype=np.intp).reshape(-1, k).T
    c: Rows = np.empty((k, n), dtype=np.intp)
    c[:, :before] = ops.product(e.P.T, rho)
    if kind.inverse is None:
        weighted = ops.product(e.S, own)
        c[:, before:] = ops.product(e.P.T, weighted)
        for j in range(len(directions)):
            for h in range(before):
                ops.inner(own[:, j], rho[:, h], taken[before + j, h], -1.0)
            for h in range(j + 1):
                ops.inner(own[:, j], weighted[:, h], taken[before + j, before + h], -1.0)
    else:
        for i in range(k):
            for j in range(len(directions)):
                c[i, before + j] = ops.inner(e.J[i, : i + 1], own[: i + 1, j], sign=-1.0)
    for j, h in pairs_of(np.tril_indices(n)):
        ops.inner(c[:, j], c[:, h], taken[j, h])
    if above:
        left: Rows = np.empty((above, n), dtype=np.intp)
        reduced = ops.load(REDUCED, grid(above, before, k * before)) if before else None
        left[:, :before] = ops.product(e.Q, c[:, :before], reduced, -1.0)
        outer = ops.product(e.C, own) if kind.inverse is None else None
        left[:, before:] = ops.product(e.Q, c[:, before:], outer, -1.0)
        ops.scatter(left, PARENT_RIGHT, grid(above, n))
    return ops.finished()
