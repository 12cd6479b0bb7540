"""Rows w of Λ'Z' with the leading grouping factor eliminated: products w_i'A⁻¹w_j of many rows.

A row has k numbers in one level l of the leading factor and few elsewhere. With D_l = F_lF_l' the
block of A and C_l its blocks with the others,

    w_i'A⁻¹w_j = [same level] c_i'c_j + t_i'S⁻¹t_j,
    c_i = F_l⁻¹w_i,  t_i = w_i(rest) − C_lF_l⁻ᵀc_i.

These are m numbers for each row, where a solve takes q k + m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from .schur import FactoredSchur


@dataclass(frozen=True, eq=False)
class EliminatedRows:
    """What the elimination takes, for a dense Schur complement S.

    Attributes
    ----------
    roots : ndarray (q, k, k)
        F_l⁻¹.
    coupling : ndarray (q, k, m)
        (C_lF_l⁻ᵀ)'.
    schur : FactoredSchur
    """

    roots: FloatArray
    coupling: FloatArray
    schur: FactoredSchur

    def reduced(
        self, codes: IndexArray, lead: FloatArray, rest: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """c (r, k) and t (r, m) of rows in levels `codes`, from their parts (r, k) and (r, m)."""
        c = np.einsum("iab,ib->ia", self.roots[codes], lead)
        t = np.array(rest)
        for a in range(c.shape[1]):
            t -= c[:, a, None] * self.coupling[codes, a]
        return c, t

    def solve(self, t: FloatArray) -> FloatArray:
        """S⁻¹ times rows (r, m)."""
        return np.asarray(self.schur.solve(np.ascontiguousarray(t.T))).T
