"""A = Λ'Z'ZΛ + I factored at one θ: solves, and the parts of inverses that derivatives need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...covariance import regular_inverse
from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import inverse_cholesky, mirrored, multiply, transposed
from .assembly import dense_gram
from .schur import DenseFactored, FactoredSchur

if TYPE_CHECKING:
    from .system import System


LIFT = 1e-4
"""What a singular λ of many levels is lifted to, in units of the level's own information."""


class Factorization:
    """A = Λ'Z'ZΛ + I, factored.

    Attributes
    ----------
    log_det : float
        ln|A|.
    """

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        self.system = system
        self.lams = list(lams)
        self.log_det = 0.0
        self._schur: FactoredSchur | None = None
        self._inverse: Any = None
        if system.lead < 0:
            return
        lam, zz = self.lams[system.lead], system.cp.factors[system.lead].zz
        k = lam.shape[0]
        a = multiply(multiply(lam.T, zz), lam) + np.eye(k)
        self._root, self.log_det = inverse_cholesky(a)
        self._h = multiply(lam, transposed(self._root))  # HH' = Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁'
        if system.coupling is None:
            return
        if system.solver is None:  # Λ₂ goes into C and S, so that S is made in one piece
            rest = [(self.lams[i], system.spans[i]) for i in system.rest]
            self._c = system.coupling.shrunk(rest)
            self._k = self._c.scaled(self._h)
            schur = dense_gram(system, self.lams)
            self._k.subtract_gram(schur)
            factored: FactoredSchur = DenseFactored(schur)
        else:
            self._c = system.coupling
            self._k = self._c.scaled(self._h)
            factored = system.solver.factor(self._b, self.lams)
        self._schur = factored
        self.log_det += factored.log_det
        if not np.isfinite(self.log_det):
            raise NumericalError("ln|Λ'Z'ZΛ + I| is not finite.")

    @cached_property
    def _b(self) -> Any:
        """B = Z₂'Z₂ − C M C'."""
        system = self.system
        if system.solver is not None:
            return system.solver.remaining(self._k)
        b = dense_gram(system)
        system.coupling.scaled(self._h).subtract_gram(b)
        return mirrored(b)

    @cached_property
    def _lam_inverses(self) -> list[FloatArray | None]:
        """λ⁻¹ of each factor, None where λ is (nearly) singular."""
        return [regular_inverse(lam) for lam in self.lams]

    # --- Λ₂ -------------------------------------------------------------------------------

    def _left(self, x: FloatArray, transpose: bool = False) -> FloatArray:
        """Λ₂x or Λ₂'x for x of shape (m, r)."""
        out = np.empty_like(x)
        for i in self.system.rest:
            lam = self.lams[i].T if transpose else self.lams[i]
            span = self.system.spans[i]
            part = x[span].reshape(*self.system.shapes[i], -1)
            out[span] = multiply(lam, part).reshape(x[span].shape)
        return out

    # --- solving --------------------------------------------------------------------------

    def _solve(self, w: Blocks) -> Blocks:
        """ΛA⁻¹w."""
        system = self.system
        c = multiply(self._root, w[system.lead])
        if self._schur is None:
            return [multiply(self._h, c)]
        below = self._k.times(c)
        if system.solver is not None:
            below = self._left(below, transpose=True)
        flat = self._schur.solve(system.flatten(w) - below)
        effects = self._left(flat)
        above = self._k.transposed_times(flat if system.solver is None else effects)
        return system.unflatten(multiply(self._h, c - above), effects)

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
        q : list of ndarray (q, k, r)
            Z'V₀⁻¹R.

        Notes
        -----
        v = ΛA⁻¹Λ'Z'R* − (I + ΛΛ'Z'Z)⁻¹B₀, and the last part is ΛA⁻¹Λ⁻¹B₀ where λ can be
        inverted: small effects are then computed as small numbers, not as differences of
        large ones. Where λ is singular it is B₀ − ΛA⁻¹Λ'Z'Z B₀.
        """
        if self.system.lead < 0:
            return [], []
        w = [multiply(lam.T, r) for lam, r in zip(self.lams, zr, strict=True)]
        v = self._less_own(w, b0)
        q = [r - g for r, g in zip(zr, self.system.gram_times(v), strict=True)]
        return v, q

    def marginal_of_effects(self, b: Blocks) -> Blocks:
        """Z'V₀⁻¹Zb for effects b: :meth:`marginal` of R = ZB₀."""
        if self.system.lead < 0:
            return []
        v = self._less_own([0.0] * len(b), b)
        return [-g for g in self.system.gram_times(v)]

    def _less_own(self, w: Sequence[Any], b0: Sequence[FloatArray]) -> Blocks:
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

    def _schur_inverse(self) -> Any:
        if self._inverse is None and self._schur is not None:
            self._inverse = self._schur.inverse()
        return self._inverse

    def _inner_inverse(self) -> Any:
        """Q with (A⁻¹)₁₁ = D⁻¹ + (C D⁻¹)'Q(C D⁻¹), for C as this factorisation has it."""
        inverse = self._schur_inverse()
        solver = self.system.solver
        return inverse if solver is None else solver.outer(inverse, self.lams)

    def diagonal_sums(self) -> list[FloatArray]:
        """Σ over levels of the diagonal blocks of Z'V₀⁻¹Z, (k, k) for each factor.

        The derivative of ln|A| with respect to λλ' (engine notes, section 2).
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
            inverse = multiply(transposed(self._root), self._root)
            total = inverse.sum(axis=0)
            if system.coupling is not None:
                scaled = self._c.scaled(multiply(lam, inverse))
                total = total + scaled.contracted_sum(self._inner_inverse())
            return np.asarray(root.T @ (q * np.eye(k) - total) @ root)
        m = multiply(self._h, transposed(self._h))
        j = np.eye(k) - multiply(zz, m)
        total = multiply(j, zz).sum(axis=0)
        if system.coupling is not None:
            total = total - self._c.scaled(transposed(j)).contracted_sum(self._inner_inverse())
        return np.asarray(total)

    def _rest_sum(self, i: int) -> FloatArray:
        k, root = self.system.shapes[i][1], self._lam_inverses[i]
        if root is not None:
            return self._regular_rest_sum(i, root)
        # singular λ: B − BΛ₂S⁻¹Λ₂'B itself, over the columns of this factor
        schur, span = self._schur, self.system.spans[i]
        assert schur is not None
        if self.system.solver is not None:
            shrink = partial(self._left, transpose=True)
            few = self.system.solver.unshrunk_sum(self._b, schur, shrink, i)
            if few is not None:
                return few
            near = self._nearby
            return near._regular_rest_sum(i, np.asarray(np.linalg.inv(near.lams[i]), np.float64))
        total = self._level_sum(self._b, i)
        step = max(k, (1 << 22) // max(1, self.system.m) // k * k)
        for start in range(span.start, span.stop, step):
            stop = min(span.stop, start + step)
            right = self._left(self._b[:, start:stop], transpose=True)
            product = right * schur.solve(right) if k == 1 else None
            if product is not None:
                total = total - product.sum()
                continue
            a = right.reshape(self.system.m, -1, k)
            b = schur.solve(right).reshape(a.shape)
            total = total - np.einsum("mla,mlb->ab", a, b, optimize=True)
        return np.asarray(total)

    def _regular_rest_sum(self, i: int, root: FloatArray) -> FloatArray:
        """λ⁻ᵀ(I − S⁻¹)λ⁻¹, summed."""
        q, k = self.system.shapes[i]
        inner = q * np.eye(k) - self._level_sum(self._schur_inverse(), i)
        return np.asarray(root.T @ inner @ root)

    @cached_property
    def _nearby(self) -> Factorization:
        """The same with singular λ of the remaining factors lifted off zero.

        The sums are smooth functions of λλ'. Against B, a lift of ε² is an error of ε²B and
        leaves rounding of 1/(ε²B): at ε²B = 10⁻⁸, `LIFT` squared, both are half the digits.
        """
        lams = list(self.lams)
        for i in self.system.rest:
            if self._lam_inverses[i] is None:
                blocks = self._level_blocks(self._b, i)
                size = float(np.sqrt(np.square(np.einsum("qii->qi", blocks)).mean()))
                u, d, vt = np.linalg.svd(lams[i])
                lift = LIFT / np.sqrt(max(size, np.finfo(float).tiny))
                if d.min() < lift:
                    lams[i] = (u * np.maximum(d, lift)) @ vt
        lifted = any(new is not old for new, old in zip(lams, self.lams, strict=True))
        return Factorization(self.system, lams) if lifted else self

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
        m = multiply(self._h, transposed(self._h))
        out[system.lead] = m
        if system.coupling is not None:
            q = self._inner_inverse()
            out[system.lead] = m + self._c.scaled(m).contracted(q)
            for i in system.rest:
                own = self._level_blocks(q, i)
                if system.solver is None:
                    own = multiply(multiply(self.lams[i], own), self.lams[i].T)
                out[i] = own
        return out
