"""`estimate`: variance components by a named method, with all iterations.

Every method stops when a Newton step with the average information predicts an increase of the
log-likelihood below `tolerance`. A variance that approaches zero is set to zero if the likelihood
does not decrease. In small models the iteration is repeated from other minima of the criterion
along single variances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..control import DEFAULT_MEMORY, METHODS_WITH_START, METHODS_WITHOUT_START
from ..data.align import in_name_order
from ..engine.exact_fit import EPSILON, ROUNDING_UNITS, explained
from ..engine.linalg.threads import limited_blas_threads
from ..engine.optimize.other_optima import MOST_LOWER_OPTIMA, SAME_OPTIMUM, SAME_VALUE
from ..engine.optimize.variance_curves import other_minima
from ..engine.residual_variance import check_sigma, explained_or_raise
from ..engine.status import other_optima_message
from ..errors import ArgumentError, NumericalError
from ..support.arguments import flag, generator, named_arguments, one_of, positive, whole_number
from ..support.arrays import FloatArray, IndexArray
from . import estimator_steps
from .component_problem import ComponentProblem, component_problem
from .emma import emma
from .fit import RESIDUAL, VarCompFit, fit_at
from .gibbs import gibbs
from .likelihood import Likelihood, likelihood
from .likelihood_iterations import (
    IterationPath,
    iterate,
    quasi_newton,
    rounding,
    with_boundary_variances_zero,
)
from .model import ComponentModel, component_model_of

TOLERANCE = 1e-15
"""Predicted increase of the log-likelihood: variances are then within 10⁻⁷ standard errors."""

SUSPECT_RESIDUAL_VARIANCE = 1e-4
"""A residual variance below this share of that of y given X is checked for being zero."""

STALLED_GAIN = 1e-9
"""Predicted increase that is rounding, if no step raises the likelihood."""

EM_ITERATION_LIMITS = dict.fromkeys(("em", "em-fixed-point", "em-henderson"), 20_000)
"""Iteration limits of the methods that converge slowly."""

ITERATION_LIMIT = 1_000
"""Iteration limit of the other methods. Fisher scoring is linear where information is low."""


@named_arguments
def estimate(
    model: ComponentModel,
    method: str = "ai",
    *,
    reml: bool = True,
    start: Mapping[str, float] | npt.ArrayLike | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    memory: float = DEFAULT_MEMORY,
    seed: Any = None,
) -> VarCompFit:
    """Variance components by (restricted) maximum likelihood.

    Parameters
    ----------
    model : ComponentModel
    method : str
        ``"ai"`` average information, ``"newton"`` observed, ``"fisher"`` expected information;
        ``"em"`` and ``"em-fixed-point"``, the two forms of the cheat sheet; ``"em-henderson"``,
        EM with σ² exact at the present ratios; ``"quasi-newton"``
        L-BFGS-B on the exact score. The first three halve a step that does not raise the
        likelihood, and take an EM step if that does not help; where the observed information is
        not positive definite, the average information is used. ``"newton"`` and
        ``"fisher"`` invert a dense matrix of all effects.
        ``"emma"`` is :func:`emma`, for one component; ``"gibbs"`` the joint posterior mode of
        :func:`gibbs` under flat priors. These two take no start and no limit.
    reml : bool
    start : mapping or Series of names to variances, or array (r + 1,), optional
        Variances to start from, the residual's last; equal shares otherwise.
    tolerance : float, optional
        Predicted increase of the log-likelihood at which to stop, 10⁻¹⁵.
    max_iterations : int, optional
        1,000; 20,000 for EM.
    memory : float
        Bytes that a dense matrix may take.
    seed : int or numpy Generator, optional
        Of ``"gibbs"``.

    Returns
    -------
    VarCompFit

    Raises
    ------
    ArgumentError
        An unknown method, or a start that does not fit the model.
    ModelError
        The components explain every row, and no residual is left.
    MemoryLimitError
        A dense matrix would not fit.

    References
    ----------
    Cheat sheet, section 7; Dempster, Laird, Rubin (1977), JRSS B 39; Patterson, Thompson
    (1971), Biometrika 58; Gilmour, Thompson, Cullis (1995), Biometrics 51.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.varcomp import ComponentModel, estimate
    >>> model = ComponentModel.of_formula("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> estimate(model, "fisher").variances.round(2)
    Batch       1764.05
    Residual    2451.25
    Name: variance, dtype: float64
    """
    model = component_model_of(model)
    method = one_of("method", method, (*METHODS_WITH_START, *METHODS_WITHOUT_START))
    reml = flag("reml", reml)
    memory = positive("memory", memory)
    given = {"start": start, "max_iterations": max_iterations, "tolerance": tolerance}
    unused = [name for name, value in given.items() if value is not None]
    if method in METHODS_WITHOUT_START and unused:
        raise ArgumentError(f"method={method!r} has no use for {', '.join(unused)}.")
    if method == "gibbs" and not reml:
        raise ArgumentError("method='gibbs' has no counterpart of ML: leave reml=True.")
    tolerance = TOLERANCE if tolerance is None else positive("tolerance", tolerance)
    limit = EM_ITERATION_LIMITS.get(method, ITERATION_LIMIT)
    if max_iterations is not None:
        limit = whole_number("max_iterations", max_iterations, least=1)
    problem = component_problem(model, memory)
    begin = _start(start, problem)
    options = _Options(reml, tolerance, limit, generator("seed", seed))
    if not problem.explained.any():
        return _by_method(problem, method, begin, options)
    kept = np.flatnonzero(~problem.explained)
    rest = replace(model, components=tuple(model.components[i] for i in kept))
    rest_problem = component_problem(rest, memory)
    found = _by_method(rest_problem, method, begin[[*kept, -1]], options)
    return _with_explained(problem, found, kept)


@dataclass(frozen=True)
class _Options:
    reml: bool
    tolerance: float
    limit: int
    seed: np.random.Generator


def _by_method(
    problem: ComponentProblem, method: str, start: FloatArray, options: _Options
) -> VarCompFit:
    """Estimate components that X does not explain."""
    model = problem.model
    if not model.components:
        alone = likelihood(problem, np.ones(1), options.reml).profiled_scale
        at = likelihood(problem, np.array([alone]), options.reml)
        return fit_at(at, method, "converged: without random effects σ² is explicit")
    if method == "emma":
        return emma(model, reml=options.reml)
    if method == "gibbs":
        return _joint_mode(problem, options.seed)
    path = IterationPath(problem, options.reml)
    with limited_blas_threads(problem.system.largest):
        if problem.cp.unexplained <= SUSPECT_RESIDUAL_VARIANCE * problem.n:
            explained_or_raise(problem.rows, problem.roots)
        at = path.likelihood_at(start)
        path.add(at, "start")
        at = _iterated(path, at, method, options)
        if at.scale <= SUSPECT_RESIDUAL_VARIANCE:
            _check_residual(at)
        at, others = _lowest(path, at, method, options)
        found = _result(method, path, at, options.tolerance, options.limit)
        return replace(found, message=found.message + others) if found.converged else found


def _iterated(path: IterationPath, at: Likelihood, method: str, options: _Options) -> Likelihood:
    """The optimum that a method finds from here."""
    go = quasi_newton if method == "quasi-newton" else iterate
    return with_boundary_variances_zero(
        path, go(path, at, method, options.tolerance, options.limit)
    )


def _lowest(
    path: IterationPath, at: Likelihood, method: str, options: _Options
) -> tuple[Likelihood, str]:
    """The lowest of the optima found from other minima along each variance; extends the path.

    Optima with a residual variance of zero are not used: the likelihood may have no bound there.
    """
    met = [at.criterion]
    for _ in range(MOST_LOWER_OPTIMA):
        lower = None
        for candidate in other_minima(at.at):
            ratios = candidate.theta**2
            trial_path = IterationPath(path.problem, path.reml)
            try:
                scale = trial_path.likelihood_at(np.append(ratios, 1.0)).profiled_scale
                begin = trial_path.likelihood_at(np.append(ratios, 1.0) * scale)
                trial_path.add(begin, "start")
                end = _iterated(trial_path, begin, method, options)
            except NumericalError:
                continue
            if end.scale <= SUSPECT_RESIDUAL_VARIANCE:
                continue
            met.append(end.criterion)
            if end.criterion < at.criterion - max(SAME_OPTIMUM, rounding(at)):
                lower = end
                path.extend(trial_path)
                break
        if lower is None:
            break
        at = lower
    higher = [value - at.criterion for value in met]
    return at, other_optima_message([value for value in higher if value > SAME_VALUE])


def _joint_mode(problem: ComponentProblem, seed: np.random.Generator) -> VarCompFit:
    """The joint posterior mode of the Gibbs sampler."""
    drawn = gibbs(problem.model, seed=seed)
    mode = drawn.joint_mode.to_numpy() / problem.variance_units
    chains, draws = drawn.variance_draws.shape[:2]
    message = (
        f"joint posterior mode of {chains} chains of {draws} draws with flat priors; "
        "lmforms.varcomp.gibbs gives the draws"
    )
    return fit_at(likelihood(problem, mode, True), "gibbs", message)


def _with_explained(problem: ComponentProblem, found: VarCompFit, kept: IndexArray) -> VarCompFit:
    """A fit of the other components, with those added again that lie in the span of X.

    Their variances are zero by ML. By REML they are not identified, and are set to the residual's.
    """
    units = problem.variance_units
    steps = np.zeros((len(found.steps), len(units)))
    if found.reml:
        steps[:, :-1] = found.steps[:, -1:] / units[-1] * units[:-1] / problem.unit_variances
    steps[:, [*kept, -1]] = found.steps
    at = likelihood(problem, steps[-1] / units, found.reml)
    return replace(found, model=problem.model, steps=steps, likelihood=at)


def _check_residual(at: Likelihood) -> None:
    """Raise if σ² tends to zero, or has lost its digits."""
    rows, lams = at.problem.rows, at.at.factor.lams
    sigma = at.problem.y_scale * float(np.sqrt(at.scale))
    check_sigma(at.at, sigma, lams, rows, explained(rows, at.problem.roots), searched=True)


def _stalled_gain(at: Likelihood) -> float:
    """`STALLED_GAIN`, and what residuals near the rounding of the response add to it.

    Their relative error is one of the slopes too, and the predicted increase a square of these.
    """
    lost = ROUNDING_UNITS * EPSILON / float(np.sqrt(max(at.scale, EPSILON**2)))
    return STALLED_GAIN + lost**2


def _result(
    method: str,
    path: IterationPath,
    at: Likelihood,
    tolerance: float,
    limit: int,
) -> VarCompFit:
    left, exhausted = estimator_steps.decrement(at), len(path.points) > limit
    converged = left <= max(tolerance, rounding(at), 0.0 if exhausted else _stalled_gain(at))
    if converged:
        message = "converged: a Newton step promises no further gain"
        zero = [n for n, v in zip(path.problem.model.names, at.variances, strict=False) if v == 0]
        if zero:
            message += f"; {', '.join(zero)} at the boundary, zero"
    elif exhausted:
        message = (
            f"stopped after {limit} iterations with a gain of {left:.1g} in sight: raise "
            "max_iterations, or use method='ai'"
        )
    else:
        message = f"no step raises the likelihood although a gain of {left:.1g} is predicted"
    return VarCompFit(
        model=path.problem.model,
        method=method,
        reml=path.reml,
        steps=np.array(path.points) * path.problem.variance_units,
        criteria=np.array(path.criteria),
        kinds=tuple(path.kinds),
        converged=bool(converged),
        message=message,
        likelihood=at,
    )


def _start(start: Any, problem: ComponentProblem) -> FloatArray:
    """The start given, or equal shares of the residual variance from X."""
    names = [*problem.model.names, RESIDUAL]
    if start is None:
        share = problem.given_x_variance / len(names)
        return np.append(share / problem.unit_variances, share)
    start = in_name_order("start", start, pd.Index(names))
    if isinstance(start, Mapping):
        if sorted(start) != sorted(names):
            raise ArgumentError(f"start must name {', '.join(names)}, not {', '.join(start)}.")
        start = [start[name] for name in names]
    try:
        values = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError("start must hold numbers, the residual variance last.") from None
    if values.shape != (len(names),) or not (np.isfinite(values).all() and (values >= 0).all()):
        raise ArgumentError(
            f"start must hold {len(names)} variances, not negative: {', '.join(names)}."
        )
    if not values[-1] > 0:
        raise ArgumentError("start: the residual variance must be positive.")
    return values / problem.variance_units
