r"""Newton's method for many responses of a model with one grouping factor, side by side.

All responses share Z'Z, Z'X and X'X; each has its own θ, Z'y, X'y and y'y. With A, M, V, t, G as
in :mod:`lmforms.engine.criterion.evaluate`, all of them are arrays over (response, level), and a
step of Newton's method is some dozens of products for all responses together. λ is linear in θ.

It is used where the criterion has one minimum. Let every level have the same Z_l and X_l = Z_lB,
and λλ' be unstructured. With Σ = σ²(λλ' + (Z_l'Z_l)⁻¹), S the covariance of the levels'
least-squares coefficients and RSS what is left within levels, the REML criterion is

    (q − 1)[ln|Σ| + tr(SΣ⁻¹)] + (n − qk) ln σ² + RSS/σ²,      Σ ⪰ σ²(Z_l'Z_l)⁻¹,

and the ML criterion the same with q in place of q − 1. In P = Σ⁻¹ and τ = 1/σ² it is convex, and
the constraint P ⪯ τ Z_l'Z_l is linear: a stationary point inside is the minimum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..covariance import Covariance
from ..engine.sums.cross_products import CrossProducts
from ..support.arrays import BoolArray, FloatArray

MOST_STEPS = 40
"""Newton steps; responses that have not converged then are fitted one by one."""

MOST_HALVINGS = 12
"""Halvings of a step that does not lower the criterion."""

LEAST_EIGENVALUE = 1e-6
"""Smallest eigenvalue of the Hessian, scaled to a unit diagonal, at an accepted minimum."""

SAME_MOMENTS = 1e-9
"""Relative difference up to which the moments of two levels are the same."""

BATCH_NUMBERS = 1 << 22
"""Numbers in the largest array of one batch of responses."""


@dataclass(frozen=True, eq=False)
class OneFactorSums:
    """Cross-products of c responses, in the engine's units.

    Attributes
    ----------
    zz, zx : ndarray (q, k, k), (q, k, p)
    zy : ndarray (c, q, k)
    xx, xy : ndarray (p, p), (c, p)
    yy : ndarray (c,)
    slopes : ndarray (m, k, k)
        ∂λ/∂θ, which does not depend on θ.
    nu : int
    reml : bool
    """

    zz: FloatArray
    zx: FloatArray
    zy: FloatArray
    xx: FloatArray
    xy: FloatArray
    yy: FloatArray
    slopes: FloatArray
    nu: int
    reml: bool

    @classmethod
    def of(cls, sums: list[CrossProducts], covariance: Covariance, reml: bool) -> OneFactorSums:
        """Those of the responses, which share all else."""
        cp = sums[0]
        p = cp.p
        (f,) = cp.factors
        return cls(
            zz=f.zz,
            zx=f.zr[..., :p],
            zy=np.stack([one.factors[0].zr[..., -1] for one in sums]),
            xx=cp.rr[:p, :p],
            xy=np.stack([one.rr[:p, -1] for one in sums]),
            yy=np.array([one.rr[-1, -1] for one in sums]),
            slopes=covariance.derivative(np.zeros(covariance.n_theta)),
            nu=cp.n - p if reml else cp.n,
            reml=reml,
        )

    def subset(self, chosen: BoolArray) -> OneFactorSums:
        """Some of the responses."""
        return replace(self, zy=self.zy[chosen], xy=self.xy[chosen], yy=self.yy[chosen])


@dataclass(frozen=True, eq=False)
class Point:
    """The criterion of c responses at their θ.

    Attributes
    ----------
    theta : ndarray (c, m)
    value : ndarray (c,)
        −2 × (restricted) log-likelihood less ln|R|; +∞ where it cannot be evaluated.
    beta, r2 : ndarray (c, p), (c,)
    inverse_root_x : ndarray (c, p, p)
        R_X⁻¹, upper triangular.
    marginal : ndarray (c, q, k, k)
        M_l = λA_l⁻¹λ'.
    lam : ndarray (c, k, k)
    """

    theta: FloatArray
    value: FloatArray
    beta: FloatArray
    r2: FloatArray
    inverse_root_x: FloatArray
    marginal: FloatArray
    lam: FloatArray

    def subset(self, chosen: BoolArray) -> Point:
        """Some of the responses."""
        return Point(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def put(self, chosen: BoolArray, part: Point) -> Point:
        """With other values for some of the responses."""
        out = {}
        for name in self.__dataclass_fields__:
            values = getattr(self, name).copy()
            values[chosen] = getattr(part, name)
            out[name] = values
        return Point(**out)

    def where(self, better: BoolArray, other: Point) -> Point:
        """`other` for the responses where it is better."""
        chosen = {}
        for name in self.__dataclass_fields__:
            old, new = getattr(self, name), getattr(other, name)
            chosen[name] = np.where(better.reshape(-1, *(1,) * (old.ndim - 1)), new, old)
        return Point(**chosen)


def has_one_minimum(cp: CrossProducts, covariances: tuple[Covariance, ...]) -> bool:
    """Whether the criterion of every response is known to have one minimum."""
    if len(cp.factors) != 1:
        return False
    (f,) = cp.factors
    k = f.zz.shape[-1]
    if covariances[0].invariances() != [(slice(0, k), "linear")]:
        return False
    moments = f.zr[..., : cp.p]
    whole = np.concatenate([f.zz, moments], axis=-1)
    if np.abs(whole - whole[0]).max() > SAME_MOMENTS * np.abs(whole).max():
        return False
    # X = ZB: nothing of X is left within levels
    q = len(f.zz)
    inside = q * moments[0].T @ np.linalg.lstsq(f.zz[0], moments[0], rcond=None)[0]
    xx = cp.rr[: cp.p, : cp.p]
    return bool(np.abs(xx - inside).max(initial=0.0) <= SAME_MOMENTS * np.abs(xx).max(initial=0.0))


def batch_size(cp: CrossProducts) -> int:
    """How many responses are fitted side by side."""
    (f,) = cp.factors
    q, k = f.zz.shape[:2]
    return max(1, BATCH_NUMBERS // (q * k * max(k * k * (k + 1) // 2, k * (cp.p + 1))))


def evaluate(sums: OneFactorSums, theta: FloatArray) -> Point:
    """The criterion of every response at its own θ."""
    lam = np.einsum("cm,mab->cab", theta, sums.slopes)
    k = lam.shape[-1]
    a = np.einsum("cia,qij,cjb->cqab", lam, sums.zz, lam, optimize=True) + np.eye(k)
    root = np.linalg.cholesky(a)
    log_det = 2.0 * np.log(np.einsum("cqaa->cqa", root)).sum(axis=(1, 2))
    half = np.linalg.solve(root, np.broadcast_to(lam.swapaxes(1, 2)[:, None], a.shape))
    m = half.swapaxes(-1, -2) @ half
    mx = m @ sums.zx
    xvx = sums.xx - np.einsum("qkp,cqkr->cpr", sums.zx, mx, optimize=True)
    xvy = sums.xy - np.einsum("cqkp,cqk->cp", mx, sums.zy, optimize=True)
    yvy = sums.yy - np.einsum("cqk,cqkl,cql->c", sums.zy, m, sums.zy, optimize=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        lower = _roots(xvx)
        inverse = np.asarray(np.linalg.inv(lower), dtype=np.float64).swapaxes(1, 2)
        scaled = np.einsum("cpr,cp->cr", inverse, xvy)
        r2 = yvy - np.square(scaled).sum(axis=1)
        nu = sums.nu
        value = log_det + nu * (1.0 + np.log(2.0 * np.pi * r2 / nu))
        if sums.reml:
            value = value + 2.0 * np.log(np.einsum("cpp->cp", lower)).sum(axis=1)
    value = np.where(np.isfinite(value), value, np.inf)
    beta = np.einsum("cpr,cr->cp", inverse, scaled)
    return Point(theta, value, beta, r2, inverse, m, lam)


def _roots(matrices: FloatArray) -> FloatArray:
    """Cholesky factors; NaN for matrices that are not positive definite."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        out = np.full_like(matrices, np.nan)
        for j, one in enumerate(matrices):
            try:
                out[j] = np.linalg.cholesky(one)
            except np.linalg.LinAlgError:
                continue
        return out


def derivatives(sums: OneFactorSums, at: Point) -> tuple[FloatArray, FloatArray]:
    """Gradient (c, m) and Hessian (c, m, m) of the criterion."""
    m, d, lam = at.marginal, sums.slopes, at.lam
    e = sums.zy - np.einsum("qkp,cp->cqk", sums.zx, at.beta)
    t = e - np.einsum("qkl,cqlj,cqj->cqk", sums.zz, m, e, optimize=True)
    zm = sums.zz @ m
    w = sums.zz - zm @ sums.zz
    v = (sums.zx - zm @ sums.zx) @ at.inverse_root_x[:, None]
    s2 = at.r2 / sums.nu
    g = w.sum(axis=1) - np.einsum("cqk,cql->ckl", t, t) / s2[:, None, None]
    if sums.reml:
        g = g - np.einsum("cqkp,cqlp->ckl", v, v, optimize=True)
    gradient = 2.0 * np.einsum("ckl,mkl->cm", g @ lam, d)
    change = np.einsum("mkl,cjl->cmkj", d, lam) + np.einsum("ckl,mjl->cmkj", lam, d)
    c = np.einsum("cmkj,cqj->cqkm", change, t, optimize=True)
    vc = np.einsum("cqkp,cqkm->cpm", v, c, optimize=True)
    quadratic = np.einsum("cqkm,cqkl,cqln->cmn", c, w, c, optimize=True)
    quadratic = quadratic - vc.swapaxes(1, 2) @ vc
    tc = np.einsum("cqkm,cqk->cm", c, t)
    wd = np.einsum("cqkl,cmlj->cqmkj", w, change, optimize=True)
    traces = np.einsum("cqmkj,cqnjk->cmn", wd, wd, optimize=True)
    if sums.reml:
        dv = np.einsum("cmkl,cqlp->cqmkp", change, v, optimize=True)
        traces = traces - 2.0 * np.einsum("cqmkp,cqkl,cqnlp->cmn", dv, w, dv, optimize=True)
        inner = np.einsum("cqkp,cqmkr->cmpr", v, dv, optimize=True)
        traces = traces + np.einsum("cmpr,cnrp->cmn", inner, inner, optimize=True)
    hessian = 2.0 * quadratic / s2[:, None, None] - traces
    hessian -= np.einsum("cm,cn->cmn", tc, tc) / (sums.nu * s2**2)[:, None, None]
    hessian += 2.0 * np.einsum("mkl,ckj,njl->cmn", d, g, d, optimize=True)
    return gradient, 0.5 * (hessian + hessian.swapaxes(1, 2))


def minimise(
    sums: OneFactorSums, start: FloatArray, tolerance: float
) -> tuple[Point, FloatArray, BoolArray]:
    """Newton's method for every response.

    Parameters
    ----------
    sums : OneFactorSums
    start : ndarray (c, m)
    tolerance : float
        Predicted decrease at which a last step is taken.

    Returns
    -------
    point : Point
    decrement : ndarray (c,)
        Predicted decrease of a further step.
    found : ndarray of bool (c,)
        Whether the response is at a minimum with a regular Hessian.
    """
    at = evaluate(sums, start)
    active = np.isfinite(at.value)
    for _ in range(MOST_STEPS):
        if not active.any():
            break
        part, here = sums.subset(active), at.subset(active)
        step, decrement, _ = _newton(*derivatives(part, here))
        trial = _lower(part, here, step)
        moved = trial.value <= here.value
        at = at.put(active, here.where(moved, trial))
        active[active] = moved & (decrement > tolerance)
    _, decrement, regular = _newton(*derivatives(sums, at))
    return at, decrement, regular & (decrement <= tolerance) & np.isfinite(at.value)


def _newton(gradient: FloatArray, hessian: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Steps with |eigenvalues|, their predicted decrease, and whether the Hessian is regular."""
    hessian = np.where(np.isfinite(hessian), hessian, 0.0)
    gradient = np.where(np.isfinite(gradient), gradient, 0.0)
    scale = np.sqrt(np.abs(np.einsum("cmm->cm", hessian)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(hessian / (scale[:, :, None] * scale[:, None, :]))
    slope = np.einsum("cmn,cm->cn", vectors, gradient / scale)
    curvature = np.maximum(np.abs(values), LEAST_EIGENVALUE)
    step = -np.einsum("cmn,cn->cm", vectors, slope / curvature) / scale
    return step, 0.5 * (slope**2 / curvature).sum(axis=1), values.min(axis=1) > LEAST_EIGENVALUE


def _lower(sums: OneFactorSums, at: Point, step: FloatArray) -> Point:
    """A lower point along each step, halved where it does not go down."""
    best = evaluate(sums, at.theta + step)
    size = np.ones(len(step))
    for _ in range(MOST_HALVINGS):
        high = ~(best.value <= at.value)
        if not high.any():
            break
        size[high] *= 0.5
        again = evaluate(sums.subset(high), at.theta[high] + size[high, None] * step[high])
        best = best.put(high, again)
    return best
