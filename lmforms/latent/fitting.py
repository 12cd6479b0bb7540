"""The best fit for given options and checked data: weights, rank check, starting values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, DataError, ModelError, listed
from ..support.arrays import FloatArray
from .als import FormEstimate, codes_given, loadings_given, minimise
from .banh_algorithm1 import algorithm1
from .canonical import canonical
from .compression import compressed
from .constant_columns import constants_of, only_varying, varying_columns, with_constants
from .form_likelihood import (
    LEAST_NOISE,
    FactorModel,
    fitted_by_likelihood,
    initial_model,
    standardised,
)
from .modalities import Modalities, Side
from .objective import Codes, Loadings, Weights, default_weights
from .options import STARTS, Options
from .starting_codes import (
    LeadingVectors,
    aligned_codes,
    random_codes,
    response_vectors,
    side_vectors,
)

ROUGH_TOLERANCE, ROUGH_SWEEPS = 1e-6, 500  # of the fit that likelihood starts from
SMALLEST_SQUARE, LARGEST_SQUARE = 1e-290, 1e290  # of ‖·‖² of a modality
CODE_SIDES = (Side.FIXED, Side.RANDOM)
"""The sides that have a code of their own."""


def best_fit(
    data: Modalities, names: Sequence[str], options: Options
) -> tuple[FormEstimate, Weights]:
    """The estimate with the least objective among those from all starts, and the weights.

    Raises
    ------
    DataError
        Y has missing entries and the method takes none; of a modality no column varies.
    ModelError
        The rank is above what one side carries.
    ArgumentError
        A start is unknown or does not fit, or weights do not.
    """
    if options.method != "als" and not data.complete:
        raise DataError('Y has missing entries, which only method="als" can take.')
    starts = [_start(start, data, names, options.rank) for start in options.starts]
    constants = constants_of(data, names) if options.method == "ml" else None
    if constants is None:
        return _fit_from(starts, data, names, options)
    starts = [s if isinstance(s, str) else s.of_columns(varying_columns(constants)) for s in starts]
    estimate, weights = _fit_from(starts, only_varying(data, constants), names, options)
    return with_constants(estimate, constants), weights


def _fit_from(
    starts: Sequence[str | PreviousFit], data: Modalities, names: Sequence[str], options: Options
) -> tuple[FormEstimate, Weights]:
    """As :func:`best_fit`, for data of which no column is left out."""
    check_sizes(data, names, options.rank)
    weights = _ordered(options.weights, names) or default_weights(data)
    problem = _fit_problem(data, weights, options)
    for side, found in zip(CODE_SIDES, (problem.X, problem.Z)):
        _check_rank(_names_of(side, data, names), found, options.rank)
    fit = _by_likelihood if options.method == "ml" else _by_least_squares
    estimates = [fit(start, problem) for start in starts]
    return min(estimates, key=lambda estimate: estimate.trace[-1]), weights


class PreviousFit(NamedTuple):
    """The results of an earlier fit, in the order of the modalities.

    Attributes
    ----------
    loadings, variances : tuple of ndarray (c_j, k), (c_j,)
    moments : ndarray (2k, 2k)
    """

    loadings: Loadings
    variances: tuple[FloatArray, ...]
    moments: FloatArray

    def of_columns(self, columns: Sequence[Any]) -> PreviousFit:
        """The same for some of the columns."""
        loadings, variances = (
            tuple(A[chosen] for A, chosen in zip(parts, columns)) for parts in self[:2]
        )
        return PreviousFit(loadings, variances, self.moments)


class FitProblem(NamedTuple):
    """What all starts of a fit share.

    Attributes
    ----------
    data : Modalities
    weights : tuple of float
    options : Options
    core : Modalities
        R in place of the data, or the data; for likelihood with standardised columns.
    scales : tuple of ndarray
        What the columns of the core were divided by.
    core_weights : tuple of float
        For least squares on the core.
    X, Z : LeadingVectors
        Leading singular vectors of both sides of the core.
    rng : Generator
    """

    data: Modalities
    weights: Weights
    options: Options
    core: Modalities
    scales: tuple[FloatArray, ...]
    core_weights: Weights
    X: LeadingVectors
    Z: LeadingVectors
    rng: np.random.Generator


def _fit_problem(data: Modalities, weights: Weights, options: Options) -> FitProblem:
    """The core is R if it saves time and has the rank asked for; weak directions are lost in R."""
    rng = np.random.default_rng(options.seed)
    small = None if options.method == "algorithm1" else compressed(data, options.rank)
    for given in (small or data, data):
        core, own = given, weights
        scales: tuple[FloatArray, ...] = ()
        if options.method == "ml":
            core, scales = standardised(given, data.n)
            own = default_weights(core)
        X, Z = (side_vectors(core, side, own, options.rank, rng) for side in CODE_SIDES)
        if given is data or min(X.numerical_rank, Z.numerical_rank) >= options.rank:
            break
    return FitProblem(data, weights, options, core, scales, own, X, Z, rng)


def _by_least_squares(start: str | PreviousFit, problem: FitProblem) -> FormEstimate:
    """Alternating least squares or the paper's iteration, from one start."""
    weights, options = problem.weights, problem.options
    if isinstance(start, str):
        codes, loadings = _starting_values(start, problem)
    else:
        loadings = start.loadings
        codes = codes_given(problem.core, loadings, weights, options.ridge)[0]
    if options.method == "als":
        return _alternating(loadings, problem)
    shrinkage = options.l1, options.l2, options.tol, options.max_iter
    return algorithm1(problem.data, codes, weights, *shrinkage)


def _by_likelihood(start: str | PreviousFit, problem: FitProblem) -> FormEstimate:
    """Maximum likelihood, from a rough least-squares fit or from an earlier fit."""
    data, core, scales = problem.data, problem.core, problem.scales
    if isinstance(start, str):
        _, loadings = _starting_values(start, problem)
        rough = minimise(
            core, loadings, problem.core_weights, tol=ROUGH_TOLERANCE, max_iter=ROUGH_SWEEPS
        )
        model = initial_model(core, rough.codes, data.n)
    else:
        model = FactorModel(*start).scaled(tuple(1.0 / scale for scale in scales))
        model = model.with_noise(core, data.n, LEAST_NOISE)
    limit = problem.options.tol, problem.options.max_iter
    return fitted_by_likelihood(data, core, scales, model, problem.weights, *limit)


def _starting_values(start: str, problem: FitProblem) -> tuple[Codes, Loadings]:
    """Codes and loadings of an aligned or a random start, balanced."""
    core, ridge, weights = problem.core, problem.options.ridge, problem.core_weights
    rank, X, Z = problem.options.rank, problem.X, problem.Z
    if start == "random":
        codes = random_codes(core, rank, problem.rng)
    else:
        if start == "regression":
            Z = response_vectors(core, X, weights, rank, problem.rng)
        codes = aligned_codes(core, X, Z)
    loadings = loadings_given(core, codes, weights, ridge)
    return canonical(codes, loadings, None if ridge else weights)


def _alternating(loadings: Loadings, problem: FitProblem) -> FormEstimate:
    """Minimise F on the compressed problem, if there is one, and from there on the data."""
    data, core, options = problem.data, problem.core, problem.options
    settings = problem.weights, options.ridge, options.tol
    if core is data or options.max_iter == 1:
        return minimise(data, loadings, *settings, options.max_iter)
    coarse = minimise(core, loadings, *settings, options.max_iter - 1)
    left = options.max_iter - coarse.status.n_iter
    return coarse.followed_by(minimise(data, coarse.loadings, *settings, left))


def _start(start: Any, data: Modalities, names: Sequence[str], rank: int) -> str | PreviousFit:
    """One of `STARTS`, or the results of a fit."""
    if isinstance(start, str) and start in STARTS:
        return start
    previous: Mapping[str, Any] | None = getattr(start, "loadings_", None)
    if previous is None:
        raise ArgumentError(
            f"start={start!r} is none of 'svd', 'regression', 'random' and a fitted "
            "LinearMixedForm."
        )
    shapes = {name: (part.shape[1], rank) for name, part in zip(names, data)}
    if {name: A.shape for name, A in previous.items()} != shapes:
        raise ArgumentError(
            "The fit given as start= has another rank or other columns: start from 'svd'."
        )
    loadings, variances = (
        tuple(np.asarray(part[name], dtype=np.float64) for name in names)
        for part in (start.loadings_, start.variances_)
    )
    return PreviousFit(loadings, variances, start.moments_)


def _names_of(side: Side, data: Modalities, names: Sequence[str]) -> str:
    return listed([name for name, part in zip(names, data) if part.side is side])


def check_sizes(data: Modalities, names: Sequence[str], rank: int) -> None:
    """Refuse entries whose squares over- or underflow, and a rank above the columns.

    Raises
    ------
    DataError, ModelError
    """
    for name, part in zip(names, data):
        if not SMALLEST_SQUARE < part.square < LARGEST_SQUARE:
            say = "large" if part.square > SMALLEST_SQUARE else "small, or zero,"
            raise DataError(
                f"The entries of {name} are so {say} that their squares are lost: bring them to "
                "another unit, or leave it out."
            )
    for side in CODE_SIDES:
        columns = sum(part.shape[1] for part in data if part.side is side)
        if rank > min(data.n, columns):
            raise ModelError(
                f"rank={rank} is above what {_names_of(side, data, names)} can carry: {data.n} "
                f"rows and {columns} columns. Take rank={min(data.n, columns)} or less."
            )


def _check_rank(names: str, found: LeadingVectors, rank: int) -> None:
    if found.numerical_rank < rank:
        raise ModelError(
            f"rank={rank} is above what {names} carries: {found.numerical_rank} of its directions "
            f"differ from zero. Take rank={found.numerical_rank} or less."
        )


def _ordered(given: tuple[float, ...] | Mapping[str, float] | None, names: Sequence[str]) -> Any:
    """Weights in the order of the modalities."""
    if given is None:
        return None
    fits = set(given) == set(names) if isinstance(given, Mapping) else len(given) == len(names)
    if not fits:
        raise ArgumentError(f"weights= needs one number for each of {listed(list(names))}.")
    return tuple(given[name] for name in names) if isinstance(given, Mapping) else given
