"""Standard errors, degrees of freedom and limits of predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ...data.design_rows import DesignRows, own_rows
from ...engine.criterion.evaluate import Evaluation, evaluate
from ...engine.criterion.information import root_changes
from ...engine.criterion.problem import Problem
from ...engine.criterion.residual_problem import ResidualProblem
from ...engine.linalg.threads import limited_blas_threads
from ...errors import ModelError
from ...results.state import FitState
from ...support.arguments import one_of
from ...support.arrays import FloatArray
from ..degrees_of_freedom.block_information import needs_blocks
from ..degrees_of_freedom.f_statistic import t_quantiles
from ..degrees_of_freedom.methods import KenwardRoger, df_method
from ..degrees_of_freedom.observed_information import observed_information
from ..degrees_of_freedom.variance_information import (
    RESIDUAL_STEP,
    LinearInformation,
    VarianceInformation,
)
from .error_variances import Directions, error_variances
from .residual_rows import ResidualRows
from .targets import Targets, targets_of

PredictionDf = Literal["satterthwaite", "kenward-roger", "residual", "none"]
"""Names of methods for intervals of predictions."""

PREDICTION_DF: tuple[str, ...] = get_args(PredictionDf)
"""Methods for intervals of predictions."""


@dataclass(frozen=True, eq=False)
class PredictionErrors:
    """Errors of predictions.

    Attributes
    ----------
    std_error, df : ndarray (r,)
        Standard deviation of the error, and degrees of freedom of its estimate.
    """

    std_error: FloatArray
    df: FloatArray

    def half_widths(self, level: float) -> FloatArray:
        """Half the width of two-sided intervals."""
        return np.asarray(t_quantiles(self.df, level) * self.std_error)


def prediction_errors(
    state: FitState, rows: DesignRows, residuals: ResidualRows | None, ddf: str
) -> PredictionErrors:
    """Errors of the best linear unbiased predictions of rows.

    Parameters
    ----------
    state : FitState
    rows : DesignRows
        Random effects of levels with the code −1 count as unknown.
    residuals : ResidualRows or None
        What of the residuals is predicted.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}

    Raises
    ------
    ModelError
        Random effects after conjugate gradients; Kenward–Roger where it is not defined.
    """
    ddf = one_of("ddf", ddf, PREDICTION_DF)
    estimate = state.estimate
    predicted = _Predicted.of(state, rows, residuals)
    at = estimate.optimum.evaluation
    targets = predicted.at(state.residual)
    if targets.has_random_effects and not estimate.is_factored:
        raise ModelError(
            "predict: intervals of random effects need a factor of these, which a fit by conjugate "
            "gradients has not. Use random='none' for intervals of the population, or fit with "
            "Control(factor='auto')."
        )
    problem = estimate.problem
    with limited_blas_threads(problem.largest if isinstance(problem, Problem) else 1):
        if ddf in ("residual", "none"):
            found = error_variances(at, targets)
            df = np.inf if ddf == "none" else float(state.design.n - len(estimate.beta))
            dfs = np.full(targets.n, df)
        elif ddf == "kenward-roger":
            linear = _kenward_roger(state)
            found = error_variances(at, targets, _variance_directions(state, linear))
            dfs = _satterthwaite(found.values, found.changes, linear.covariance)
        else:
            known = observed_information(state)
            found = error_variances(at, targets, _theta_directions(state, known))
            of_phi = predicted.changes_of_residuals(at, known.covariance)
            changes = np.vstack([found.changes, of_phi])
            dfs = _satterthwaite(found.values, changes, known.covariance)
    variances = np.maximum(found.values + 2.0 * found.added, 0.0)
    return PredictionErrors(estimate.sigma * np.sqrt(variances), dfs)


@dataclass(frozen=True, eq=False)
class _Predicted:
    """What is predicted, at any parameters of the residuals."""

    targets: Targets
    residuals: ResidualRows | None
    observed: Targets | None

    @classmethod
    def of(cls, state: FitState, rows: DesignRows, residuals: ResidualRows | None) -> _Predicted:
        in_series = residuals is not None and residuals.series is not None
        observed = targets_of(state, own_rows(state.design)) if in_series else None
        return cls(targets_of(state, rows), residuals, observed)

    def at(self, residual: Any) -> Targets:
        if self.residuals is None:
            return self.targets
        return self.residuals.added_to(self.targets, residual, self.observed)

    def _values(self, at: Evaluation) -> FloatArray:
        """h at an evaluation with other φ."""
        assert isinstance(at.problem, ResidualProblem)
        return error_variances(at, self.at(at.problem.residual)).values

    def changes_of_residuals(self, at: Any, covariance: FloatArray) -> FloatArray:
        """∂h/∂φ by central differences, (φ, r); zero for φ that count as known.

        Parameters
        ----------
        at : Evaluation or IterativeEvaluation
        covariance : ndarray (m, m)
            Of the estimates of (θ, φ, ln σ²).
        """
        problem, first = at.problem, at.problem.n_theta
        out = np.zeros((len(covariance) - 1 - first, self.targets.n))
        for i in range(len(out)):
            if not covariance[first + i, first + i] > 0:
                continue
            step = np.zeros(len(at.theta))
            step[first + i] = RESIDUAL_STEP
            up, down = (self._values(evaluate(problem, at.theta + s)) for s in (step, -step))
            out[i] = (up - down) / (2.0 * RESIDUAL_STEP)
        return out


def _theta_directions(state: FitState, known: VarianceInformation) -> Directions:
    """The parameters θ, for Satterthwaite."""
    at = state.estimate.optimum.evaluation
    problem = at.problem
    D = root_changes(problem.lams(at.theta), problem.derivatives(at.theta))
    return Directions(D, known.changes[: problem.n_theta])


def _variance_directions(state: FitState, known: LinearInformation) -> Directions:
    """Variances in which the covariance of y is linear, with what their estimation adds."""
    at = state.estimate.optimum.evaluation
    problem, C, W = at.problem, known.changes, known.covariance
    pairs = zip(problem.covariances, problem.lams(at.theta), strict=True)
    spans = [c.spanning_directions(lam) for c, lam in pairs]
    D = [np.einsum("as,bs->sab", u, u) for u in spans]
    m = len(C) - 1
    square = known.weighted_square - np.einsum("ij,ipq,jqr->pr", W, C, C, optimize=True)
    return Directions(D, C[:m], W[:m, :m], square)


def _satterthwaite(values: FloatArray, changes: FloatArray, covariance: FloatArray) -> FloatArray:
    """2h²/(g'Wg), (r,); the last parameter is the scale of all variances."""
    g = np.vstack([changes, values])
    largest = np.where(values > 0, values, 1.0)
    g = g / largest
    spread = ((covariance @ g) * g).sum(axis=0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(values > 0, 2.0 / spread, np.inf))


def _kenward_roger(state: FitState) -> LinearInformation:
    method = df_method(state, "kenward-roger")  # refuses ML fits and conjugate gradients
    if needs_blocks(state):
        raise ModelError(
            "predict: ddf='kenward-roger' is there for independent residuals of one variance (or "
            "known weights) and random effects (x | g), (x || g) or diag(x | g). Use "
            "ddf='satterthwaite'."
        )
    assert isinstance(method, KenwardRoger)
    return method.known
