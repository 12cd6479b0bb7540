r"""The mode of the random effects given everything else: penalised iteratively reweighted least
squares with step halving.

With b = Λu and u ~ N(0, Q⁻¹), û minimises −2ℓ(η) + u'Qu at η = offset + Xβ + ZΛu. A Newton step
solves A δu = Λ'Z'ℓ' − Qu with A = Λ'Z'WZΛ + Q and the observed weights W = −ℓ''. Where β is
profiled out jointly (lme4's ``nAGQ = 0``), the step is that of (β, u). Solves give δb = Λδu, also
for a singular λ, and Q δu = Λ'Z'ℓ' − Qu − Λ'Z'W(Xδβ + Zδb).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.linalg.batched import multiply
from ..errors import NumericalError
from ..support.arrays import Blocks, FloatArray
from .likelihood import ConditionalLikelihood, RowDerivatives
from .weighted_rows import Factored, WeightedRows, shrunk

MODE_TOLERANCE = 1e-9
"""A step that lowers −2ℓ + u'Qu by no more than this is the last one: convergence is quadratic, so
what remains after it is about the square of it."""

MOST_ITERATIONS = 100

MOST_HALVINGS = 40

LONGEST_EXPECTED = 1.0
"""Squared length, in units of A, of a step by the derivative of û that is still believed."""

ROUNDING = 1e-13
"""Relative rise of the objective that is rounding."""

SHORT_STEP = 1e-6
"""Squared length, in units of A, of a step that is taken whatever the objective says: its terms may
be so large that their rounding is more than the step lowers it."""


@dataclass(frozen=True, eq=False)
class ConditionalModel:
    """Rows, their likelihood and their known part of η.

    Attributes
    ----------
    rows : WeightedRows
    likelihood : ConditionalLikelihood
    offset : ndarray (n,)
    """

    rows: WeightedRows
    likelihood: ConditionalLikelihood
    offset: FloatArray


@dataclass(frozen=True, eq=False)
class Mode:
    """The mode, and what was computed there.

    Attributes
    ----------
    lams : list of ndarray (k, k)
    beta : ndarray (p,)
    coefficients : ndarray
        Of ω.
    u, b : list of ndarray (q, k)
    eta : ndarray (n,)
    derivatives : RowDerivatives
        Of order 3.
    factor : Factorization
        Of A with the observed weights.
    penalty : float
        u'Qu.
    """

    lams: Blocks
    beta: FloatArray
    coefficients: FloatArray
    u: list[FloatArray]
    b: list[FloatArray]
    eta: FloatArray
    derivatives: RowDerivatives
    factor: Factored
    penalty: float

    @property
    def weights(self) -> FloatArray:
        """W = −ℓ''."""
        return -self.derivatives.values[2]

    @property
    def working_size(self) -> float:
        """Standard deviation of a row's working response, and 1 where rows have no weight."""
        weight = float(np.mean(np.abs(self.weights)))
        return 1.0 / float(np.sqrt(weight)) if weight > 0.0 else 1.0


@dataclass(frozen=True, eq=False)
class FixedEquations:
    """What eliminating u leaves of the equations for β.

    Attributes
    ----------
    cross : list of ndarray (q, k, p)
        Z'WX.
    effects : list of ndarray (q, k, p)
        ΛA⁻¹Λ'Z'WX.
    information : ndarray (p, p)
        X'WX − X'WZΛA⁻¹Λ'Z'WX.
    """

    cross: list[FloatArray]
    effects: list[FloatArray]
    information: FloatArray

    @classmethod
    def of(
        cls, rows: WeightedRows, lams: Blocks, weights: FloatArray, factor: Factored
    ) -> FixedEquations:
        """At given W, with A factored."""
        weighted, p = weights * rows.X.T, rows.X.shape[1]
        cross = rows.z_transposed(weighted)
        effects = list(factor.solve(shrunk(lams, cross)))
        information = weighted @ rows.X
        for left, right in zip(cross, effects, strict=True):
            count = left.shape[0] * left.shape[1]
            information = information - left.reshape(count, p).T @ right.reshape(count, p)
        return cls(cross, effects, 0.5 * (information + information.T))

    def is_positive(self) -> bool:
        """Whether the information is positive definite."""
        try:
            np.linalg.cholesky(self.information)
        except np.linalg.LinAlgError:
            return False
        return True

    def solve(self, slope: FloatArray, effects: Blocks) -> tuple[FloatArray, list[FloatArray]]:
        """β and Λu of the equations for both.

        Parameters
        ----------
        slope : ndarray (p,)
            Right-hand side of β.
        effects : list of ndarray (q, k)
            ΛA⁻¹ times the right-hand side of u.

        Raises
        ------
        NumericalError
            The information is singular.
        """
        for z, b in zip(self.cross, effects, strict=True):
            slope = slope - z.reshape(b.size, len(slope)).T @ b.ravel()
        try:
            beta = np.asarray(np.linalg.solve(self.information, slope), dtype=np.float64)
        except np.linalg.LinAlgError:
            raise NumericalError("X'V⁻¹X is singular.") from None
        both = zip(effects, self.effects, strict=True)
        return beta, [b - multiply(e, beta[:, None])[..., 0] for b, e in both]


def find_mode(
    model: ConditionalModel,
    lams: Blocks,
    beta: FloatArray,
    coefficients: FloatArray,
    u: Sequence[FloatArray],
    *,
    joint: bool = False,
    tolerance: float = MODE_TOLERANCE,
) -> Mode:
    """Search for û from `u`, jointly with β̂ from `beta` if asked.

    Raises
    ------
    NumericalError
        There is none near: η leaves the range of the link, or A is not positive definite there.
    """
    rows = model.rows
    joint = joint and len(beta) > 0
    here = _first_state(model, lams, beta, coefficients, u)
    for _ in range(MOST_ITERATIONS):
        now = here.derivatives
        weights, factor, equations = _equations(rows, -now.values[2], lams, joint)
        slopes = shrunk(lams, rows.z_transposed(now.values[1:2]))
        right = [z[..., 0] - q for z, q in zip(slopes, rows.prior_times(here.u), strict=True)]
        d_b = [x[..., 0] for x in factor.solve([x[..., None] for x in right])]
        d_beta, decrement = np.zeros_like(beta), 0.0
        if equations is not None:
            slope = rows.X.T @ now.values[1]
            d_beta, d_b = equations.solve(slope, d_b)
            decrement = float(slope @ d_beta)
        change = rows.z_times(d_b)
        pulled = rows.gram_times(factor, weights, d_b)
        if equations is not None:
            change += rows.X @ d_beta
            pulled = [x + z @ d_beta[:, None] for x, z in zip(pulled, equations.cross, strict=True)]
        pulled = shrunk(lams, pulled)
        d_u = rows.covariance_times([x - z[..., 0] for x, z in zip(right, pulled, strict=True)])
        decrement += sum(float(np.vdot(x, d)) for x, d in zip(right, d_u, strict=True))
        there = _stepped(model, here, (d_beta, d_u, change), coefficients, decrement)
        if there is None:
            break
        here, share = there
        if share * abs(decrement) <= tolerance:
            break
    else:
        raise NumericalError("the search for the modes of the random effects did not end.")
    last = here.derivatives
    factor = rows.factored(-last.values[2], lams)
    b = [x @ lam.T for x, lam in zip(here.u, lams, strict=True)]
    return Mode(lams, here.beta, coefficients, here.u, b, here.eta, last, factor, here.penalty)


@dataclass(frozen=True, eq=False)
class _State:
    """Where the search is."""

    beta: FloatArray
    u: list[FloatArray]
    eta: FloatArray
    derivatives: RowDerivatives
    penalty: float

    @property
    def objective(self) -> float:
        return self.penalty - 2.0 * self.derivatives.total


def _first_state(
    model: ConditionalModel,
    lams: Blocks,
    beta: FloatArray,
    coefficients: FloatArray,
    u: Sequence[FloatArray],
) -> _State:
    """At `u`, or at u = 0 where the likelihood of that is not finite."""
    rows, fixed = model.rows, model.offset + model.rows.X @ beta
    for own in (list(u), [np.zeros_like(x) for x in u]):
        eta = fixed + rows.z_times([x @ lam.T for x, lam in zip(own, lams, strict=True)])
        found = model.likelihood.at(eta, coefficients, 3)
        if _usable(found):
            return _State(beta, own, eta, found, _penalty(rows, own))
    raise NumericalError("the likelihood of the rows is not finite.")


def _usable(found: RowDerivatives) -> bool:
    """Whether the likelihood and what a step needs of it are finite."""
    return bool(np.isfinite(found.total) and np.isfinite(found.values[1:3].sum()))


def _equations(
    rows: WeightedRows, weights: FloatArray, lams: Blocks, joint: bool
) -> tuple[FloatArray, Factored, FixedEquations | None]:
    """A with these weights, and what it leaves for β where u and β are sought jointly.

    Where a matrix is not positive definite, both are without the negative weights.
    """
    try:
        factor = rows.factored(weights, lams)
        equations = FixedEquations.of(rows, lams, weights, factor) if joint else None
        if equations is None or equations.is_positive():
            return weights, factor, equations
    except NumericalError:
        pass
    weights = np.maximum(weights, 0.0)
    factor = rows.factored(weights, lams)
    return weights, factor, FixedEquations.of(rows, lams, weights, factor) if joint else None


def _stepped(
    model: ConditionalModel,
    here: _State,
    step: tuple[FloatArray, list[FloatArray], FloatArray],
    coefficients: FloatArray,
    decrement: float,
) -> tuple[_State, float] | None:
    """The state after a step in (β, u, η), halved until it is no higher, and the share taken."""
    (d_beta, d_u, change), share = step, 1.0
    most = here.objective + ROUNDING * (1.0 + abs(here.objective))
    if abs(decrement) <= SHORT_STEP:
        most = np.inf
    for _ in range(MOST_HALVINGS):
        u = [x + share * d for x, d in zip(here.u, d_u, strict=True)]
        eta = here.eta + share * change
        found = model.likelihood.at(eta, coefficients, 3)
        there = _State(here.beta + share * d_beta, u, eta, found, _penalty(model.rows, u))
        if there.objective <= most and _usable(found):
            return there, share
        share *= 0.5
    return None


def expected_effects(
    model: ConditionalModel,
    at: Mode,
    lams: Blocks,
    beta: FloatArray,
    coefficients: FloatArray,
) -> list[FloatArray]:
    """û of other parameters by its derivative at a mode, or that of b̂ where this leads far away."""
    rows, found = model.rows, at.derivatives
    change = [new - old for new, old in zip(lams, at.lams, strict=True)]
    explicit = rows.X @ (beta - at.beta)
    explicit += rows.z_times([u @ d.T for u, d in zip(at.u, change, strict=True)])
    pull = -at.weights * explicit
    likelihood = model.likelihood
    if len(coefficients):
        before, after = (likelihood.omega(c) for c in (at.coefficients, coefficients))
        for new, old, slopes in zip(after, before, found.parameters, strict=True):
            pull = pull + slopes[1] * (new - old)
    moved = shrunk(change, rows.z_transposed(found.values[1:2]))
    right = [
        x[..., 0] + d[..., 0]
        for x, d in zip(shrunk(at.lams, rows.z_transposed(pull[None])), moved, strict=True)
    ]
    d_b = [x[..., 0] for x in at.factor.solve([x[..., None] for x in right])]
    pulled = shrunk(at.lams, rows.gram_times(at.factor, at.weights, d_b))
    d_u = rows.covariance_times([x - z[..., 0] for x, z in zip(right, pulled, strict=True)])
    if not sum(float(np.vdot(x, d)) for x, d in zip(right, d_u, strict=True)) < LONGEST_EXPECTED:
        return same_effects(lams, at.b)
    return [u + d for u, d in zip(at.u, d_u, strict=True)]


def same_effects(lams: Blocks, b: Sequence[FloatArray]) -> list[FloatArray]:
    """u of given random effects b = Λu, or of what a singular λ leaves of them."""
    return [own @ np.linalg.pinv(lam).T for own, lam in zip(b, lams, strict=True)]


def _penalty(rows: WeightedRows, u: Sequence[FloatArray]) -> float:
    """u'Qu."""
    return sum(float(np.vdot(x, q)) for x, q in zip(u, rows.prior_times(u), strict=True))
