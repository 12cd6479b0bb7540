"""Nested factors: C and S where every level of a factor belongs to one level of the next.

C = Z₂'Z₁ then has one block for a level of Z₁ and each factor further out. Eliminating the levels
from the innermost factor outwards fills nothing, and an evaluation is arithmetic on k×k blocks,
linear in the number of levels. With two factors S is block-diagonal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...support.arrays import FloatArray, LinearMap
from ..linalg.batched import inverse_cholesky, multiply, transposed
from .chain import Ancestors, Chain, Pair


@dataclass(frozen=True, eq=False)
class Nesting:
    """The remaining factors of a chain, by their places in it: 1, 2 and so on.

    Attributes
    ----------
    chain : Chain
    spans : dict of int to slice
        Rows of each place in the remaining columns.
    """

    chain: Chain
    spans: dict[int, slice]

    def __iter__(self) -> Iterator[int]:
        return iter(self.spans)

    def beyond(self, n: int) -> Iterator[int]:
        """Places further out than n."""
        return (a for a in self.spans if a > n)

    def pairs_beyond(self, n: int) -> Iterator[Pair]:
        """Pairs of such places, (a, b) with a ≤ b."""
        return ((a, b) for a in self.beyond(n) for b in self.spans if b >= a)

    def ancestors(self, n: int, a: int) -> Ancestors:
        """Of the levels of n."""
        return self.chain.ancestors[n, a]

    def part(self, x: FloatArray, n: int) -> FloatArray:
        """Rows (m, r) of one place, by level: (q, k, r)."""
        return x[self.spans[n]].reshape(len(self.chain.blocks[n, n]), -1, x.shape[-1])


Blocks = dict[Pair, FloatArray]
"""A symmetric matrix of the remaining columns, where it is not zero: blocks (q_n, k_a, k_n) of the
levels of n and their ancestors in a at (n, a), and those on the diagonal at (n, n)."""


def _at_level(nesting: Nesting, matrix: Blocks, n: int, a: int, b: int) -> FloatArray:
    """The block (a, b) of the ancestors of every level of n, (q_n, k_b, k_a), a ≤ b."""
    return matrix[a, b] if a == n else matrix[a, b][nesting.ancestors(n, a).of]


@dataclass(frozen=True, eq=False)
class NestedCoupling:
    """C as blocks for every level of Z₁.

    Attributes
    ----------
    blocks : dict of int to ndarray (q₁, k, k₁)
        By place in the chain.
    nesting : Nesting
    """

    blocks: dict[int, FloatArray]
    nesting: Nesting
    kind: ClassVar[str] = "nested"

    @property
    def count(self) -> int:
        return sum(block.size for block in self.blocks.values())

    @property
    def bytes(self) -> int:
        held = self.nesting.chain.ancestors
        return sum(b.nbytes + held[0, a].of.nbytes for a, b in self.blocks.items())

    def times(self, x: FloatArray) -> FloatArray:
        out = np.empty((max(s.stop for s in self.nesting.spans.values()), x.shape[-1]))
        for a, block in self.blocks.items():
            total = self.nesting.ancestors(0, a).sums(multiply(block, x))
            out[self.nesting.spans[a]] = total.reshape(-1, x.shape[-1])
        return out

    def transposed_times(self, x: FloatArray) -> FloatArray:
        total: FloatArray | None = None
        for a, block in self.blocks.items():
            outer = self.nesting.part(x, a)[self.nesting.ancestors(0, a).of]
            product = multiply(transposed(block), outer)
            total = product if total is None else total + product
        assert total is not None
        return total

    def scaled(self, h: FloatArray) -> NestedCoupling:
        scaled = {
            a: block * h if h.shape[-1] == 1 else multiply(block, h)
            for a, block in self.blocks.items()
        }
        return NestedCoupling(scaled, self.nesting)

    def gram(self) -> Blocks:
        """CC' where it is not zero."""
        return {
            (a, b): self.nesting.ancestors(0, a).sums(
                multiply(self.blocks[b], transposed(self.blocks[a]))
            )
            for a, b in self.nesting.pairs_beyond(0)
        }

    def contracted_sum(self, q: Blocks) -> FloatArray:
        if next(iter(self.blocks.values())).shape[-1] == 1:
            gram = self.gram()
            total = sum((1 + (a != b)) * np.vdot(gram[a, b], q[a, b]) for a, b in gram)
            return np.reshape(np.asarray(total, dtype=np.float64), (1, 1))
        return np.asarray(self.contracted(q).sum(axis=0))

    def times_ancestors(self, q: Blocks, a: int) -> FloatArray:
        """C'Q at every level and its ancestor in a, (q₁, k₁, k_a)."""
        total: FloatArray | None = None
        for b, block in self.blocks.items():
            middle = _at_level(self.nesting, q, 0, min(a, b), max(a, b))
            product = multiply(transposed(block), middle if b >= a else transposed(middle))
            total = product if total is None else total + product
        assert total is not None
        return total

    def contracted(self, q: Blocks) -> FloatArray:
        total: FloatArray | None = None
        for a, b in self.nesting.pairs_beyond(0):
            right = multiply(_at_level(self.nesting, q, 0, a, b), self.blocks[a])
            product = multiply(transposed(self.blocks[b]), right)
            if a != b:
                product = product + transposed(product)
            total = product if total is None else total + product
        assert total is not None
        return total


class NestedSolver:
    """S of nested factors.

    Parameters
    ----------
    nesting : Nesting
    """

    def __init__(self, nesting: Nesting) -> None:
        self._nesting, self._factors = nesting, nesting.chain.factors
        self._gram: Blocks = {pair: nesting.chain.blocks[pair] for pair in nesting.pairs_beyond(0)}
        self.kind = "block diagonal" if len(self._gram) == 1 else "nested"
        self.nnz = sum(block.size for block in self._gram.values())
        self.largest = 1

    def times(self, x: FloatArray) -> FloatArray:
        nesting, out = self._nesting, np.zeros_like(x)
        for (n, a), block in self._gram.items():
            own = nesting.part(x, n)
            if n == a:
                out[nesting.spans[n]] += multiply(block, own).reshape(-1, x.shape[-1])
                continue
            up = nesting.ancestors(n, a)
            down = multiply(transposed(block), nesting.part(x, a)[up.of])
            out[nesting.spans[n]] += down.reshape(-1, x.shape[-1])
            out[nesting.spans[a]] += up.sums(multiply(block, own)).reshape(-1, x.shape[-1])
        return out

    def remaining(self, k: NestedCoupling) -> Blocks:
        taken = k.gram()
        return {key: block - taken[key] for key, block in self._gram.items()}

    def _scaled(self, b: Blocks, lams: Sequence[FloatArray], outer: bool) -> Blocks:
        """Λ'bΛ, or with `outer` ΛbΛ'."""
        own = {n: lams[self._factors[n]] for n in self._nesting}
        left = own if outer else {n: lam.T for n, lam in own.items()}
        return {
            (n, a): multiply(multiply(left[a], block), left[n].T) for (n, a), block in b.items()
        }

    def factor(self, b: Blocks, lams: Sequence[FloatArray]) -> NestedFactored:
        left = self._scaled(b, lams, False)
        for n in self._nesting:
            left[n, n] = left[n, n] + np.eye(left[n, n].shape[-1])
        roots, across, log_det = {}, {}, 0.0
        for n in self._nesting:
            roots[n], own = inverse_cholesky(left[n, n])
            log_det += own
            for a in self._nesting.beyond(n):
                across[n, a] = multiply(left[n, a], transposed(roots[n]))
            self._eliminate(left, across, n)
        return NestedFactored(self._nesting, roots, across, log_det)

    def _eliminate(self, left: Blocks, across: Blocks, n: int) -> None:
        """Subtract what the levels of n take from their ancestors."""
        for a, b in self._nesting.pairs_beyond(n):
            product = multiply(across[n, b], transposed(across[n, a]))
            left[a, b] = left[a, b] - self._nesting.ancestors(n, a).sums(product)

    def outer(self, z: Blocks, lams: Sequence[FloatArray]) -> Blocks:
        return self._scaled(z, lams, True)

    def level_blocks(self, values: Blocks, i: int) -> FloatArray:
        n = self._factors.index(i)
        return values[n, n]

    def singular_level_sum(
        self,
        b: Blocks,
        factored: NestedFactored,
        lams: Sequence[FloatArray],
        shrink: LinearMap,
        i: int,
    ) -> FloatArray:
        """S − [S C']Σ[S C']' of what is left of b once all inner levels are eliminated.

        Σ = Λ₂S⁻¹Λ₂' are the covariances of a level and its ancestors.
        """
        nesting, last, left = self._nesting, self._factors.index(i), dict(b)
        across: Blocks = {}
        for n in nesting:
            if n == last:
                break
            half = multiply(lams[self._factors[n]], transposed(factored.roots[n]))
            for a in nesting.beyond(n):
                across[n, a] = multiply(left[n, a], half)
            self._eliminate(left, across, n)
        sigma = self.outer(factored.inverse(), lams)
        total = left[last, last].sum(axis=0)
        places = [last, *nesting.beyond(last)]
        for x in places:
            for y in places[places.index(x) :]:
                middle = _at_level(nesting, sigma, last, x, y)
                product = multiply(transposed(left[last, y]), multiply(middle, left[last, x]))
                taken = product.sum(axis=0)
                total = total - (taken if x == y else taken + taken.T)
        return np.asarray(total)


@dataclass(frozen=True, eq=False)
class NestedFactored:
    """S = LL': L⁻¹ of the levels of each place, and the blocks of L between ancestors and them."""

    nesting: Nesting
    roots: dict[int, FloatArray]
    across: Blocks
    log_det: float

    def solve(self, rhs: FloatArray) -> FloatArray:
        nesting, out = self.nesting, rhs.copy()
        for n in nesting:
            own = multiply(self.roots[n], nesting.part(out, n))
            out[nesting.spans[n]] = own.reshape(-1, rhs.shape[-1])
            for a in nesting.beyond(n):
                taken = nesting.ancestors(n, a).sums(multiply(self.across[n, a], own))
                out[nesting.spans[a]] -= taken.reshape(-1, rhs.shape[-1])
        for n in reversed(self.roots):
            own = nesting.part(out, n)
            for a in nesting.beyond(n):
                outer = nesting.part(out, a)[nesting.ancestors(n, a).of]
                own = own - multiply(transposed(self.across[n, a]), outer)
            own = multiply(transposed(self.roots[n]), own)
            out[nesting.spans[n]] = own.reshape(-1, rhs.shape[-1])
        return out

    def inverse(self) -> Blocks:
        """S⁻¹ where S is not zero."""
        out: Blocks = {}
        for n in reversed(self.roots):
            root = self.roots[n]
            own = multiply(transposed(root), root)
            for a in self.nesting.beyond(n):
                for b in self.nesting.beyond(n):
                    near, far = min(a, b), max(a, b)
                    block = _at_level(self.nesting, out, n, near, far)
                    if b > a:
                        block = transposed(block)
                    product = multiply(multiply(block, self.across[n, b]), root)
                    out[n, a] = out[n, a] - product if (n, a) in out else -product
                taken = multiply(transposed(multiply(self.across[n, a], root)), out[n, a])
                own = own - taken
            out[n, n] = own
        return out
