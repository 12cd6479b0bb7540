"""Traces of inverses estimated from solves with random signs, with known parts exact.

For a matrix N and random z with E zz' = I, the blocks z_l(Nz)_l' have the expectation N_ll
(Hutchinson). With S = T + O, T the diagonal blocks by level,

    S⁻¹ = T⁻¹ − T⁻¹OT⁻¹ + E,

the first part is known and the second has diagonal blocks of zero. Only E, of second order in
what couples the levels, is estimated. The same probes are used for every θ, so that the
estimated gradient is a smooth function of θ.

References
----------
Hutchinson (1990), *A stochastic estimator of the trace of the influence matrix*, Commun.
Stat. Simul. 19(2); García-Cortés, Moreno, Varona, Altarriba (1992), *Variance component
estimation by resampling*, J. Anim. Breed. Genet. 109, for its use in REML.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray
from ..linalg.batched import multiply, transposed
from .schur_operator import SchurOperator

PROBE_COUNT = 10
"""Number of sign vectors: their noise in θ is then a few thousandths of a standard error."""


def sign_probes(m: int, seed: int, count: int = PROBE_COUNT) -> FloatArray:
    """Random signs, (m, count), the same for the same seed.

    Parameters
    ----------
    m : int
    seed : int
    count : int

    Examples
    --------
    >>> sign_probes(3, seed=0, count=2).shape
    (3, 2)
    """
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, size=(m, count)).astype(np.float64) * 2.0 - 1.0


@dataclass(frozen=True, eq=False)
class TraceEstimate:
    """Estimated Σ over levels of the diagonal blocks of Z'V₀⁻¹Z, for each grouping factor.

    Attributes
    ----------
    sums : list of ndarray (k, k)
    by_probe : list of ndarray (probes, k, k)
        The estimate of each probe; `sums` are their means.
    solution : ndarray (m, probes)
        S⁻¹ times the probes.
    iterations : int
    """

    sums: list[FloatArray]
    by_probe: list[FloatArray]
    solution: FloatArray
    iterations: int


def diagonal_sums(
    operator: SchurOperator,
    probes: FloatArray,
    *,
    tolerance: float,
    guess: FloatArray | None = None,
) -> TraceEstimate:
    """Estimate the derivative of ln|A| with respect to λλ'.

    Parameters
    ----------
    operator : SchurOperator
    probes : ndarray (m, s)
        Any columns with mean of zz' the identity: signs, or √m times an orthonormal basis,
        for which the traces are exact.
    tolerance : float
    guess : ndarray (m, s), optional
        S⁻¹ times the probes at a nearby θ.
    """
    system = operator.system
    found = operator.solve(probes, tolerance=tolerance, guess=guess)
    preconditioned = operator.precondition(probes)  # T⁻¹z
    b_preconditioned = operator.b_lambda_times(preconditioned)
    correction = operator.precondition(  # T⁻¹OT⁻¹z
        preconditioned + operator.lambda_times(b_preconditioned, transpose=True) - probes
    )
    parts = _ProbeProducts(operator, probes, found.x, preconditioned, b_preconditioned, correction)
    by_probe: list[FloatArray] = [np.empty(0)] * len(operator.lams)
    for place, i in enumerate(system.rest):
        root = operator.lam_inverses[i]
        if root is not None:
            by_probe[i] = _regular_rest_sums(parts, place, root)
    if any(operator.lam_inverses[i] is None for i in system.rest):
        for place, total in _singular_rest_sums(parts):
            by_probe[system.rest[place]] = total
    by_probe[system.lead] = _lead_sums(parts)
    by_probe = [0.5 * (x + transposed(x)) for x in by_probe]
    return TraceEstimate([x.mean(axis=0) for x in by_probe], by_probe, found.x, found.iterations)


@dataclass(frozen=True, eq=False)
class _ProbeProducts:
    """z, S⁻¹z, T⁻¹z, BΛT⁻¹z and T⁻¹OT⁻¹z."""

    operator: SchurOperator
    probes: FloatArray
    solution: FloatArray
    preconditioned: FloatArray
    b_preconditioned: FloatArray
    correction: FloatArray

    def levels(self, x: FloatArray, place: int) -> FloatArray:
        """The columns of one of the remaining factors, (q, k, s)."""
        i = self.operator.system.rest[place]
        return x[self.operator.system.spans[i]].reshape(*self.operator.system.shapes[i], -1)


def _outer(a: FloatArray, b: FloatArray) -> FloatArray:
    """Σ over levels of a_l b_l' for every probe, (s, k, k)."""
    k = a.shape[1]
    out = np.empty((a.shape[2], k, k))
    for i in range(k):
        for j in range(k):
            out[:, i, j] = np.einsum("qs,qs->s", a[:, i], b[:, j])
    return out


def _regular_rest_sums(parts: _ProbeProducts, place: int, root: FloatArray) -> FloatArray:
    """λ⁻ᵀ(qI − Σ_l (S⁻¹)_ll)λ⁻¹."""
    operator = parts.operator
    t_inverse = operator.t_inverse[place]
    q, k = t_inverse.shape[:2]
    remainder = parts.solution - parts.preconditioned + parts.correction
    noisy = _outer(parts.levels(parts.probes, place), parts.levels(remainder, place))
    inner = (q * np.eye(k) - t_inverse.sum(axis=0)) - noisy
    return np.asarray(root.T @ inner @ root)


def _singular_rest_sums(parts: _ProbeProducts) -> list[tuple[int, FloatArray]]:
    """B − BΛS⁻¹Λ'B, where λ⁻¹ cannot be used.

    With BΛ = D + F, D its diagonal blocks, DT⁻¹D' is exact and FT⁻¹D', D(T⁻¹OT⁻¹)D' have
    diagonal blocks of zero.
    """
    operator = parts.operator
    b_probes = operator.b_lambda_times(parts.probes)
    b_solution = operator.b_lambda_times(parts.solution)
    own = [multiply(b, lam) for b, lam in zip(operator.b_blocks, operator.rest_lams, strict=True)]
    system = operator.system
    d_probes = system.by_level(own, parts.probes)
    d_preconditioned = system.by_level(own, parts.preconditioned)
    d_correction = system.by_level(own, parts.correction)
    out = []
    for place, i in enumerate(system.rest):
        if operator.lam_inverses[i] is not None:
            continue

        def of(x: FloatArray, place: int = place) -> FloatArray:
            return parts.levels(x, place)

        d_z, d_c = of(d_probes), of(d_preconditioned)
        f_z, f_c = of(b_probes) - d_z, of(parts.b_preconditioned) - d_c
        noisy = _outer(of(b_probes), of(b_solution)) - _outer(d_z, d_c - of(d_correction))
        noisy -= _outer(f_z, d_c) + _outer(d_z, f_c)
        d = own[place]
        taken = multiply(multiply(d, operator.t_inverse[place]), transposed(d))
        out.append((place, (operator.b_blocks[place] - taken).sum(axis=0) - noisy))
    return out


def _lead_sums(parts: _ProbeProducts) -> FloatArray:
    """The leading factor's: the known part of its own blocks, and Σ_l X_l'C_l'Λ₂S⁻¹Λ₂'C_lX_l."""
    operator = parts.operator
    system = operator.system
    lam, zz = operator.lams[system.lead], system.cp.factors[system.lead].zz
    q, k = zz.shape[:2]
    root = operator.lam_inverses[system.lead]
    if root is not None:
        inverse = multiply(transposed(operator.lead_inverse_root), operator.lead_inverse_root)
        known, x = inverse.sum(axis=0), multiply(lam, inverse)
    else:
        j = np.eye(k) - multiply(zz, operator.m)
        known, x = multiply(j, zz).sum(axis=0), transposed(j)
    spread = system.lead_diagonal_blocks(
        [
            multiply(multiply(lam_i, t_inverse), lam_i.T)
            for lam_i, t_inverse in zip(operator.rest_lams, operator.t_inverse, strict=True)
        ]
    )
    exact = multiply(multiply(transposed(x), spread), x).sum(axis=0)

    def to_lead(u: FloatArray) -> FloatArray:
        return multiply(transposed(x), system.coupling_transposed_times(operator.lambda_times(u)))

    noisy = _outer(to_lead(parts.probes), to_lead(parts.solution - parts.preconditioned))
    noisy = 0.5 * (noisy + transposed(noisy)) + _control_variate(parts, x)
    total = exact + noisy
    if root is not None:
        return np.asarray(root.T @ ((q * np.eye(k) - known) - total) @ root)
    return np.asarray(known - total)


def _control_variate(parts: _ProbeProducts, x: FloatArray) -> FloatArray:
    """z'W T⁻¹OT⁻¹z for W the diagonal blocks of Λ₂'C X_a X_b'C'Λ₂: of mean zero."""
    operator = parts.operator
    system = operator.system
    k = x.shape[-1]
    out = np.empty((parts.probes.shape[1], k, k))
    for a in range(k):
        for b in range(a, k):
            half = x[:, :, a, None] * x[:, None, :, b]
            blocks = system.rest_diagonal_blocks(0.5 * (half + transposed(half)))
            inner = [
                multiply(multiply(lam.T, w), lam)
                for lam, w in zip(operator.rest_lams, blocks, strict=True)
            ]
            product = system.by_level(inner, parts.correction)
            out[:, a, b] = out[:, b, a] = np.einsum("is,is->s", parts.probes, product)
    return out
