r"""One variance component, rotated: V = σ²(τG + I) with τ = θ² and G = FF' known.

Let the rows be whitened, X = QR, S = I − QQ' and SGS = U diag(s) U' (m positive eigenvalues).
A response y enters by η = U'Sy and its residual sum of squares ρ = ‖Sy‖² − ‖η‖²:

.. math::

   r^2(τ) = y'P_0y = \sum_j \frac{η_j^2}{1 + τ s_j} + ρ, \qquad
   \ln|V_0| + \ln|X'V_0^{-1}X| = \ln|X'X| + \sum_j \ln(1 + τ s_j),

and for ML :math:`\ln|V_0| = \sum_j \ln(1 + τ d_j)` with the eigenvalues d of G itself. Neither
needs X again. Nor do the fixed effects: with X⁺ = (X'X)⁻¹X' and C = X⁺GU,

.. math::

   \hatβ = X^+y - C\,\frac{τη}{1 + τs}, \qquad
   (X'V_0^{-1}X)^{-1} = (X'X)^{-1} + \sum_j \frac{C_jC_j'}{s_j}\,\frac{τ}{1 + τ s_j} + τN,

where N = X⁺F(I − W W')F'X⁺', with W the right singular vectors of SF, is the part of G that lies in
the span of X.

References
----------
Kang et al. (2008), *Efficient control of population structure in model organism association
mapping*, Genetics 178 (EMMA); Lippert et al. (2011), *FaST linear mixed models*, Nature
Methods 8 (low rank); Zhou, Stephens (2012), *Genome-wide efficient mixed-model analysis*,
Nature Genetics 44 (derivatives).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..engine.linalg.stable_columns import root_mean_squares
from ..engine.rows import ModelRows
from ..support.arrays import FloatArray

LEAST_SINGULAR_VALUE = 1e-8
"""Singular values of SF below this share of the largest are zero."""

LEAST_EIGENVALUE = 1e-13
"""Eigenvalues of SGS below this share of the largest, or of the norm of G, are zero."""

HIDDEN_SHARE = 1e-10
"""Singular values of SF below this share of F are rounding, of about 10⁻¹⁵: F lies in the span of
X. Columns that are kept as independent have at least 10⁻⁷."""


@dataclass(frozen=True, eq=False)
class CovarianceSpectrum:
    """A model with one variance component, without its response.

    Attributes
    ----------
    n, p : int
        Rows and fixed-effects columns.
    values, vectors : ndarray (m,), (n, m)
        s and U.
    marginal : ndarray or None
        d, the positive eigenvalues of G, if they were asked for.
    q, pseudo_inverse : ndarray (n, p), (p, n)
        Q and X⁺.
    slopes : ndarray (p, m)
        C.
    spread : ndarray (p, m)
        Squares of C_kj/√s_j.
    hidden, within : ndarray (p,)
        Diagonals of N and (X'X)⁻¹.
    log_det_x, log_det_residual : float
        ln|X'X| of whitened rows, and ln|R|.
    size : float
        Root mean square of the whitened basis: θ times it is a standard deviation in σ.
    """

    n: int
    p: int
    values: FloatArray
    vectors: FloatArray
    marginal: FloatArray | None
    q: FloatArray
    pseudo_inverse: FloatArray
    slopes: FloatArray
    spread: FloatArray
    hidden: FloatArray
    within: FloatArray
    log_det_x: float
    log_det_residual: float
    size: float

    @property
    def saturated(self) -> bool:
        """Whether U spans the complement of X, so that ρ = 0."""
        return len(self.values) >= self.n - self.p

    def nu(self, reml: bool) -> int:
        """n − p or n."""
        return self.n - self.p if reml else self.n

    def eigenvalues(self, reml: bool) -> FloatArray:
        """Those whose ln(1 + τ·) are in the criterion."""
        if reml:
            return self.values
        assert self.marginal is not None
        return self.marginal

    def log_det(self, tau: FloatArray, reml: bool) -> FloatArray:
        """ln|V₀|, or Σ ln(1 + τs_j) for REML, at each τ."""
        eigen = self.eigenvalues(reml)
        return np.asarray(np.log1p(tau[:, None] * eigen).sum(axis=1))

    def constant(self, reml: bool) -> float:
        """Parts of the criterion that depend neither on τ nor on the response."""
        nu = self.nu(reml)
        constant = nu * (1.0 + np.log(2.0 * np.pi / nu)) + self.log_det_residual
        return float(constant + (self.log_det_x if reml else 0.0))

    def project(self, columns: FloatArray) -> FloatArray:
        """S times whitened columns (n, c)."""
        left = columns - self.q @ (self.q.T @ columns)
        left -= self.q @ (self.q.T @ left)
        return np.asarray(left)

    def rotate(self, projected: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """η (c, m) of projected columns, and their residuals from U (None if there are none)."""
        eta = projected.T @ self.vectors
        if self.saturated:
            return eta, None
        return eta, projected - self.vectors @ eta.T


def spectrum_of(
    rows: ModelRows,
    *,
    root: FloatArray | None = None,
    covariance: FloatArray | None = None,
    ml: bool = True,
) -> CovarianceSpectrum:
    """Decompose the covariance of a model with one scalar random term.

    Parameters
    ----------
    rows : ModelRows
        With one grouping factor of one column; y is not used.
    root : ndarray (levels, r), optional
        L with LL' = K, the known covariance of the levels. Best where r is below n.
    covariance : ndarray (levels, levels), optional
        K itself: best where there are about as many levels as rows.
    ml : bool
        Whether the eigenvalues of G are needed.

    Notes
    -----
    Without `root` and `covariance` K is the identity.
    """
    basis = rows.residual.whiten(rows.level_factors[0].basis)
    q, pseudo_inverse, within, log_det_x = _least_squares(rows.residual.whiten(rows.X))
    G: FloatArray | None = None
    if covariance is not None:
        codes = rows.level_factors[0].codes
        G = covariance[np.ix_(codes, codes)] * basis * basis.T
    else:
        F = random_columns(rows, root)
        if 2 * F.shape[1] >= rows.n:
            G = F @ F.T
    if G is None:
        values, vectors = _thin(F, q)
        loads = F.T @ vectors
        ahead = pseudo_inverse @ F  # X⁺F
        slopes = ahead @ loads
        right = loads / np.sqrt(values)
        left = ahead - (ahead @ right) @ right.T
        hidden = np.einsum("pq,pq->p", left, left)
        gram = F.T @ F
    else:
        values, vectors = _full(G, q)
        ahead = pseudo_inverse @ G
        slopes = ahead @ vectors
        hidden = np.einsum("pn,pn->p", ahead, pseudo_inverse)
        hidden = np.maximum(hidden - (slopes**2 / values).sum(axis=1), 0.0)
        gram = G
    return CovarianceSpectrum(
        n=rows.n,
        p=rows.X.shape[1],
        values=values,
        vectors=vectors,
        marginal=_positive(gram) if ml else None,
        q=q,
        pseudo_inverse=pseudo_inverse,
        slopes=slopes,
        spread=slopes**2 / values,
        hidden=hidden,
        within=within,
        log_det_x=log_det_x,
        log_det_residual=rows.residual.log_determinant(),
        size=float(root_mean_squares(basis)[0]),
    )


def random_columns(rows: ModelRows, root: FloatArray | None) -> FloatArray:
    """F = R^(−1/2)ZL, (n, r)."""
    factor = rows.level_factors[0]
    basis = rows.residual.whiten(factor.basis)
    if root is None:
        F = np.zeros((rows.n, factor.n_levels))
        F[np.arange(rows.n), factor.codes] = basis[:, 0]
        return F
    return np.asarray(basis * root[factor.codes])


def _least_squares(X: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Q, X⁺, the diagonal of (X'X)⁻¹ and ln|X'X|, of columns of any size."""
    from scipy.linalg import solve_triangular

    sizes = root_mean_squares(X)
    q, r = np.linalg.qr(X / sizes)
    back = (solve_triangular(r, np.eye(len(sizes))) if len(sizes) else r) / sizes[:, None]
    log_det = 2.0 * float(np.log(np.abs(np.diag(r)) * sizes).sum())
    return q, np.asarray(back @ q.T), np.einsum("ij,ij->i", back, back), log_det


def _thin(F: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """s and U of SFF'S from the singular values of SF."""
    left = F - q @ (q.T @ F)
    left -= q @ (q.T @ left)
    u, d, _ = np.linalg.svd(left, full_matrices=False)
    least = max(LEAST_SINGULAR_VALUE * d.max(initial=0.0), HIDDEN_SHARE * np.linalg.norm(F))
    keep = np.flatnonzero(d > least)[: len(F) - q.shape[1]]
    return np.asarray(d[keep] ** 2), np.ascontiguousarray(u[:, keep])


def _full(G: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """s and U of SGS from its own eigenvalues."""
    left = G - q @ (q.T @ G)
    left -= (left @ q) @ q.T
    d, u = np.linalg.eigh(left)
    d, u = d[::-1], u[:, ::-1]
    n = len(G)
    least = LEAST_EIGENVALUE * max(n * d.max(initial=0.0), np.linalg.norm(G))
    keep = np.flatnonzero(d > least)[: n - q.shape[1]]
    return d[keep].copy(), np.ascontiguousarray(u[:, keep])


def _positive(gram: FloatArray) -> FloatArray:
    """Positive eigenvalues."""
    plain = np.diagonal(gram)
    d = np.sort(plain) if (gram == np.diag(plain)).all() else np.linalg.eigvalsh(gram)
    return np.asarray(d[d > LEAST_EIGENVALUE * len(gram) * d.max(initial=0.0)])
