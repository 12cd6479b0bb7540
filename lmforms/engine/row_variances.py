r"""Whether random effects of single rows can be told from residuals with known weights.

A term with one row per level adds a number to the variance of each row,
:math:`V_{ii} = \sigma^2/w_i + \sigma^2 z_i'\lambda\lambda'z_i`. Its parameters and σ² can be told
apart if the likelihood of what X leaves, with covariance M V M for M = I − XX⁺, is not the same
for several of their values: near a generic θ, if the matrices M diag(v_j) M are linearly
independent, where v_0 = 1/w and v_j is the derivative of the term's variances in θ_j. With
(1 | unit), v_1 is constant: any two different weights suffice, unless X explains what tells them
apart. This is the model of a meta-analysis with sampling variances known up to a factor [1]_.

References
----------
.. [1] Hartung, Knapp, Sinha (2008), *Statistical Meta-Analysis with Applications*, chapter 7.
"""

from __future__ import annotations

import numpy as np

from ..covariance import Covariance
from ..residual import Residual
from ..support.arrays import FloatArray

TOLERANCE = 1e-10
"""Smallest squared share of a pattern of variances that others leave: variances that differ by
less than 10⁻⁵ of their size carry no information in any data that fit into memory."""

STEP = 1e-4
"""Of differences: their error is 10⁻⁸ of a pattern, and is squared in the comparison."""


def variance_patterns(covariance: Covariance, basis: FloatArray) -> FloatArray:
    """Derivatives of z_i'λλ'z_i in θ at a generic θ, (n, n_theta), for rows z_i of a basis (n, k).

    Examples
    --------
    >>> from lmforms.covariance import Diagonal
    >>> ratio = variance_patterns(Diagonal(1), np.array([[1.0], [2.0], [3.0]]))
    >>> ratio[:, 0] / ratio[0, 0]
    array([1., 4., 9.])
    """
    theta = covariance.start() + np.random.default_rng(0).uniform(0.1, 0.5, covariance.n_theta)
    effects = basis @ covariance.factor(theta)
    changes = np.asarray([basis @ d for d in covariance.derivative(theta)])
    return 2.0 * np.einsum("ik,jik->ij", effects, changes.reshape(-1, *effects.shape))


def residual_patterns(residual: Residual, n: int) -> FloatArray:
    """Variances of residuals relative to σ², and their derivatives in φ at a generic φ, (n, 1 + m).

    Correlations change no variance: their columns are zero.
    """

    def variances(phi: FloatArray) -> FloatArray:
        own = residual.at(phi).variances()
        return np.ones(n) if own is None else own

    phi = residual.phi + np.random.default_rng(1).uniform(0.1, 0.5, len(residual.phi))
    columns = [variances(phi)]
    for step in STEP * np.eye(len(phi)):
        columns.append((variances(phi + step) - variances(phi - step)) / (2.0 * STEP))
    return np.column_stack(columns)


def number_told_apart(X: FloatArray, own: FloatArray, patterns: list[FloatArray]) -> int:
    """How many sets of patterns, from the first on, are independent of `own` and earlier ones.

    Parameters
    ----------
    X : ndarray (n, p)
    own : ndarray (n, m)
        Patterns of the residuals; the first, of σ², is positive.
    patterns : list of ndarray (n, m)
        Variances of the rows, one array for each term.

    Returns
    -------
    int
        If it is less than ``len(patterns)``, it is the position of the first term that cannot be
        told from the residuals and the earlier terms.

    Examples
    --------
    >>> one = np.ones((4, 1))
    >>> weights = np.arange(1.0, 5.0)[:, None]
    >>> number_told_apart(one, one, [one]), number_told_apart(one, 1 / weights, [one])
    (0, 1)
    """
    w = 1.0 / own[:, 0]
    norm = _ProjectedPatterns(np.sqrt(w)[:, None] * X)
    basis: list[FloatArray] = []
    for v in own.T:
        _extend(basis, norm, w * v)
    for found, columns in enumerate(patterns):
        for v in columns.T:
            if not _extend(basis, norm, w * v):
                return found
    return len(patterns)


def _extend(basis: list[FloatArray], norm: _ProjectedPatterns, v: FloatArray) -> bool:
    """Add what is new in v to an orthonormal basis; False if nothing is."""
    total = norm.squared(v)
    for _ in range(2):  # the second pass removes the rounding of the first
        for unit in basis:
            v = v - norm.product(unit, v) * unit
    left = norm.squared(v)
    if not left > TOLERANCE * max(total, float(v @ v)):
        return False
    basis.append(v / np.sqrt(left))
    return True


class _ProjectedPatterns:
    """Products tr(M diag(a) M diag(b)) of patterns in n p² operations, for M = I − QQ'."""

    def __init__(self, X: FloatArray) -> None:
        sizes = np.linalg.norm(X, axis=0)
        u, s, _ = np.linalg.svd(X / np.where(sizes > 0, sizes, 1.0), full_matrices=False)
        self._Q = u[:, s > 1e-9 * s.max(initial=0.0)]
        self._leverage = np.square(self._Q).sum(axis=1)

    def product(self, a: FloatArray, b: FloatArray) -> float:
        inner = np.sum(self._of_columns(a) * self._of_columns(b))
        return float((a * (1.0 - 2.0 * self._leverage)) @ b + inner)

    def squared(self, a: FloatArray) -> float:
        return self.product(a, a)

    def _of_columns(self, a: FloatArray) -> FloatArray:
        return np.asarray(self._Q.T @ (a[:, None] * self._Q))
