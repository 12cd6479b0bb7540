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

from ...support.arrays import BoolArray, FloatArray, IndexArray
from ..sums.cross_products import CrossProducts

BATCH_NUMBERS = 1 << 20
"""Numbers in the largest array of one batch of responses."""


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

    def subset(self, chosen: BoolArray | IndexArray | slice) -> ResponseSums:
        """Some of the responses."""
        return replace(
            self,
            rotated=self.rotated[chosen],
            within=self.within[chosen],
            within_y=self.within_y[chosen],
        )
