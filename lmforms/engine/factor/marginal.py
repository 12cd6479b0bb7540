"""Products with V₀⁻¹ from solves with A, for every way of factoring A = Λ'Z'ZΛ + Q ⊗ I."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from ...covariance import regular_inverse
from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import multiply

LEAST_RELATIVE_LAMBDA = 1e-4
"""Smallest singular value that replaces zero in a singular λ of many levels, relative to the
inverse root of a level's information (see :func:`regularised_lambda`)."""


class AnalysedSystem(Protocol):
    """What the products need of an analysed A."""

    shapes: list[tuple[int, int]]

    def gram_times(self, v: Blocks) -> Blocks:
        """Z'Z v."""

    def precision_times(self, i: int, x: FloatArray) -> FloatArray:
        """(Q ⊗ I)x of factor i."""


class MarginalAlgebra(ABC):
    """Best linear predictors and products with V₀⁻¹.

    Attributes
    ----------
    system : AnalysedSystem
    lams : list of ndarray (k, k)
        Relative factors λ of each grouping factor.
    """

    system: AnalysedSystem
    lams: list[FloatArray]

    is_direct: ClassVar[bool] = False
    """Whether it comes with the sums of the criterion (:mod:`.direct_factorization`)."""

    @abstractmethod
    def solve(self, w: Blocks) -> Blocks:
        """ΛA⁻¹w."""

    @cached_property
    def _lam_inverses(self) -> list[FloatArray | None]:
        """λ⁻¹ of each factor, None where λ is (nearly) singular."""
        return [regular_inverse(lam) for lam in self.lams]

    def marginal(self, zr: Blocks, b0: Sequence[FloatArray]) -> tuple[Blocks, Blocks]:
        """V₀⁻¹ of R = R* + ZB₀, with V₀ = I + ZΛKΛ'Z'.

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
        v = ΛA⁻¹Λ'Z'R* − (I + ΛKΛ'Z'Z)⁻¹B₀. Where λ can be inverted the last part is ΛA⁻¹QΛ⁻¹B₀:
        small effects are then computed directly, not as differences of large numbers. Where λ
        is singular it is B₀ − ΛA⁻¹Λ'Z'Z B₀.
        """
        if not self.lams:
            return [], []
        w = [multiply(lam.T, r) for lam, r in zip(self.lams, zr, strict=True)]
        v = self._marginal_effects(w, b0)
        return v, [r - g for r, g in zip(zr, self.system.gram_times(v), strict=True)]

    def marginal_of_effects(self, b: Blocks) -> Blocks:
        """Z'V₀⁻¹Zb for effects b: :meth:`marginal` of R = ZB₀."""
        if not self.lams:
            return []
        v = self._marginal_effects([0.0] * len(b), b)
        return [-g for g in self.system.gram_times(v)]

    def marginal_blocks(self) -> FloatArray:
        """Z_l'V₀⁻¹Z_l of each level of one grouping factor, (q, k, k)."""
        q, k = self.system.shapes[0]
        (found,) = self.marginal_of_effects([np.tile(np.eye(k), (q, 1, 1))])
        return found

    def _marginal_effects(self, w: Sequence[Any], b0: Sequence[FloatArray]) -> Blocks:
        """ΛA⁻¹w − (I + ΛKΛ'Z'Z)⁻¹B₀ (see :meth:`marginal`); zeros in w may be 0.0."""
        w = [
            x if root is None else x - self.system.precision_times(i, multiply(root, b))
            for i, (x, root, b) in enumerate(zip(w, self._lam_inverses, b0, strict=True))
        ]
        if not any(root is None for root in self._lam_inverses):
            return self.solve(w)
        kept = [
            b if root is None else np.zeros_like(b)
            for root, b in zip(self._lam_inverses, b0, strict=True)
        ]
        gram = self.system.gram_times(kept)
        w = [x + multiply(lam.T, g) for x, lam, g in zip(w, self.lams, gram, strict=True)]
        return [x - b for x, b in zip(self.solve(w), kept, strict=True)]


def regularised_lambda(lam: FloatArray, information: FloatArray) -> FloatArray:
    """λ with small singular values replaced by ε, or λ itself.

    Sums of diagonal blocks are smooth functions of λλ'. Relative to the information B of a
    level, an increase of λλ' by ε² is an error of ε²B, and dividing by it leaves rounding of
    1/(ε²B). At ε²B = 10⁻⁸, the square of `LEAST_RELATIVE_LAMBDA`, each is half the digits.

    Parameters
    ----------
    lam : ndarray (k, k)
    information : ndarray (q, k, k)
    """
    size = float(np.sqrt(np.square(np.einsum("qii->qi", information)).mean()))
    u, d, vt = np.linalg.svd(lam)
    least = LEAST_RELATIVE_LAMBDA / np.sqrt(max(size, np.finfo(float).tiny))
    return np.asarray((u * np.maximum(d, least)) @ vt) if d.min() < least else lam
