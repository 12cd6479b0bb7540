r"""Cross-products of one design with many responses, arranged by the leading grouping factor.

The design's part is the same for all responses: U = [Z₂ X], Z₂ the columns of all grouping factors
but the leading one. Let Z_l be the rows of the leading factor's level l, Z_l'Z_l = R_l'R_l and

    ρ_l = R_l⁻ᵀZ_l'[U y],        N = [U y]'[U y] − Σ_l ρ_l'ρ_l.

V₁ = I + Z₁Λ₁Λ₁'Z₁' acts on ρ alone: [U y]'V₁⁻¹[U y] = N + Σ_l ρ_l'g_lρ_l with
g_l = (I + R_lλλ'R_l')⁻¹. Levels with the same Z_l'Z_l have the same g, so that the sums of ρ'ρ over
each such class are all that is needed of U; for all responses they are multiplied by g in one
product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...covariance import Covariance
from ...support.arrays import FloatArray, IndexArray
from ..criterion.problem import StructuredProblem
from ..factor.assembly import dense_coupling, dense_gram
from ..factor.layout import Layout
from ..linalg.batched import mirrored
from ..sums.cross_products import CrossProducts

SAME_MOMENTS = 1e-12
"""Relative difference up to which Z_l'Z_l of two levels is the same."""

MOST_WORK = 2e7
"""Multiplications of one Newton step of one response up to which they are done side by side: beyond
the engine's sparse or nested factors pay."""

MOST_PRODUCTS = 1 << 25
"""Numbers in the shared sums of products."""

BATCH_NUMBERS = 1 << 20
"""Numbers in the largest array of one batch of responses."""

LEAST_EIGENVALUE = 1e-13
"""Eigenvalues of Z_l'Z_l below this share of the largest are zero."""


@dataclass(frozen=True)
class RandomPart:
    """A grouping factor: its place in θ, its size and ∂λ/∂θ, which does not depend on θ.

    Attributes
    ----------
    theta : slice
    columns : slice
        Of Z₂; empty for the leading factor.
    q, k : int
        Levels, effects per level.
    slopes : ndarray (n_theta, k, k)
    """

    theta: slice
    columns: slice
    q: int
    k: int
    slopes: FloatArray

    def lam(self, theta: FloatArray) -> FloatArray:
        """λ of each response, (c, k, k), from all of its θ, (c, m)."""
        own = theta[:, self.theta]
        flat = own @ self.slopes.reshape(own.shape[1], self.k * self.k)
        return flat.reshape(-1, self.k, self.k)


@dataclass(frozen=True, eq=False)
class SharedSums:
    """What all responses share.

    Attributes
    ----------
    lead : RandomPart
    lead_index : int
        Its place among the grouping factors.
    rest : tuple of (int, RandomPart)
        The others, with their places.
    classes : ndarray of int (q,)
        The class of every level of the leading factor: levels of one Z_l'Z_l.
    counts : ndarray (d,)
        Levels in each class.
    roots, inverse_roots : ndarray (d, k, k)
        R and R⁻ᵀ (zeros in the directions without information).
    rotated : ndarray (q, k, r)
        ρ of U.
    products : ndarray (d k(k + 1)/2, r²)
        Sums of ρ_a'ρ_b over each class, for a ≤ b, added to its transpose where a < b.
    within : ndarray (r, r)
        N of U.
    m, p : int
        Columns of Z₂ and X; r = m + p.
    nu : int
        n, or n − p under REML.
    reml : bool
    """

    lead: RandomPart
    lead_index: int
    rest: tuple[tuple[int, RandomPart], ...]
    classes: IndexArray
    counts: FloatArray
    roots: FloatArray
    inverse_roots: FloatArray
    rotated: FloatArray
    products: FloatArray
    within: FloatArray
    m: int
    p: int
    nu: int
    reml: bool

    @classmethod
    def of(
        cls, cp: CrossProducts, covariances: Sequence[Covariance], reml: bool, layout: Layout
    ) -> SharedSums:
        """Arrange the cross-products of a design, without pilot effects.

        Parameters
        ----------
        cp : CrossProducts
            The response in them is not used.
        covariances : sequence of Covariance
            With λ linear in θ (see :func:`is_linear`).
        reml : bool
        layout : Layout
            Of `cp`, with a leading factor.
        """
        slices = StructuredProblem(layout, tuple(covariances), reml).theta_slices()
        parts = [
            RandomPart(s, layout.spans.get(i, slice(0, 0)), q, k, c.derivative(np.zeros(c.n_theta)))
            for i, (s, (q, k), c) in enumerate(zip(slices, layout.shapes, covariances, strict=True))
        ]
        lead, p, m = layout.lead, cp.p, layout.m
        q, k = layout.shapes[lead]
        zz = cp.factors[lead].zz
        first, classes = _classes(zz)
        d, axes = np.linalg.eigh(zz[first])
        kept = d > LEAST_EIGENVALUE * d.max(axis=1, keepdims=True)
        size = np.sqrt(np.where(kept, d, 0.0))
        inverse_size = np.where(kept, 1.0 / np.where(kept, size, 1.0), 0.0)
        turned = axes.swapaxes(1, 2)
        inverse_roots = inverse_size[:, :, None] * turned

        right = cp.factors[lead].zr[..., :p]
        gram = np.zeros((m + p, m + p))
        gram[m:, m:] = cp.rr[:p, :p]
        if m:
            coupling = dense_coupling(layout).c.swapaxes(1, 2)  # (q, k, m)
            right = np.concatenate([coupling, right], axis=-1)
            gram[:m, :m] = mirrored(dense_gram(layout))
            for i, part in enumerate(parts):
                if i != lead:
                    gram[part.columns, m:] = cp.factors[i].zr[..., :p].reshape(part.q * part.k, p)
            gram[m:, :m] = gram[:m, m:].T
        rotated = inverse_roots[classes] @ right
        flat = rotated.reshape(q * k, m + p)
        return cls(
            lead=parts[lead],
            lead_index=lead,
            rest=tuple((i, parts[i]) for i in layout.rest),
            classes=classes,
            counts=np.bincount(classes, minlength=len(first)).astype(np.float64),
            roots=size[:, :, None] * turned,
            inverse_roots=inverse_roots,
            rotated=rotated,
            products=_products(rotated, classes, len(first)),
            within=gram - flat.T @ flat,
            m=m,
            p=p,
            nu=cp.n - p if reml else cp.n,
            reml=reml,
        )

    @property
    def r(self) -> int:
        """Columns of U."""
        return self.m + self.p

    @property
    def n_theta(self) -> int:
        """Parameters of one response."""
        return sum(len(part.slopes) for part in self.parts)

    @property
    def batch_size(self) -> int:
        """How many responses are fitted side by side."""
        n, k, d = len(self.lead.slopes), self.lead.k, len(self.counts)
        levels = len(self.classes) * k * max(n, k)
        largest = max((n + 1) * (self.r + 1) ** 2, n * d * k * k, levels)
        return max(1, BATCH_NUMBERS // largest)

    @property
    def parts(self) -> tuple[RandomPart, ...]:
        """All grouping factors, the leading one first."""
        return (self.lead, *(part for _, part in self.rest))

    def by_factor(self) -> list[tuple[int, RandomPart]]:
        """The same with their places among the grouping factors."""
        return [(self.lead_index, self.lead), *self.rest]

    @cached_property
    def pairs(self) -> tuple[IndexArray, IndexArray]:
        """a and b of the products."""
        a, b = np.triu_indices(self.lead.k)
        return a, b

    def by_level(self, of_classes: FloatArray) -> FloatArray:
        """(c, d, …) to (c, q, …)."""
        return of_classes if len(self.counts) == len(self.classes) else of_classes[:, self.classes]

    def by_class(self, of_levels: FloatArray) -> FloatArray:
        """Sums over the levels of each class, (c, q, …) to (c, d, …)."""
        if len(self.counts) == len(self.classes):
            return of_levels
        c, q = of_levels.shape[:2]
        flat = of_levels.reshape(c, q, -1)
        return np.asarray(self._members @ flat).reshape(c, -1, *of_levels.shape[2:])

    @cached_property
    def _members(self) -> FloatArray:
        """Whether a level belongs to a class, (d, q)."""
        return (self.classes == np.arange(len(self.counts))[:, None]).astype(np.float64)

    def weighted(self, g: FloatArray) -> FloatArray:
        """Σ_l ρ_l'g_lρ_l of U for symmetric g (…, d, k, k) of the classes, (…, r, r)."""
        a, b = self.pairs
        flat = g[..., a, b].reshape(-1, len(self.products))
        return (flat @ self.products).reshape(*g.shape[:-3], self.r, self.r)

    def contracted(self, matrix: FloatArray) -> FloatArray:
        """Σ over the levels of a class of ρ_l M ρ_l', (c, d, k, k), for symmetric M (c, r, r)."""
        k, (a, b) = self.lead.k, self.pairs
        flat = (matrix.reshape(len(matrix), -1) @ self.products.T).reshape(len(matrix), -1, len(a))
        out = np.empty((*flat.shape[:2], k, k))
        flat = np.where(a == b, flat, 0.5 * flat)
        out[..., a, b] = flat
        out[..., b, a] = flat
        return out


@dataclass(frozen=True, eq=False)
class ResponseSums:
    """What each of c responses adds.

    Attributes
    ----------
    rotated : ndarray (c, q, k)
        ρ of y.
    within : ndarray (c, r)
        N of U and y.
    within_y : ndarray (c,)
        N of y.
    """

    rotated: FloatArray
    within: FloatArray
    within_y: FloatArray

    @classmethod
    def of(cls, shared: SharedSums, sums: Sequence[CrossProducts]) -> ResponseSums:
        """From the cross-products of the responses."""
        zy = [
            np.stack([cp.factors[i].zr[..., -1] for cp in sums])
            for i in range(1 + len(shared.rest))
        ]
        xy = np.stack([cp.rr[:-1, -1] for cp in sums])
        yy = np.array([cp.rr[-1, -1] for cp in sums])
        return cls.of_products(shared, zy, xy, yy)

    @classmethod
    def of_products(
        cls, shared: SharedSums, zy: Sequence[FloatArray], xy: FloatArray, yy: FloatArray
    ) -> ResponseSums:
        """From Z'y (c, q, k) by grouping factor, X'y (c, p) and y'y (c,)."""
        c = len(yy)
        turn = shared.inverse_roots[shared.classes]
        rotated = np.einsum("qab,cqb->cqa", turn, zy[shared.lead_index])
        uy = np.concatenate([*(zy[i].reshape(c, -1) for i, _ in shared.rest), xy], axis=1)
        flat = rotated.reshape(c, -1)
        return cls(
            rotated=rotated,
            within=uy - flat @ shared.rotated.reshape(flat.shape[1], -1),
            within_y=yy - np.square(flat).sum(axis=1),
        )

    def __len__(self) -> int:
        return len(self.within_y)

    def subset(self, chosen: FloatArray | IndexArray | slice) -> ResponseSums:
        """Some of the responses."""
        return replace(
            self,
            rotated=self.rotated[chosen],
            within=self.within[chosen],
            within_y=self.within_y[chosen],
        )


def suits(cp: CrossProducts, covariances: Sequence[Covariance], layout: Layout) -> bool:
    """Whether responses of this design are fitted faster side by side than one by one."""
    if layout.lead < 0 or cp.own or not all(is_linear(c) for c in covariances):
        return False
    k, n = layout.shapes[layout.lead][1], covariances[layout.lead].n_theta
    r = layout.m + cp.p
    products = len(_classes(cp.factors[layout.lead].zz)[0]) * k * (k + 1) / 2 * r**2
    work = (n + 2) * products + (8 + 4 * n) * float(r) ** 3
    return work <= MOST_WORK and products <= MOST_PRODUCTS


def is_linear(covariance: Covariance) -> bool:
    """Whether λ is linear in θ, at a θ without symmetries."""
    theta = np.sqrt(2.0 + np.arange(covariance.n_theta))
    slopes = covariance.derivative(np.zeros(covariance.n_theta))
    return bool(np.allclose(covariance.factor(theta), np.tensordot(theta, slopes, axes=1)))


def _classes(zz: FloatArray) -> tuple[IndexArray, IndexArray]:
    """The first level of each class of equal matrices, and the class of each level."""
    size = np.einsum("qkk->q", zz)
    some = size > 0
    safe = np.where(some, size, 1.0)
    keys = np.column_stack([np.log(safe), some, (zz / safe[:, None, None]).reshape(len(zz), -1)])
    _, first, classes = np.unique(
        np.round(keys / SAME_MOMENTS), axis=0, return_index=True, return_inverse=True
    )
    classes = classes.reshape(-1)
    if len(first) == len(zz):  # in the order of the levels
        return np.arange(len(zz)), np.arange(len(zz))
    return first, classes.astype(np.intp)


def _products(rotated: FloatArray, classes: IndexArray, count: int) -> FloatArray:
    """Sums of ρ_a'ρ_b over each class."""
    k, r = rotated.shape[1:]
    a, b = np.triu_indices(k)
    out = np.empty((count, len(a), r, r))
    order = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.bincount(classes, minlength=count))
    for d, members in enumerate(np.split(order, ends[:-1])):
        own = rotated[members].swapaxes(0, 1)  # (k, levels, r)
        both = own[a].swapaxes(1, 2) @ own[b]
        out[d] = np.where((a == b)[:, None, None], both, both + both.swapaxes(1, 2))
    return out.reshape(-1, r * r)
