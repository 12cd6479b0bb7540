"""Adjusted scores of clusters, for each type of cluster-robust covariance.

With V_i the covariance of cluster i under the working model, W_i = V_i⁻¹, M = (ΣX_i'W_iX_i)⁻¹ and
residuals e_i = y_i − X_iβ̂, all types are MΣs_is_i'M with scores s_i = F_i'e_i, F_i' = X_i'W_iA_i:

    CR0  A_i = I
    CR1  A_i = √c I,  c = k/(k − 1);  CR1p  c = k/(k − p);  CR1S  c = k(n − 1)/((k − 1)(n − p))
    CR2  A_i = L_i B_i^(−1/2) L_i',  V_i = L_iL_i',  B_i = L_i'(V_i − X_iMX_i')L_i
    CR3  A_i = (I − X_iMX_i'W_i)⁻¹

CR2 is unbiased if the working model holds and each B_i is regular. Where B_i or I − X_iMX_i'W_i is
singular, a generalised inverse stands for the inverse: cluster i alone determines some functions of
β, which have no robust variance.

Rows come with columns XH for which M = I; then X_i'W_i(I − X_iX_i'W_i)⁻¹ = (I − S_i)⁻¹X_i'W_i with
S_i = X_i'W_iX_i, so that CR3 needs no inverse of the size of a cluster.

References
----------
Liang, Zeger (1986), *Longitudinal data analysis using generalized linear models*, Biometrika 73(1);
Bell, McCaffrey (2002), *Bias reduction in standard errors for linear regression with multi-stage
samples*, Survey Methodology 28(2); Pustejovsky, Tipton (2018), *Small-sample methods for
cluster-robust variance estimation and hypothesis testing in fixed effects models*, J. Business and
Economic Statistics 36(4), sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ...support.arrays import BoolArray, FloatArray, IndexArray

RobustType = Literal["CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"]
"""Names of the types."""

ROBUST_TYPES: tuple[str, ...] = get_args(RobustType)

ALONE = 1e-8
"""An eigenvalue of I − S_i, which is between 0 and 1, is zero below this."""


@dataclass(frozen=True, eq=False)
class ClusterScores:
    """What tests need of clusters, in the basis where M = I.

    Attributes
    ----------
    scores : ndarray (k, p)
        s_i = F_i'e_i.
    spread : ndarray (k, p, p)
        F_i'V_iF_i.
    cross : ndarray (k, p, p)
        F_i'X_i.
    alone : ndarray (p, p)
        Projection on the functions of β that one of the clusters alone determines.
    information : ndarray (p, p)
        ΣS_i, which is I over all clusters but for rounding. CR2 has F_i'(V_i − X_iX_i')F_i in the
        place of S_i where B_i is regular: they are the same.
    """

    scores: FloatArray
    spread: FloatArray
    cross: FloatArray
    alone: FloatArray
    information: FloatArray


def scores_of_blocks(
    V: FloatArray, X: FloatArray, e: FloatArray, kind: str, scale: float
) -> ClusterScores:
    """Scores of k clusters of m rows each.

    Parameters
    ----------
    V : ndarray (k, m, m)
        Covariances under the working model.
    X : ndarray (k, m, p)
        In the basis where M = I.
    e : ndarray (k, m)
        y − Xβ̂.
    kind : str
        One of `ROBUST_TYPES`.
    scale : float
        c of the CR1 types, 1 for the others.

    Raises
    ------
    numpy.linalg.LinAlgError
        A V_i is not positive definite.
    """
    root = np.asarray(np.linalg.cholesky(V), dtype=np.float64)
    whitened = np.linalg.solve(root, np.concatenate([X, e[..., None]], axis=2))
    Xw, ew = whitened[..., :-1], whitened[..., -1:]
    S = np.asarray(Xw.swapaxes(1, 2) @ Xw, dtype=np.float64)
    _, roots, axes = np.linalg.svd(Xw, full_matrices=False)  # S_i = axes' diag(roots²) axes
    shares = np.square(roots)
    single = 1.0 - shares < ALONE
    # such functions of different clusters are orthogonal: S_iv = v and ΣS_i = I
    alone = np.asarray(axes[single].T @ axes[single])
    if kind == "CR2":
        transposed = _bias_reduced(root, Xw, single.sum(axis=1)).swapaxes(1, 2)
        spread, cross = transposed @ transposed.swapaxes(1, 2), transposed @ Xw
        regular = ~single.any(axis=1)[:, None, None]
        information = np.where(regular, spread - cross @ cross.swapaxes(1, 2), S).sum(axis=0)
        scores = (transposed @ ew)[..., 0]
        return ClusterScores(scores, spread, cross, alone, information)
    information = S.sum(axis=0)
    scores = (Xw.swapaxes(1, 2) @ ew)[..., 0]
    if kind == "CR3":
        inverse = _inverse_complement(shares, axes, single)
        cross = inverse @ S
        scores = (inverse @ scores[..., None])[..., 0]
        return ClusterScores(scores, cross @ inverse, cross, alone, information)
    root_scale = np.sqrt(scale)
    return ClusterScores(root_scale * scores, scale * S, root_scale * S, alone, information)


def _inverse_complement(shares: FloatArray, axes: FloatArray, single: BoolArray) -> FloatArray:
    """(I − S)⁻¹ (k, p, p), zero along the axes where S has the eigenvalue 1."""
    added = np.where(single, -1.0, shares / np.where(single, 1.0, 1.0 - shares))
    return np.asarray(np.eye(axes.shape[2]) + axes.swapaxes(1, 2) @ (added[..., None] * axes))


def _bias_reduced(root: FloatArray, Xw: FloatArray, zero: IndexArray) -> FloatArray:
    """L'F for CR2, (k, m, p): L'L B^(−1/2) Xw with B = L'L(I − XwXw')L'L.

    `zero` (k,) eigenvalues of each B are zero. Their number is that of the eigenvalues 1 of S_i,
    whose scale is known; B has the scale of V².
    """
    m = root.shape[1]
    C = root.swapaxes(1, 2) @ root
    B = C @ (np.eye(m) - Xw @ Xw.swapaxes(1, 2)) @ C
    values, vectors = np.linalg.eigh(0.5 * (B + B.swapaxes(1, 2)))
    used = np.arange(m) >= zero[:, None]
    inverse_roots = np.where(used, np.where(used, values, 1.0) ** -0.5, 0.0)
    inner = vectors.swapaxes(1, 2) @ Xw
    return np.asarray(C @ vectors @ (inverse_roots[..., None] * inner))


def scale_of(kind: str, k: int, n: int, p: int) -> float:
    """c of the CR1 types, for k clusters, n rows and p columns of X; 1 for the others.

    Infinite or negative where the type is not defined: CR1p needs k > p.
    """
    if kind == "CR1":
        return k / (k - 1)
    if kind == "CR1p":
        return k / (k - p) if k != p else np.inf
    if kind == "CR1S":
        return k * (n - 1) / ((k - 1) * (n - p))
    return 1.0
