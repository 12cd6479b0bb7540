"""A = Λ'Z'ZΛ + Q ⊗ I factored at one θ, with all grouping factors ordered together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray, IndexArray
from ..linalg.batched import mirrored, multiply, transposed
from .joint_system import JointSystem
from .marginal import MarginalAlgebra, regularised_lambda
from .pattern import PatternMatrix
from .schur import DenseFactored


class JointFactorization(MarginalAlgebra):
    """A factored: ln|A| − Σ k ln|Q|, solves, and parts of the inverse.

    Parameters
    ----------
    system : JointSystem
    lams : sequence of ndarray (k, k)

    Attributes
    ----------
    log_det : float
        ln|I + ZΛKΛ'Z'|.
    """

    system: JointSystem

    def __init__(self, system: JointSystem, lams: Sequence[FloatArray]) -> None:
        self.system = system
        self.lams = list(lams)
        if system.pattern is None or system.cholesky is None:
            scaled = self._shrink(np.ascontiguousarray(self._shrink(system.gram).T))
            self._factored: Any = DenseFactored(scaled + system.prior_values)
        else:
            values = system.pattern.two_sided(system.gram, self.lams) + system.prior_values
            self._factored = system.cholesky.factor(values)
        self.log_det = self._factored.log_det - system.log_det_prior
        if not np.isfinite(self.log_det):
            raise NumericalError("ln|Λ'Z'ZΛ + Q| is not finite.")

    def _shrink(self, x: FloatArray) -> FloatArray:
        """Λ'x, (m, r)."""
        return self.system.by_level([self.lams[i].T for i in self.system.rest], x)

    def solve(self, w: Blocks) -> Blocks:
        """ΛA⁻¹w."""
        flat = self._factored.solve(self.system.flatten(w))
        lams = [self.lams[i] for i in self.system.rest]
        return self.system.unflatten(np.empty(0), self.system.by_level(lams, flat))

    @cached_property
    def _inverse(self) -> FloatArray:
        """A⁻¹ on the pattern, or in the lower triangle of an array."""
        inverse = self._factored.inverse()
        where = None if self.system.cholesky is None else self.system.cholesky.where
        return np.asarray(inverse if where is None else inverse[where])

    def inverse_blocks(self, i: int) -> FloatArray:
        """Blocks of A⁻¹ level by level, (q, k, k)."""
        system = self.system
        q, k = system.shapes[i]
        if system.pattern is not None:
            block = system.own_block(i)
            return np.asarray(self._inverse[block.at[block.own]])
        own = self._inverse[system.spans[i], system.spans[i]].reshape(q, k, q, k)
        low = np.tril(np.einsum("lalb->lab", own))
        return np.asarray(low + transposed(np.tril(low, -1)))

    def diagonal_sums(self) -> list[FloatArray]:
        """Σ over pairs of levels of K_lm(Z'V₀⁻¹Z)_ml, (k, k) for each factor.

        λ⁻ᵀ(qI − Σ Q_lm(A⁻¹)_ml)λ⁻¹ where λ is regular. Where one is singular, the sum itself for
        a dense A; for a sparse one at a λ whose small singular values are replaced.
        """
        singular = any(root is None for root in self._lam_inverses)
        if singular and self.system.pattern is None:
            return self._singular_sums()
        return self._regularised._regular_sums() if singular else self._regular_sums()

    def _regular_sums(self) -> list[FloatArray]:
        out = []
        for i, lam in enumerate(self.lams):
            q, k = self.system.shapes[i]
            root = np.asarray(np.linalg.inv(lam), dtype=np.float64)
            total = root.T @ (q * np.eye(k) - self._weighted_sum(i)) @ root
            out.append(0.5 * (total + total.T))
        return out

    def _singular_sums(self) -> list[FloatArray]:
        """Of Z'V₀⁻¹Z = B − BΛA⁻¹Λ'B with B = Z'Z, for a dense A."""
        right = self._shrink(self.system.gram)
        matrix = self.system.gram - right.T @ self._factored.solve(right)
        out = []
        for i in self.system.rest:
            (q, k), span = self.system.shapes[i], self.system.spans[i]
            blocks = matrix[span, span].reshape(q, k, q * k)
            product = self.system.priors[i].covariance_times(blocks).reshape(q, k, q, k)
            total = np.einsum("lalb->ab", product)
            out.append(0.5 * (total + total.T))
        return out

    def related_marginal(self) -> FloatArray | None:
        """(K ⊗ I)Z'V₀⁻¹Z = Λ⁻ᵀ[I − A⁻¹(Q ⊗ I)]Λ⁻¹, (m, m); None where a λ is singular."""
        system = self.system
        roots = [root for root in self._lam_inverses if root is not None]
        if len(roots) < len(self.lams):
            return None
        inverse = self._full_inverse()
        for i in system.rest:
            span = system.spans[i]
            own = inverse[span].reshape(*system.shapes[i], -1)
            inverse[span] = system.precision_times(i, own).reshape(inverse[span].shape)
        left = system.by_level([root.T for root in roots], np.eye(system.m) - inverse.T)
        return np.ascontiguousarray(system.by_level([root.T for root in roots], left.T).T)

    def _full_inverse(self) -> FloatArray:
        """A⁻¹ (m, m)."""
        if self.system.pattern is None:
            return mirrored(self._inverse.copy())
        return np.array(self._factored.solve(np.eye(self.system.m)))

    def _weighted_sum(self, i: int) -> FloatArray:
        """Σ over pairs of levels of Q_lm(A⁻¹)_ml, (k, k)."""
        import scipy.sparse as sp

        system, prior = self.system, self.system.priors[i]
        diagonal = self.inverse_blocks(i)
        if prior.has_unit_precision:
            return np.asarray(diagonal.sum(axis=0))
        q, k = system.shapes[i]
        if system.pattern is None:
            own = self._inverse[system.spans[i], system.spans[i]].reshape(q, k, q, k)
            Q = sp.coo_matrix(prior.precision(q))
            below = Q.row > Q.col
            inverse, weights = own[Q.row[below], :, Q.col[below], :], Q.data[below]
            own_weights = Q.diagonal()
        else:
            block = system.own_block(i)
            weights = system.prior_values[block.at[:, 0, 0]].copy()
            own_weights, inverse = weights[block.own], self._inverse[block.at]
            weights[block.own] = 0.0
        total = np.einsum("n,nab->ab", weights, inverse)
        return np.asarray(total + total.T + np.einsum("n,nab->ab", own_weights, diagonal))

    def level_blocks(self) -> list[FloatArray]:
        """Diagonal blocks of ΛA⁻¹Λ' by level: σ² times them is Var(b | y), (q, k, k) each.

        Of L ΛA⁻¹Λ'L' where the levels have a root L.
        """
        system, out = self.system, []
        for i, lam in enumerate(self.lams):
            q, k = system.shapes[i]
            root = system.roots[i]
            if root is None:
                own = self.inverse_blocks(i)
            else:
                own = _through_root(root, self._own_inverse(i).reshape(q, k, q, k))
            out.append(np.asarray(lam @ (0.5 * (own + transposed(own))) @ lam.T))
        return out

    def pair_blocks(self, a: int, b: int, rows: IndexArray, cols: IndexArray) -> FloatArray:
        """Blocks of ΛA⁻¹Λ' for pairs of levels of two factors that meet, (pairs, k_a, k_b).

        Parameters
        ----------
        a, b : int
            Grouping factors, a < b.
        rows, cols : ndarray of int (pairs,)
            Their levels: all that meet, sorted.
        """
        system, k_a, k_b = self.system, self.system.shapes[a][1], self.system.shapes[b][1]
        if system.pattern is None:
            i = system.spans[a].start + rows[:, None] * k_a + np.arange(k_a)
            j = system.spans[b].start + cols[:, None] * k_b + np.arange(k_b)
            blocks = self._inverse[j[:, None, :], i[:, :, None]]  # the lower triangle
        else:
            own = next(x for x in system.pattern.blocks if (x.row, x.col) == (b, a))
            blocks = transposed(self._inverse[own.at])
        return np.asarray(multiply(multiply(self.lams[a], blocks), self.lams[b].T))

    def conditional_matrix(self) -> Any:
        """ΛA⁻¹Λ' at the places of Z'Z, sparse (m, m): covariances between levels that meet."""
        import scipy.sparse as sp

        system = self.system
        if system.pattern is not None:
            values = system.pattern.two_sided(self._inverse, self.lams, outer=True)
            return PatternMatrix(values, system.pattern).full()
        lams = [self.lams[i] for i in system.rest]
        half = system.by_level(lams, mirrored(self._inverse.copy()))
        matrix = system.by_level(lams, np.ascontiguousarray(half.T))
        places = system.meeting
        entries = matrix[places.row, places.col], (places.row, places.col)
        return sp.csr_matrix(entries, shape=matrix.shape)

    def _own_inverse(self, i: int) -> FloatArray:
        """The block of A⁻¹ of a factor whose levels all meet, (q k, q k)."""
        system, span = self.system, self.system.spans[i]
        if system.pattern is None:
            return mirrored(self._inverse[span, span])
        q, k = system.shapes[i]
        block = system.own_block(i)
        out = np.zeros((q, k, q, k))
        level_of_col, level_of_row = np.divmod(block.keys, q)
        values = self._inverse[block.at]
        out[level_of_row, :, level_of_col, :] = values
        out[level_of_col, :, level_of_row, :] = transposed(values)
        return out.reshape(q * k, q * k)

    @cached_property
    def _regularised(self) -> JointFactorization:
        """The same with small singular values of singular λ replaced."""
        factors = self.system.cp.factors
        lams = [
            lam if root is not None else regularised_lambda(lam, f.zz)
            for lam, root, f in zip(self.lams, self._lam_inverses, factors, strict=True)
        ]
        changed = any(new is not old for new, old in zip(lams, self.lams, strict=True))
        return JointFactorization(self.system, lams) if changed else self


def _through_root(root: Any, inverse: FloatArray) -> FloatArray:
    """Diagonal blocks (q, k, k) of (L ⊗ I) A⁻¹ (L ⊗ I)' for A⁻¹ (r, k, r, k)."""
    r, k = inverse.shape[:2]
    half = np.asarray(root @ inverse.reshape(r, -1)).reshape(-1, k, r, k)
    if isinstance(root, np.ndarray):
        return np.einsum("larb,lr->lab", half, root, optimize=True)
    out = np.empty((root.shape[0], k, k))
    for a in range(k):
        for b in range(k):
            out[:, a, b] = np.asarray(root.multiply(half[:, a, :, b]).sum(axis=1)).ravel()
    return out
