r"""The criterion of many responses, each at its own θ.

The leading grouping factor is eliminated by levels: Y = [U y]'V₁⁻¹[U y] (see
:mod:`lmforms.engine.batch.shared_sums`). What is left is dense and small. With Λ₂ of the other
grouping factors the Cholesky factor of

    [ I + Λ₂'Y₂₂Λ₂   Λ₂'Y₂ₓ   Λ₂'Y₂y ]
    [ ·              Yₓₓ      Yₓy    ]
    [ ·              ·        Yyy    ]

has on its diagonal the roots of ln|I + Λ₂'Y₂₂Λ₂|, of ln|X'V₀⁻¹X|, and r. Criterion and symbols are
those of :mod:`lmforms.engine.criterion.evaluate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import BoolArray, FloatArray, IndexArray
from ..linalg.batched import inverse_roots
from .shared_sums import ResponseSums, SharedSums

LARGEST_THETA = 1e12
"""The criterion is not evaluated beyond."""


LARGEST_FULL_INVERSE = 16
"""Triangular matrices up to this size are inverted like full ones."""


@dataclass(frozen=True, eq=False)
class Point:
    """The criterion of c responses at their θ.

    Attributes
    ----------
    theta : ndarray (c, n_theta)
    value : ndarray (c,)
        −2 × (restricted) log-likelihood less ln|R|; +∞ where it cannot be evaluated.
    g : ndarray (c, d, k, k)
        (I + R_lλλ'R_l')⁻¹ of the leading factor's classes.
    gram, gram_y : ndarray (c, r, r), (c, r)
        Y but for its last entry.
    root : ndarray (c, r + 1, r + 1)
        The Cholesky factor.
    """

    theta: FloatArray
    value: FloatArray
    g: FloatArray
    gram: FloatArray
    gram_y: FloatArray
    root: FloatArray

    @property
    def r2(self) -> FloatArray:
        """Penalised residual sum of squares, (c,)."""
        return np.asarray(self.root[:, -1, -1] ** 2)

    def subset(self, chosen: BoolArray | IndexArray) -> Point:
        """Some of the responses."""
        return Point(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def put(self, chosen: BoolArray | IndexArray, part: Point) -> None:
        """Replace some of the responses, in place."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[chosen] = getattr(part, name)


@dataclass(frozen=True, eq=False)
class Effects:
    """What the Cholesky factor says of the effects of Z₂ and X.

    Attributes
    ----------
    inverse_root : ndarray (c, r, r)
        Upper triangular K with KK' the inverse of the bordered matrix without y, Λ₂ from the left.
    values : ndarray (c, r)
        b̂ of the other grouping factors, then β̂.
    """

    inverse_root: FloatArray
    values: FloatArray


def evaluate(shared: SharedSums, own: ResponseSums, theta: FloatArray) -> Point:
    """The criterion of every response at its own θ.

    Parameters
    ----------
    shared : SharedSums
    own : ResponseSums
        Of c responses.
    theta : ndarray (c, n_theta)
    """
    possible = np.asarray((np.abs(theta) < LARGEST_THETA).all(axis=1))  # not where it is NaN
    used = np.where(possible[:, None], theta, 0.0)
    g, log_det = _leading(shared, used)
    gram = shared.weighted(g)
    gram += shared.within
    scaled = np.einsum("cqab,cqb->cqa", shared.by_level(g), own.rotated)
    flat = scaled.reshape(len(scaled), -1)
    gram_y = own.within + flat @ shared.rotated.reshape(flat.shape[1], -1)
    yy = own.within_y + np.einsum("ci,ci->c", flat, own.rotated.reshape(flat.shape))

    m, r, nu = shared.m, shared.r, shared.nu
    bordered = np.empty((len(theta), r + 1, r + 1))
    if all(part.k == 1 for _, part in shared.rest):
        size = times_lambda(shared, used, np.ones((len(used), 1, r)))
        np.multiply(gram * size, size.swapaxes(1, 2), out=bordered[:, :r, :r])
    else:
        left = times_lambda(shared, used, gram).swapaxes(1, 2)
        bordered[:, :r, :r] = times_lambda(shared, used, left)
    bordered[:, np.arange(m), np.arange(m)] += 1.0
    bordered[:, r, :r] = times_lambda(shared, used, gram_y[:, None])[:, 0]
    bordered[:, :r, r] = bordered[:, r, :r]
    bordered[:, r, r] = yy
    root = _roots(bordered)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = 2.0 * np.log(np.einsum("cii->ci", root))
        value = log_det + logs[:, :m].sum(axis=1) + nu * (1.0 + logs[:, r] + np.log(2 * np.pi / nu))
        if shared.reml:
            value = value + logs[:, m:r].sum(axis=1)
    value = np.where(possible & np.isfinite(value), value, np.inf)
    return Point(np.array(theta), value, g, gram, gram_y, root)


def _leading(shared: SharedSums, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """g, and ln|A₁| of each response."""
    k, d = shared.lead.k, len(shared.counts)
    half = shared.roots @ shared.lead.lam(theta)[:, None]
    inverse, pivots = inverse_roots((half @ half.swapaxes(-1, -2) + np.eye(k)).reshape(-1, k, k))
    logs = np.log(pivots).reshape(k, -1, d).sum(axis=0)
    g = inverse.swapaxes(1, 2) @ inverse
    return g.reshape(-1, d, k, k), np.asarray(logs @ shared.counts)


def times_lambda(
    shared: SharedSums, theta: FloatArray, x: FloatArray, transpose: bool = False
) -> FloatArray:
    """Rows of x (c, a, r) times Λ₂, and as they are for X; with `transpose` times Λ₂'."""
    out = x.copy()
    for _, part in shared.rest:
        lam = part.lam(theta)
        own = x[..., part.columns]
        if part.k == 1:
            out[..., part.columns] = own * lam
            continue
        blocks = own.reshape(len(x), -1, part.k)
        blocks = blocks @ (lam.swapaxes(1, 2) if transpose else lam)
        out[..., part.columns] = blocks.reshape(own.shape)
    return out


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


def triangular_inverse(lower: FloatArray) -> FloatArray:
    """L⁻¹ of lower triangular L (c, r, r), by halves: LAPACK would take it for a full matrix."""
    r = lower.shape[-1]
    if r <= LARGEST_FULL_INVERSE:
        return np.asarray(np.linalg.inv(lower), dtype=np.float64)
    h = r // 2
    out = np.zeros_like(lower)
    out[:, :h, :h] = first = triangular_inverse(lower[:, :h, :h])
    out[:, h:, h:] = last = triangular_inverse(lower[:, h:, h:])
    out[:, h:, :h] = -(last @ lower[:, h:, :h] @ first)
    return out


def effects(shared: SharedSums, at: Point) -> Effects:
    """Effects of Z₂ and X, and the root of their covariance."""
    r = shared.r
    inverse = triangular_inverse(at.root[:, :r, :r])
    scaled = times_lambda(shared, at.theta, inverse, transpose=True).swapaxes(1, 2)
    return Effects(scaled, np.einsum("cij,cj->ci", scaled, at.root[:, r, :r]))


def gls_estimates(shared: SharedSums, at: Point) -> tuple[FloatArray, FloatArray]:
    """β̂ and R_X⁻¹ of each response, (c, p) and (c, p, p)."""
    m, r = shared.m, shared.r
    upper = triangular_inverse(at.root[:, m:r, m:r]).swapaxes(1, 2)
    return np.einsum("cij,cj->ci", upper, at.root[:, r, m:r]), upper
