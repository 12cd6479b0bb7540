r"""Gradient and Hessian of the criterion of many responses, each at its own θ.

With U = [Z₂ X], Y = [U y]'V₁⁻¹[U y] and its derivatives Y_i, Y_ij in θ of the leading factor,
P the effects' covariance Λ₂(I + Λ₂'Y₂₂Λ₂)⁻¹Λ₂' bordered by X, and ê = [−b̂ −β̂ 1],

    ψ = P + êê'/s²,       Γ = Y₂₂ − Y₂PY₂' − tt'/s²,       t = Y₂ê.

The criterion's derivative in Y is ψ, that in Λ₂Λ₂' is Γ, and with D_j = ∂(Λ₂Λ₂')/∂θ_j, T the
first columns of I − PY,

    d_ii' = ∂²ln|A₁| + ⟨ψ, Y_ii'⟩ − tr(PY_iPY_i') − 2ê'Y_iPY_i'ê/s² − ê'Y_iê ê'Y_i'ê/(νs⁴),
    d_ij  = tr(T'Y_iTD_j) − 2t'D_jT'Y_iê/s² + t'D_jt ê'Y_iê/(νs⁴),
    d_jj' = ⟨Γ, ∂D_jj'⟩ − tr(WD_jWD_j') + 2t'D_jWD_j't/s² − t'D_jt t'D_j't/(νs⁴),

W = Y₂₂ − Y₂PY₂'. In the first trace of each, and in ψ and Γ, P has no border under ML.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...support.arrays import FloatArray
from .criterion import Point, effects
from .shared_sums import RandomPart, ResponseSums, SharedSums


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Derivatives of the criterion in θ.

    Attributes
    ----------
    gradient, hessian : ndarray (c, n_theta), (c, n_theta, n_theta)
    scale : ndarray (c, n_theta)
        √(2⟨T ∂λ, ∂λ⟩) with T the diagonal blocks of Z₁'V₁⁻¹Z₁ or Z₂'V₁⁻¹Z₂, no smaller than those
        of Z'V₀⁻¹Z: what √H would be without data, or more.
    mixed : ndarray (c, n_theta)
        −(∂r²/∂θ)/s²: derivative in θ and ln σ² where σ is not profiled out, at σ² = s².
    """

    gradient: FloatArray
    hessian: FloatArray
    scale: FloatArray
    mixed: FloatArray


def derivatives(shared: SharedSums, own: ResponseSums, at: Point) -> Derivatives:
    """Gradient and Hessian at a point.

    Parameters
    ----------
    shared : SharedSums
    own : ResponseSums
    at : Point
        Of these responses. Where the criterion cannot be evaluated the numbers are NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        common = _Common(shared, own, at)
        lead = _leading(common)
        c, n = at.theta.shape
        gradient, scale, mixed = np.empty((c, n)), np.empty((c, n)), np.empty((c, n))
        hessian = np.zeros((c, n, n))
        first = shared.lead.theta
        gradient[:, first], scale[:, first] = lead.gradient, lead.scale
        hessian[:, first, first] = lead.hessian
        mixed[:, first] = -lead.square / common.s2[:, None]
        if shared.rest:
            _rest(common, lead, gradient, hessian, scale, mixed)
    return Derivatives(gradient, 0.5 * (hessian + hessian.swapaxes(1, 2)), scale, mixed)


class _Common:
    """Arrays that several parts use."""

    def __init__(self, shared: SharedSums, own: ResponseSums, at: Point) -> None:
        self.shared, self.own, self.at = shared, own, at
        m = shared.m
        found = effects(shared, at)
        root = found.inverse_root
        self.full = root @ root.swapaxes(1, 2)
        """P with the border of X."""
        without = root[..., :m]
        self.used = self.full if shared.reml else without @ without.swapaxes(1, 2)
        """The one that belongs to the determinants."""
        self.effects = found.values
        self.s2 = at.r2 / shared.nu
        self.t = at.gram_y[:, :m] - np.einsum("cij,cj->ci", at.gram[:, :m], found.values)

    @cached_property
    def residual(self) -> FloatArray:
        """ρê of the leading factor's levels, (c, q, k)."""
        shared, flat = self.shared, self.own.rotated.shape
        columns = shared.rotated.reshape(-1, shared.r)
        return np.asarray(self.own.rotated - (self.effects @ columns.T).reshape(flat))

    @cached_property
    def reduction(self) -> FloatArray:
        """T, (c, r, m), with the P of the determinants."""
        m = self.shared.m
        out = -(self.used @ self.at.gram[..., :m])
        out[:, np.arange(m), np.arange(m)] += 1.0
        return np.asarray(out)

    @cached_property
    def marginal(self) -> FloatArray:
        """Z₂'V₀⁻¹Z₂, under REML less VV', (c, m, m)."""
        return np.asarray(self.at.gram[:, : self.shared.m] @ self.reduction)


@dataclass(frozen=True, eq=False)
class _Leading:
    """Derivatives in θ of the leading factor, and what the mixed ones need of it.

    Attributes
    ----------
    gradient, hessian, scale : ndarray (c, n), (c, n, n), (c, n)
    gram : ndarray (c, n, r, r)
        Y_i of U.
    along, square : ndarray (c, n, r), (c, n)
        Y_iê of U, and ê'Y_iê.
    carried : ndarray (c, n, r)
        ê'Y_iP.
    """

    gradient: FloatArray
    hessian: FloatArray
    scale: FloatArray
    gram: FloatArray
    along: FloatArray
    square: FloatArray
    carried: FloatArray


def leading_changes(shared: SharedSums, at: Point) -> tuple[FloatArray, FloatArray]:
    """R ∂λ (n, d, k, k) and R ∂(λλ')R' (c, n, d, k, k) of the leading factor's classes."""
    turned = shared.roots @ shared.lead.slopes[:, None]
    half = shared.roots @ shared.lead.lam(at.theta)[:, None]  # Rλ, (c, d, k, k)
    change = turned @ half[:, None].swapaxes(-1, -2)
    return turned, change + change.swapaxes(-1, -2)


def _leading(common: _Common) -> _Leading:
    """Derivatives in θ of the leading factor."""
    shared, at, s2 = common.shared, common.at, common.s2
    part, nu = shared.lead, shared.nu
    g, n, counts = at.g, len(part.slopes), shared.counts
    turned, change = leading_changes(shared, at)
    second = turned[:, None] @ turned[None].swapaxes(-1, -2)
    second = second + second.swapaxes(-1, -2)  # (n, n, d, k, k)
    h = g[:, None] @ change
    slope_g = -(h @ g[:, None])

    residual = common.residual
    outer = residual[..., :, None] * residual[..., None, :]
    psi = shared.contracted(common.used)
    psi += shared.by_class(outer) / s2[:, None, None, None]
    gradient = np.einsum("cidaa,d->ci", h, counts) + np.einsum(
        "cidab,cdab->ci", slope_g, psi, optimize=True
    )
    sizes = np.einsum("cdab,idab,d->ci", g, second[np.arange(n), np.arange(n)], counts)
    gram = shared.weighted(slope_g)  # Y_i of U, (c, n, r, r)
    weighted = shared.by_level(slope_g.swapaxes(1, 2)).swapaxes(1, 2)  # (c, n, q, k, k)
    flat = np.einsum("ciqab,cqb->ciqa", weighted, residual, optimize=True)
    flat = flat.reshape(*flat.shape[:2], -1)
    along = flat @ shared.rotated.reshape(flat.shape[-1], -1)  # Y_iê of U, (c, n, r)
    square = np.einsum("cix,cx->ci", flat, residual.reshape(len(flat), -1))

    gpg = g @ psi @ g
    hh = np.einsum("cidab,cjdba,d->cij", h, h, counts, optimize=True)
    hessian = np.einsum("cdab,ijdab,d->cij", g, second, counts, optimize=True) - hh
    hessian -= np.einsum("ijdab,cdab->cij", second, gpg, optimize=True)
    hessian += 2.0 * np.einsum("cidab,cjdba->cij", gpg[:, None] @ change, h, optimize=True)
    turned_gram = common.used[:, None] @ gram
    hessian -= np.einsum(
        "cix,cjx->cij",
        turned_gram.reshape(*turned_gram.shape[:2], -1),
        turned_gram.swapaxes(-1, -2).reshape(*turned_gram.shape[:2], -1),
    )
    carried = along @ common.full
    hessian -= 2.0 * (carried @ along.swapaxes(1, 2)) / s2[:, None, None]
    hessian -= square[:, :, None] * square[:, None] / (nu * s2**2)[:, None, None]
    return _Leading(gradient, hessian, np.sqrt(sizes), gram, along, square, carried)


def _rest(
    common: _Common,
    lead: _Leading,
    gradient: FloatArray,
    hessian: FloatArray,
    scale: FloatArray,
    mixed: FloatArray,
) -> None:
    """Fill in the derivatives in θ of the other factors."""
    shared, at, s2, t = common.shared, common.at, common.s2, common.t
    m, first = shared.m, shared.lead.theta
    per_s2, per_s4 = 1.0 / s2, 1.0 / (shared.nu * s2**2)
    gram = at.gram[:, :m]
    w = common.marginal
    # D_j t in the columns of one array for all parameters
    order = [j for _, part in shared.rest for j in range(part.theta.start, part.theta.stop)]
    at_column = {j: i for i, j in enumerate(order)}
    moved = np.zeros((len(t), m, len(order)))
    changes = {}
    for i, part in shared.rest:
        lam, own = part.lam(at.theta), _columns_of(part, at_column)
        change = part.slopes @ lam[:, None].swapaxes(-1, -2)
        change = change + change.swapaxes(-1, -2)  # (c, n, k, k)
        changes[i] = change
        levels = t[:, part.columns].reshape(-1, part.q, part.k)
        image = np.einsum("cnab,cqb->cqan", change, levels, optimize=True)
        moved[:, part.columns, own] = image.reshape(len(t), part.q * part.k, -1)

        blocks = _diagonal_sum(w, part)
        blocks = blocks - per_s2[:, None, None] * (levels.swapaxes(1, 2) @ levels)
        slopes = part.slopes
        gradient[:, part.theta] = 2.0 * np.einsum("cab,cbd,nad->cn", blocks, lam, slopes)
        hessian[:, part.theta, part.theta] += 2.0 * np.einsum(
            "nab,cad,mdb->cnm", slopes, blocks, slopes, optimize=True
        )
        own_blocks = _diagonal_sum(gram, part)
        scale[:, part.theta] = np.sqrt(
            2.0 * np.abs(np.einsum("nab,cad,ndb->cn", slopes, own_blocks, slopes, optimize=True))
        )

    inner = np.einsum("cmn,cm->cn", moved, t)  # t'D_jt
    carried = common.full @ (gram.swapaxes(1, 2) @ moved)
    weighted = gram[..., :m] @ moved - gram @ carried
    quadratic = moved.swapaxes(1, 2) @ weighted
    block = 2.0 * per_s2[:, None, None] * quadratic
    block -= per_s4[:, None, None] * inner[:, :, None] * inner[:, None]
    left_over = lead.along[..., :m] - lead.carried @ gram.swapaxes(1, 2)  # T'Y_iê
    cross = -2.0 * per_s2[:, None, None] * (left_over @ moved)
    cross += per_s4[:, None, None] * lead.square[:, :, None] * inner[:, None]

    reduction = common.reduction
    moved_gram = lead.gram @ reduction[:, None]  # Y_i T, (c, n, r, m)
    for a, (i, left) in enumerate(shared.rest):
        columns = _columns_of(left, at_column)
        for n in range(lead.gram.shape[1]):
            sums = _diagonal_sum_of_product(reduction, moved_gram[:, n], left)
            cross[:, n, columns] += np.einsum("cab,cmab->cm", sums, changes[i], optimize=True)
        for j, right in shared.rest[a:]:
            traces = _pair_traces(w, left, right, changes[i], changes[j])
            others = _columns_of(right, at_column)
            block[:, columns, others] -= traces
            if i != j:
                block[:, others, columns] -= traces.swapaxes(1, 2)
    places = np.array(order)
    mixed[:, places] = per_s2[:, None] * inner
    hessian[:, places[:, None], places] += block
    hessian[:, np.arange(first.start, first.stop)[:, None], places] = cross
    hessian[:, places[:, None], np.arange(first.start, first.stop)] = cross.swapaxes(1, 2)


def _columns_of(part: RandomPart, at_column: dict[int, int]) -> slice:
    """Columns of a grouping factor's parameters."""
    start = at_column[part.theta.start]
    return slice(start, start + len(part.slopes))


def _diagonal_sum(a: FloatArray, part: RandomPart) -> FloatArray:
    """Σ over levels of the diagonal blocks of a (c, m, m), (c, k, k)."""
    block = a[:, part.columns, part.columns]
    if part.k == 1:
        return np.asarray(np.einsum("cii->c", block)[:, None, None])
    return np.einsum("cqaqb->cab", block.reshape(len(a), part.q, part.k, part.q, part.k))


def _diagonal_sum_of_product(a: FloatArray, b: FloatArray, part: RandomPart) -> FloatArray:
    """The same of a'b for a, b (c, r, m)."""
    left, right = a[..., part.columns], b[..., part.columns]
    if part.k == 1:
        return np.einsum("crx,crx->c", left, right)[:, None, None]
    left = left.reshape(len(a), -1, part.k)
    return np.asarray(left.swapaxes(1, 2) @ right.reshape(left.shape))


def _pair_traces(
    w: FloatArray, left: RandomPart, right: RandomPart, first: FloatArray, second: FloatArray
) -> FloatArray:
    """tr(W D_i W D_j) for the parameters of two factors, (c, n_i, n_j)."""
    c = len(w)
    block = w[:, left.columns, right.columns]
    if left.k == right.k == 1:
        square = np.einsum("cxy,cxy->c", block, block)[:, None, None]
        return square * first[:, :, 0, 0, None] * second[:, None, :, 0, 0]
    # Σ over pairs of levels of W_ab W_a'b', a and a' of `left`, b and b' of `right`
    ka, kb = left.k, right.k
    parts = block.reshape(c, left.q, ka, right.q, kb).transpose(0, 2, 4, 1, 3)
    flat = parts.reshape(c, ka * kb, -1)
    square = (flat @ flat.swapaxes(1, 2)).reshape(c, ka, kb, ka, kb)
    return np.einsum("cabde,ciad,cjbe->cij", square, first, second, optimize=True)
