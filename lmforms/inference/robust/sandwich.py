"""The cluster-robust covariance and the distribution of tests with it under the working model.

With scores s_i = F_i'e_i, the variance of ℓ'β̂ is Σt_i² with t_i = ℓ'Ms_i. The residuals have the
covariance V − XMX' under the working model, so that

    cov(t_i, t_j) = P_ij = δ_ij ℓ'MF_i'V_iF_iMℓ − u_i'Mu_j,    u_i = X_i'F_iMℓ.

A sum of squares of normal variables with this covariance has the degrees of freedom

    ν = (Σ_i P_ii)² / Σ_ij P_ij²

(Bell and McCaffrey). For q rows P_ij is a q × q matrix. With Ω = ΣP_ii, the robust covariance D of
the rows in the basis where Ω = I is approximated by a Wishart matrix with η degrees of freedom that
has the same total variance,

    η = q(q + 1) / Σ_st var(D_st),  Σ_st var(D_st) = Σ_ij {(tr P_ij)² + tr(P_ijP_ij)},

and (η − q + 1)/(ηq) times Wald's statistic is taken as F(q, η − q + 1): the approximate Hotelling
test of Pustejovsky and Tipton (2018), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray
from .cluster_scores import ClusterScores

UNDEFINED = 1e-6
"""A function of β of which one cluster alone determines more than this share has no robust
variance."""

CHUNK_NUMBERS = 4_000_000
"""Of functions of β by clusters and coefficients that are worked on at once."""


@dataclass(frozen=True, eq=False)
class Sandwich:
    """A cluster-robust covariance.

    Attributes
    ----------
    half : ndarray (p, p)
        H with M = HH'; scores are in the basis XH.
    clusters : ClusterScores
    """

    half: FloatArray
    clusters: ClusterScores

    @property
    def covariance(self) -> FloatArray:
        """Of β̂, (p, p)."""
        moved = self.clusters.scores @ self.half.T
        return np.asarray(moved.T @ moved)

    def is_defined(self, L: FloatArray) -> FloatArray:
        """Whether each row of L (r, p) has a robust variance, (r,)."""
        rows = self._scaled(L)
        alone = rows @ self.clusters.alone
        sizes = np.square(rows).sum(axis=1)
        return np.asarray(np.square(alone).sum(axis=1) <= UNDEFINED**2 * sizes)

    def degrees_of_freedom(self, L: FloatArray) -> FloatArray:
        """ν of each row of L (r, p) by itself, (r,); NaN where there is no robust variance."""
        step = max(1, CHUNK_NUMBERS // max(1, self.clusters.scores.size))
        chunks = [L[start : start + step] for start in range(0, len(L), step)]
        found = [self._mean_and_squares(self._scaled(rows)) for rows in chunks]
        mean, squares = np.concatenate(found, axis=1) if found else np.empty((2, 0))
        used = self.is_defined(L) & (squares > 0)
        return np.asarray(np.where(used, mean**2 / np.where(used, squares, 1.0), np.nan))

    def _scaled(self, L: FloatArray) -> FloatArray:
        """LH with 1 as the largest entry of each row, so that no powers of units overflow."""
        rows = L @ self.half
        largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
        return np.asarray(rows / np.where(largest > 0, largest, 1.0))

    def _mean_and_squares(self, rows: FloatArray) -> FloatArray:
        """Σ_i P_ii and Σ_ij P_ij² of rows in the basis XH, (2, r)."""
        own = ((rows @ self.clusters.spread) * rows).sum(axis=2)  # (k, r)
        through = rows @ self.clusters.cross  # (k, r, p)
        sizes = np.square(through).sum(axis=2)
        squares = np.square(own).sum(axis=0) - 2.0 * (own * sizes).sum(axis=0)
        for r, u in enumerate(np.ascontiguousarray(through.swapaxes(0, 1))):
            squares[r] += np.square(u.T @ u).sum()
        return np.stack([(own - sizes).sum(axis=0), squares])

    def wishart_degrees_of_freedom(self, L: FloatArray) -> float:
        """η of q independent rows L (q, p) with robust variances."""
        rows = L @ self.half
        own = rows @ self.clusters.spread @ rows.T  # (k, q, q)
        through = rows @ self.clusters.cross  # (k, q, p)
        between = through @ through.swapaxes(1, 2)
        values, vectors = np.linalg.eigh((own - between).sum(axis=0))
        to_identity = vectors / np.sqrt(values)
        own = to_identity.T @ own @ to_identity
        between = to_identity.T @ between @ to_identity
        through = to_identity.T @ through
        traces = np.einsum("kss->k", own)
        total = np.square(traces).sum() + np.square(own).sum()
        total -= 2.0 * (traces * np.einsum("kss->k", between)).sum() + 2.0 * (own * between).sum()
        total += _pairs(through)
        q = len(rows)
        return float(q * (q + 1) / total)


def _pairs(through: FloatArray) -> float:
    """Σ_ij {(tr N_ij)² + tr(N_ijN_ij)} for N_ij = U_iU_j', U (k, q, p)."""
    k, q, p = through.shape
    flat = through.reshape(k, q * p)
    total = 0.0
    for own in through.transpose(1, 0, 2):  # one row at a time: (q p)² numbers would be many
        products = (own.T @ flat).reshape(p, q, p)
        total += np.square(products).sum() + np.einsum("atb,bta->", products, products)
    return total
