"""The Hessian less the average information: traces over all pairs of levels.

With M = Z'V₀⁻¹Z, less VV' under REML (V = Z'V₀⁻¹X R_X⁻¹), and D_i = ∂(λλ')/∂θ_i,

    T_ij = tr(M D_i M D_j),        ∂²d/∂θ_i∂θ_j = H_ij + w_i'P₀w_j/s² − T_ij,

with H from :mod:`lmforms.engine.criterion.evaluate`; ½T is the expected information. Between
related levels KM takes the place of M. M is dense in the levels. With one grouping factor of
independent levels it is block-diagonal but for VV'; with few levels it is written out; with many,
T comes from differences of the sums of diagonal blocks (:mod:`.trace_differences`).

References
----------
Gilmour, Thompson, Cullis (1995), *Average information REML*, Biometrics 51(4); Searle,
Casella, McCulloch (1992), *Variance Components*, section 6.6.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...support.arrays import Blocks, FloatArray
from ..factor import Factorization, JointFactorization, JointSystem, SmallFactorization, System
from .information import inner
from .trace_differences import differenced_traces

MOST_DENSE_EFFECTS = 150
"""Up to this many random effects M costs less than the evaluations that it saves."""


MOST_RELATED_EFFECTS = 300
"""The same where levels are related: small models of them often have several optima."""


MOST_WRITTEN_OUT = 1_500
"""Up to this many random effects M is written out where the traces are asked for."""


def curvature_is_cheap(system: System | JointSystem) -> bool:
    """Whether the traces cost less than the evaluations that they save in a search."""
    if isinstance(system, System) and len(system.shapes) == 1:
        return system.chain is None
    return has_few_effects(system)


def has_few_effects(system: System | JointSystem) -> bool:
    """Whether a dense matrix over all random effects is cheap."""
    most = MOST_RELATED_EFFECTS if isinstance(system, JointSystem) else MOST_DENSE_EFFECTS
    return sum(q * k for q, k in system.shapes) <= most


def marginal_matrix(factor: Factorization | JointFactorization) -> FloatArray:
    """Z'V₀⁻¹Z written out, grouping factors one after the other, levels before columns."""
    if isinstance(factor, SmallFactorization):
        return factor.matrix
    shapes = factor.system.shapes
    size = sum(q * k for q, k in shapes)
    return _stack(factor.marginal_of_effects(_split(np.eye(size), shapes)))


def pair_traces(
    factor: Factorization | JointFactorization,
    fixed: Blocks,
    changes: Blocks,
    reml: bool,
) -> FloatArray:
    """T, (n_theta, n_theta).

    Parameters
    ----------
    factor : Factorization or JointFactorization
    fixed : sequence of ndarray (q, k, p)
        V.
    changes : sequence of ndarray (n_theta, k, k)
        D_i, all parameters of one grouping factor together.
    reml : bool
    """
    sizes = [k * k for _, k in factor.system.shapes]
    if not sizes:
        return np.empty((0, 0))
    if len(sizes) == 1 and isinstance(factor, Factorization):
        v = fixed[0] if reml else None
        if len(changes[0]) < factor.system.shapes[0][1]:
            return _few_parameters(factor, v, changes[0])
        squares = {(0, 0): _one_factor(factor, v)}
    elif sum(q * k for q, k in factor.system.shapes) > MOST_WRITTEN_OUT:
        return _many_levels(factor, fixed if reml else None, changes)
    else:
        squares = _few_levels(factor, fixed if reml else None)
    ends = np.cumsum([0, *(len(d) for d in changes)])
    out = np.empty((ends[-1], ends[-1]))
    for (a, b), square in squares.items():
        left, right = (changes[i].reshape(-1, sizes[i]) for i in (a, b))
        # square[i, j, i', j'] = Σ M[i, j] M[i', j'] over the levels of a and of b
        inner = square.transpose(0, 2, 1, 3).reshape(sizes[a], sizes[b])
        block = left @ inner @ right.T
        out[ends[a] : ends[a + 1], ends[b] : ends[b + 1]] = block
        out[ends[b] : ends[b + 1], ends[a] : ends[a + 1]] = block.T
    return out


def _few_parameters(factor: Factorization, v: FloatArray | None, changes: FloatArray) -> FloatArray:
    """T of one grouping factor with fewer parameters than columns, such as a structure's.

    S_i = Σ M D_i M over pairs of levels is a matrix of k columns, where M ⊗ M has k².
    """
    k = factor.system.shapes[0][1]
    blocks = factor.marginal_blocks()
    sums = np.empty_like(changes)
    for i, change in enumerate(changes):
        changed = blocks @ change
        sums[i] = np.tensordot(changed, blocks, axes=((0, 2), (0, 1)))
        if v is not None:
            mixed = np.tensordot(changed @ v, v, axes=((0, 2), (0, 2)))
            own = np.tensordot(v, change @ v, axes=((0, 1), (0, 1)))
            sums[i] += np.tensordot(v @ own, v, axes=((0, 2), (0, 2))) - mixed - mixed.T
    return sums.reshape(-1, k * k) @ changes.reshape(-1, k * k).T


def _one_factor(factor: Factorization, v: FloatArray | None) -> FloatArray:
    """Σ over pairs of levels of M ⊗ M, where M = blocks − VV'."""
    (q, k), *_ = factor.system.shapes
    blocks = factor.marginal_blocks()
    flat = blocks.reshape(q, k * k)
    square = flat.T @ flat
    if v is not None:
        own = (v @ v.swapaxes(1, 2)).reshape(q, k * k)
        mixed = flat.T @ own
        square = square - mixed - mixed.T
        flat_v = v.reshape(q, -1)
        p = v.shape[-1]
        gram = (flat_v.T @ flat_v).reshape(k, p, k, p).transpose(0, 2, 1, 3).reshape(k * k, p * p)
        across = (gram @ gram.T).reshape(k, k, k, k).transpose(0, 2, 1, 3)
        return square.reshape(k, k, k, k) + across
    return square.reshape(k, k, k, k)


def _few_levels(
    factor: Factorization | JointFactorization, fixed: Blocks | None
) -> dict[tuple[int, int], FloatArray]:
    """The same for each pair of grouping factors, from KM written out."""
    shapes = factor.system.shapes
    ends = np.cumsum([0, *(q * k for q, k in shapes)])
    m = factor.related_marginal() if isinstance(factor, JointFactorization) else None
    if m is None:
        m = _stack(factor.system.covariance_times(_split(marginal_matrix(factor), shapes)))
    if fixed is not None:
        m = m - _stack(factor.system.covariance_times(fixed)) @ _stack(fixed).T
    out = {}
    for a, (qa, ka) in enumerate(shapes):
        for b, (qb, kb) in list(enumerate(shapes))[a:]:
            block = m[ends[a] : ends[a + 1], ends[b] : ends[b + 1]].reshape(qa, ka, qb, kb)
            other = m[ends[b] : ends[b + 1], ends[a] : ends[a + 1]].reshape(qb, kb, qa, ka)
            left = block.transpose(1, 3, 0, 2).reshape(ka * kb, qa * qb)
            right = other.transpose(3, 1, 2, 0).reshape(ka * kb, qa * qb)
            out[a, b] = (left @ right.T).reshape(ka, kb, ka, kb)
    return out


def _many_levels(
    factor: Factorization | JointFactorization, fixed: Blocks | None, changes: Blocks
) -> FloatArray:
    """T from differences, and the part of VV' from solves."""
    out = differenced_traces(factor, changes)
    if fixed is None:
        return out
    effects = effects_of_changes(changes, factor.system.covariance_times(fixed))
    square = inner(effects, factor.marginal_of_effects(effects))
    m, p = len(out), fixed[0].shape[-1]
    own = inner(fixed, effects).reshape(p, m, p).swapaxes(0, 1)
    mixed = np.einsum("ipjp->ij", square.reshape(m, p, m, p))
    return np.asarray(out - mixed - mixed.T + np.einsum("ipq,jqp->ij", own, own))


def effects_of_changes(changes: Blocks, kv: Blocks) -> list[FloatArray]:
    """(K ⊗ D_i)V in the columns of arrays (q, k, m p): the p columns of D_1 first."""
    size = sum(len(d) for d in changes)
    out, start = [], 0
    for d, x in zip(changes, kv, strict=True):
        q, k, p = x.shape
        e = np.zeros((q, k, size, p))
        e[:, :, start : start + len(d)] = np.einsum("iab,qbp->qaip", d, x)
        start += len(d)
        out.append(e.reshape(q, k, size * p))
    return out


def _stack(blocks: Blocks) -> FloatArray:
    return np.concatenate([x.reshape(x.shape[0] * x.shape[1], x.shape[2]) for x in blocks])


def _split(matrix: FloatArray, shapes: Sequence[tuple[int, int]]) -> list[FloatArray]:
    """Rows of a matrix by grouping factor, (q, k, r) each."""
    ends = np.cumsum([q * k for q, k in shapes])[:-1]
    parts = np.split(matrix, ends)
    return [x.reshape(q, k, -1) for x, (q, k) in zip(parts, shapes, strict=True)]
