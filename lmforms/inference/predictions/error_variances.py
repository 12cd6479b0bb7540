"""Variances of prediction errors, and how they depend on the variance parameters.

The best linear unbiased predictor of a target x'β + z'b has the error variance, relative to σ²,

    h = z'Mz + w'Φ₀w,   M = ΛA⁻¹Λ',   w = x − X'R⁻¹ZMz,   Φ₀ = (X'V₀⁻¹X)⁻¹,

which is [x' z'] C⁻¹ [x' z']' with the inverse of Henderson's equations and all its blocks. The
predictor is ℓ'y, and ℓ minimises Var(T − ℓ'y) among X'ℓ = x. So its derivative does not matter, and
for Λ's parameters

    ∂h/∂θ_i = d'D_i d,   d = z − Z'ℓ = z − Z'R⁻¹Z Mz − Z'V₀⁻¹X Φ₀w,   D_i = K ⊗ ∂(λλ')/∂θ_i.

With the weights of estimated parameters the error is larger by Var((∂ℓ'/∂θ)(θ̂ − θ)'y),
∂ℓ/∂θ_i = P₀ZD_i d:

    Σ_ij W_ij d'D_i (Z'P₀Z) D_j d.

References
----------
Henderson (1975), *Best linear unbiased estimation and prediction under a selection model*,
Biometrics 31(2); Kackar, Harville (1984), *Approximations for standard errors of estimators of
fixed and random effects in mixed linear models*, JASA 79(388); Prasad, Rao (1990), *The estimation
of the mean squared error of small-area estimators*, JASA 85(409); Harville, Jeske (1992), *Mean
squared error of estimation or prediction under a general linear model*, JASA 87(419).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.criterion.evaluate import Evaluation
from ...engine.factor import Factorization
from ...engine.linalg.batched import multiply
from ...support.arrays import Blocks, FloatArray, IndexArray
from ...support.row_chunks import row_chunks
from .targets import Targets


@dataclass(frozen=True, eq=False)
class Directions:
    """Variance parameters of the random effects.

    Attributes
    ----------
    D : list of ndarray (m_g, k, k)
        ∂(λλ')/∂ψ of the m_g parameters of each grouping factor.
    changes : ndarray (m, p, p)
        C_i = V'(K ⊗ D_i)V with V = Z'V₀⁻¹XR_X⁻¹.
    weights : ndarray (m, m) or None
        W; None leaves out what the estimation of the parameters adds.
    square : ndarray (p, p) or None
        Σ W_ij (V'D_i Z'V₀⁻¹Z D_jV − C_iC_j), with `weights`.
    """

    D: Blocks
    changes: FloatArray
    weights: FloatArray | None = None
    square: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class ErrorVariances:
    """Variances of the errors of r predictions, relative to σ².

    Attributes
    ----------
    values : ndarray (r,)
        h.
    changes : ndarray (m, r)
        ∂h/∂ψ_i of the parameters of the random effects; none without directions.
    added : ndarray (r,)
        What the estimation of these parameters adds; zero without weights.
    """

    values: FloatArray
    changes: FloatArray
    added: FloatArray


def error_variances(
    at: Any, targets: Targets, directions: Directions | None = None
) -> ErrorVariances:
    """Variances of prediction errors at an evaluation of the criterion.

    Parameters
    ----------
    at : Evaluation or IterativeEvaluation
        The latter for targets without predicted random effects.
    targets : Targets
    directions : Directions, optional
    """
    if not targets.has_random_effects:
        found = _of_fixed(at.gls.inverse_root_x, targets, directions)
    else:
        rows = _level_rows(at, targets)
        if rows is not None:
            found = _by_levels(at, targets, directions, *rows)
        else:
            found = _by_solves(at, targets, directions)
    return _with_unknown(found, at, targets, directions)


def _with_unknown(
    found: ErrorVariances, at: Any, targets: Targets, directions: Directions | None
) -> ErrorVariances:
    """Add f'λλ'f of unknown random effects, and the variance of the residual part."""
    values, changes, start = found.values + targets.residual, found.changes, 0
    for g, (f, lam) in enumerate(zip(targets.unknown, at.problem.lams(at.theta), strict=True)):
        values = values + np.square(f @ lam).sum(axis=1)
        if directions is not None:
            D = directions.D[g]
            changes[start : start + len(D)] += np.einsum("ra,iab,rb->ir", f, D, f, optimize=True)
            start += len(D)
    return ErrorVariances(values, changes, found.added)


def _of_fixed(root: FloatArray, targets: Targets, directions: Directions | None) -> ErrorVariances:
    """Of x'β alone."""
    half = targets.fixed @ root
    values = np.square(half).sum(axis=1)
    if directions is None:
        return ErrorVariances(values, np.empty((0, targets.n)), np.zeros(targets.n))
    changes = ((half @ directions.changes) * half).sum(axis=2)
    added = np.zeros(targets.n)
    if directions.square is not None:
        added = ((half @ directions.square) * half).sum(axis=1)
    return ErrorVariances(values, changes, added)


# --- one grouping factor: level by level -------------------------------------------------------


def _level_rows(at: Evaluation, targets: Targets) -> tuple[IndexArray, FloatArray] | None:
    """Level (−1 for none) and basis of each row, if one factor of unrelated levels has them all."""
    system = at.problem.system
    if len(targets.random) > 1 or not isinstance(at.factor, Factorization):
        return None
    if system.has_related_levels:
        return None
    Z, k = targets.random[0], system.shapes[0][1]
    counts = np.diff(Z.indptr)
    filled, levels = counts > 0, Z.indices // k
    codes = np.full(targets.n, -1, dtype=np.intp)
    codes[filled] = levels[Z.indptr[:-1][filled]]
    if (levels != np.repeat(codes, counts)).any():
        return None
    basis = np.zeros((targets.n, k))
    basis[np.repeat(np.arange(targets.n), counts), Z.indices % k] = Z.data
    return codes, basis


def _by_levels(
    at: Evaluation,
    targets: Targets,
    directions: Directions | None,
    codes: IndexArray,
    z: FloatArray,
) -> ErrorVariances:
    """With d = d₀ − Vh, h = R_X⁻ᵀw and d₀ in the row's own level."""
    root = at.gls.inverse_root_x
    M, gram = at.factor.level_blocks()[0], at.problem.system.cp.factors[0].zz
    solved = np.einsum("rab,rb->ra", M[codes], z)
    fitted = np.einsum("rap,ra->rp", at.effects[0][codes][..., :-1], z)
    half = (targets.fixed - fitted) @ root
    values = np.einsum("ra,ra->r", z, solved) + np.square(half).sum(axis=1)
    if directions is None:
        return ErrorVariances(values, np.empty((0, targets.n)), np.zeros(targets.n))
    D, C, W = directions.D[0], directions.changes, directions.weights
    V = at.marginal[0][..., :-1] @ root
    own = z - np.einsum("rab,rb->ra", gram[codes], solved)  # d₀
    beside = np.einsum("rap,rp->ra", V[codes], half)
    moved = np.einsum("iab,rb->ira", D, own)  # D_i d₀
    common = half @ C  # (m, r, p)
    changes = ((own - 2.0 * beside) * moved).sum(axis=2) + (common * half).sum(axis=2)
    added = np.zeros(targets.n)
    if W is not None:
        N = gram - gram @ M @ gram  # level by level: V₀ has no others
        pushed = np.einsum("rab,irb->ira", N[codes], moved)
        across = np.einsum("rab,jbc,rcp,rp->jra", N[codes], D, V[codes], half, optimize=True)
        products = np.einsum("ira,jra->ijr", moved, pushed)
        mixed = np.einsum("ira,jra->ijr", moved, across)
        onto = np.einsum("rap,ira->irp", V[codes], moved)  # V'D_i d₀
        products -= mixed + mixed.swapaxes(0, 1)
        products -= np.einsum("irp,jrp->ijr", onto, onto)
        crossed = np.einsum("irp,jrp->ijr", onto, common)
        products += crossed + crossed.swapaxes(0, 1)
        added = np.einsum("ij,ijr->r", W, products)
        added += ((half @ directions.square) * half).sum(axis=1)
    return ErrorVariances(values, changes, added)


# --- any grouping factors: a solve for each row ------------------------------------------------


def _by_solves(at: Evaluation, targets: Targets, directions: Directions | None) -> ErrorVariances:
    width = sum(q * k for q, k in at.problem.system.shapes)
    if directions is not None:
        width *= 1 + len(directions.changes)
    parts = [_solved(at, targets, directions, rows) for rows in row_chunks(targets.n, width)]
    return ErrorVariances(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.changes for part in parts], axis=1),
        np.concatenate([part.added for part in parts]),
    )


def _solved(
    at: Evaluation, targets: Targets, directions: Directions | None, rows: slice
) -> ErrorVariances:
    """A part of the rows."""
    system, root = at.problem.system, at.gls.inverse_root_x
    own = [Z[rows] for Z in targets.random]
    z = [Z.toarray().T.reshape(q, k, -1) for Z, (q, k) in zip(own, system.shapes, strict=True)]
    solved = at.factor.solve([multiply(lam.T, x) for lam, x in zip(at.factor.lams, z, strict=True)])
    fixed = targets.fixed[rows]
    for Z, u in zip(own, at.effects, strict=True):
        fixed = fixed - Z @ u[..., :-1].reshape(Z.shape[1], -1)
    half = fixed @ root
    values = np.square(half).sum(axis=1)
    values += sum(np.einsum("qar,qar->r", x, y) for x, y in zip(z, solved, strict=True))
    n = len(values)
    if directions is None:
        return ErrorVariances(values, np.empty((0, n)), np.zeros(n))
    V = [x[..., :-1] @ root for x in at.marginal]
    d = [x - g - v @ half.T for x, g, v in zip(z, system.gram_times(solved), V, strict=True)]
    kd = system.covariance_times(d)
    moved = [  # D_i d, (m, q, k, r)
        np.einsum("iab,qbr->iqar", D, x) for D, x in zip(directions.D, kd, strict=True)
    ]
    changes = np.concatenate(
        [np.einsum("qar,iqar->ir", x, y) for x, y in zip(d, moved, strict=True)]
    )
    added = np.zeros(n)
    if directions.weights is not None:
        added = _added(at, V, moved, directions.weights)
    return ErrorVariances(values, changes, added)


def _added(at: Evaluation, V: Blocks, moved: Blocks, W: FloatArray) -> FloatArray:
    """Σ W_ij e_i'(Z'V₀⁻¹Z − VV')e_j with e_i = D_i d, (r,)."""
    m, n = len(W), moved[0].shape[-1]
    effects, start = [], 0
    for e in moved:
        q, k = e.shape[1:3]
        placed = np.zeros((q, k, m, n))
        placed[:, :, start : start + len(e)] = np.moveaxis(e, 0, 2)
        effects.append(placed.reshape(q, k, m * n))
        start += len(e)
    pushed = at.factor.marginal_of_effects(effects)
    products = sum(
        np.einsum("qair,qajr->ijr", e.reshape(*e.shape[:2], m, n), x.reshape(*x.shape[:2], m, n))
        for e, x in zip(effects, pushed, strict=True)
    )
    onto = sum(np.einsum("qap,qax->px", v, e) for v, e in zip(V, effects, strict=True))
    onto = onto.reshape(-1, m, n)
    products = products - np.einsum("pir,pjr->ijr", onto, onto)
    return np.asarray(np.einsum("ij,ijr->r", W, products))
