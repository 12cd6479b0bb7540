"""Products of rows of Z and of R⁻¹Z with M = ΛA⁻¹Λ', σ²M the covariance of b given y and β.

With one grouping factor whose levels the residuals do not connect, rows of one level need one
block of M only. With several and a dense Schur complement the largest of them is eliminated row by
row. Otherwise each row is a solve with the factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np

from ...engine.factor import Factorization
from ...engine.factor.eliminated_rows import EliminatedRows
from ...engine.linalg.batched import multiply
from ...engine.rows import FactorRows
from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray
from ...support.row_chunks import MOST_NUMBERS, row_chunks
from .residual_precision import residual_precision

Side = Literal["design", "weighted"]
"""Rows of Z, or of R⁻¹Z."""


class RandomProducts(Protocol):
    """Products with M."""

    def diagonal(self, left: Side, right: Side) -> FloatArray:
        """l_i M r_i' for each row, (n,)."""

    def block(self, rows: IndexArray) -> FloatArray:
        """R⁻¹ZMZ'R⁻¹ between some rows, (m, m)."""


@dataclass(frozen=True, eq=False)
class NoRandomEffects:
    """Of a model without random terms."""

    n: int

    def diagonal(self, left: Side, right: Side) -> FloatArray:
        """See :class:`RandomProducts`."""
        return np.zeros(self.n)

    def block(self, rows: IndexArray) -> FloatArray:
        """See :class:`RandomProducts`."""
        return np.zeros((len(rows), len(rows)))


@dataclass(frozen=True, eq=False)
class LevelProducts:
    """Of one grouping factor, level by level.

    Attributes
    ----------
    codes : ndarray of int (n,)
    sides : dict of str to ndarray (n, k)
        Rows of Z and of R⁻¹Z, in the columns of their level.
    blocks : ndarray (q, k, k)
        Diagonal blocks of M.
    """

    codes: IndexArray
    sides: dict[Side, FloatArray]
    blocks: FloatArray

    @cached_property
    def _solved(self) -> FloatArray:
        """R⁻¹ZM, (n, k)."""
        return np.einsum("ij,ijk->ik", self.sides["weighted"], self.blocks[self.codes])

    def diagonal(self, left: Side, right: Side) -> FloatArray:
        """See :class:`RandomProducts`."""
        if right == "design":
            left, right = right, left
        if right == "weighted":
            return np.einsum("ik,ik->i", self.sides[left], self._solved)
        own = self.sides["design"]
        return np.einsum("ij,ijk,ik->i", own, self.blocks[self.codes], own, optimize=True)

    def block(self, rows: IndexArray) -> FloatArray:
        """See :class:`RandomProducts`."""
        own = self.codes[rows]
        product = self._solved[rows] @ self.sides["weighted"][rows].T
        return np.where(own[:, None] == own, product, 0.0)


@dataclass(frozen=True, eq=False)
class SolvedProducts:
    """Of any grouping factors, by solves with the factor.

    Attributes
    ----------
    factor : Factorization or JointFactorization
    shapes : list of (int, int)
        Levels, or coordinates of them, and effects of each grouping factor.
    sides : dict of str to sparse (n, m)
        Z and R⁻¹Z.
    """

    factor: Any
    shapes: list[tuple[int, int]]
    sides: dict[Side, Any]

    @cached_property
    def _kept(self) -> dict[tuple[Side, Side], FloatArray]:
        return {}

    def diagonal(self, left: Side, right: Side) -> FloatArray:
        """See :class:`RandomProducts`."""
        if (left, right) not in self._kept:
            n = self.sides[left].shape[0]
            out = np.empty(n)
            for rows in row_chunks(n, self.sides[left].shape[1]):
                solved = self._solved(self.sides[right][rows])
                out[rows] = self.sides[left][rows].multiply(solved.T).sum(axis=1)
            self._kept[left, right] = out
        return self._kept[left, right]

    def block(self, rows: IndexArray) -> FloatArray:
        """See :class:`RandomProducts`."""
        own = self.sides["weighted"][rows]
        out = np.empty((len(rows), len(rows)))
        for some in row_chunks(len(rows), own.shape[1]):
            out[:, some] = own @ self._solved(own[some])
        return 0.5 * (out + out.T)

    def _solved(self, rows: Any) -> FloatArray:
        """M times rows (r, m), transposed: (m, r)."""
        right = rows.toarray().T
        ends = np.cumsum([0, *(q * k for q, k in self.shapes)])
        parts = [
            multiply(lam.T, right[a:b].reshape(q, k, -1))
            for (a, b), (q, k), lam in zip(
                pairwise(ends), self.shapes, self.factor.lams, strict=True
            )
        ]
        return np.concatenate([x.reshape(-1, x.shape[-1]) for x in self.factor.solve(parts)])


@dataclass(frozen=True, eq=False)
class EliminatedProducts:
    """Of several grouping factors with a dense Schur complement, row by row.

    Attributes
    ----------
    eliminated : EliminatedRows
    codes : ndarray of int (n,)
        Of the leading factor.
    lead : dict of str to ndarray (n, k)
        Rows of ZΛ and of R⁻¹ZΛ in the columns of their level of the leading factor.
    rest : dict of str to ndarray or sparse (n, m)
        The same in all columns of the others.
    """

    eliminated: EliminatedRows
    codes: IndexArray
    lead: dict[Side, FloatArray]
    rest: dict[Side, Any]

    def _reduced(self, side: Side, rows: Any) -> tuple[FloatArray, FloatArray]:
        rest = self.rest[side][rows]
        rest = rest if isinstance(rest, np.ndarray) else rest.toarray()
        return self.eliminated.reduced(self.codes[rows], self.lead[side][rows], rest)

    def diagonal(self, left: Side, right: Side) -> FloatArray:
        """See :class:`RandomProducts`."""
        n = len(self.codes)
        out = np.empty(n)
        for rows in row_chunks(n, self.eliminated.coupling.shape[2]):
            c, t = self._reduced(left, rows)
            d, u = (c, t) if left == right else self._reduced(right, rows)
            solved = self.eliminated.solve(u)
            out[rows] = np.einsum("ia,ia->i", c, d) + np.einsum("ij,ij->i", t, solved)
        return out

    def block(self, rows: IndexArray) -> FloatArray:
        """See :class:`RandomProducts`."""
        c, t = self._reduced("weighted", rows)
        own = self.codes[rows]
        product = t @ self.eliminated.solve(t).T
        product += np.where(own[:, None] == own, c @ c.T, 0.0)
        return 0.5 * (product + product.T)


def _eliminated_products(state: FitState, bases: Sequence[FloatArray]) -> EliminatedProducts | None:
    """Products by elimination, where the model allows it."""
    import scipy.sparse as sp

    design, residual = state.design, state.residual
    factor, system = state.estimate.optimum.evaluation.factor, state.estimate.problem.system
    if state.relationship or not isinstance(factor, Factorization):
        return None
    codes = design.groups[system.lead].codes
    eliminated = factor.eliminated_rows() if residual.is_within(codes) else None
    if eliminated is None:
        return None
    scaled = [basis @ lam for basis, lam in zip(bases, factor.lams, strict=True)]
    parts = [
        sp.csr_array(
            FactorRows(design.groups[i].codes, len(design.groups[i].labels), scaled[i]).matrix()
        )
        for i in system.rest
    ]
    rest = sp.csr_array(sp.hstack(parts))
    weighted = sp.csr_array(residual_precision(residual, design.n) @ rest)
    lead = scaled[system.lead]
    if design.n * system.m <= MOST_NUMBERS:
        rest, weighted = rest.toarray(), weighted.toarray()
    return EliminatedProducts(
        eliminated,
        codes,
        {"design": lead, "weighted": np.asarray(residual.solve(lead))},
        {"design": rest, "weighted": weighted},
    )


def random_products(state: FitState, bases: Sequence[FloatArray]) -> RandomProducts:
    """Products for a factored fit, whose bases (n, k) are in the engine's units."""
    import scipy.sparse as sp

    groups, residual = state.design.groups, state.residual
    evaluation, system = state.estimate.optimum.evaluation, state.estimate.problem.system
    if not groups:
        return NoRandomEffects(state.design.n)
    is_alone = len(groups) == 1 and groups[0].name not in state.relationship
    if is_alone and residual.is_within(groups[0].codes):
        sides: dict[Side, FloatArray] = {
            "design": bases[0],
            "weighted": np.asarray(residual.solve(bases[0])),
        }
        return LevelProducts(groups[0].codes, sides, evaluation.factor.level_blocks()[0])
    eliminated = _eliminated_products(state, bases)
    if eliminated is not None:
        return eliminated
    parts, shapes = [], []
    for group, basis, root in zip(groups, bases, system.roots, strict=True):
        k = basis.shape[1]
        own = sp.csr_array(FactorRows(group.codes, len(group.labels), basis).matrix())
        if root is not None:
            own = own @ sp.kron(sp.csr_array(root), sp.eye_array(k), format="csr")
        parts.append(own)
        shapes.append((own.shape[1] // k, k))
    Z = sp.csr_array(sp.hstack(parts))
    weighted = sp.csr_array(residual_precision(residual, state.design.n) @ Z)
    return SolvedProducts(evaluation.factor, shapes, {"design": Z, "weighted": weighted})
