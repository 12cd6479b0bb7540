"""tr(Z'V₀⁻¹Z D_i Z'V₀⁻¹Z D_j) for many levels, by differences of sums of diagonal blocks.

With M₀ = Z'V₀⁻¹Z, ∂⟨M₀, D_j⟩/∂D_i = −tr(M₀ D_i M₀ D_j), and ⟨M₀, D_j⟩ needs only the sums of M₀'s
diagonal blocks over levels, which every factorisation has. λλ' is increased along uu' for the
directions u = e_a and e_a + e_b, which stays positive semidefinite for a singular λ too.
"""

from __future__ import annotations

import numpy as np

from ...covariance import canonical_factor, regular_inverse
from ...support.arrays import Blocks, FloatArray
from ..factor import Factorization, JointFactorization, factorize

STEP = 5e-4
"""Step of the differences, relative to the distance at which V₀ would be singular. With four nodes
the truncation is at most 24 STEP³, 3e-9. Smaller steps lose more to rounding, most in singular
fits; together the error of the traces is about 1e-8 of the largest."""

NODES = 4
"""Number of steps at which the sums are taken."""

POWER_ITERATIONS = 10
"""For an eigenvalue whose size alone matters."""


def differenced_traces(factor: Factorization | JointFactorization, changes: Blocks) -> FloatArray:
    """tr(M₀ D_i M₀ D_j), and with related levels tr(KM₀ D_i KM₀ D_j), (m, m).

    Parameters
    ----------
    factor : Factorization or JointFactorization
    changes : sequence of ndarray (m_i, k, k)
        D_i, symmetric, of each grouping factor.
    """
    directions, coefficients = zip(*(_spanning_directions(d) for d in changes), strict=True)
    # sums for a singular λ are less exact than for a regular one: steps begin at 1 there
    regular = all(regular_inverse(lam) is not None for lam in factor.lams)
    nodes = np.arange(NODES, dtype=np.float64) + (0.0 if regular else 1.0)
    weights = _slope_at_zero(nodes)
    first = factor.diagonal_sums() if regular else None
    rows = []
    for i, own in enumerate(directions):
        for u in own.T:
            step = STEP / _largest_information(factor, i, u)
            slopes = [np.zeros_like(lam) for lam in factor.lams]
            for node, weight in zip(nodes, weights, strict=True):
                if node == 0 and first is not None:
                    sums = first
                else:
                    lams = list(factor.lams)
                    root = np.column_stack([lams[i], np.sqrt(node * step) * u])
                    lams[i] = canonical_factor(root)
                    sums = factorize(factor.system, lams).diagonal_sums()
                for slope, part in zip(slopes, sums, strict=True):
                    slope += weight / step * part
            rows.append(
                [-v @ slope @ v for us, slope in zip(directions, slopes, strict=True) for v in us.T]
            )
    traces = np.array(rows)
    traces = 0.5 * (traces + traces.T)
    c = _block_diagonal(coefficients)
    return np.asarray(c @ traces @ c.T)


def _spanning_directions(changes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Directions u (k, s), and D_i = Σ_r c_ir u_r u_r' with c (m, s)."""
    k = changes.shape[-1]
    rows, cols = np.triu_indices(k, 1)
    used = np.flatnonzero(np.abs(changes[:, rows, cols]).max(axis=0, initial=0.0) > 0)
    rows, cols = rows[used], cols[used]
    eye = np.eye(k)
    pairs = changes[:, rows, cols]
    own = np.einsum("iaa->ia", changes).copy()
    for column, (a, b) in enumerate(zip(rows, cols, strict=True)):
        own[:, a] -= pairs[:, column]
        own[:, b] -= pairs[:, column]
    return np.hstack([eye, eye[:, rows] + eye[:, cols]]), np.hstack([own, pairs])


def _largest_information(
    factor: Factorization | JointFactorization, i: int, u: FloatArray
) -> float:
    """A bound of the eigenvalues of M₀ along u, of KM₀ with related levels.

    By the data, and by (λλ')⁻¹ where λ is regular; with related levels and a singular λ it is the
    eigenvalue itself, by power iterations.
    """
    bounds = []
    root = regular_inverse(factor.lams[i])
    if root is not None:
        bounds.append(float(np.square(root @ u).sum()))
    if isinstance(factor, Factorization):
        zz = factor.system.cp.factors[i].zz
        bounds.append(float(np.einsum("a,qab,b->q", u, zz, u).max()))
    bound = min(bounds) if bounds else _power_iterations(factor, i, u)
    return bound if bound > 0 else 1.0


def _power_iterations(factor: Factorization | JointFactorization, i: int, u: FloatArray) -> float:
    shapes = factor.system.shapes
    effects = [np.zeros((q, k, 1)) for q, k in shapes]
    x = np.asarray(np.random.default_rng(0).normal(size=shapes[i][0]))
    size = 0.0
    for _ in range(POWER_ITERATIONS):
        effects[i] = (x / np.linalg.norm(x))[:, None, None] * u[:, None]
        related = factor.system.covariance_times(factor.marginal_of_effects(effects))[i]
        x = related[..., 0] @ u
        size = float(np.linalg.norm(x))
        if size == 0:
            break
    return size


def _slope_at_zero(nodes: FloatArray) -> FloatArray:
    """Weights of values at `nodes` for the derivative at zero of their polynomial."""
    powers = np.vander(nodes, increasing=True).T
    return np.asarray(np.linalg.solve(powers, np.eye(len(nodes))[1]))


def _block_diagonal(blocks: Blocks) -> FloatArray:
    ends = np.cumsum([(0, 0), *(b.shape for b in blocks)], axis=0)
    out = np.zeros(ends[-1])
    for (i, j), b in zip(ends[:-1], blocks, strict=True):
        out[i : i + len(b), j : j + b.shape[1]] = b
    return out
