"""What is predicted on new rows, in the engine's units.

A row's target is x'β + z'b + f'b* + e with estimated β, predicted b, random effects b* of which the
data say nothing (of levels that were not observed, or drawn anew), and a residual e. Where e is
correlated with observed residuals, Cov(e, ê) = r, its best prediction has the weights a = R⁻¹r
and

    T − a'y = (x − X'a)'β + (z − Z'a)'b + f'b* + (e − a'e_o),

whose last part is independent of all else: a target of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...data.design_rows import DesignRows
from ...engine.rows import FactorRows
from ...results.state import FitState
from ...support.arrays import FloatArray

ROUNDING = 1e-10
"""Differences below this share of what is subtracted are rounding."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of r rows, with variances relative to σ².

    Attributes
    ----------
    fixed : ndarray (r, p)
        x.
    random : tuple of sparse (r, m)
        z of each grouping factor, in the columns that its random effects are estimated by.
    unknown : tuple of ndarray (r, k)
        f of each grouping factor, b* having the covariance λλ'.
    residual : ndarray (r,)
        Variance of the residual part.
    """

    fixed: FloatArray
    random: tuple[Any, ...]
    unknown: tuple[FloatArray, ...]
    residual: FloatArray

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.fixed)

    @property
    def has_random_effects(self) -> bool:
        """Whether any predicted random effect is in the targets."""
        return any(z.nnz for z in self.random)

    def with_residuals(self, variance: FloatArray) -> Targets:
        """The same with a residual part of these variances (r,)."""
        return replace(self, residual=variance)

    def less(self, weights: Any, observed: Targets) -> Targets:
        """T − a'y for weights a of the observed rows, sparse (r, n).

        What is rounding of a difference is zero, so that a row that was observed is known exactly.
        """
        sizes = abs(weights)
        fixed = self.fixed - weights @ observed.fixed
        rounding = ROUNDING * (np.abs(self.fixed) + sizes @ np.abs(observed.fixed))
        random = []
        for z, own in zip(self.random, observed.random, strict=True):
            left = (z - weights @ own).tocsr()
            left = left.multiply(abs(left) > ROUNDING * (abs(z) + sizes @ abs(own))).tocsr()
            left.eliminate_zeros()
            random.append(left)
        fixed = np.where(np.abs(fixed) <= rounding, 0.0, fixed)
        return replace(self, fixed=fixed, random=tuple(random))


def targets_of(state: FitState, rows: DesignRows) -> Targets:
    """Targets without residuals of rows of a design.

    Random effects of levels with the code −1 are unknown ones. The covariance of a grouping factor
    with related levels has a mean diagonal of one in the engine's units: so have unknown levels.

    Parameters
    ----------
    state : FitState
    rows : DesignRows
        Terms that it lacks are no part of the targets.
    """
    import scipy.sparse as sp

    scaling = state.estimate.scaling
    random, unknown = [], []
    for g, group in enumerate(state.design.groups):
        q, k, n = len(group.labels), len(group.columns), len(rows.index)
        basis, codes = np.zeros((n, k)), np.zeros(n, dtype=np.intp)
        there, known = np.zeros((n, k), dtype=bool), np.zeros((n, k), dtype=bool)
        for t, columns in zip(group.terms, group.covariance.column_slices(), strict=True):
            if t not in rows.terms:
                continue
            own = rows.terms[t]
            basis[:, columns] = own.basis
            there[:, columns] = True
            known[:, columns] = (own.codes >= 0)[:, None]
            codes = np.maximum(codes, own.codes)  # one factor: the same level or −1
        basis = scaling.units.bases[g](basis)
        Z = sp.csr_array(FactorRows(codes, q, np.where(known, basis, 0.0)).matrix())
        Z.eliminate_zeros()
        root = scaling.units.roots[g] if scaling.units.roots else None
        if root is not None:
            Z = sp.csr_array(Z @ sp.kron(sp.csr_array(root), sp.eye_array(k), format="csr"))
        random.append(Z)
        unknown.append(np.where(there & ~known, basis, 0.0))
    return Targets(
        fixed=scaling.units.x(rows.X),
        random=tuple(random),
        unknown=tuple(unknown),
        residual=np.zeros(len(rows.index)),
    )
