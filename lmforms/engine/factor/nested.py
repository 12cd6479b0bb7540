"""Nesting: every level of the leading factor meets one level of the only other factor.

C = Z₂'Z₁ then has one block per level of Z₁, the Schur complement is block-diagonal, and
an evaluation is arithmetic on k×k blocks, linear in the number of levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ...support.arrays import FloatArray, IntArray
from ..linalg.batched import inverse_cholesky, multiply, transposed
from .schur import Shrink


@dataclass(frozen=True, eq=False)
class NestedCoupling:
    """C as one block for every level of Z₁, (q₁, k₂, k₁).

    Attributes
    ----------
    blocks : ndarray (q₁, k₂, k₁)
    parents : Parents
        The level of Z₂ that every level of Z₁ belongs to.
    """

    blocks: FloatArray
    parents: Parents
    kind: ClassVar[str] = "nested"

    @property
    def count(self) -> int:
        return self.blocks.size

    @property
    def bytes(self) -> int:
        return self.blocks.nbytes + self.parents.of.nbytes

    def times(self, x: FloatArray) -> FloatArray:
        total = self.parents.sums(multiply(self.blocks, x))
        return total.reshape(-1, x.shape[-1])

    def transposed_times(self, x: FloatArray) -> FloatArray:
        above = x.reshape(self.parents.count, -1, x.shape[-1])
        return multiply(transposed(self.blocks), above[self.parents.of])

    def scaled(self, h: FloatArray) -> NestedCoupling:
        return NestedCoupling(
            self.blocks * h if h.shape[-1] == 1 else multiply(self.blocks, h), self.parents
        )

    def gram(self) -> FloatArray:
        """The diagonal blocks of CC', (q₂, k₂, k₂); there are no others."""
        return self.parents.sums(multiply(self.blocks, transposed(self.blocks)))

    def contracted_sum(self, q: FloatArray) -> FloatArray:
        if self.blocks.shape[-1] == 1:
            return np.einsum("qab,qab->", self.gram(), q).reshape(1, 1)
        right = multiply(q[self.parents.of], self.blocks)
        return np.tensordot(self.blocks, right, axes=([0, 1], [0, 1]))

    def contracted(self, q: FloatArray) -> FloatArray:
        return multiply(transposed(self.blocks), multiply(q[self.parents.of], self.blocks))


@dataclass(frozen=True, eq=False)
class Parents:
    """Which of `count` levels above each level below belongs to."""

    of: IntArray
    count: int

    @cached_property
    def _children(self) -> Any:
        """Ones, (count, levels below)."""
        import scipy.sparse as sp

        below = len(self.of)
        ones = sp.csc_matrix(
            (np.ones(below), self.of, np.arange(below + 1)), shape=(self.count, below)
        )
        return ones.tocsr()

    def sums(self, x: FloatArray) -> FloatArray:
        """Sums of x (levels below, …) over the children of every level above."""
        flat = x.reshape(len(x), -1)
        return np.asarray(self._children @ flat).reshape(self.count, *x.shape[1:])


class BlockSolver:
    """S with one block for every level of the only remaining factor.

    Parameters
    ----------
    zz : ndarray (q, k, k)
        Z₂'Z₂.
    factor : int
        Which grouping factor it is.
    """

    kind = "block diagonal"

    def __init__(self, zz: FloatArray, factor: int) -> None:
        self._zz = zz
        self._factor = factor
        self.nnz = zz.size
        self.largest = 1

    def times(self, x: FloatArray) -> FloatArray:
        return multiply(self._zz, x.reshape(*self._zz.shape[:2], -1)).reshape(x.shape)

    def remaining(self, k: NestedCoupling) -> FloatArray:
        return self._zz - k.gram()

    def factor(self, b: FloatArray, lams: Sequence[FloatArray]) -> BlockFactored:
        lam = lams[self._factor]
        root, log_det = inverse_cholesky(multiply(multiply(lam.T, b), lam) + np.eye(len(lam)))
        return BlockFactored(root, log_det)

    def outer(self, z: FloatArray, lams: Sequence[FloatArray]) -> FloatArray:
        lam = lams[self._factor]
        return multiply(multiply(lam, z), lam.T)

    def level_blocks(self, values: FloatArray, i: int) -> FloatArray:
        return values

    def unshrunk_sum(
        self, b: FloatArray, factored: BlockFactored, shrink: Shrink, i: int
    ) -> FloatArray:
        q, k = b.shape[:2]
        right = multiply(factored.root, shrink(b.reshape(q * k, k)).reshape(b.shape))
        return np.asarray(b.sum(axis=0) - np.tensordot(right, right, axes=([0, 1], [0, 1])))


@dataclass(frozen=True, eq=False)
class BlockFactored:
    """S = LL' block by block; `root` holds L⁻¹, (q, k, k)."""

    root: FloatArray
    log_det: float

    def solve(self, rhs: FloatArray) -> FloatArray:
        x = rhs.reshape(*self.root.shape[:2], -1)
        return multiply(transposed(self.root), multiply(self.root, x)).reshape(rhs.shape)

    def inverse(self) -> FloatArray:
        return multiply(transposed(self.root), self.root)
