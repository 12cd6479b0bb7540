"""The information of variance parameters, and Kenward and Roger's sums, by independent blocks.

For residuals with parameters, and for structures of the random effects that are not linear. With
the block V_s = LL' of a set of rows, A_i = L⁻¹V_iL⁻ᵀ, W = L⁻¹XH (Φ = HH') and e = L⁻¹(y − Xβ̂),
sums over the sets give

    C_i = ΣW'A_iW,   tr(PV_iPV_j) = Σ[tr(A_iA_j) − 2tr(A_iA_jWW')] + tr(C_iC_j),
    y'PV_iPV_jPy = Σ e'A_iA_je − (ΣW'A_ie)'(ΣW'A_je),   H'Q_ijH = ΣW'A_iA_jW,

with the information ½tr(PV_iPV_j), or y'PV_iPV_jPy − ½tr(PV_iPV_j) + ½[tr(PV_ij) − y'PV_ijPy] for
the observed one, where V_ij are the second derivatives. Products for all pairs of parameters are
one matrix product of stacked A_i, and Q_ij are needed only in sum, weighted.

References
----------
Kenward, Roger (1997), *Small sample inference for fixed effects from restricted maximum
likelihood*, Biometrics 53(3), sections 2 and 3 and the appendix.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...results.state import FitState
from ...support.arrays import FloatArray
from .block_model import BlockModel, Curve, Whitened, block_model, congruent
from .variance_information import LinearInformation, half_covariance, inverse_information

LEAST_EIGENVALUE = 1e-10
"""Of directions with information, on the scale of the diagonal: sums are exact to rounding."""


def information_by_blocks(
    state: FitState, kind: Literal["observed", "expected"]
) -> LinearInformation:
    """Expected or observed information of the variance parameters, and what it is needed for.

    Parameters are those of the random effects as in
    :func:`~lmforms.inference.degrees_of_freedom.variance_information.information_of_variances`,
    then the φ that are not at a bound, and ln σ².

    Parameters
    ----------
    state : FitState
    kind : {"observed", "expected"}

    Raises
    ------
    ModelError
        Too many rows depend on each other.
    """
    model = block_model(state)
    changes, information = _information(model, kind)
    W, ignored = inverse_information(information, LEAST_EIGENVALUE)
    square, curvature = _weighted_sums(model, W, changes)
    return LinearInformation(
        half=half_covariance(state.estimate),
        changes=changes,
        covariance=W,
        kind=kind,
        ignored=int(ignored),
        weighted_square=square,
        weighted_curvature=curvature if model.curves else None,
    )


def _information(
    model: BlockModel, kind: Literal["observed", "expected"]
) -> tuple[FloatArray, FloatArray]:
    """C_i (K, p, p), and the information (K, K)."""
    K, p = model.size, model.XH.shape[1]
    observed = kind == "observed"
    C, traces = np.zeros((K, p, p)), np.zeros((K, K))
    quadratics, with_error = np.zeros((K, K)), np.zeros((K, p))
    second, slope = [np.zeros((c.size, c.size)) for _, c in model.curves], np.zeros(K)
    for part in model.whitened():
        A, counts = part.A, part.sets.counts
        m = A.shape[-1]
        flat = A.transpose(1, 0, 2, 3).reshape(K, -1)
        identity = counts[:, None, None] * np.eye(m)
        weights = identity - 2.0 * part.fixed if model.reml else identity
        C += part.between(A, part.W, part.W)
        traces += _stacked(A @ weights[:, None]) @ flat.T
        if not observed:
            continue
        quadratics += _stacked(A @ part.squares[:, None]) @ flat.T
        with_error += part.between(A, part.W, part.e[..., None])[..., 0]
        gradient = identity - part.squares - (part.fixed if model.reml else 0.0)
        slope += flat @ gradient.ravel()
        for total, (_, curve) in zip(second, model.curves, strict=True):
            total += _second_traces(curve, part, gradient)
    if model.reml:
        traces += C.reshape(K, -1) @ C.reshape(K, -1).T
    information = 0.5 * traces
    if observed:
        information = quadratics - with_error @ with_error.T - information
        for total, (own, curve) in zip(second, model.curves, strict=True):
            along = np.tensordot(slope[own], curve.connection, axes=1)
            information[own, own] += 0.5 * (total - along)
    return C, 0.5 * (information + information.T)


def _stacked(matrices: FloatArray) -> FloatArray:
    """(P, K, m, m) as rows (K, P·m²)."""
    P, K, m, _ = matrices.shape
    return matrices.transpose(1, 0, 2, 3).reshape(K, P * m * m)


def _second_traces(curve: Curve, part: Whitened, gradient: FloatArray) -> FloatArray:
    """Σtr(G L⁻¹(∂²V/∂x_a∂x_b)L⁻ᵀ), (size, size), for G (P, m, m)."""
    root = part.inverse_root
    G = root.swapaxes(1, 2) @ gradient @ root
    out = np.empty((curve.size, curve.size))
    for a in range(curve.size):
        out[a] = np.einsum("pbij,pij->b", curve.differences(part.sets.first, a), G)
    return out


def _weighted_sums(
    model: BlockModel, W: FloatArray, changes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Σ W_ij H'Q_ijH and Σ W_ij H'R_ijH, (p, p) each."""
    p = model.XH.shape[1]
    values, vectors = np.linalg.eigh(W)
    roots = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    square, curvature = np.zeros((p, p)), np.zeros((p, p))
    for part in model.whitened():
        P, K, m, _ = part.A.shape
        mixed = (roots @ part.A.reshape(P, K, m * m)).reshape(P, K, m, m)
        # Σ_r M_r² as one product for each pattern: M_r are symmetric
        wide = mixed.transpose(0, 2, 1, 3).reshape(P, m, K * m)
        total = wide @ wide.swapaxes(1, 2)
        square += part.between(total[:, None], part.W, part.W)[0]
        if not model.curves:
            continue
        second = np.zeros((P, m, m))
        for own, curve in model.curves:
            for a, weights in enumerate(W[own, own]):
                second += np.tensordot(weights, curve.differences(part.sets.first, a), (0, 1))
        whitened = congruent(part.inverse_root, second[:, None])
        curvature += part.between(whitened, part.W, part.W)[0]
    for own, curve in model.curves:
        along = np.einsum("ab,cab->c", W[own, own], curve.connection)
        curvature -= np.tensordot(along, changes[own], axes=1)
    return 0.5 * (square + square.T), 0.5 * (curvature + curvature.T)


def needs_blocks(state: FitState) -> bool:
    """Whether sums over random effects do not suffice.

    The residuals have parameters, or a structure of the random effects is not linear.
    """
    spans = all(term.covariance.spans_covariances for term in state.design.terms)
    return len(state.estimate.phi) > 0 or not spans
