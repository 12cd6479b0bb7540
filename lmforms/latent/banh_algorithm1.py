"""Algorithm 1 of Banh's "Linear Mixed Forms", with the inverses that its printed form lacks.

Each step computes α, β, u by regression on the codes and then, in turn, one code:

    t ≡ 0 (mod 3):  K + H = Yα(α'α)⁻¹, with K kept
    t ≡ 1:          K = Xβ(β'β)⁻¹
    t ≡ 2:          H = Zu(u'u)⁻¹

As printed the three lines multiply by α'α, β'β, u'u instead, so that codes grow or vanish with the
square of the loadings. The iteration does not minimise F, which may rise from step to step: F is
only reported.
"""

from __future__ import annotations

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from .als import FormEstimate, loadings_given, objective_rose, rounding_floor
from .canonical import canonical
from .form_status import DIVERGENCE_MESSAGE, FormStatus, converged_message, limit_message
from .modalities import Modalities, Side
from .normal_equations import solve_symmetric
from .objective import Codes, Loadings, Weights, objective

UPDATE_ORDER = tuple(Side)
"""The codes in the order in which they are updated: K + H, K, H."""


def algorithm1(
    data: Modalities,
    codes: Codes,
    weights: Weights,
    l1: float = 0.0,
    l2: float = 0.0,
    tol: float = 1e-9,
    max_iter: int = 500,
) -> FormEstimate:
    """Run the iteration from given codes.

    Parameters
    ----------
    data : Modalities
        Complete.
    codes : Codes
    weights : Weights
        For the reported F, and between modalities of one side: the paper has no weights.
    l1, l2 : float
        Elastic net on α, β, u after each regression; see :func:`shrunk`.
    tol : float
        Stop once F changes by less than this share over three steps.
    max_iter : int
        Most steps.

    Raises
    ------
    NumericalError
        A code or loading is no longer finite.
    """
    trace: list[float] = []
    floor = rounding_floor(data, weights)
    message, done = limit_message(max_iter), False
    for t in range(max_iter):
        loadings = _loadings_of(data, codes, weights, l1, l2)
        codes = step(data, codes, loadings, weights, t)
        value = objective(data, codes, loadings, weights)
        if not np.isfinite(value):
            raise NumericalError(
                f"Algorithm 1 left the finite numbers in step {t}: the shrinkage l1={l1:g}, "
                f"l2={l2:g} may have emptied the loadings; make it smaller, or use "
                'method="als".'
            )
        trace.append(value)
        cycle = len(UPDATE_ORDER)
        if t >= cycle and abs(trace[-1 - cycle] - value) <= tol * value + floor:
            message, done = converged_message(tol), True
            break
    loadings = _loadings_of(data, codes, weights, l1, l2)
    trace.append(objective(data, codes, loadings, weights))
    balanced = canonical(codes, loadings, weights)
    if objective_rose(objective(data, *balanced, weights), trace[-1], data, weights):
        message, done = DIVERGENCE_MESSAGE, False  # one code has lost its digits to the other
    else:
        codes, loadings = balanced
    return FormEstimate(codes, loadings, tuple(trace), FormStatus(done, message, len(trace) - 1))


def step(data: Modalities, codes: Codes, loadings: Loadings, weights: Weights, t: int) -> Codes:
    """The codes after step t, which updates one of them.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> data = Modalities.of(*(np.array([[c], [1.0]]) for c in (5.0, 2.0, 3.0)))
    >>> codes = Codes(np.ones((2, 1)), np.ones((2, 1)))
    >>> step(data, codes, (one,) * 3, (1.0,) * 3, 0).H.ravel()  # Y − K
    array([4., 0.])
    """
    side = UPDATE_ORDER[t % len(UPDATE_ORDER)]
    found = _projected(data, loadings, weights, side)
    if side is Side.RESPONSE:
        return Codes(codes.K, found - codes.K)
    return Codes(found, codes.H) if side is Side.FIXED else Codes(codes.K, found)


def shrunk(A: FloatArray, l1: float, l2: float) -> FloatArray:
    """Soft-thresholded by l1 and divided by 1 + l2: the elastic net at an orthonormal design.

    Examples
    --------
    >>> shrunk(np.array([3.0, -0.5, -2.0]), l1=1.0, l2=1.0)
    array([ 1. , -0. , -0.5])
    """
    return np.sign(A) * np.maximum(np.abs(A) - l1, 0.0) / (1.0 + l2)


def _loadings_of(
    data: Modalities, codes: Codes, weights: Weights, l1: float, l2: float
) -> Loadings:
    found = loadings_given(data, codes, weights, 0.0)
    return tuple(shrunk(A, l1, l2) for A in found) if l1 or l2 else found


def _projected(data: Modalities, loadings: Loadings, weights: Weights, side: Side) -> FloatArray:
    """A·L(L'L)⁻¹ of the modality of a side; of several, (Σ wA·L)(Σ wL'L)⁻¹."""
    chosen = [(p, L, w) for p, L, w in zip(data, loadings, weights) if p.side is side]
    product = sum(w * (p.values @ L) for p, L, w in chosen)
    gram = np.sum([w * (L.T @ L) for _, L, w in chosen], axis=0)
    return np.ascontiguousarray(solve_symmetric(gram, product.T).T)
