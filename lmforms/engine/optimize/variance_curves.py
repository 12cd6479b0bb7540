r"""The criterion along one variance at a time, in closed form, to find other optima.

With δ added to the variance of the random effects of one grouping factor in direction u,
V₀ becomes V₀ + δZ_uZ_u', Z_u = Z(I ⊗ u). From the eigenvalues d_j and eigenvectors Q of
Z_u'V₀⁻¹Z_u and the rows c_j of Q'Z_u'V₀⁻¹[XR_X⁻¹, y − Xβ̂] the criterion of every δ follows,

.. math::

    \ln|V_0| \to \ln|V_0| + \sum_j \ln(1 + δd_j), \qquad
    M = \mathrm{diag}(I, r^2) \to M - \sum_j \frac{δ}{1 + δd_j} c_jc_j'.

Between related levels Q is in the metric of K⁻¹, QQ' = K. With one grouping factor of independent
levels Z_u'V₀⁻¹Z_u is diagonal, and with one variance the curve is the whole criterion. A curve that
rises and falls again leads to an optimum that a local search does not find.

References
----------
Henn, Hodges (2014), *Multiple local maxima in restricted likelihoods and posterior
distributions for mixed linear models*, International Statistical Review 82(1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray
from ..criterion.curvature import has_few_effects, marginal_matrix
from ..criterion.evaluate import Evaluation
from ..factor import Factorization, JointFactorization, JointSystem, System
from ..kernel_choice import FitKernels

GRID = np.linspace(0.0, 1.0, 36)
"""Where a curve is evaluated, from the logarithm of the smallest variance to that of the largest.
Sums of 1/(1 + δd) are smooth functions of ln δ."""

SMALLEST_VARIANCE, LARGEST_VARIANCE = 1e-3, 1e4
"""Smallest and largest variance of a curve, relative to 1/d of the levels with most and with least
information d. Beyond these the criterion is linear in ln δ."""

LEAST_INFORMATION = 1e-12
"""Levels with less than this share of the largest d are left out of this range."""

SEPARATING_RISE = 1e-4
"""A rise of the criterion by less than this does not separate two optima."""

MOST_SINGLE_LEVELS = 200
"""More levels than this are grouped by d."""

BINS, BINNED_RANGE = 128, 1e8
"""Number of intervals of ln d for that, and the ratio that they span; the first takes all below."""

MOST_FIXED_COLUMNS = 30
"""With more columns of X than this no curves are computed, because they would cost too much."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A local minimum of a curve, from which a search may start.

    Attributes
    ----------
    change : float
        Its criterion less that of the point on which the curve is based.
    theta : ndarray
    """

    change: float
    theta: FloatArray


@dataclass(frozen=True, eq=False)
class Curves:
    """The criterion along s directions.

    Attributes
    ----------
    r2 : float or ndarray (s,)
        y'P₀y at the point through which the curves go, or at each of several.
    nu : float
        ν.
    reml : bool
    variances : ndarray (s,)
        Of the random effects along u at this point, relative to σ².
    d : ndarray (s, m)
    squares : ndarray (s, m, r, r)
        c_jc_j'.
    counts : ndarray (s, m)
        Number of levels with each d and cc'.
    """

    r2: float | FloatArray
    nu: float
    reml: bool
    variances: FloatArray
    d: FloatArray
    squares: FloatArray
    counts: FloatArray

    def other_minima(self) -> Iterator[tuple[int, float, float]]:
        """Local minima beyond a rise of the criterion: (direction, variance, change)."""
        grid = self.grid()
        changes = self.changes(grid)
        for j, g in _separate_minima(grid, changes, self.variances):
            yield j, float(grid[j, g]), float(changes[j, g])

    def grid(self) -> FloatArray:
        """Variances from zero on, (s, points)."""
        d = _without_variance(self.d, self.variances)
        largest = d.max(axis=1, keepdims=True)
        smallest = np.maximum(d, LEAST_INFORMATION * largest).min(axis=1, keepdims=True)
        low, high = np.log(SMALLEST_VARIANCE / largest), np.log(LARGEST_VARIANCE / smallest)
        points = np.exp(low + (high - low) * GRID)
        return np.concatenate([np.zeros((len(points), 1)), points], axis=1)

    @np.errstate(divide="ignore", invalid="ignore", over="ignore")
    def changes(self, grid: FloatArray) -> FloatArray:
        """The criterion less that of the point, (s, points); +∞ where it cannot be computed."""
        out, taken = self.sums(grid - self.variances[:, None])
        left = -taken
        s, r = left.shape[:2]
        r2 = np.broadcast_to(self.r2, s)[:, None]
        left[:, range(r), range(r)] += np.append(np.ones((s, r - 1)), r2, axis=1)[..., None]
        for a in range(r - 1):  # Gaussian elimination of the columns of X
            pivot = left[:, a, a]
            if self.reml:
                out += np.log(pivot)
            below = left[:, a + 1 :, a]
            left[:, a + 1 :, a + 1 :] -= below[:, :, None] * (below / pivot[:, None])[:, None]
        out += self.nu * np.log(left[:, -1, -1] / r2)
        return np.where(np.isfinite(out), out, np.inf)

    def sums(self, delta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Σ_j ln(1 + δd_j) and Σ_j δ/(1 + δd_j) c_jc_j' for δ (s, points).

        Returns
        -------
        ndarray (s, points), ndarray (s, r, r, points)
        """
        s, m, r = self.squares.shape[:3]
        scale = 1.0 + delta[:, None] * self.d[..., None]  # (s, m, points)
        logs = (self.counts[:, None] @ np.log(scale))[:, 0]
        taken = self.squares.reshape(s, m, r * r).swapaxes(1, 2) @ (delta[:, None] / scale)
        return logs, taken.reshape(s, r, r, -1)


def other_minima(at: Evaluation) -> list[Candidate]:
    """Local minima of the curves through `at`, other than `at`, lowest first.

    None where factors cross and have too many levels for the eigenvalues, or X has very many
    columns.

    Parameters
    ----------
    at : Evaluation
    """
    found = []
    kernels = at.problem.system.kernels
    for i, vectors, along in curve_inputs(at):
        is_short = along.d.shape[1] <= MOST_SINGLE_LEVELS
        if kernels is not None and is_short and not along.may_have_other_minima(kernels):
            continue
        curves = along.curves()
        for j, variance, change in curves.other_minima():
            more = variance - curves.variances[j]
            found.append(Candidate(change, theta_with(at, i, vectors[:, j], more)))
    return sorted(found, key=lambda candidate: candidate.change)


def has_curves(system: System | JointSystem) -> bool:
    """Whether the curves are computed: neither too many levels that meet nor columns of X."""
    meet = len(system.shapes) > 1 or isinstance(system, JointSystem)
    return system.cp.p <= MOST_FIXED_COLUMNS and not (meet and not has_few_effects(system))


def variance_curves(at: Evaluation) -> Iterator[tuple[int, FloatArray, Curves]]:
    """Of each grouping factor: its index, directions u (k, s), and the curves along them."""
    for i, u, along in curve_inputs(at):
        yield i, u, along.curves()


@dataclass(frozen=True, eq=False)
class CurveInputs:
    """What the curves of one grouping factor are made of.

    Attributes
    ----------
    at : Evaluation
    variances : ndarray (s,)
    d, c : ndarray (s, m), (s, m, r)
    is_grouped : bool
        Whether many levels may be grouped by d.
    """

    at: Evaluation
    variances: FloatArray
    d: FloatArray
    c: FloatArray
    is_grouped: bool

    def curves(self) -> Curves:
        """The curves, for NumPy."""
        if self.is_grouped:
            moments = grouped_levels(self.d, self.c, self.variances)
        else:
            moments = single_levels(self.d, self.c)
        fit = self.at.gls
        return Curves(fit.r2, fit.nu, self.at.problem.reml, self.variances, *moments)

    def may_have_other_minima(self, kernels: FitKernels) -> bool:
        """Whether a curve has several turns, or is lower somewhere, by compiled loops."""
        fit, r = self.at.gls, self.c.shape[2]
        found = kernels.curves.may_have_other_minima(
            self.d,
            self.c,
            self.variances,
            fit.r2,
            fit.nu,
            self.at.problem.reml,
            GRID,
            SMALLEST_VARIANCE,
            LARGEST_VARIANCE,
            LEAST_INFORMATION,
            SEPARATING_RISE,
            np.empty((4 + r * r, len(GRID) + 1)),
        )
        return bool(found)


def curve_inputs(at: Evaluation) -> Iterator[tuple[int, FloatArray, CurveInputs]]:
    """Of each grouping factor: its index, directions u (k, s), and what their curves need."""
    problem, cp = at.problem, at.problem.system.cp
    if not has_curves(problem.system):
        return
    meet = len(cp.factors) > 1 or isinstance(at.factor, JointFactorization)
    matrix = marginal_matrix(at.factor) if meet else None
    begin = 0
    for i, (q, k) in enumerate(problem.system.shapes):
        own = slice(begin, begin + q * k)
        begin = own.stop
        u, variances = problem.covariances[i].variance_directions(at.factor.lams[i])
        if not len(variances):
            continue
        c = (u.T @ _residualised(at, i)).transpose(1, 0, 2)
        if matrix is None:
            d = ((at.factor.marginal_blocks() @ u) * u).sum(axis=1).T
        else:
            if k == 1:
                blocks = matrix[None, own, own] * (u[0, 0] * u[0, 0])
            else:
                block = matrix[own, own].reshape(q, k, q, k)
                blocks = np.einsum("ks,akbl,ls->sab", u, block, u)
            d, vectors = _eigen(blocks, at, i)
            d, c = np.maximum(d, 0.0), vectors.swapaxes(1, 2) @ c
        d, c = np.ascontiguousarray(d), np.ascontiguousarray(c)
        yield i, u, CurveInputs(at, variances, d, c, matrix is None)


def _eigen(matrices: FloatArray, at: Evaluation, i: int) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues and eigenvectors (s, q), (s, q, q) in the metric of the precision of factor i."""
    if isinstance(at.factor, Factorization) or at.factor.system.priors[i].has_unit_precision:
        return np.linalg.eigh(matrices)
    from scipy.linalg import eigh

    precision = at.factor.system.priors[i].precision(matrices.shape[1]).toarray()
    found = [eigh(matrix, precision) for matrix in matrices]
    return np.stack([d for d, _ in found]), np.stack([vectors for _, vectors in found])


def theta_with(at: Evaluation, i: int, u: FloatArray, more: float) -> FloatArray:
    """θ with a larger variance of the random effects of factor i along u."""
    theta, own = at.theta.copy(), at.problem.theta_slices()[i]
    theta[own] = at.problem.covariances[i].with_variance(theta[own], u, more)
    return theta


def _residualised(at: Evaluation, i: int) -> FloatArray:
    """Z'V₀⁻¹[XR_X⁻¹, y − Xβ̂] of a grouping factor, (q, k, p + 1)."""
    root, to_residual = at.gls.inverse_root_x, at.gls.to_residual
    right = np.zeros((len(to_residual), root.shape[1] + 1))
    right[:-1, :-1], right[:, -1:] = root, to_residual
    return np.asarray(at.marginal[i] @ right)


Moments = tuple[FloatArray, FloatArray, FloatArray]


def single_levels(d: FloatArray, c: FloatArray) -> Moments:
    """d, cc' and counts of one for each level."""
    return d, c[..., :, None] * c[..., None, :], np.ones_like(d)


def grouped_levels(d: FloatArray, c: FloatArray, variances: FloatArray) -> Moments:
    """For independent levels, grouped by d where there are many."""
    s, q, r = c.shape
    if q <= MOST_SINGLE_LEVELS:
        return single_levels(d, c)
    own = _without_variance(d, variances)
    share = np.maximum(own / own.max(axis=1, keepdims=True), 1.0 / BINNED_RANGE)
    which = (np.log(share) * ((1 - BINS) / np.log(BINNED_RANGE))).astype(np.intp)
    which += np.arange(s)[:, None] * BINS

    def sums(values: FloatArray) -> FloatArray:
        total = np.bincount(which.ravel(), values.ravel(), s * BINS)
        return np.asarray(total.reshape(s, BINS), dtype=np.float64)

    counts = sums(np.ones_like(d))
    squares = np.empty((s, BINS, r, r))
    for a in range(r):
        for b in range(a + 1):
            squares[..., a, b] = squares[..., b, a] = sums(c[..., a] * c[..., b])
    mean = sums(own) / np.maximum(counts, 1.0)
    return mean / (1.0 + variances[:, None] * mean), squares, counts


def _without_variance(d: FloatArray, variances: FloatArray) -> FloatArray:
    """The d of the model without this variance."""
    return np.asarray(d / np.maximum(1.0 - variances[:, None] * d, LEAST_INFORMATION))


def _separate_minima(
    grid: FloatArray, changes: FloatArray, variances: FloatArray
) -> Iterator[tuple[int, int]]:
    """Local minima (direction, point) beyond a rise from the present variance."""
    falls, rises = changes[:, 1:] <= changes[:, :-1], changes[:, 1:] > changes[:, :-1]
    turns = (falls[:, :-1] & rises[:, 1:]).sum(axis=1) + rises[:, 0]
    for j in np.flatnonzero((turns > 1) | (changes.min(axis=1) < -SEPARATING_RISE)):
        f, here = changes[j], int(np.searchsorted(grid[j], variances[j]))
        lowest = np.append(rises[j], f[-1] < -SEPARATING_RISE)  # it may become flat at the end
        lowest[1:] &= falls[j]
        for g in np.flatnonzero(lowest):
            between = f[g:here] if g < here else f[here : g + 1]
            if max(0.0, between.max(initial=0.0)) - f[g] > SEPARATING_RISE:
                yield int(j), int(g)
