"""The profiled ML and REML criterion, its gradient and its average information.

With rows already multiplied by R^(−1/2), A = Λ'Z'ZΛ + I, V₀ = I + ZΛΛ'Z', ν = n (ML) or
n − p (REML) and r² the penalised residual sum of squares,

    d(θ) = ln|A| + [REML] ln|X'V₀⁻¹X| + ν(1 + ln(2πr²/ν)) + ln|R|.

Everything about the derivatives hangs on one matrix,

    M = ∂d/∂(ΛΛ') = Z'V₀⁻¹Z − (ν/r²) t t' − [REML] V V',
    t = Z'V₀⁻¹(y − Xβ̂),   V = Z'V₀⁻¹X R_X⁻¹,   R_X'R_X = X'V₀⁻¹X,

of which a grouping factor needs only G, the sum of its diagonal blocks over levels:
∂d/∂θ_i = 2⟨Gλ, ∂λ/∂θ_i⟩. The curvature is the average information plus what is left of
∂²d because V₀ is quadratic in θ:

    H_ij = w_i'P₀w_j/s² − (c_i't)(c_j't)/(ν s⁴) + 2⟨G ∂λ_i, ∂λ_j⟩,
    w_i = Z c_i,  c_i = (∂Λ_i Λ' + Λ ∂Λ_i')t,  s² = r²/ν.

References
----------
Bates et al. (2015), sections 3.4–3.6; Gilmour, Thompson, Cullis (1995), *Average
information REML*, Biometrics 51(4), for the first part of H.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .covariance import Covariance
from .errors import NumericalError
from .factor import Factorization, System
from .factor.batched import cross, multiply, outer_sum

FloatArray = npt.NDArray[np.float64]
Blocks = list[FloatArray]


@dataclass(frozen=True, eq=False)
class Problem:
    """A criterion to be minimised over θ: cross-products, structures, ML or REML.

    Attributes
    ----------
    system : System
        Analysed cross-products.
    covariances : tuple of Covariance
        One per grouping factor.
    reml : bool
    """

    system: System
    covariances: tuple[Covariance, ...]
    reml: bool

    @property
    def n_theta(self) -> int:
        """Number of parameters."""
        return sum(c.n_theta for c in self.covariances)

    @property
    def nu(self) -> int:
        """n, or n − p under REML."""
        cp = self.system.cp
        return cp.n - cp.p if self.reml else cp.n

    def theta_slices(self) -> list[slice]:
        """Entries of θ that belong to each grouping factor."""
        ends = np.cumsum([0, *(c.n_theta for c in self.covariances)])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The criterion at one θ, in the engine's units.

    Attributes
    ----------
    problem : Problem
        What was evaluated.
    theta : ndarray
    value : float
        −2 × (restricted) log-likelihood, profiled over β and σ.
    gradient, information : ndarray or None
        First derivative, and the curvature of the docstring above.
    reference : ndarray or None
        √(2⟨T ∂λ_i, ∂λ_i⟩) with T the part of G that comes from ln|A|: what √H_ii would be
        without data, a measure for "no curvature".
    level_gradients : tuple of ndarray or None
        G for each grouping factor.
    beta : ndarray (p,)
    r2 : float
        Penalised residual sum of squares.
    nu : int
        n or n − p.
    root_x : ndarray (p, p)
        Upper triangular R_X with R_X'R_X = X'V₀⁻¹X.
    b : tuple of ndarray (q, k)
        Conditional modes of the random effects.
    rounding : float
        How far the value can be off because r² is a difference of larger sums.
    factor : Factorization
        The factored A.
    """

    problem: Problem
    theta: FloatArray
    value: float
    gradient: FloatArray | None
    information: FloatArray | None
    reference: FloatArray | None
    level_gradients: tuple[FloatArray, ...] | None
    beta: FloatArray
    r2: float
    nu: int
    root_x: FloatArray
    b: tuple[FloatArray, ...]
    rounding: float
    factor: Factorization

    @property
    def sigma2(self) -> float:
        """Residual variance, r²/ν."""
        return self.r2 / self.nu


def evaluate(problem: Problem, theta: FloatArray, order: int = 2) -> Evaluation:
    """The criterion at `theta` with derivatives up to `order`.

    Parameters
    ----------
    problem : Problem
    theta : ndarray (n_theta,)
        Any real numbers: the sign of a column of Λ does not matter.
    order : {0, 1, 2}
        0: value; 1: and gradient; 2: and information.

    Raises
    ------
    NumericalError
        Λ'Z'ZΛ + I or X'V₀⁻¹X is not positive definite, or a number is not finite.
    """
    system, cp, nu = problem.system, problem.system.cp, problem.nu
    p = cp.p
    parts = problem.theta_slices()
    if not np.isfinite(theta).all():
        raise NumericalError("θ is not finite.")
    lams = [c.factor(theta[s]) for c, s in zip(problem.covariances, parts, strict=True)]
    factor = system.factorize(lams)

    zr = [f.zr for f in cp.factors]
    b0 = list(cp.scaling.b_pilot)
    v, q = factor.marginal(zr, b0)
    rr = _marginal_moments(cp.rr, zr, v, q, lams)  # [X y]'V₀⁻¹[X y]
    try:
        root_x = np.linalg.cholesky(rr[:p, :p]).T
    except np.linalg.LinAlgError:
        raise NumericalError("X'V₀⁻¹X is not positive definite at this θ.") from None
    half = np.linalg.solve(root_x.T, rr[:p, p])
    beta = np.linalg.solve(root_x, half)
    r2 = float(rr[p, p] - half @ half)
    if not r2 > 0:
        raise NumericalError("the penalised residual sum of squares is not positive.")
    value = factor.log_det + nu * (1.0 + np.log(2.0 * np.pi * r2 / nu)) + cp.log_det_residual
    if problem.reml:
        value += 2.0 * float(np.log(np.diag(root_x)).sum())
    if not np.isfinite(value):
        raise NumericalError("the criterion is not finite.")
    contrast = np.append(-beta, 1.0)[:, None]  # [X y] contrast = y − Xβ̂
    b = [(x + y) @ contrast for x, y in zip(b0, v, strict=True)]

    gradient = information = reference = level_gradients = None
    if order >= 1:
        t = [x @ contrast for x in q]
        fixed = [x[..., :p] @ np.linalg.inv(root_x) for x in q]  # V
        traces = factor.diagonal_sums()
        level_gradients = _level_gradients(problem, traces, t, fixed, nu / r2)
        gradient, reference = np.empty(problem.n_theta), np.empty(problem.n_theta)
        derivatives = [
            c.derivative(theta[s]) for c, s in zip(problem.covariances, parts, strict=True)
        ]
        for g, trace, lam, d, s in zip(
            level_gradients, traces, lams, derivatives, parts, strict=True
        ):
            gradient[s] = 2.0 * np.einsum("ij,tij->t", g @ lam, d)
            reference[s] = np.sqrt(2.0 * np.abs(np.einsum("tij,ik,tkj->t", d, trace, d)))
        if order >= 2 and problem.n_theta == 0:
            information = np.empty((0, 0))
        elif order >= 2:
            information = _information(
                problem, factor, lams, derivatives, level_gradients, t, fixed, r2
            )
    return Evaluation(
        problem=problem,
        theta=np.array(theta, dtype=np.float64),
        value=float(value),
        gradient=gradient,
        information=information,
        reference=reference,
        level_gradients=level_gradients,
        beta=beta,
        r2=r2,
        nu=nu,
        root_x=np.asarray(root_x, dtype=np.float64),
        b=tuple(x[..., 0] for x in b),
        rounding=_rounding(system, lams, value, nu * cp.rr[p, p] / r2),
        factor=factor,
    )


def _rounding(system: System, lams: Sequence[FloatArray], value: float, cancelled: float) -> float:
    """How far the criterion can be off: its own digits, r² as a difference, and A's digits.

    Between crossed factors λ'Z'Zλ is subtracted from itself, and what is left stands beside
    the identity in A: digits are lost as the random effects outgrow σ.
    """
    swamped = 0.0
    if len(lams) > 1:
        swamped = max(
            float(np.einsum("qii->q", f.zz).max() * np.square(lam).sum())
            for f, lam in zip(system.cp.factors, lams, strict=True)
        )
    return float(np.finfo(float).eps * (64 * abs(value) + cancelled + swamped))


def _marginal_moments(
    rr: FloatArray, zr: Blocks, v: Blocks, q: Blocks, lams: Sequence[FloatArray]
) -> FloatArray:
    """R'V₀⁻¹R = E'E + U'U with E = R* − Zv and U = Λ'Z'E: sums of squares, no difference."""
    total = rr.copy()
    for z, x, e, lam in zip(zr, v, q, lams, strict=True):
        u = multiply(lam.T, e)
        total += cross(u, u) - cross(z, x) - cross(x, e)
    return np.asarray(0.5 * (total + total.T))


def _level_gradients(
    problem: Problem, traces: Sequence[FloatArray], t: Blocks, fixed: Blocks, weight: float
) -> tuple[FloatArray, ...]:
    """G = Σ over levels of the diagonal blocks of M."""
    out = []
    for trace, t_i, v_i in zip(traces, t, fixed, strict=True):
        g = trace - weight * outer_sum(t_i, t_i)
        if problem.reml:
            g = g - outer_sum(v_i, v_i)
        out.append(g)
    return tuple(out)


def _information(
    problem: Problem,
    factor: Factorization,
    lams: Sequence[FloatArray],
    derivatives: Sequence[FloatArray],
    level_gradients: Sequence[FloatArray],
    t: Blocks,
    fixed: Blocks,
    r2: float,
) -> FloatArray:
    """H of the module's docstring."""
    nu, m = problem.nu, problem.n_theta
    parts = problem.theta_slices()
    c: Blocks = []
    for t_i, lam, d, s in zip(t, lams, derivatives, parts, strict=True):
        directions = np.zeros((*t_i.shape[:2], m))
        symmetric = d @ lam.T + lam @ d.swapaxes(1, 2)  # ∂λ_i λ' + λ ∂λ_i'
        directions[..., s] = np.tensordot(t_i[..., 0], symmetric, axes=(1, 2)).swapaxes(1, 2)
        c.append(directions)
    _, shrunk = factor.marginal([np.zeros_like(x) for x in c], c)  # Z'V₀⁻¹Zc
    quadratic = np.sum([cross(x, y) for x, y in zip(c, shrunk, strict=True)], axis=0)
    vc = np.sum([cross(x, y) for x, y in zip(fixed, c, strict=True)], axis=0)
    ct = np.sum([cross(x, y) for x, y in zip(c, t, strict=True)], axis=0)
    s2 = r2 / nu
    h = (quadratic - vc.T @ vc) / s2 - (ct @ ct.T) / (nu * s2**2)
    for level, d, s in zip(level_gradients, derivatives, parts, strict=True):
        h[s, s] += 2.0 * np.einsum("sij,tij->st", np.einsum("ij,sjk->sik", level, d), d)
    return np.asarray(0.5 * (h + h.T))
