"""ln|S| by stochastic Lanczos quadrature, with its standard error.

With T = LL' the diagonal blocks of S by level and W = L⁻¹SL⁻ᵀ, whose own are the identity,

    ln|S| = ln|T| + tr h(W),   h(x) = ln x − (x − 1),

since tr(W − I) = 0 exactly: what is left to estimate is of second order in what couples the
levels. Nearly all of the variance of single random vectors comes from the few directions in
which all levels of a factor have the same effect (the mean of their effects against the fixed
effects and the other factors); on these the quadratic form is computed exactly.

References
----------
Ubaru, Chen, Saad (2017), *Fast estimation of tr(f(A)) via stochastic Lanczos quadrature*,
SIAM J. Matrix Anal. Appl. 38(4); Meyer, Musco, Musco, Woodruff (2021), *Hutch++*, for the
split into a subspace and the rest.
"""

from __future__ import annotations

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray, LinearMap
from .schur_operator import SchurOperator

MOST_STEPS = 300
"""Lanczos steps at most."""

CONVERGED_CHANGE = 1e-4
"""The iteration ends when ln|S| changes by less: far below the standard error of the probes."""

COMPLETE_KRYLOV_SPACE = 1e-10
"""A next vector shorter than this is rounding: the Krylov space is complete."""


def log_determinant(operator: SchurOperator, probes: FloatArray) -> tuple[float, float]:
    """ln|A| = ln|Λ₁'Z₁'Z₁Λ₁ + I| + ln|S| and the standard error of the second part.

    Parameters
    ----------
    operator : SchurOperator
    probes : ndarray (m, s)
        Columns with mean of zz' the identity; several independent ones for an error.
    """
    common = _common_directions(operator)
    rest = probes - common @ (common.T @ probes)
    forms = quadratic_forms(operator.whitened, np.hstack([common, rest]))
    within, single = forms[: common.shape[1]].sum(), forms[common.shape[1] :]
    count = len(single)
    error = float(single.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    return float(operator.log_det_known + within + single.mean()), error


def quadratic_forms(product: LinearMap, start: FloatArray) -> FloatArray:
    """x'h(W)x for every column x of `start`, by Gauss quadrature in its Krylov space.

    Parameters
    ----------
    product : callable
        (m, r) to W times it; W symmetric positive definite.
    start : ndarray (m, r)

    Returns
    -------
    ndarray (r,)
    """
    size = np.einsum("ij,ij->j", start, start)
    alive = size > 0
    v = start / np.sqrt(np.where(alive, size, 1.0))
    before, link = np.zeros_like(v), np.zeros(v.shape[1])
    diagonals: list[FloatArray] = []
    links: list[FloatArray] = []
    forms = np.full(v.shape[1], np.inf)
    for _ in range(MOST_STEPS):
        w = product(v) - link * before
        alpha = np.einsum("ij,ij->j", v, w)
        w -= alpha * v
        diagonals.append(np.where(alive, alpha, 1.0))
        last, forms = forms, size * _quadrature(diagonals, links)
        link = np.sqrt(np.einsum("ij,ij->j", w, w))
        alive = alive & (link > COMPLETE_KRYLOV_SPACE)
        if not alive.any() or np.abs(forms - last).sum() < CONVERGED_CHANGE:
            return forms
        link = np.where(alive, link, 0.0)
        links.append(link)
        before, v = v, np.where(alive, w / np.where(alive, link, 1.0), 0.0)
    raise NumericalError(
        f"ln|S| did not converge in {MOST_STEPS} Lanczos steps: the grouping factors are too "
        "strongly crossed. Use Control(factor='auto', memory=…) with more memory, or fewer levels."
    )


def _quadrature(diagonals: list[FloatArray], links: list[FloatArray]) -> FloatArray:
    """e₁'h(T)e₁ of the tridiagonal matrices, (r,)."""
    steps, columns = len(diagonals), len(diagonals[0])
    tridiagonal = np.zeros((columns, steps, steps))
    at = np.arange(steps)
    tridiagonal[:, at, at] = np.stack(diagonals, axis=1)
    if links:
        off_diagonal = np.stack(links, axis=1)
        tridiagonal[:, at[1:], at[:-1]] = tridiagonal[:, at[:-1], at[1:]] = off_diagonal
    values, vectors = np.linalg.eigh(tridiagonal)
    if not (values > 0).all():
        raise NumericalError("the Schur complement of Λ'Z'ZΛ + I is not positive definite.")
    return np.einsum("cs,cs->c", vectors[:, 0] ** 2, np.log(values) - (values - 1.0))


def _common_directions(operator: SchurOperator) -> FloatArray:
    """Orthonormal basis of L' times "all levels equal", by effect of each remaining factor."""
    system = operator.system
    columns = []
    for i in system.rest:
        q, k = system.shapes[i]
        root = operator.lam_inverses[i]
        same = np.eye(k) if root is None else root
        part = np.zeros((system.m, k))
        part[system.spans[i]] = np.tile(same, (q, 1))
        columns.append(part)
    u = np.hstack(columns)
    t = u + operator.lambda_times(
        system.by_level(operator.b_blocks, operator.lambda_times(u)), transpose=True
    )
    return np.asarray(np.linalg.qr(system.by_level(operator.t_inverse_root, t))[0])
