"""Exact block-coordinate descent: loadings given codes, codes given loadings, each a minimum.

Given K and H the loadings are three regressions. Given α, β, u the two codes are found
*jointly*, as both stand behind Y:

    [ w_Yα'α + w_Xβ'β + ρI   w_Yα'α               ] [K']   [ (w_YYα + w_XXβ)' ]
    [ w_Yα'α                 w_Yα'α + w_Zu'u + ρI ] [H'] = [ (w_YYα + w_ZZu)' ]

F can rise in neither. Where entries of Y are missing, each column of Y has its own Gram matrix
in the first step, and each row its own in the second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .anderson import Anderson
from .canonical import canonical
from .objective import (
    Codes,
    FloatArray,
    Loadings,
    Modalities,
    Parts,
    Weights,
    chunks,
    objective,
    residual_square,
    squared_norm,
    weighted,
)
from .solves import masked_gram, solve_each, solve_symmetric
from .status import FormStatus, exhausted, reached, settled

# F is a sum of squares taken off each other: below this share of its start it is rounding.
FLOOR = 1e-28


class Walk(NamedTuple):
    """Where a minimisation ended, and the way there."""

    codes: Codes
    loadings: Loadings
    trace: tuple[float, ...]
    status: FormStatus


def loadings_given(data: Modalities, codes: Codes, weights: Weights, ridge: float) -> Loadings:
    """α, β, u that minimise F at given K, H: three regressions.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [1.0]])
    >>> data = Modalities(3 * (K + H), 2 * K, 5 * H)
    >>> found = loadings_given(data, Codes(K, H), Weights(1, 1, 1), 0.0)
    >>> [round(float(A[0, 0]), 12) for A in found]
    [3.0, 2.0, 5.0]
    """
    K, H = codes
    S = K + H
    if data.seen is None:
        alpha = _regression(data.Y, S, ridge / weights.Y)
    else:
        gram = masked_gram(S, data.seen) + ridge / weights.Y * np.eye(S.shape[1])
        alpha = solve_each(gram, data.Y.T @ S)
    beta = _regression(data.X, K, ridge / weights.X)
    return Loadings(alpha, beta, _regression(data.Z, H, ridge / weights.Z))


def _regression(A: object, code: FloatArray, ridge: float) -> FloatArray:
    """(c, k) coefficients of the columns of A on a code."""
    gram = code.T @ code + ridge * np.eye(code.shape[1])
    return solve_symmetric(gram, (A.T @ code).T).T  # type: ignore[attr-defined]


def codes_given(
    data: Modalities, loadings: Loadings, weights: Weights, ridge: float
) -> tuple[Codes, float]:
    """K, H that minimise F at given α, β, u, and F there.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> data, loadings = Modalities(K + H, K, H), Loadings(*np.ones((3, 1, 1)))
    >>> found, F = codes_given(data, loadings, Weights(1, 1, 1), 0.0)
    >>> bool(np.allclose(found.K, K) and np.allclose(found.H, H)), round(F, 12)
    (True, 0.0)
    """
    alpha, beta, u = loadings
    k = alpha.shape[1]
    products = data.Y @ alpha, data.X @ beta, data.Z @ u
    right = np.hstack(
        [
            weights.Y * products[0] + weights.X * products[1],
            weights.Y * products[0] + weights.Z * products[2],
        ]
    )
    own = _own_blocks(loadings, weights, ridge)
    both = np.tile(weights.Y * (alpha.T @ alpha), (2, 2))
    found = solve_symmetric(own + both, right.T).T
    if data.seen is not None:
        _solve_rows(found, right, data, alpha, weights, own)
    K, H = np.ascontiguousarray(found[:, :k]), np.ascontiguousarray(found[:, k:])
    squares = data.squares()
    sums = Parts(
        residual_square(data.Y, K + H, alpha, data.seen, products[0], squares.Y),
        residual_square(data.X, K, beta, None, products[1], squares.X),
        residual_square(data.Z, H, u, None, products[2], squares.Z),
        sum(squared_norm(A) for A in (K, H, *loadings)) if ridge else 0.0,
    )
    return Codes(K, H), weighted(sums, weights, ridge)


def _own_blocks(loadings: Loadings, weights: Weights, ridge: float) -> FloatArray:
    """The part of the 2k×2k system that X, Z and the ridge give."""
    _, beta, u = loadings
    k = beta.shape[1]
    system = ridge * np.eye(2 * k)
    system[:k, :k] += weights.X * (beta.T @ beta)
    system[k:, k:] += weights.Z * (u.T @ u)
    return system


def _solve_rows(
    found: FloatArray,
    right: FloatArray,
    data: Modalities,
    alpha: FloatArray,
    weights: Weights,
    own: FloatArray,
) -> None:
    """Solve again, each on its own, the rows with missing entries."""
    assert data.seen is not None
    gaps = np.flatnonzero(~data.seen.all(axis=1))
    k = alpha.shape[1]
    for part in chunks(len(gaps), max(4 * k * k, alpha.shape[0])):
        rows = gaps[part]
        gram = weights.Y * masked_gram(alpha, data.seen[rows].T)
        found[rows] = solve_each(own + np.tile(gram, (1, 2, 2)), right[rows])


def sweep(
    data: Modalities, codes: Codes, weights: Weights, ridge: float = 0.0
) -> tuple[Codes, Loadings, float]:
    """One plain sweep: loadings, then codes. Returns both and F, which has not risen.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> data = Modalities(*(rng.normal(size=(8, c)) for c in (3, 4, 5)))
    >>> codes, weights = Codes(rng.normal(size=(8, 2)), rng.normal(size=(8, 2))), Weights(1, 1, 1)
    >>> once, _, first = sweep(data, codes, weights)
    >>> sweep(data, once, weights)[2] <= first
    True
    """
    loadings = loadings_given(data, codes, weights, ridge)
    found, value = codes_given(data, loadings, weights, ridge)
    return found, loadings, value


def minimise(
    data: Modalities,
    loadings: Loadings,
    weights: Weights,
    ridge: float = 0.0,
    tol: float = 1e-9,
    max_iter: int = 500,
) -> Walk:
    """Sweeps with Anderson's acceleration, from given loadings, until F falls no more.

    What is iterated are the loadings, as K and H follow from them; F(α, β, u) with the codes at
    their minimum decides. A step that Anderson's rule proposes and that would raise F is
    replaced by the plain sweep, and the memory of the rule is emptied.
    """
    rule = Anderson(np.sqrt(weights))
    codes, value = codes_given(data, loadings, weights, ridge)
    floor = FLOOR * sum(w * s for w, s in zip(weights, data.squares()))
    trace, rejected, accelerated = [value], 0, 0
    message, done = exhausted(max_iter), False
    for _ in range(max_iter):
        plain = loadings_given(data, codes, weights, ridge)
        proposed = rule.propose(loadings, plain)
        following, fresh = codes_given(data, proposed, weights, ridge)
        if proposed is not plain:
            if fresh < value:
                accelerated += 1
            else:
                rejected += 1
                rule.forget()
                proposed = plain
                following, fresh = codes_given(data, proposed, weights, ridge)
        if not fresh < value:
            message, done = settled(), True
            break
        fall, value = value - fresh, fresh
        loadings, codes = proposed, following
        trace.append(value)
        if value <= floor or fall <= tol * value:
            message, done = reached(tol), True
            break
    sweeps = len(trace) - 1
    codes, loadings, last = _polished(data, codes, loadings, weights, ridge, value)
    if last < value:
        trace.append(last)
    status = FormStatus(done, message, sweeps, accelerated, rejected)
    return Walk(codes, loadings, tuple(trace), status)


def _polished(
    data: Modalities,
    codes: Codes,
    loadings: Loadings,
    weights: Weights,
    ridge: float,
    value: float,
) -> tuple[Codes, Loadings, float]:
    """The canonical form, and regressions at its codes if they lower F."""
    codes, loadings = canonical(codes, loadings, None if ridge else weights)
    refreshed = loadings_given(data, codes, weights, ridge)
    after = objective(data, codes, refreshed, weights, ridge)
    before = objective(data, codes, loadings, weights, ridge)
    if after <= before:
        loadings = refreshed
    return codes, loadings, min(value, before, after)
