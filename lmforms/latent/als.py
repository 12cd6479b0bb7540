"""Alternating least squares: the loadings given the codes, then the codes given the loadings.

Given K and H the loadings are three regressions. Given α, β, u the two codes are found
*jointly*, as Y depends on both:

    [ w_Yα'α + w_Xβ'β + ρI   w_Yα'α               ] [K']   [ (w_YYα + w_XXβ)' ]
    [ w_Yα'α                 w_Yα'α + w_Zu'u + ρI ] [H'] = [ (w_YYα + w_ZZu)' ]

Both steps are exact minimisations, so F never rises. Where entries of Y are missing, each column
of Y has its own Gram matrix in the first step, and each row its own in the second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..support.arrays import BoolArray, FloatArray
from ..support.row_chunks import row_chunks
from .accelerated_descent import descend
from .canonical import canonical
from .form_status import ROUNDING_MESSAGE, FormStatus, converged_message, limit_message
from .modalities import CHUNK_ENTRIES, Modalities
from .normal_equations import masked_gram, solve_each, solve_symmetric
from .objective import Codes, Loadings, Weights, objective

OBJECTIVE_FLOOR = 1e-28
"""F is a difference of sums of squares: below this share of them it is rounding."""

OBJECTIVE_ROUNDING = 1e-14
"""Two formulas for the same F agree to this share of F and of ‖·‖²."""


class FormEstimate(NamedTuple):
    """The result of a minimisation.

    Attributes
    ----------
    codes : Codes
    loadings : Loadings
    trace : tuple of float
        The objective after each sweep.
    status : FormStatus
    moments : ndarray (2k, 2k), optional
        Σ of the codes; only where the method estimates it.
    variances : tuple of ndarray, optional
        D of the columns; only where the method estimates it.
    at_floor : tuple of ndarray of bool, optional
        Columns whose D ended at its lower bound.
    constants : tuple of ndarray, optional
        The values of columns that were left out, NaN for others; None if none was.
    """

    codes: Codes
    loadings: Loadings
    trace: tuple[float, ...]
    status: FormStatus
    moments: FloatArray | None = None
    variances: tuple[FloatArray, ...] | None = None
    at_floor: tuple[BoolArray, ...] | None = None
    constants: tuple[FloatArray, ...] | None = None

    def followed_by(self, later: FormEstimate) -> FormEstimate:
        """A later minimisation on the data, with the trace of this one on R before its own.

        Values of F on R have the accuracy of sums of squares: those below the first value on the
        data are rounding and are left out.
        """
        before = tuple(value for value in self.trace if value > later.trace[0])
        status = self.status.followed_by(later.status)
        return later._replace(trace=before + later.trace, status=status)


def loadings_given(data: Modalities, codes: Codes, weights: Weights, ridge: float) -> Loadings:
    """Loadings that minimise F at given K, H: one regression for each modality.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [1.0]])
    >>> data = Modalities.of(3 * (K + H), 2 * K, 5 * H)
    >>> found = loadings_given(data, Codes(K, H), (1.0, 1.0, 1.0), 0.0)
    >>> [round(float(A[0, 0]), 12) for A in found]
    [3.0, 2.0, 5.0]
    """
    return _regressed(data, codes, _crosses(data, codes), weights, ridge)


def _crosses(data: Modalities, codes: Codes) -> list[FloatArray]:
    """A_j'C_j (c_j, k) of each modality."""
    return [part.values.T @ codes.of_side(part.side) for part in data]


def _regressed(
    data: Modalities, codes: Codes, crosses: list[FloatArray], weights: Weights, ridge: float
) -> Loadings:
    """Coefficients of the columns of each modality on its code, given A_j'C_j."""
    found = []
    for part, cross, w in zip(data, crosses, weights):
        code = codes.of_side(part.side)
        penalty = ridge / w * np.eye(code.shape[1])
        if part.seen is not None:
            found.append(solve_each(masked_gram(code, part.seen) + penalty, cross))
        else:
            found.append(solve_symmetric(code.T @ code + penalty, cross.T).T)
    return tuple(found)


def codes_given(
    data: Modalities, loadings: Loadings, weights: Weights, ridge: float
) -> tuple[Codes, float]:
    """K, H that minimise F at given loadings, and F there.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> found, F = codes_given(Modalities.of(K + H, K, H), (*np.ones((3, 1, 1)),), (1.0,) * 3, 0.0)
    >>> bool(np.allclose(found.K, K) and np.allclose(found.H, H)), round(F, 12)
    (True, 0.0)
    """
    k = loadings[0].shape[1]
    products = [part.values @ L for part, L in zip(data, loadings)]
    right = np.zeros((data.n, 2 * k))
    for part, product, w in zip(data, products, weights):
        for half, share in zip((slice(k), slice(k, None)), part.side.value):
            if share:
                right[:, half] += w * product
    masked = [part.seen is not None for part in data]
    grams = [part.side.spread(w * (L.T @ L)) for part, L, w in zip(data, loadings, weights)]
    own = sum((g for g, gaps in zip(grams, masked) if not gaps), ridge * np.eye(2 * k))
    found = solve_symmetric(sum((g for g, gaps in zip(grams, masked) if gaps), own), right.T).T
    if any(masked):
        _solve_rows(found, right, data, loadings, weights, own)
    codes = Codes(np.ascontiguousarray(found[:, :k]), np.ascontiguousarray(found[:, k:]))
    inners = [
        float(np.vdot(product, codes.of_side(part.side))) for part, product in zip(data, products)
    ]
    return codes, objective(data, codes, loadings, weights, ridge, inners)


def _solve_rows(
    found: FloatArray,
    right: FloatArray,
    data: Modalities,
    loadings: Loadings,
    weights: Weights,
    own: FloatArray,
) -> None:
    """Solve again the rows with missing entries, each with its own matrix.

    `own` is the part of the matrix that all rows share.
    """
    masked = [
        (part.side, w, L, part.seen)
        for part, w, L in zip(data, weights, loadings)
        if part.seen is not None
    ]
    gaps = np.flatnonzero(np.any([~seen.all(axis=1) for *_, seen in masked], axis=0))
    for chosen in row_chunks(
        len(gaps), own.size + sum(len(L) for _, _, L, _ in masked), CHUNK_ENTRIES
    ):
        rows = gaps[chosen]
        systems = np.tile(own, (len(rows), 1, 1))
        for side, w, L, seen in masked:
            systems += side.spread(w * masked_gram(L, seen[rows].T))
        found[rows] = solve_each(systems, right[rows])


def sweep(
    data: Modalities, codes: Codes, weights: Weights, ridge: float = 0.0
) -> tuple[Codes, Loadings, float]:
    """One sweep without acceleration: loadings, then codes. Returns both and F.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> data = Modalities.of(*(rng.normal(size=(8, c)) for c in (3, 4, 5)))
    >>> codes, weights = Codes(*rng.normal(size=(2, 8, 2))), (1.0, 1.0, 1.0)
    >>> once, _, first = sweep(data, codes, weights)
    >>> sweep(data, once, weights)[2] <= first
    True
    """
    loadings = loadings_given(data, codes, weights, ridge)
    found, value = codes_given(data, loadings, weights, ridge)
    return found, loadings, value


def rounding_floor(data: Modalities, weights: Weights) -> float:
    """F below this value is rounding."""
    return OBJECTIVE_FLOOR * sum(w * part.square for w, part in zip(weights, data))


def objective_rose(after: float, before: float, data: Modalities, weights: Weights) -> bool:
    """Whether F is larger by more than the rounding of two formulas for it."""
    rounding = OBJECTIVE_ROUNDING * sum(w * part.square for w, part in zip(weights, data))
    return after > before * (1.0 + OBJECTIVE_ROUNDING) + rounding


def minimise(
    data: Modalities,
    loadings: Loadings,
    weights: Weights,
    ridge: float = 0.0,
    tol: float = 1e-9,
    max_iter: int = 500,
) -> FormEstimate:
    """Accelerated sweeps from given loadings until F falls no more.

    The iteration is on the loadings, as K and H follow from them: its objective is F(α, β, u) with
    the codes at their minimum.
    """
    floor, roots = rounding_floor(data, weights), np.sqrt(weights)

    def evaluate(given: Loadings) -> tuple[float, Codes]:
        codes, value = codes_given(data, given, weights, ridge)
        return value, codes

    def in_plain_basis(proposed: Loadings, plain: Loadings) -> Loadings | None:
        return proposed if ridge else in_basis_of(plain, proposed, roots)

    end = descend(
        loadings,
        evaluate,
        lambda codes: loadings_given(data, codes, weights, ridge),
        roots,
        lambda value, fall: value <= floor or fall <= tol * value,
        max_iter,
        from_arrays=in_plain_basis,
    )
    trace = end.trace
    sweeps = len(trace) - 1
    codes, loadings, value = _last_sweep(data, end.found, end.point, weights, ridge, trace[-1])
    if value < trace[-1]:
        trace.append(value)
    message = converged_message(tol) if end.enough else limit_message(max_iter)
    if end.cannot_fall:
        message = ROUNDING_MESSAGE
    status = FormStatus(end.enough, message, sweeps, end.accelerated, end.rejected)
    return FormEstimate(codes, loadings, tuple(trace), status)


def in_basis_of(wanted: Loadings, loadings: Loadings, roots: npt.ArrayLike) -> Loadings | None:
    """Loadings times the T that brings them nearest to those wanted; None where T is singular.

    F without a ridge is the same for every T, so that nothing else keeps accelerated loadings
    from diverging along a change of basis.

    Examples
    --------
    >>> wanted = tuple(np.array([[1.0, 2.0], [3.0, 5.0]]) for _ in range(3))
    >>> found = in_basis_of(wanted, tuple(1e9 * L[:, ::-1] for L in wanted), np.ones(3))
    >>> bool(np.allclose(found[0], wanted[0]))
    True
    """
    stacked, target = (
        np.vstack([r * L for r, L in zip(np.asarray(roots), given)]) for given in (loadings, wanted)
    )
    T, _, rank, _ = np.linalg.lstsq(stacked, target, rcond=None)
    if rank < len(T) or np.linalg.matrix_rank(T) < len(T):
        return None
    return tuple(L @ T for L in loadings)


def _last_sweep(
    data: Modalities, codes: Codes, loadings: Loadings, weights: Weights, ridge: float, value: float
) -> tuple[Codes, Loadings, float]:
    """A last sweep in canonical form, with the codes at their minimum given the loadings, and F.

    `encode` then finds the same codes again. Codes can diverge where entries are missing and the
    rank is too high; in canonical form they would lose their digits. They are then left as they
    are.
    """
    fresh = loadings_given(data, codes, weights, ridge)
    _, balanced = canonical(codes, fresh, None if ridge else weights)
    found, after = codes_given(data, balanced, weights, ridge)
    if objective_rose(after, value, data, weights):
        return codes, loadings, value
    return found, balanced, after
