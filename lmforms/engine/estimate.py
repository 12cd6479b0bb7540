"""Fit rows: scale, sum, optimise, and transform the estimates to the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..control import Control
from ..covariance import Covariance
from ..errors import MemoryLimitError, ModelError, NumericalError
from ..residual import Residual
from ..residual.parametric import ParametricResidual
from ..support.arrays import FloatArray
from . import iterative
from .criterion.problem import Problem
from .criterion.residual_problem import ResidualProblem, loses_digits, residual_problem
from .exact_fit import CHECKED_RATIO
from .iterative import IterativeProblem, IterativeSystem, RoughOptimum
from .kernel_choice import compiled_as
from .linalg.threads import limited_blas_threads
from .optimize.identifiability import largest_factor_entry, suspicious_parts, unidentified_parts
from .optimize.minimize import evaluate_at, minimize
from .prior import Prior
from .residual_variance import WIDE_EFFECTS, check_sigma, explained_or_raise, refuse_zero_sigma
from .rows import ModelRows
from .saturation import refuse_unbounded_likelihood
from .solver_choice import analyse, rough_system
from .status import rough_start_message
from .sums.cross_products import CrossProducts
from .sums.residual_sums import residual_sums
from .sums.sums_of_rows import sums_of_rows
from .sums.units import Scaling
from .user_units import Estimate, engine_theta, times

DENSE_COPIES = 6
"""Matrices of the size of a series' correlations in memory, beside a derivative for each φ."""


def estimate(
    rows: ModelRows,
    covariances: Sequence[Covariance],
    *,
    reml: bool,
    control: Control,
    priors: Sequence[Prior] = (),
    start: Sequence[FloatArray] | None = None,
    at: Sequence[FloatArray] | None = None,
    nearby: bool = False,
    globally: bool = True,
) -> Estimate:
    """Fit a model to rows in memory.

    Parameters
    ----------
    rows : ModelRows
    covariances : sequence of Covariance
        One per grouping factor.
    reml : bool
    control : Control
    priors : sequence of Prior
        Covariances of the levels, one for each grouping factor; none if all are independent.
    start : sequence of ndarray, optional
        θ of each grouping factor from which to search, in the user's units.
    at : sequence of ndarray, optional
        θ at which to evaluate instead of optimising.
    nearby : bool
        With parameters φ of the residuals, search from `start` and their φ alone.
    globally : bool
        Without φ, search for other optima as well.

    Raises
    ------
    ModelError
        No residual degrees of freedom, or residuals that are exactly zero.
    MemoryLimitError
        Series of residuals are too long for their correlation matrices.
    """
    with compiled_as(control.compiled):
        return _estimate(rows, covariances, reml, control, priors, start, at, nearby, globally)


def _estimate(
    rows: ModelRows,
    covariances: Sequence[Covariance],
    reml: bool,
    control: Control,
    priors: Sequence[Prior],
    start: Sequence[FloatArray] | None,
    at: Sequence[FloatArray] | None,
    nearby: bool,
    globally: bool,
) -> Estimate:
    n, p = rows.X.shape
    if n <= p:
        raise ModelError(
            f"{n} rows and {p} independent fixed-effects columns leave nothing for the residuals."
        )
    if not rows.residual.by_row:
        _refuse_large_series(rows.residual, control.memory)
    # the engine's search is made for levels of unit variance: λ times the root of K's size
    sizes, roots = np.sqrt([prior.size for prior in priors]), list[Any]()
    if priors:
        start, at = times(start, covariances, sizes), times(at, covariances, sizes)
        priors = [prior.normalised() for prior in priors]
        roots = [prior.root for prior in priors]
    if not reml and at is None:
        refuse_unbounded_likelihood(rows, covariances, roots)
    has_phi = len(rows.residual.phi) > 0
    cp = sums_of_rows(rows, tuple(covariances), roots, rotate=not has_phi)
    scaling = cp.scaling
    residual_size = scaling.pilot.y_scale * float(np.sqrt(cp.rr[-1, -1] / cp.n))
    is_small = residual_size <= CHECKED_RATIO * scaling.pilot.resolution
    least_squares = explained_or_raise(rows, roots) if is_small else None
    try:
        if has_phi:
            found = _with_phi(
                rows, cp.scaling, covariances, reml, control, start, at, priors, nearby
            )
            rows = replace(rows, residual=found.residual or rows.residual)
        else:
            found = _from_sums(cp, covariances, reml, control, start, at, priors, globally)
    except NumericalError:
        if least_squares is None:  # beside very wide effects all digits may be lost
            explained_or_raise(rows, roots)
        raise
    evaluation = found.optimum.evaluation
    if largest_factor_entry(found.problem.lams(evaluation.theta)) > WIDE_EFFECTS:
        least = least_squares or explained_or_raise(rows, roots)
        check_sigma(evaluation, found.sigma, found.lams, rows, least, at is None, not len(sizes))
    refuse_zero_sigma(found.sigma, scaling.pilot.resolution)
    return replace(found, sizes=sizes) if len(sizes) else found


def _refuse_large_series(residual: Residual, memory: int) -> None:
    """Refuse series whose correlation matrices, factors and derivatives do not fit."""
    if not isinstance(residual, ParametricResidual):
        return
    needed = 8.0 * residual.dense_numbers * (DENSE_COPIES + len(residual.phi))
    if needed > memory:
        longest = 0 if residual.order is None else int(residual.order.lengths.max())
        raise MemoryLimitError(
            f"residual: the correlation matrices of series of up to {longest:,} rows would take "
            f"about {needed / 2**30:.2g} GiB; {memory / 2**30:.2g} GiB are allowed. Give shorter "
            "series, as in exp(x + y | field), a structure without such matrices (ar1, exp of one "
            "time, ar1(row):ar1(col)), or raise Control(memory=…)."
        )


def estimate_sums(
    cp: CrossProducts,
    covariances: Sequence[Covariance],
    *,
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None = None,
    at: Sequence[FloatArray] | None = None,
    globally: bool = True,
) -> Estimate:
    """Fit a model to cross-products, wherever their rows came from (see :func:`estimate`)."""
    with compiled_as(control.compiled):
        found = _from_sums(cp, covariances, reml, control, start, at, globally=globally)
    refuse_zero_sigma(found.sigma, cp.scaling.pilot.resolution)
    return found


def estimate_by_factor(
    problem: Problem,
    control: Control,
    start: FloatArray | None = None,
    rough: RoughOptimum | None = None,
    guess: FloatArray | None = None,
    globally: bool = True,
) -> Estimate:
    """Fit an analysed problem, from θ in the engine's units (see :func:`estimate`)."""
    begin = guess if rough is None else rough.theta
    try:
        optimum = minimize(problem, control, start, globally, guess=begin)
    except NumericalError as exc:
        if problem.n_phi:  # it may be a later one: derivatives are differences
            raise
        raise NumericalError(f"the first evaluation failed: {exc}") from exc
    if rough is not None and optimum.began_at_guess:
        message = optimum.message + rough_start_message(rough.n_evaluations)
        optimum = replace(optimum, message=message)
    unidentified = tuple(unidentified_parts(problem, optimum))
    return Estimate(problem, optimum, control.singular, unidentified)


def _from_sums(
    cp: CrossProducts,
    covariances: Sequence[Covariance],
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None,
    at: Sequence[FloatArray] | None,
    priors: Sequence[Prior] = (),
    globally: bool = True,
) -> Estimate:
    system, structures = analyse(cp, control, priors), tuple(covariances)
    first = None if start is None else engine_theta(start, structures, cp.scaling)
    at_theta = None if at is None else engine_theta(at, structures, cp.scaling)
    with limited_blas_threads(1 if isinstance(system, IterativeSystem) else system.largest):
        if not isinstance(system, IterativeSystem):
            problem = Problem(system, structures, reml)
            if at_theta is None:
                rough = _rough_optimum(problem, control.seed) if first is None else None
                return estimate_by_factor(problem, control, first, rough, globally=globally)
            return Estimate(problem, evaluate_at(problem, at_theta), control.singular, ())
        estimated = IterativeProblem(system, structures, reml, control.seed)
        if at_theta is not None:
            found = iterative.evaluate_at(estimated, at_theta)
            return Estimate(estimated, found, control.singular, ())
        found = iterative.minimize(estimated, control, first)
        unidentified = suspicious_parts(estimated, found.evaluation.theta, found.evaluation)
        return Estimate(estimated, found, control.singular, tuple(unidentified))


def _with_phi(
    rows: ModelRows,
    scaling: Scaling,
    covariances: Sequence[Covariance],
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None,
    at: Sequence[FloatArray] | None,
    priors: Sequence[Prior],
    nearby: bool,
) -> Estimate:
    """Fit θ and the parameters φ of the residuals, from those of the rows too if `start` is given.

    With `at`, φ are those of the rows.
    """
    residual, roots = rows.residual, [prior.root for prior in priors]
    assert isinstance(residual, ParametricResidual)

    def problem_of(by_rows: bool) -> ResidualProblem:
        sums = residual_sums(rows, scaling, roots, by_rows=by_rows)
        return residual_problem(sums, residual, covariances, reml, control, priors)

    def parameters(theta: Sequence[FloatArray]) -> FloatArray:
        return np.append(engine_theta(theta, covariances, scaling), residual.phi)

    problem = problem_of(by_rows=False)
    with limited_blas_threads(problem.largest):
        if at is not None:
            optimum = evaluate_at(problem, parameters(at))
            found = Estimate(problem, optimum, control.singular, ())
        else:
            first = None if start is None else parameters(start)
            start_at, guess = (first, None) if nearby else (None, first)
            found = estimate_by_factor(problem, control, start_at, guess=guess)
            if loses_digits(_problem_at(found)):
                again = found.optimum.evaluation.theta
                found = estimate_by_factor(problem_of(by_rows=True), control, again)
    there = _problem_at(found)
    return replace(found, problem=there, residual=there.residual)


def _problem_at(found: Estimate) -> ResidualProblem:
    """The problem with the sums of the estimated φ."""
    problem = found.optimum.evaluation.problem
    assert isinstance(problem, ResidualProblem)
    return problem


def _rough_optimum(problem: Problem, seed: int) -> RoughOptimum | None:
    """Where an exact search begins if its evaluations are expensive."""
    system = rough_system(problem)
    return None if system is None else iterative.rough_optimum(problem, system, seed)
