"""The Schur complement at one θ, as an operator, with its block-Jacobi preconditioner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...covariance import regular_inverse
from ...errors import ModelError
from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import inverse_cholesky, multiply, transposed
from .conjugate import solve
from .system import IterativeSystem


@dataclass(frozen=True, eq=False)
class Marginal:
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
        The solution below, from which a later solve can start.
    iterations : int
    """

    v: Blocks
    q: Blocks
    u: Blocks
    flat: FloatArray
    iterations: int


class Operator:
    """S = I + Λ₂'BΛ₂ at the relative factors λ, and T, its diagonal blocks by level.

    Takes the place that a Cholesky factor has in the exact engine.

    Parameters
    ----------
    system : IterativeSystem
    lams : sequence of ndarray (k, k)

    Attributes
    ----------
    lam_inverses : list of ndarray (k, k) or None
        λ⁻¹ where λ is not (nearly) singular.
    log_det_known : float
        ln|Λ₁'Z₁'Z₁Λ₁ + I| + ln|T|: all of ln|A| but ln|T^(−½)ST^(−½)|.
    own : list of ndarray (q, k, k)
        Diagonal blocks of B, for each of the rest.
    jacobi : list of ndarray (q, k, k)
        T⁻¹.
    root : list of ndarray (q, k, k)
        L⁻¹ with T = LL'.
    """

    def __init__(self, system: IterativeSystem, lams: Sequence[FloatArray]) -> None:
        self.system = system
        self.lams = list(lams)
        self.lam_inverses = [regular_inverse(lam) for lam in self.lams]
        self.rest_lams = [self.lams[i] for i in system.rest]
        lam, zz = self.lams[system.lead], system.cp.factors[system.lead].zz
        a = multiply(multiply(lam.T, zz), lam) + np.eye(lam.shape[0])
        self.lead_root, log_det = inverse_cholesky(a)
        self._h = multiply(lam, transposed(self.lead_root))
        self.m1 = multiply(self._h, transposed(self._h))  # Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁'
        shrunk = system.gathered(self.m1)
        self.own = [system.cp.factors[i].zz - s for i, s in zip(system.rest, shrunk, strict=True)]
        blocks = [
            multiply(multiply(lam.T, b), lam) + np.eye(lam.shape[0])
            for lam, b in zip(self.rest_lams, self.own, strict=True)
        ]
        pairs = [inverse_cholesky(b) for b in blocks]
        self.root = [root for root, _ in pairs]
        self.jacobi = [multiply(transposed(root), root) for root in self.root]
        self.log_det_known = log_det + sum(d for _, d in pairs)

    # --- products -------------------------------------------------------------------------

    def left(self, x: FloatArray, transpose: bool = False) -> FloatArray:
        """Λ₂x or Λ₂'x, (m, r)."""
        lams = [lam.T if transpose else lam for lam in self.rest_lams]
        return self.system.by_level(lams, x)

    def b_left(self, x: FloatArray) -> FloatArray:
        """BΛ₂x, (m, r)."""
        system = self.system
        y = self.left(x)
        below = system.down(multiply(self.m1, system.up(y)))
        return np.asarray(system.own(y) + system.across(y) - below)

    def schur(self, x: FloatArray) -> FloatArray:
        """S x, (m, r)."""
        return x + self.left(self.b_left(x), transpose=True)

    def precondition(self, x: FloatArray) -> FloatArray:
        """T⁻¹x, (m, r)."""
        return self.system.by_level(self.jacobi, x)

    def whitened(self, x: FloatArray) -> FloatArray:
        """L⁻¹S L⁻ᵀx with T = LL', (m, r): its diagonal blocks are the identity."""
        upper = [transposed(root) for root in self.root]
        return self.system.by_level(self.root, self.schur(self.system.by_level(upper, x)))

    # --- solving --------------------------------------------------------------------------

    def marginal(
        self, zr: Blocks, b0: Blocks, *, tolerance: float, guess: FloatArray | None = None
    ) -> Marginal:
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
        c = multiply(self.lead_root, w[system.lead])
        below = system.flatten(w) - self.left(system.down(multiply(self._h, c)), transpose=True)
        found = solve(self.schur, self.precondition, below, tolerance=tolerance, guess=guess)
        rising = multiply(transposed(self._h), system.up(self.left(found.x)))
        lead = multiply(transposed(self.lead_root), c - rising)
        solution = system.unflatten(lead, found.x)  # A⁻¹w
        v = [multiply(lam, x) - b for lam, x, b in zip(self.lams, solution, kept, strict=True)]
        return Marginal(
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
