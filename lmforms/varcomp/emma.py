r"""EMMA: one component, one eigendecomposition, then every variance ratio costs O(q).

With λ = σ²/σ_u², γ = 1/λ, the spectrum (d, η, ρ) of the model (:mod:`.component_spectrum`), and
β and σ² = Q(γ)/ν profiled out, Q(γ) = y'P₀y = Σ η_j²/(1 + γd_j) + ρ, the criterion is

    −2 ln L = ν[1 + ln(2πQ/ν)] + Σ ln(1 + γd_j) + const,      ν = n − p (REML),

and for ML ν = n, with the eigenvalues of ZKZ' itself in the sum. With s_j = γd_j/(1 + γd_j),

    ∂/∂ln γ    = −ν A/Q + Σ s_j,                       A = Σ η_j² s_j(1 − s_j),
    ∂²/∂ln γ²  = −ν(B/Q + A²/Q²) + Σ s_j(1 − s_j),     B = Σ η_j² s_j(1 − s_j)(1 − 2s_j).

Cheat sheet, section 7 (EMMA), with its erratum: ln|V/σ²| = Σ ln(1 + d_j/λ). Kang et al. (2008).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import ModelError
from ..support.arguments import flag, named_arguments, positive
from ..support.arrays import FloatArray
from .component_problem import ComponentProblem, component_problem
from .component_spectrum import ComponentSpectrum, diagonalised
from .fit import VarCompFit
from .likelihood import likelihood
from .model import ComponentModel, component_model_of

GRID_STEP = 0.5
"""Of the grid of ln λ: every term of the criterion varies over at least one unit of it."""

GRID_MARGIN = np.log(1e7)
"""The grid extends this far beyond 1/d_max and 1/d_min, and further for small residuals."""

MOST_REFINEMENTS = 100
"""Limit of Newton steps and bisections for one optimum: bisection alone needs 33 for 1e-10."""

SAME_CRITERION = 1e-6
"""Smaller differences of −2 ln L count as zero; its rounding is at most 10⁻⁹ for a value of 10⁶."""

OTHER_METHODS = "'ai', 'em', 'newton', 'fisher' and 'quasi-newton'"


@named_arguments
def emma(model: ComponentModel, *, reml: bool = True, tolerance: float = 1e-10) -> VarCompFit:
    """Variance components of a model with one component, to the global optimum.

    After one eigendecomposition the criterion is evaluated on a grid of ln λ. In every interval in
    which its derivative changes sign, Newton's method within brackets finds the optimum. The best
    of these optima and of σ_u² = 0 is the estimate.

    Parameters
    ----------
    model : ComponentModel
        With one component, of any covariance.
    reml : bool
    tolerance : float
        Of ln λ.

    Returns
    -------
    VarCompFit
        Its trace has every λ that was evaluated; the last row is the estimate.

    Raises
    ------
    ModelError
        Another number of components; too large to be dense; X explains the component; or the
        likelihood is highest where no residual variance is left.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.varcomp import ComponentModel, emma
    >>> model = ComponentModel.of_formula("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> emma(model).variances.round(2).to_dict()
    {'Batch': 1764.05, 'Residual': 2451.25}
    """
    model, reml = component_model_of(model), flag("reml", reml)
    tolerance = positive("tolerance", tolerance)
    if len(model.components) != 1:
        raise ModelError(
            f"EMMA diagonalises one component, and the model has {len(model.components)}: "
            f"the methods {OTHER_METHODS} do it."
        )
    name, problem = model.names[0], component_problem(model)
    profile = _Profile(diagonalised(problem, marginal_too=not reml), problem, reml)
    if not len(profile.spectrum.d):
        raise ModelError(
            f"the columns of X explain all that {name} could: its variance is not determined. "
            "Leave one of them out."
        )
    brackets = _brackets(profile)
    if np.ptp(profile.criteria) < SAME_CRITERION:
        raise ModelError(
            f"the data do not tell the variance of {name} from the residual's: the likelihood is "
            "the same for every ratio. Records repeated within levels, or a covariance, would."
        )
    optima = [_refined(profile, *bracket, tolerance) for bracket in brackets]
    best = min([-np.inf, *(x for x, _ in optima)], key=profile.value)
    # rounding creates optima far from the data
    if profile.limit <= profile.value(best) + SAME_CRITERION:
        raise ModelError(
            f"the likelihood is highest where {name} explains every row and no residual variance "
            "is left (λ = 0). Records repeated within levels, or a covariance of lower rank, "
            "would tell the two apart."
        )
    converged = all(good for x, good in optima if x == best)
    profile.visit(best, "optimum")
    criteria, steps = np.array(profile.criteria), np.array(profile.steps)
    return VarCompFit(
        model=model,
        method="emma",
        reml=reml,
        steps=steps,
        criteria=criteria,
        kinds=tuple(profile.kinds),
        converged=converged,
        message=_message(name, best, len(optima), converged),
        likelihood=likelihood(problem, steps[-1] / problem.variance_units, reml),
    )


def _message(name: str, best: float, count: int, converged: bool) -> str:
    if not converged:
        return "the optimum was not refined to `tolerance`: raise it"
    others = f"; the best of {count} optima inside" if count > 1 else ""
    if best == -np.inf:
        worse = f"; {count} optima inside are worse" if count else ""
        return f"converged at the boundary: the variance of {name} is zero{worse}"
    return f"converged: the derivative is zero{others}"


@dataclass(eq=False)
class _Profile:
    """The criterion as a function of x = ln γ, with a record of its evaluations."""

    spectrum: ComponentSpectrum
    problem: ComponentProblem
    reml: bool
    steps: list[FloatArray] = field(default_factory=list)
    criteria: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    @property
    def nu(self) -> int:
        return self.spectrum.n - self.spectrum.p if self.reml else self.spectrum.n

    @property
    def determinant(self) -> FloatArray:
        """Eigenvalues that determine ln|V|."""
        return self.spectrum.d if self.spectrum.marginal is None else self.spectrum.marginal

    def quadratic(self, x: float) -> float:
        """Q."""
        s = self.spectrum
        return float(np.sum(s.eta**2 / (1.0 + np.exp(x) * s.d)) + s.residual_squares)

    def value(self, x: float) -> float:
        """−2 ln L in the user's units."""
        q = self.quadratic(x)
        inner = self.nu * (1.0 + np.log(2.0 * np.pi * q / self.nu))
        inner += np.log1p(np.exp(x) * self.determinant).sum()
        return float(inner + self.shift)

    @cached_property
    def shift(self) -> float:
        """The user's −2 ln L less that of `value`'s own terms."""
        cp = self.problem.cp
        shift = cp.scaling.criterion_shift(self.nu, self.reml) + cp.log_det_residual
        return shift + self.problem.orthonormal.log_det_x if self.reml else shift

    def visit(self, x: float, kind: str) -> tuple[float, float]:
        """Derivatives in x; adds a row to the trace."""
        spec, q = self.spectrum, self.quadratic(x)
        scale = q / self.nu
        self.steps.append(np.array([np.exp(x) * scale, scale]) * self.problem.variance_units)
        self.criteria.append(self.value(x))
        self.kinds.append(kind)
        t, left = (1.0 / (1.0 + np.exp(x) * d) for d in (spec.d, self.determinant))
        each = spec.eta**2 * (1.0 - t) * t / q  # t = 1 − s, where 1 − s would cancel
        a, b = each.sum(), (each * (2.0 * t - 1.0)).sum()
        first = np.sum(1.0 - left) - self.nu * a
        return float(first), float(np.sum((1.0 - left) * left) - self.nu * (b + a * a))

    @property
    def limit(self) -> float:
        """The limit for λ → 0 (no residual): −∞ if there is no bound."""
        s, fewer = self.spectrum, self.nu - len(self.determinant)
        if s.residual_squares > 0 or fewer < 0:
            return np.inf
        if fewer:
            return -np.inf
        q = np.sum(s.eta**2 / s.d)
        inner = self.nu * (1.0 + np.log(2.0 * np.pi * q / self.nu))
        inner += np.log(self.determinant).sum()
        return float(inner + self.shift)

    def grid(self) -> FloatArray:
        """Of ln γ."""
        s = self.spectrum
        share = s.residual_squares / (s.residual_squares + s.eta @ s.eta)
        beyond = max(GRID_MARGIN, np.log(self.nu / share)) if share > 0 else GRID_MARGIN
        low, high = -np.log(s.d[-1]) - GRID_MARGIN, -np.log(s.d[0]) + beyond
        return np.arange(low, high + GRID_STEP, GRID_STEP)


def _brackets(profile: _Profile) -> list[tuple[float, float]]:
    """Intervals of the grid in which the criterion changes from decreasing to increasing."""
    profile.visit(-np.inf, "boundary")
    grid = profile.grid()
    slopes = np.array([profile.visit(x, "grid")[0] for x in grid])
    turns = np.flatnonzero((slopes[:-1] < 0) & (slopes[1:] >= 0))
    return [(grid[i], grid[i + 1]) for i in turns]


def _refined(profile: _Profile, low: float, high: float, tolerance: float) -> tuple[float, bool]:
    """The zero of the derivative in an interval, and whether it was found."""
    x, kind = 0.5 * (low + high), "bisection"
    for _ in range(MOST_REFINEMENTS):
        first, second = profile.visit(x, kind)
        low, high = (x, high) if first < 0 else (low, x)
        new = x - first / second if second > 0 else np.nan
        kind = "newton" if low < new < high else "bisection"
        if kind == "bisection":
            new = 0.5 * (low + high)
        if abs(new - x) <= tolerance or first == 0:
            return (x if first == 0 else new), True
        x = new
    return x, False
