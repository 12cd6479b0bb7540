"""Responses given as rows, summed and refitted side by side."""

from __future__ import annotations

import numpy as np

from ...engine.batch.shared_sums import ResponseSums
from ...engine.replication.draws import Draws
from ...engine.replication.refits import BatchRefitter
from ...engine.replication.replicates import Replicates
from ...results.state import FitState
from ...support.arrays import FloatArray

MOST_DRAWN_NUMBERS = 4_000_000
"""Numbers of the responses that are in memory together."""

MOST_AT_A_TIME = 250
"""Responses refitted side by side: more of them gain little, and an interrupt loses them."""

MOST_CANCELLED = 1e4
"""Mean square of y − Xβ̂ over σ̂² up to which r² is computed from sums of these squares: it may lose
four digits of sixteen."""


class RowSums:
    """Sums of responses of a fit's model, in units of σ̂.

    Parameters
    ----------
    state : FitState
    refitter : BatchRefitter
    """

    def __init__(self, state: FitState, refitter: BatchRefitter) -> None:
        self.refitter = refitter
        self._sigma, self._whiten = state.estimate.sigma, state.residual.whiten
        design = state.design
        units, rows = refitter.problem.system.cp.scaling.units, design.rows()
        self._mean = design.X @ state.estimate.beta + design.offset
        self._right = self._whiten(units.x(rows.X))
        self._bases = [
            f.matrix(self._whiten(scale(f.basis)))
            for f, scale in zip(rows.level_factors, units.bases, strict=True)
        ]
        self._roots = units.roots or (None,) * len(self._bases)
        left = self._whiten(state.response - self._mean) / self._sigma
        self.is_accurate = bool(np.mean(left**2) <= MOST_CANCELLED)

    @property
    def step(self) -> int:
        """As many as are refitted side by side and are in memory as rows."""
        in_memory = MOST_DRAWN_NUMBERS // len(self._mean)
        return max(1, min(self.refitter.batch_size, MOST_AT_A_TIME, in_memory))

    def of(self, residuals: FloatArray) -> ResponseSums:
        """Sums of rows (n, c) less Xβ̂."""
        rows, shared = self._whiten(residuals / self._sigma), self.refitter.shared
        zy: list[FloatArray] = [np.empty(0)] * len(self._bases)
        for i, part in shared.by_factor():
            own, root = self._bases[i].T @ rows, self._roots[i]
            if root is not None:  # the engine's levels are columns of L
                own = root.T @ own.reshape(len(own) // part.k, -1)
            zy[i] = np.asarray(own).reshape(part.q * part.k, -1).T.reshape(-1, part.q, part.k)
        yy = np.einsum("ij,ij->j", rows, rows)
        return ResponseSums.of_products(shared, zy, rows.T @ self._right, yy)

    def fit(self, Y: FloatArray) -> Replicates:
        """Refit responses (n, c)."""
        sums, shared = self.of(Y - self._mean[:, None]), self.refitter.shared
        effects: list[FloatArray] = [np.empty(0)] * len(self._bases)
        for i, part in shared.by_factor():
            effects[i] = np.zeros((Y.shape[1], part.q, part.k))
        return self.refitter.fit(Draws(effects, sums))
