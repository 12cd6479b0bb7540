"""The criterion and its derivatives for one grouping factor: passes over its levels, compiled.

With Σ = λλ' and B_l = I + Z_l'Z_lΣ, elimination of [B_l | right sides | Z_l'Z_l] gives a level's
ln|B_l|, which add up to ln|A|, its effects and M_l = Z_l'V₀⁻¹Z_l = B_l⁻¹Z_l'Z_l at once, whether Σ
is singular or not. Symbols are those of :mod:`lmforms.engine.criterion.evaluate`. Twins: the
methods of :class:`lmforms.engine.factor.Factorization`, and
:mod:`lmforms.engine.criterion.information`.
"""

from __future__ import annotations

from math import log, nan, sqrt
from typing import Any

from ..linalg.compiled import compiled

_VECTOR, _MATRIX, _STACK = "float64[::1]", "float64[:, ::1]", "float64[:, :, ::1]"

MOST_PRODUCT = 1e100
"""Pivots are multiplied up to this, so that many levels need one logarithm."""


@compiled(
    f"float64(int64, int64, {_STACK}, {_STACK}, {_STACK}, {_MATRIX}, {_MATRIX}, {_STACK}, "
    f"{_STACK}, {_STACK}, {_MATRIX}, {_MATRIX})"
)
def level_values(
    begin: Any,
    end: Any,
    zz: Any,
    zr: Any,
    pilot: Any,
    sigma: Any,
    inverse: Any,
    v: Any,
    marginal: Any,
    matrices: Any,
    moments: Any,
    room: Any,
) -> Any:
    """ln|A| of some levels, NaN where it is not positive; their part of R'V₀⁻¹R is added.

    Parameters
    ----------
    begin, end : int
        The levels.
    zz : ndarray (q, k, k)
    zr, pilot : ndarray (q, k, r)
        Z'R* and B₀; no levels in `pilot` if it is zero.
    sigma, inverse : ndarray (k, k)
        Σ, and Σ⁻¹ or no rows where λ is singular.
    v, marginal : ndarray (q, k, r)
        Become v, with V₀⁻¹R = R* − Zv, and Z'V₀⁻¹R.
    matrices : ndarray (q, k, k)
        Become M_l.
    moments : ndarray (r, r)
        Is added to; its symmetric part counts.
    room : ndarray (k, 2 k + r)
    """
    k, r = zr.shape[1], zr.shape[2]
    regular, has_pilot = len(inverse) > 0, len(pilot) > 0
    log_det, product = 0.0, 1.0
    for level in range(begin, end):
        for a in range(k):
            for b in range(k):
                s = 1.0 if a == b else 0.0
                for c in range(k):
                    s += zz[level, a, c] * sigma[c, b]
                room[a, b] = s
                room[a, k + r + b] = zz[level, a, b]
            for j in range(r):
                s = zr[level, a, j]
                if has_pilot:
                    for b in range(k):
                        left = -inverse[a, b] if regular else zz[level, a, b]
                        s += left * pilot[level, b, j]
                room[a, k + j] = s
        det = 1.0
        for c in range(k):  # Gauss-Jordan elimination with pivots
            best = c
            for a in range(c + 1, k):
                if abs(room[a, c]) > abs(room[best, c]):
                    best = a
            pivot = room[best, c]
            det *= pivot if best == c else -pivot
            for j in range(c, 2 * k + r):
                s = room[best, j] / pivot
                room[best, j] = room[c, j]
                room[c, j] = s
            for a in range(k):
                if a != c:
                    s = room[a, c]
                    for j in range(c, 2 * k + r):
                        room[a, j] -= s * room[c, j]
        if not det > 0.0:
            return nan
        product *= det
        if product > MOST_PRODUCT:
            log_det += log(product)
            product = 1.0
        for a in range(k):
            for b in range(k):
                matrices[level, a, b] = 0.5 * (room[a, k + r + b] + room[b, k + r + a])
            for j in range(r):
                s = 0.0
                for b in range(k):
                    s += sigma[a, b] * room[b, k + j]
                v[level, a, j] = s - pilot[level, a, j] if has_pilot and not regular else s
        for a in range(k):
            for j in range(r):
                s = zr[level, a, j]
                for b in range(k):
                    s -= zz[level, a, b] * v[level, b, j]
                marginal[level, a, j] = s
        for a in range(k):
            for i in range(r):
                s = 0.0  # Σ Z'V₀⁻¹R
                for b in range(k):
                    s += sigma[a, b] * marginal[level, b, i]
                for j in range(r):
                    moments[i, j] += s * marginal[level, a, j]
                    moments[i, j] -= v[level, a, i] * (zr[level, a, j] + marginal[level, a, j])
    return log_det + log(product)


@compiled(
    f"void(int64, int64, {_STACK}, {_STACK}, {_VECTOR}, {_MATRIX}, {_STACK}, boolean, boolean, "
    f"{_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX})"
)
def level_derivatives(
    begin: Any,
    end: Any,
    matrices: Any,
    marginal: Any,
    to_residual: Any,
    root_x: Any,
    changes: Any,
    reml: Any,
    exact: Any,
    sums: Any,
    lines: Any,
    products: Any,
    gram: Any,
    room: Any,
) -> None:
    """Sums over some levels from which the derivatives of the criterion follow; all are added to.

    Parameters
    ----------
    begin, end : int
    matrices, marginal : ndarray (q, k, k), (q, k, r)
        From :func:`level_values`.
    to_residual : ndarray (r,)
        [X y] times it is y − Xβ̂.
    root_x : ndarray (fixed, p)
        R_X⁻¹, square unless a coefficient is given.
    changes : ndarray (n_theta, k, k)
        D_i = ∂(λλ')/∂θ_i.
    reml, exact : bool
        Whether X is in the criterion, and whether `products` and `gram` are asked for.
    sums : ndarray (k, 3 k)
        M_l, tt' and, with `reml`, VV'.
    lines : ndarray (p + n_theta + 1, n_theta)
        V'c_j, c_i'M_lc_j and t'c_j, with c_j = D_j t.
    products : ndarray (k², k²)
        M_l ⊗ M_l − M_l ⊗ VV' − VV' ⊗ M_l, without the last two under ML.
    gram : ndarray (k p, k p)
        V_l ⊗ V_l.
    room : ndarray (k, p + 1 + n_theta + k)
        V, t, c and VV'.
    """
    k, p, n, fixed = matrices.shape[1], root_x.shape[1], len(changes), len(root_x)
    at, vv = p + 1, p + 1 + n
    for level in range(begin, end):
        for a in range(k):
            s = 0.0
            for j in range(fixed + 1):
                s += marginal[level, a, j] * to_residual[j]
            room[a, p] = s
            for j in range(p):
                s = 0.0
                for i in range(fixed):
                    s += marginal[level, a, i] * root_x[i, j]
                room[a, j] = s
        for a in range(k):
            for b in range(k):
                s = 0.0
                if reml:
                    for j in range(p):
                        s += room[a, j] * room[b, j]
                room[a, vv + b] = s
                sums[a, b] += matrices[level, a, b]
                sums[a, k + b] += room[a, p] * room[b, p]
                sums[a, 2 * k + b] += s
        for i in range(n):
            for a in range(k):
                s = 0.0
                for b in range(k):
                    s += changes[i, a, b] * room[b, p]
                room[a, at + i] = s
                lines[p + n, i] += s * room[a, p]
                for j in range(p):
                    lines[j, i] += s * room[a, j]
        for i in range(n):
            for a in range(k):
                s = 0.0
                for b in range(k):
                    s += matrices[level, a, b] * room[b, at + i]
                for j in range(n):
                    lines[p + j, i] += s * room[a, at + j]
        if exact:
            for a in range(k):
                for b in range(k):
                    for c in range(k):
                        for d in range(k):
                            s = matrices[level, a, c] * (matrices[level, b, d] - room[b, vv + d])
                            s -= room[a, vv + c] * matrices[level, b, d]
                            products[a * k + b, c * k + d] += s
            if reml:
                for a in range(k):
                    for i in range(p):
                        for b in range(k):
                            for j in range(p):
                                gram[a * p + i, b * p + j] += room[a, i] * room[b, j]


@compiled(f"UniTuple(float64, 2)({_MATRIX}, {_VECTOR}, {_MATRIX})")
def least_squares(moments: Any, beta: Any, root_x: Any) -> Any:
    """r² and ln|X'V₀⁻¹X| from [X y]'V₀⁻¹[X y]; NaN where X'V₀⁻¹X is not positive definite.

    Parameters
    ----------
    moments : ndarray (p + 1, p + 1)
    beta, root_x : ndarray (p,), (p, p)
        Become β̂ and R_X⁻¹. Twin: :func:`lmforms.engine.criterion.gls.gls_fit`.
    """
    p, log_det = len(beta), 0.0
    r2 = moments[p, p]
    for i in range(p):  # a row of the Cholesky factor L, in the columns of R_X
        for j in range(i + 1):
            s = moments[i, j]
            for c in range(j):
                s -= root_x[c, i] * root_x[c, j]
            if i > j:
                root_x[j, i] = s / root_x[j, j]
            elif s > 0.0:
                root_x[i, i] = sqrt(s)
                log_det += log(s)
            else:
                return nan, 0.0
    for i in range(p - 1, -1, -1):  # R_X⁻¹, last column first, from below
        root_x[i, i] = 1.0 / root_x[i, i]
        for j in range(i - 1, -1, -1):
            s = root_x[j, i] * root_x[i, i]
            for c in range(j + 1, i):
                s += root_x[j, c] * root_x[c, i]
            root_x[j, i] = -s / root_x[j, j]
    for i in range(p):
        s = 0.0
        for j in range(i + 1):
            s += root_x[j, i] * moments[p, j]
        r2 -= s * s
        beta[i] = 0.0
        for j in range(i + 1):
            beta[j] += root_x[j, i] * s
    return r2, log_det


@compiled(
    f"void(int64, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_MATRIX}, {_STACK}, {_STACK}, {_MATRIX}, "
    f"float64, float64, boolean, {_MATRIX}, {_MATRIX})"
)
def derivatives_of_sums(
    p: Any,
    sums: Any,
    lines: Any,
    products: Any,
    gram: Any,
    changes: Any,
    slopes: Any,
    lam: Any,
    s2: Any,
    nu: Any,
    exact: Any,
    g: Any,
    out: Any,
) -> None:
    """Gradient and curvature from the sums of :func:`level_derivatives`, for λ linear in θ.

    Parameters
    ----------
    p : int
    sums, lines, products, gram
        See there. `products` is added to.
    changes : ndarray (n_theta, k, k)
        ∂(λλ')/∂θ_i.
    slopes : ndarray (n_theta, k, k)
        ∂λ/∂θ_i.
    lam : ndarray (k, k)
    s2, nu : float
        σ², and ν, or infinity where σ² is given.
    exact : bool
    g : ndarray (k, k)
        Becomes G.
    out : ndarray (n_theta + 3, n_theta)
        Becomes the curvature, the gradient, its scale and h.
    """
    k, n = len(lam), len(slopes)
    for a in range(k):
        for b in range(k):
            g[a, b] = sums[a, b] - sums[a, k + b] / s2 - sums[a, 2 * k + b]
    if len(gram) > 0:  # Σ over pairs of levels of VV' ⊗ VV'
        for a in range(k):
            for b in range(k):
                for c in range(k):
                    for d in range(k):
                        s = 0.0
                        for i in range(p):
                            for j in range(p):
                                s += gram[a * p + i, b * p + j] * gram[c * p + i, d * p + j]
                        products[a * k + b, c * k + d] += s
    for i in range(n):
        slope, scale = 0.0, 0.0
        for a in range(k):
            for b in range(k):
                left, size = 0.0, 0.0  # G∂λ and the same of the traces
                for c in range(k):
                    left += g[a, c] * slopes[i, c, b]
                    size += sums[a, c] * slopes[i, c, b]
                slope += left * lam[a, b]
                scale += size * slopes[i, a, b]
        out[n, i] = 2.0 * slope
        out[n + 1, i] = sqrt(2.0 * abs(scale))
        out[n + 2, i] = lines[p + n, i] / s2
    for i in range(n):
        for j in range(i + 1):
            h = 0.5 * (lines[p + i, j] + lines[p + j, i])
            for c in range(p):
                h -= lines[c, i] * lines[c, j]
            h /= s2
            if exact:
                h *= 2.0
                for a in range(k):
                    for b in range(k):
                        s = 0.0
                        for c in range(k):
                            for d in range(k):
                                s += changes[j, c, d] * products[a * k + b, c * k + d]
                        h -= changes[i, a, b] * s
            h -= out[n + 2, i] * out[n + 2, j] / nu
            for a in range(k):
                for b in range(k):
                    s = 0.0
                    for c in range(k):
                        s += g[a, c] * slopes[i, c, b]
                    h += 2.0 * s * slopes[j, a, b]
            out[i, j] = h
            out[j, i] = h
