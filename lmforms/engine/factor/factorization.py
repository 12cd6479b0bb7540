"""A = Λ'Z'ZΛ + I factored at one θ: solves, and the parts of inverses that derivatives need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray, IndexArray
from ..linalg.batched import inverse_cholesky, mirrored, multiply, transposed
from .assembly import dense_gram
from .coupling import STRIP_NUMBERS
from .eliminated_rows import EliminatedRows
from .marginal import MarginalAlgebra, regularised_lambda
from .nested import NestedCoupling
from .schur import DenseFactored, FactoredSchur
from .system import System

MOST_COUPLING_NUMBERS = 20_000_000
"""Numbers in the blocks between the leading and the other factors that are written out."""


class Factorization(MarginalAlgebra):
    """A = Λ'Z'ZΛ + I, factored.

    Parameters
    ----------
    system : System
    lams : sequence of ndarray (k, k)
        Relative factors λ of each grouping factor.
    """

    system: System

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        self.system = system
        self.lams = list(lams)

    @cached_property
    def log_det(self) -> float:
        """ln|A|."""
        if self.system.lead < 0:
            return 0.0
        total = self._lead_factored[1]
        if self.system.coupling is not None:
            total += self._schur.log_det
        if not np.isfinite(total):
            raise NumericalError("ln|Λ'Z'ZΛ + I| is not finite.")
        return total

    @cached_property
    def _lead_factored(self) -> tuple[FloatArray, float]:
        """Inverse roots of the blocks of the leading factor, and ln of their determinants."""
        lam, zz = self.lams[self.system.lead], self.system.cp.factors[self.system.lead].zz
        return inverse_cholesky(multiply(multiply(lam.T, zz), lam) + np.eye(len(lam)))

    @property
    def _lead_inverse_root(self) -> FloatArray:
        return self._lead_factored[0]

    @cached_property
    def _m_root(self) -> FloatArray:
        """M = Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁' is this times its transpose."""
        return multiply(self.lams[self.system.lead], transposed(self._lead_inverse_root))

    @cached_property
    def _coupling(self) -> Any:
        """C; Λ₂'C where S is dense, so that S is formed without copies."""
        system = self.system
        if system.solver is not None:
            return system.coupling
        return system.coupling.left_scaled([(self.lams[i], system.spans[i]) for i in system.rest])

    @cached_property
    def _scaled_coupling(self) -> Any:
        return self._coupling.scaled(self._m_root)

    @cached_property
    def _schur(self) -> FactoredSchur:
        if self.system.solver is None:
            schur = dense_gram(self.system, self.lams)
            self._scaled_coupling.subtract_gram(schur)
            return DenseFactored(schur)
        return self.system.solver.factor(self._rest_gram, self.lams)  # type: ignore[no-any-return]

    @cached_property
    def _rest_gram(self) -> Any:
        """B = Z₂'Z₂ − C M C'."""
        system = self.system
        if system.solver is not None:
            return system.solver.remaining(self._scaled_coupling)
        b = dense_gram(system)
        system.coupling.scaled(self._m_root).subtract_gram(b)
        return mirrored(b)

    # --- Λ₂ -------------------------------------------------------------------------------

    def _lambda_times(self, x: FloatArray, transpose: bool = False) -> FloatArray:
        """Λ₂x or Λ₂'x for x of shape (m, r)."""
        lams = [self.lams[i] for i in self.system.rest]
        return self.system.by_level([lam.T for lam in lams] if transpose else lams, x)

    # --- solving --------------------------------------------------------------------------

    def solve(self, w: Blocks) -> Blocks:
        """ΛA⁻¹w."""
        system = self.system
        if system.lead < 0:
            return []
        c = multiply(self._lead_inverse_root, w[system.lead])
        if system.coupling is None:
            return [multiply(self._m_root, c)]
        below = self._scaled_coupling.times(c)
        if system.solver is not None:
            below = self._lambda_times(below, transpose=True)
        flat = self._schur.solve(system.flatten(w) - below)
        effects = self._lambda_times(flat)
        above = self._scaled_coupling.transposed_times(flat if system.solver is None else effects)
        return system.unflatten(multiply(self._m_root, c - above), effects)

    def eliminated_rows(self) -> EliminatedRows | None:
        """Products of single rows, where S is dense and its blocks with the leading factor few."""
        system = self.system
        if system.coupling is None or system.solver is not None:
            return None
        q, k = system.shapes[system.lead]
        if q * k * system.m > MOST_COUPLING_NUMBERS:
            return None
        coupling = self._scaled_coupling.transposed_times(np.eye(system.m))
        return EliminatedRows(self._lead_inverse_root, coupling, self._schur)

    # --- parts of inverses ----------------------------------------------------------------

    @cached_property
    def _schur_inverse(self) -> Any:
        return self._schur.inverse()

    def _inner_inverse(self) -> Any:
        """Q with (A⁻¹)₁₁ = D⁻¹ + (C D⁻¹)'Q(C D⁻¹), for C as this factorisation stores it."""
        inverse, solver = self._schur_inverse, self.system.solver
        return inverse if solver is None else solver.outer(inverse, self.lams)

    def diagonal_sums(self) -> list[FloatArray]:
        """Σ over levels of the diagonal blocks of Z'V₀⁻¹Z, (k, k) for each factor.

        The derivative of ln|A| with respect to λλ'.
        """
        system = self.system
        if system.lead < 0:
            return []
        out = [
            self._rest_sum(i) if i != system.lead else np.empty(0) for i in range(len(self.lams))
        ]
        out[system.lead] = self._lead_sum()
        return [0.5 * (total + total.T) for total in out]

    def _lead_sum(self) -> FloatArray:
        system = self.system
        lam, zz = self.lams[system.lead], system.cp.factors[system.lead].zz
        q, k = system.shapes[system.lead]
        root = self._lam_inverses[system.lead]
        if root is not None:  # λ⁻ᵀ(I − A⁻¹)λ⁻¹
            inverse = multiply(transposed(self._lead_inverse_root), self._lead_inverse_root)
            total = inverse.sum(axis=0)
            if system.coupling is not None:
                scaled = self._coupling.scaled(multiply(lam, inverse))
                total = total + scaled.contracted_sum(self._inner_inverse())
            return np.asarray(root.T @ (q * np.eye(k) - total) @ root)
        m = multiply(self._m_root, transposed(self._m_root))
        j = np.eye(k) - multiply(zz, m)
        total = multiply(j, zz).sum(axis=0)
        if system.coupling is not None:
            total = total - self._coupling.scaled(transposed(j)).contracted_sum(
                self._inner_inverse()
            )
        return np.asarray(total)

    def _rest_sum(self, i: int) -> FloatArray:
        root = self._lam_inverses[i]
        if root is not None:
            return self._regular_rest_sum(i, root)
        if self.system.solver is None:
            return self._singular_rest_sum(i)
        shrink = partial(self._lambda_times, transpose=True)
        few = self.system.solver.singular_level_sum(
            self._rest_gram, self._schur, self.lams, shrink, i
        )
        if few is not None:
            return few
        near = self._regularised
        return near._regular_rest_sum(i, np.asarray(np.linalg.inv(near.lams[i]), np.float64))

    def _singular_rest_sum(self, i: int) -> FloatArray:
        """B − BΛ₂S⁻¹Λ₂'B itself, over the columns of this factor, for a dense S."""
        k, span, m = self.system.shapes[i][1], self.system.spans[i], self.system.m
        total = self._level_sum(self._rest_gram, i)
        step = max(k, STRIP_NUMBERS // max(1, m) // k * k)
        for start in range(span.start, span.stop, step):
            stop = min(span.stop, start + step)
            right = self._lambda_times(self._rest_gram[:, start:stop], transpose=True)
            solved = self._schur.solve(right)
            if k == 1:
                total = total - (right * solved).sum()
                continue
            a, b = right.reshape(m, -1, k), solved.reshape(m, -1, k)
            total = total - np.einsum("mla,mlb->ab", a, b, optimize=True)
        return np.asarray(total)

    def _regular_rest_sum(self, i: int, root: FloatArray) -> FloatArray:
        """λ⁻ᵀ(I − S⁻¹)λ⁻¹, summed."""
        q, k = self.system.shapes[i]
        inner = q * np.eye(k) - self._level_sum(self._schur_inverse, i)
        return np.asarray(root.T @ inner @ root)

    @cached_property
    def _regularised(self) -> Factorization:
        """The same with small singular values of the remaining factors' λ replaced."""
        lams = list(self.lams)
        for i in self.system.rest:
            if self._lam_inverses[i] is None:
                lams[i] = regularised_lambda(lams[i], self._level_blocks(self._rest_gram, i))
        changed = any(new is not old for new, old in zip(lams, self.lams, strict=True))
        return Factorization(self.system, lams) if changed else self

    def _level_sum(self, matrix: Any, i: int) -> FloatArray:
        """Σ over levels of the diagonal blocks of factor i in an m×m matrix."""
        return self._level_blocks(matrix, i).sum(axis=0)

    def _level_blocks(self, matrix: Any, i: int) -> FloatArray:
        if self.system.solver is not None:
            return self.system.solver.level_blocks(matrix, i)
        q, k = self.system.shapes[i]
        at = self.system.spans[i].start + np.arange(q * k).reshape(q, k)
        rows, cols = np.repeat(at, k, axis=1), np.tile(at, (1, k))
        blocks = np.tril(matrix[rows.ravel(), cols.ravel()].reshape(q, k, k))
        return np.asarray(blocks + transposed(np.tril(blocks, -1)))

    def level_blocks(self) -> list[FloatArray]:
        """Diagonal blocks of ΛA⁻¹Λ' by level: σ² times them is Var(b | y), (q, k, k) each.

        Of LΛA⁻¹Λ'L' where the levels of the only factor have a root L.
        """
        system = self.system
        if system.lead < 0:
            return []
        out: list[FloatArray] = [np.empty(0)] * len(self.lams)
        m = multiply(self._m_root, transposed(self._m_root))
        root = system.roots[system.lead]
        if root is not None:
            return [_through_root(root, m)]
        out[system.lead] = m
        if system.coupling is not None:
            q = self._inner_inverse()
            out[system.lead] = m + self._coupling.scaled(m).contracted(q)
            for i in system.rest:
                own = self._level_blocks(q, i)
                if system.solver is None:
                    own = multiply(multiply(self.lams[i], own), self.lams[i].T)
                out[i] = own
        return out

    def pair_blocks(self, a: int, b: int, rows: IndexArray, cols: IndexArray) -> FloatArray:
        """Blocks of ΛA⁻¹Λ' for pairs of levels of two factors that meet, (pairs, k_a, k_b).

        Parameters
        ----------
        a, b : int
            Grouping factors, a < b. S is dense, or the factors are nested.
        rows, cols : ndarray of int (pairs,)
            Their levels: all that meet, sorted.
        """
        system = self.system
        if isinstance(system.coupling, NestedCoupling):
            return self._nested_pairs(a, b, rows, cols)
        if a == system.lead:
            return self._lead_pairs(b, rows, cols)
        if b == system.lead:
            return transposed(self._lead_pairs(a, cols, rows))
        (i, k_a), (j, k_b) = ((system.spans[f].start, system.shapes[f][1]) for f in (a, b))
        at_a = i + rows[:, None] * k_a + np.arange(k_a)
        at_b = j + cols[:, None] * k_b + np.arange(k_b)
        blocks = self._schur_inverse[at_b[:, None, :], at_a[:, :, None]]  # the lower triangle
        return multiply(multiply(self.lams[a], blocks), self.lams[b].T)

    def _nested_pairs(self, a: int, b: int, rows: IndexArray, cols: IndexArray) -> FloatArray:
        """The same for nested factors, whose pairs are the levels of the inner one."""
        places = self.system.coupling.nesting.chain.factors
        n, outer = places.index(a), places.index(b)
        if n > outer:
            return transposed(self._nested_pairs(b, a, cols, rows))
        inverse = self._inner_inverse()
        if n:
            return transposed(inverse[n, outer])[rows]
        m = multiply(self._m_root, transposed(self._m_root))
        return -multiply(m, self.system.coupling.times_ancestors(inverse, outer))[rows]

    def _lead_pairs(self, i: int, lead: IndexArray, others: IndexArray) -> FloatArray:
        """Blocks of ΛA⁻¹Λ' = −M C'Λ₂S⁻¹Λ₂', some levels of factor i at a time."""
        system, span = self.system, self.system.spans[i]
        (q, k), (q1, k1) = system.shapes[i], system.shapes[system.lead]
        inverse = self._whole_schur_inverse
        out = np.empty((len(lead), k1, k))
        step = max(1, STRIP_NUMBERS // max(1, q1 * k1 * k))
        order = np.argsort(others, kind="stable") if step < q else np.arange(len(others))
        ends = np.searchsorted(others[order], np.arange(0, q, step)) if step < q else [0]
        for first, start, stop in zip(
            range(0, q, step), ends, [*ends[1:], len(others)], strict=True
        ):
            own = slice(span.start + first * k, min(span.stop, span.start + (first + step) * k))
            product = self._scaled_coupling.transposed_times(np.ascontiguousarray(inverse[:, own]))
            product = product.reshape(q1, k1, -1, k)
            at = order[start:stop]
            out[at] = product[lead[at], :, others[at] - first]
        return -multiply(multiply(self._m_root[lead], out), self.lams[i].T)

    @cached_property
    def _whole_schur_inverse(self) -> FloatArray:
        return mirrored(np.array(self._schur_inverse))


def _through_root(root: Any, blocks: FloatArray) -> FloatArray:
    """Diagonal blocks (q, k, k) of (L ⊗ I) M (L ⊗ I)' for a block-diagonal M, (r, k, k)."""
    squares = np.square(root) if isinstance(root, np.ndarray) else root.multiply(root).tocsr()
    return np.asarray(squares @ blocks.reshape(len(blocks), -1)).reshape(-1, *blocks.shape[1:])
