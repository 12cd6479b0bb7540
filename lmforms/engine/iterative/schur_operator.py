"""The Schur complement at one θ, as an operator, with its block-Jacobi preconditioner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...covariance import regular_inverse
from ...errors import ModelError
from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import inverse_cholesky, multiply, transposed
from .conjugate import MOST_ITERATIONS, Solution, solve
from .system import IterativeSystem


@dataclass(frozen=True, eq=False)
class MarginalSolution:
    """V₀⁻¹ of some columns R = R* + ZB₀.

    Attributes
    ----------
    v : list of ndarray (q, k, r)
        With V₀⁻¹R = R* − Zv.
    q : list of ndarray (q, k, r)
        Z'V₀⁻¹R.
    u : list of ndarray (q, k, r)
        A⁻¹Λ'Z'R, spherical effects.
    flat : ndarray (m, r)
        The solution of the Schur complement's equations, from which a later solve can start.
    iterations : int
    """

    v: Blocks
    q: Blocks
    u: Blocks
    flat: FloatArray
    iterations: int


class SchurOperator:
    """S = I + Λ₂'BΛ₂ at the relative factors λ, and T, its diagonal blocks by level.

    Used where the exact engine uses a Cholesky factor.

    Parameters
    ----------
    system : IterativeSystem
    lams : sequence of ndarray (k, k)
    limit : int
        Iterations of the conjugate gradients.

    Attributes
    ----------
    lam_inverses : list of ndarray (k, k) or None
        λ⁻¹ where λ is not (nearly) singular.
    log_det_known : float
        ln|Λ₁'Z₁'Z₁Λ₁ + I| + ln|T|: all of ln|A| but ln|T^(−½)ST^(−½)|.
    lead_inverse_root : ndarray (q₁, k₁, k₁)
        L₁⁻¹ with Λ₁'Z₁'Z₁Λ₁ + I = L₁L₁'.
    m : ndarray (q₁, k₁, k₁)
        M = Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁'.
    b_blocks : list of ndarray (q, k, k)
        Diagonal blocks of B, for each of the rest.
    t_inverse, t_inverse_root : list of ndarray (q, k, k)
        T⁻¹ and L⁻¹ with T = LL'.
    """

    def __init__(
        self, system: IterativeSystem, lams: Sequence[FloatArray], limit: int = MOST_ITERATIONS
    ) -> None:
        self.system = system
        self.limit = limit
        self.lams = list(lams)
        self.lam_inverses = [regular_inverse(lam) for lam in self.lams]
        self.rest_lams = [self.lams[i] for i in system.rest]
        lam, zz = self.lams[system.lead], system.cp.factors[system.lead].zz
        a = multiply(multiply(lam.T, zz), lam) + np.eye(lam.shape[0])
        self.lead_inverse_root, log_det = inverse_cholesky(a)
        self._m_root = multiply(lam, transposed(self.lead_inverse_root))
        self.m = multiply(self._m_root, transposed(self._m_root))
        explained = system.rest_diagonal_blocks(self.m)
        self.b_blocks = [
            system.cp.factors[i].zz - x for i, x in zip(system.rest, explained, strict=True)
        ]
        blocks = [
            multiply(multiply(lam.T, b), lam) + np.eye(lam.shape[0])
            for lam, b in zip(self.rest_lams, self.b_blocks, strict=True)
        ]
        pairs = [inverse_cholesky(b) for b in blocks]
        self.t_inverse_root = [root for root, _ in pairs]
        self.t_inverse = [multiply(transposed(root), root) for root in self.t_inverse_root]
        self.log_det_known = log_det + sum(d for _, d in pairs)

    # --- products -------------------------------------------------------------------------

    def lambda_times(self, x: FloatArray, transpose: bool = False) -> FloatArray:
        """Λ₂x or Λ₂'x, (m, r)."""
        lams = [lam.T if transpose else lam for lam in self.rest_lams]
        return self.system.by_level(lams, x)

    def b_lambda_times(self, x: FloatArray) -> FloatArray:
        """BΛ₂x, (m, r)."""
        system = self.system
        y = self.lambda_times(x)
        below = system.coupling_times(multiply(self.m, system.coupling_transposed_times(y)))
        return np.asarray(system.within_rest_times(y) + system.between_rest_times(y) - below)

    def schur(self, x: FloatArray) -> FloatArray:
        """S x, (m, r)."""
        return x + self.lambda_times(self.b_lambda_times(x), transpose=True)

    def precondition(self, x: FloatArray) -> FloatArray:
        """T⁻¹x, (m, r)."""
        return self.system.by_level(self.t_inverse, x)

    def whitened(self, x: FloatArray) -> FloatArray:
        """L⁻¹S L⁻ᵀx with T = LL', (m, r): its diagonal blocks are the identity."""
        upper = [transposed(root) for root in self.t_inverse_root]
        return self.system.by_level(self.t_inverse_root, self.schur(self.system.by_level(upper, x)))

    # --- solving --------------------------------------------------------------------------

    def solve(
        self, rhs: FloatArray, *, tolerance: float, guess: FloatArray | None = None
    ) -> Solution:
        """S⁻¹ rhs (see :func:`lmforms.engine.iterative.conjugate.solve`)."""
        return solve(
            self.schur, self.precondition, rhs, tolerance=tolerance, guess=guess, limit=self.limit
        )

    def marginal(
        self, zr: Blocks, b0: Blocks, *, tolerance: float, guess: FloatArray | None = None
    ) -> MarginalSolution:
        """V₀⁻¹ of R = R* + ZB₀ (see :meth:`lmforms.engine.factor.Factorization.marginal`).

        Parameters
        ----------
        zr, b0 : list of ndarray (q, k, r)
            Z'R* and B₀.
        tolerance : float
            Of the conjugate gradients.
        guess : ndarray (m, r), optional
            `flat` of a solve at a nearby θ.
        """
        system = self.system
        scaled = [
            np.zeros_like(b) if root is None else multiply(root, b)
            for root, b in zip(self.lam_inverses, b0, strict=True)
        ]
        kept = [
            b if root is None else np.zeros_like(b)
            for root, b in zip(self.lam_inverses, b0, strict=True)
        ]
        w = [multiply(lam.T, r) - x for lam, r, x in zip(self.lams, zr, scaled, strict=True)]
        if any(b.any() for b in kept):
            gram = system.gram_times(kept)
            w = [x + multiply(lam.T, g) for x, lam, g in zip(w, self.lams, gram, strict=True)]
        c = multiply(self.lead_inverse_root, w[system.lead])
        below = system.flatten(w) - self.lambda_times(
            system.coupling_times(multiply(self._m_root, c)), transpose=True
        )
        found = self.solve(below, tolerance=tolerance, guess=guess)
        explained = system.coupling_transposed_times(self.lambda_times(found.x))
        above = c - multiply(transposed(self._m_root), explained)
        lead = multiply(transposed(self.lead_inverse_root), above)
        solution = system.unflatten(lead, found.x)  # A⁻¹w
        v = [multiply(lam, x) - b for lam, x, b in zip(self.lams, solution, kept, strict=True)]
        return MarginalSolution(
            v=v,
            q=[r - g for r, g in zip(zr, system.gram_times(v), strict=True)],
            u=[x + y for x, y in zip(solution, scaled, strict=True)],
            flat=found.x,
            iterations=found.iterations,
        )

    def level_blocks(self) -> list[FloatArray]:
        """Refused: diagonal blocks of ΛA⁻¹Λ' need an inverse that is never formed here."""
        raise ModelError(
            "conditional variances of the random effects need the factor of the crossed "
            "grouping factors, but this model was fitted by conjugate gradients. Fit it with "
            "Control(factor='dense') or 'sparse' if memory allows."
        )
