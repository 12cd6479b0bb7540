"""From options and checked data to the best walk: weights, rank check, starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, DataError, ModelError, listed
from ..support.arrays import FloatArray
from .algorithm1 import algorithm1
from .als import FormEstimate, codes_given, loadings_given, minimise
from .canonical import canonical
from .compression import compressed
from .constant import constants_of, only_varying, varying, with_constants
from .data import Modalities, Side
from .likelihood import LEAST_NOISE, FactorModel, fitted_by_likelihood, initial_model, standardised
from .objective import Codes, Loadings, Weights, default_weights
from .options import STARTS, Options
from .start import Leading, aligned, leading_of, random_codes

ROUGH, ROUGH_SWEEPS = 1e-6, 500  # of the descent that likelihood begins from
LEAST, MOST = 1e-290, 1e290  # of ‖·‖²
LATENT = (Side.FIXED, Side.RANDOM)  # each with a code of its own


def best_fit(
    data: Modalities, names: Sequence[str], options: Options
) -> tuple[FormEstimate, Weights]:
    """The walk with the least F among those from all starts, and the weights.

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
    starts = [s if isinstance(s, str) else s.of(varying(constants)) for s in starts]
    walk, weights = _fit_from(starts, only_varying(data, constants), names, options)
    return with_constants(walk, constants), weights


def _fit_from(
    starts: Sequence[str | Start], data: Modalities, names: Sequence[str], options: Options
) -> tuple[FormEstimate, Weights]:
    """The same of data whose columns all take part."""
    check_sizes(data, names, options.rank)
    weights = _ordered(options.weights, names) or default_weights(data)
    ground = _starting_point(data, weights, options)
    for side, found in zip(LATENT, (ground.X, ground.Z)):
        _check_rank(_names_of(side, data, names), found, options.rank)
    walk = _likelihood if options.method == "ml" else _least_squares
    walks = [walk(data, start, ground, weights, options) for start in starts]
    return min(walks, key=lambda walk: walk.trace[-1]), weights


class Start(NamedTuple):
    """What an earlier fit has found, in the order of the modalities.

    Attributes
    ----------
    loadings, variances : tuple of ndarray (c_j, k), (c_j,)
    moments : ndarray (2k, 2k)
    """

    loadings: Loadings
    variances: tuple[FloatArray, ...]
    moments: FloatArray

    def of(self, columns: Sequence[Any]) -> Start:
        """The same of some of the columns."""
        loadings, variances = (
            tuple(A[chosen] for A, chosen in zip(parts, columns)) for parts in self[:2]
        )
        return Start(loadings, variances, self.moments)


class StartingPoint(NamedTuple):
    """What walks begin on.

    Attributes
    ----------
    core : Modalities
        R in place of the data, or the data; for likelihood with standardised columns.
    scales : tuple of ndarray
        What the columns of the core were divided by.
    weights : tuple of float
        For least squares on the core.
    X, Z : Leading
        Leading vectors of both sides of the core.
    rng : Generator
    """

    core: Modalities
    scales: tuple[FloatArray, ...]
    weights: Weights
    X: Leading
    Z: Leading
    rng: np.random.Generator


def _starting_point(data: Modalities, weights: Weights, options: Options) -> StartingPoint:
    """R if that pays and has all directions: it has lost those that are weak."""
    rng = np.random.default_rng(options.seed)
    small = None if options.method == "algorithm1" else compressed(data, options.rank)
    for given in (small or data, data):
        core, own = given, weights
        scales: tuple[FloatArray, ...] = ()
        if options.method == "ml":
            core, scales = standardised(given, data.n)
            own = default_weights(core)
        X, Z = (leading_of(core, side, own, options.rank, rng) for side in LATENT)
        if given is data or min(X.carried, Z.carried) >= options.rank:
            break
    return StartingPoint(core, scales, own, X, Z, rng)


def _least_squares(
    data: Modalities,
    start: str | Start,
    ground: StartingPoint,
    weights: Weights,
    options: Options,
) -> FormEstimate:
    """By descent or by the paper's iteration, from one start."""
    if isinstance(start, str):
        codes, loadings = _fresh(start, ground, options)
    else:
        loadings = start.loadings
        codes = codes_given(ground.core, loadings, weights, options.ridge)[0]
    if options.method == "als":
        return _descent(data, ground.core, loadings, weights, options)
    shrinkage = options.l1, options.l2, options.tol, options.max_iter
    return algorithm1(data, codes, weights, *shrinkage)


def _likelihood(
    data: Modalities,
    start: str | Start,
    ground: StartingPoint,
    weights: Weights,
    options: Options,
) -> FormEstimate:
    """By maximum likelihood, from a rough descent or from what an earlier fit implies."""
    core, scales = ground.core, ground.scales
    if isinstance(start, str):
        _, loadings = _fresh(start, ground, options)
        rough = minimise(core, loadings, ground.weights, tol=ROUGH, max_iter=ROUGH_SWEEPS)
        law = initial_model(core, rough.codes, data.n)
    else:
        law = FactorModel(*start).scaled(tuple(1.0 / scale for scale in scales))
        law = law.with_noise(core, data.n, LEAST_NOISE)
    return fitted_by_likelihood(data, core, scales, law, weights, options.tol, options.max_iter)


def _fresh(start: str, ground: StartingPoint, options: Options) -> tuple[Codes, Loadings]:
    """Codes and loadings of the aligned or a random start, balanced."""
    core, ridge = ground.core, options.ridge
    if start == "svd":
        codes = aligned(core, ground.X, ground.Z)
    else:
        codes = random_codes(core, options.rank, ground.rng)
    loadings = loadings_given(core, codes, ground.weights, ridge)
    return canonical(codes, loadings, None if ridge else ground.weights)


def _descent(
    data: Modalities, core: Modalities, loadings: Loadings, weights: Weights, options: Options
) -> FormEstimate:
    """A descent on the compressed problem, if there is one, and on the data from there."""
    settings = weights, options.ridge, options.tol
    if core is data or options.max_iter == 1:
        return minimise(data, loadings, *settings, options.max_iter)
    coarse = minimise(core, loadings, *settings, options.max_iter - 1)
    left = options.max_iter - coarse.status.n_iter
    return coarse.followed_by(minimise(data, coarse.loadings, *settings, left))


def _start(start: Any, data: Modalities, names: Sequence[str], rank: int) -> str | Start:
    """One of `STARTS`, or what a fit has found."""
    if isinstance(start, str) and start in STARTS:
        return start
    previous: Mapping[str, Any] | None = getattr(start, "loadings_", None)
    if previous is None:
        raise ArgumentError(
            f"start={start!r} is neither 'svd' nor 'random' nor a fitted LinearMixedForm."
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
    return Start(loadings, variances, start.moments_)


def _names_of(side: Side, data: Modalities, names: Sequence[str]) -> str:
    return listed([name for name, part in zip(names, data) if part.side is side])


def check_sizes(data: Modalities, names: Sequence[str], rank: int) -> None:
    """Refuse entries whose squares leave floating point, and a rank above the columns.

    Raises
    ------
    DataError, ModelError
    """
    for name, part in zip(names, data):
        if not LEAST < part.square < MOST:
            say = "large" if part.square > LEAST else "small, or zero,"
            raise DataError(
                f"The entries of {name} are so {say} that their squares are lost: bring them to "
                "another unit, or leave it out."
            )
    for side in LATENT:
        columns = sum(part.shape[1] for part in data if part.side is side)
        if rank > min(data.n, columns):
            raise ModelError(
                f"rank={rank} is above what {_names_of(side, data, names)} can carry: {data.n} "
                f"rows and {columns} columns. Take rank={min(data.n, columns)} or less."
            )


def _check_rank(names: str, found: Leading, rank: int) -> None:
    if found.carried < rank:
        raise ModelError(
            f"rank={rank} is above what {names} carries: {found.carried} of its directions "
            f"differ from zero. Take rank={found.carried} or less."
        )


def _ordered(given: tuple[float, ...] | Mapping[str, float] | None, names: Sequence[str]) -> Any:
    """Weights in the order of the modalities."""
    if given is None:
        return None
    fits = set(given) == set(names) if isinstance(given, Mapping) else len(given) == len(names)
    if not fits:
        raise ArgumentError(f"weights= needs one number for each of {listed(list(names))}.")
    return tuple(given[name] for name in names) if isinstance(given, Mapping) else given
