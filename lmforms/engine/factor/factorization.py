"""A = Λ'Z'ZΛ + I factored at one θ: solves, and the parts of inverses that derivatives need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from ...covariance import regular_inverse
from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import inverse_cholesky, mirrored, multiply, transposed
from .assembly import dense_gram
from .coupling import STRIP_NUMBERS
from .schur import DenseFactored, FactoredSchur
from .system import System

LEAST_RELATIVE_LAMBDA = 1e-4
"""Smallest singular value that replaces zero in a singular λ of many levels, relative to the
inverse root of a level's information (see :meth:`Factorization._regularised`)."""


class Factorization:
    """A = Λ'Z'ZΛ + I, factored.

    Parameters
    ----------
    system : System
    lams : sequence of ndarray (k, k)
        Relative factors λ of each grouping factor.

    Attributes
    ----------
    log_det : float
        ln|A|.
    """

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        self.system = system
        self.lams = list(lams)
        self.log_det = 0.0
        if system.lead < 0:
            return
        lam, zz = self.lams[system.lead], system.cp.factors[system.lead].zz
        k = lam.shape[0]
        a = multiply(multiply(lam.T, zz), lam) + np.eye(k)
        self._lead_inverse_root, self.log_det = inverse_cholesky(a)
        # M = Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁' is this times its transpose
        self._m_root = multiply(lam, transposed(self._lead_inverse_root))
        if system.coupling is None:
            return
        if system.solver is None:  # C and S include Λ₂, so that S is formed without copies
            rest = [(self.lams[i], system.spans[i]) for i in system.rest]
            self._coupling = system.coupling.left_scaled(rest)
            self._scaled_coupling = self._coupling.scaled(self._m_root)
            schur = dense_gram(system, self.lams)
            self._scaled_coupling.subtract_gram(schur)
            self._schur: FactoredSchur = DenseFactored(schur)
        else:
            self._coupling = system.coupling
            self._scaled_coupling = self._coupling.scaled(self._m_root)
            self._schur = system.solver.factor(self._rest_gram, self.lams)
        self.log_det += self._schur.log_det
        if not np.isfinite(self.log_det):
            raise NumericalError("ln|Λ'Z'ZΛ + I| is not finite.")

    @cached_property
    def _rest_gram(self) -> Any:
        """B = Z₂'Z₂ − C M C'."""
        system = self.system
        if system.solver is not None:
            return system.solver.remaining(self._scaled_coupling)
        b = dense_gram(system)
        system.coupling.scaled(self._m_root).subtract_gram(b)
        return mirrored(b)

    @cached_property
    def _lam_inverses(self) -> list[FloatArray | None]:
        """λ⁻¹ of each factor, None where λ is (nearly) singular."""
        return [regular_inverse(lam) for lam in self.lams]

    # --- Λ₂ -------------------------------------------------------------------------------

    def _lambda_times(self, x: FloatArray, transpose: bool = False) -> FloatArray:
        """Λ₂x or Λ₂'x for x of shape (m, r)."""
        lams = [self.lams[i] for i in self.system.rest]
        return self.system.by_level([lam.T for lam in lams] if transpose else lams, x)

    # --- solving --------------------------------------------------------------------------

    def _solve(self, w: Blocks) -> Blocks:
        """ΛA⁻¹w."""
        system = self.system
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

    def marginal(self, zr: Blocks, b0: Sequence[FloatArray]) -> tuple[Blocks, Blocks]:
        """V₀⁻¹ of R = R* + ZB₀, with V₀ = I + ZΛΛ'Z'.

        Parameters
        ----------
        zr : list of ndarray (q, k, r)
            Z'R*.
        b0 : list of ndarray (q, k, r)
            B₀.

        Returns
        -------
        v : list of ndarray (q, k, r)
            With V₀⁻¹R = R* − Zv; so B₀ + v is the best linear predictor of R's effects.
        marginal : list of ndarray (q, k, r)
            Z'V₀⁻¹R.

        Notes
        -----
        v = ΛA⁻¹Λ'Z'R* − (I + ΛΛ'Z'Z)⁻¹B₀. Where λ can be inverted the last part is ΛA⁻¹Λ⁻¹B₀:
        small effects are then computed directly, not as differences of large numbers. Where λ
        is singular it is B₀ − ΛA⁻¹Λ'Z'Z B₀.
        """
        if self.system.lead < 0:
            return [], []
        w = [multiply(lam.T, r) for lam, r in zip(self.lams, zr, strict=True)]
        v = self._marginal_effects(w, b0)
        return v, [r - g for r, g in zip(zr, self.system.gram_times(v), strict=True)]

    def marginal_of_effects(self, b: Blocks) -> Blocks:
        """Z'V₀⁻¹Zb for effects b: :meth:`marginal` of R = ZB₀."""
        if self.system.lead < 0:
            return []
        v = self._marginal_effects([0.0] * len(b), b)
        return [-g for g in self.system.gram_times(v)]

    def _marginal_effects(self, w: Sequence[Any], b0: Sequence[FloatArray]) -> Blocks:
        """ΛA⁻¹w − (I + ΛΛ'Z'Z)⁻¹B₀ (see :meth:`marginal`); zeros in w may be 0.0."""
        w = [
            x if root is None else x - multiply(root, b)
            for x, root, b in zip(w, self._lam_inverses, b0, strict=True)
        ]
        if not any(root is None for root in self._lam_inverses):
            return self._solve(w)
        kept = [
            b if root is None else np.zeros_like(b)
            for root, b in zip(self._lam_inverses, b0, strict=True)
        ]
        gram = self.system.gram_times(kept)
        w = [x + multiply(lam.T, g) for x, lam, g in zip(w, self.lams, gram, strict=True)]
        return [x - b for x, b in zip(self._solve(w), kept, strict=True)]

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
        few = self.system.solver.singular_level_sum(self._rest_gram, self._schur, shrink, i)
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
        """The same with small singular values of the remaining factors' λ replaced by ε.

        The sums are smooth functions of λλ'. Relative to B, an increase of λλ' by ε² is an error
        of ε²B, and dividing by it leaves rounding of 1/(ε²B). At ε²B = 10⁻⁸, the square of
        `LEAST_RELATIVE_LAMBDA`, each is half the digits.
        """
        lams = list(self.lams)
        for i in self.system.rest:
            if self._lam_inverses[i] is None:
                blocks = self._level_blocks(self._rest_gram, i)
                size = float(np.sqrt(np.square(np.einsum("qii->qi", blocks)).mean()))
                u, d, vt = np.linalg.svd(lams[i])
                least = LEAST_RELATIVE_LAMBDA / np.sqrt(max(size, np.finfo(float).tiny))
                if d.min() < least:
                    lams[i] = (u * np.maximum(d, least)) @ vt
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
        """Diagonal blocks of ΛA⁻¹Λ' by level: σ² times them is Var(b | y), (q, k, k) each."""
        system = self.system
        if system.lead < 0:
            return []
        out: list[FloatArray] = [np.empty(0)] * len(self.lams)
        m = multiply(self._m_root, transposed(self._m_root))
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
