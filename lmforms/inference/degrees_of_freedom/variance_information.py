"""How the covariance of β̂ depends on the variance parameters, and how well these are known.

Degrees of freedom need two things: Φ = cov(β̂) as a function of the variance parameters ψ, and the
covariance W of ψ̂. Both come from cross-products over random effects, never from n×n matrices.
With V₀ = V/σ², Φ = σ²(X'V₀⁻¹X)⁻¹ = HH', H = σR_X⁻¹ and V = Z'V₀⁻¹X R_X⁻¹,

    ∂Φ/∂θ_i = H V'(K ⊗ D_i)V H',  D_i = ∂(λλ')/∂θ_i;     ∂Φ/∂ln σ² = Φ.

For parameters φ of the residuals ∂Φ comes from differences. Two sets of parameters are in use:
(θ, φ, ln σ²) at their joint optimum, where the Hessian is the observed information, in singular
fits too; and the variances themselves, in which the covariance of y is linear: D_r = u_r u_r' for
directions u_r that span the structure, and the whole V as the last one in the place of σ²I, which
is the same linear space.

References
----------
Kenward, Roger (1997), *Small sample inference for fixed effects from restricted maximum
likelihood*, Biometrics 53(3); Kuznetsova, Brockhoff, Christensen (2017), *lmerTest package*,
J. Stat. Software 82(13), for the first set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...engine.criterion.curvature import effects_of_changes, pair_traces
from ...engine.criterion.evaluate import Differentiated, differentiate, evaluate
from ...engine.criterion.information import inner, joint_information, root_changes
from ...engine.estimate import Estimate
from ...engine.iterative.criterion import IterativeEvaluation
from ...engine.linalg.batched import outer_sum
from ...engine.linalg.threads import limited_blas_threads
from ...support.arrays import Blocks, FloatArray, IndexArray

InformationKind = Literal["observed", "expected", "average"]

LEAST_EIGENVALUE = 1e-6
"""Eigenvalues of the information below this are directions of which the data know nothing, with
the diagonal scaled to 1. Traces from differences are exact to about 1e-8."""


RESIDUAL_STEP = 1e-4
"""Step in the parameters of the residuals, angles and logarithms, for ∂Φ."""


@dataclass(frozen=True, eq=False)
class VarianceInformation:
    """Φ's derivatives with respect to variance parameters ψ, and the covariance of ψ̂.

    Attributes
    ----------
    half : ndarray (p, p)
        H, with Φ = HH'.
    changes : ndarray (m, p, p)
        C_i, with ∂Φ/∂ψ_i = H C_i H'.
    covariance : ndarray (m, m)
        W, the inverse of the information.
    kind : {"observed", "expected", "average"}
        Which information.
    ignored : int
        Number of directions without information that were left out of W.
    """

    half: FloatArray
    changes: FloatArray
    covariance: FloatArray
    kind: InformationKind
    ignored: int


@dataclass(frozen=True, eq=False)
class LinearInformation(VarianceInformation):
    """The same with sums for the covariance of β̂ of Kenward and Roger (1997).

    Attributes
    ----------
    weighted_square : ndarray (p, p)
        Σ_ij W_ij H'Q_ij H with Q_ij = X'V⁻¹V_iV⁻¹V_jV⁻¹X.
    weighted_curvature : ndarray (p, p) or None
        Σ_ij W_ij H'R_ij H with R_ij = X'V⁻¹V_ijV⁻¹X and the second derivatives V_ij. None for
        variances in which the covariance of y is linear, where these are zero.
    """

    weighted_square: FloatArray
    weighted_curvature: FloatArray | None = None


def information_of_theta(estimate: Estimate) -> VarianceInformation:
    """Observed information of (θ, ln σ²); the average one after conjugate gradients.

    Parameters
    ----------
    estimate : Estimate
    """
    return information_at(estimate.optimum.evaluation, half_covariance(estimate))


def information_at(
    at: Differentiated | IterativeEvaluation, half: FloatArray
) -> VarianceInformation:
    """The same from the criterion at its optimum.

    Parameters
    ----------
    at : Differentiated or IterativeEvaluation
        The Hessian is computed if it is not there.
    half : ndarray (p, p)
        H, in any units of the response.
    """
    if isinstance(at, Differentiated) and not at.is_observed:
        with limited_blas_threads(at.problem.largest):
            at = differentiate(at, hessian=True)
    problem = at.problem
    lams, derivatives = problem.lams(at.theta), problem.derivatives(at.theta)
    changes = _changes(at, root_changes(lams, derivatives))
    if isinstance(at, Differentiated) and at.problem.n_phi:
        changes = np.concatenate([changes[:-1], _residual_changes(at), changes[-1:]])
    # of −2 × the log-likelihood: its second derivative is twice the information
    joint = 0.5 * joint_information(at, problem.nu)
    # what is rounding beside the curvature of ln|A| is no information, whatever its own scale
    flat = np.diag(at.information) < LEAST_EIGENVALUE * at.curvature_scale**2
    joint[np.append(flat, False)] = joint[:, np.append(flat, False)] = 0.0
    covariance, ignored = inverse_information(joint)
    kind: InformationKind = "observed" if at.is_observed else "average"
    if not problem.n_theta:
        kind = "observed"
    return VarianceInformation(half, changes, covariance, kind, int(ignored))


def information_of_variances(
    estimate: Estimate, kind: Literal["observed", "expected"]
) -> LinearInformation:
    """Expected or observed information of the variances, for a fit with a factor.

    Parameters
    ----------
    estimate : Estimate
        Not of conjugate gradients.
    kind : {"observed", "expected"}
    """
    at = estimate.optimum.evaluation
    assert isinstance(at, Differentiated)
    problem, system = at.problem, at.problem.system
    nu, p = problem.nu, system.cp.p
    with limited_blas_threads(system.largest):
        roots = zip(problem.covariances, problem.lams(at.theta), strict=True)
        directions = [c.spanning_directions(lam) for c, lam in roots]
        D = [np.einsum("as,bs->sab", u, u) for u in directions]
        changes = _changes(at, D)
        m = len(changes) - 1
        effects = effects_of_changes(D, system.covariance_times(at.fixed))
        squares = at.factor.marginal_of_effects(effects)

        # of the variances: ½tr(P V_i P V_j), and y'P V_i P V_j P y for the observed information
        traces = np.empty((m + 1, m + 1))
        if m:
            traces[:m, :m] = pair_traces(at.factor, at.fixed, D, problem.reml)
            traces[m, :m] = traces[:m, m] = _own_traces(at, D)
        traces[m, m] = nu
        information = 0.5 * traces
        if kind == "observed":
            information = _quadratics(at, D) - information
    covariance, ignored = inverse_information(information)

    # Σ W_ij Q_ij; Q_im and Q_mm are those of V itself
    W = covariance
    square = np.zeros((p, p))
    if m and p:
        for e, s in zip(effects, squares, strict=True):
            q, k, _ = e.shape
            weighted = np.einsum("ij,qkjp->qkip", W[:m, :m], s.reshape(q, k, m, p))
            square += e.reshape(-1, p).T @ weighted.reshape(-1, p)
        square += 2.0 * np.einsum("i,ipq->pq", W[m, :m], changes[:m])
    square += W[m, m] * np.eye(p)
    square = 0.5 * (square + square.T)
    return LinearInformation(half_covariance(estimate), changes, W, kind, int(ignored), square)


def inverse_information(
    information: FloatArray, least: float = LEAST_EIGENVALUE
) -> tuple[FloatArray, IndexArray]:
    """The inverse without directions of no information, and how many these are.

    Parameters
    ----------
    information : ndarray (…, m, m)
        Of one fit or of many.
    least : float
        Eigenvalues that count as zero are below this, with the diagonal scaled to 1.

    Returns
    -------
    inverse : ndarray (…, m, m)
    ignored : ndarray of int (…)
    """
    scale = np.sqrt(np.abs(np.diagonal(information, axis1=-2, axis2=-1)))
    scale = np.where(scale == 0, 1.0, scale)
    values, vectors = np.linalg.eigh(information / (scale[..., :, None] * scale[..., None, :]))
    kept = values > least
    sizes = np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    root = vectors * sizes[..., None, :] / scale[..., :, None]
    return root @ root.swapaxes(-1, -2), (~kept).sum(axis=-1)


def half_covariance(estimate: Estimate) -> FloatArray:
    """H in the user's units: cov(β̂) = HH', (p, p)."""
    root = estimate.optimum.evaluation.gls.inverse_root_x
    return np.asarray(estimate.sigma * (estimate.scaling.units.x.linear @ root))


def _changes(at: Differentiated | IterativeEvaluation, D: Blocks) -> FloatArray:
    """C_i = V'(K ⊗ D_i)V, and the identity for the scale of V."""
    p = at.problem.system.cp.p
    out = [np.eye(p)[None]]
    for v, kv, d in zip(at.fixed, _related(at, at.fixed), D, strict=True):
        q, k, _ = v.shape
        pairs = (kv.reshape(q, k * p).T @ v.reshape(q, k * p)).reshape(k, p, k, p)
        own = np.einsum("iab,apbq->ipq", d, pairs)
        out.insert(-1, 0.5 * (own + own.swapaxes(1, 2)))
    return np.concatenate(out)


def _residual_changes(at: Differentiated) -> FloatArray:
    """C_i of the parameters of the residuals, from central differences of Φ/σ²."""
    problem, p = at.problem, at.problem.system.cp.p
    back = np.linalg.inv(at.gls.inverse_root_x)
    out = np.empty((problem.n_phi, p, p))
    for i in range(problem.n_phi):
        step = np.zeros(len(at.theta))
        step[problem.n_theta + i] = RESIDUAL_STEP
        up, down = (
            back @ evaluate(problem, at.theta + s).gls.inverse_root_x for s in (step, -step)
        )
        out[i] = (up @ up.T - down @ down.T) / (2.0 * RESIDUAL_STEP)
    return out


def _related(at: Differentiated | IterativeEvaluation, blocks: Blocks) -> Blocks:
    """(K ⊗ I) times blocks; levels are independent where conjugate gradients are used."""
    if isinstance(at, Differentiated):
        return at.problem.system.covariance_times(blocks)
    return blocks


def _own_traces(at: Differentiated, D: Blocks) -> FloatArray:
    """tr(P₀V_i), with V₀⁻¹ in the place of P₀ under ML."""
    reml, out = at.problem.reml, [np.empty(0)]
    related = _related(at, at.fixed)
    for total, v, kv, d in zip(at.factor.diagonal_sums(), at.fixed, related, D, strict=True):
        trace = total - outer_sum(v, kv) if reml else total
        out.append(np.einsum("iab,ab->i", d, trace))
    return np.concatenate(out)


def _quadratics(at: Differentiated, D: Blocks) -> FloatArray:
    """y'P₀V_iP₀V_jP₀y/s² of the variances and, last, of V₀ itself."""
    t = [x @ at.gls.to_residual for x in at.marginal]
    c = effects_of_changes(D, _related(at, t))  # (q, k, m)
    m = sum(len(d) for d in D)
    out = np.empty((m + 1, m + 1))
    if m:
        fixed = inner(at.fixed, c)
        out[:m, :m] = inner(c, at.factor.marginal_of_effects(c)) - fixed.T @ fixed
        out[m, :m] = out[:m, m] = inner(c, t)[:, 0]
    out[m, m] = at.gls.r2
    return out / at.sigma2
