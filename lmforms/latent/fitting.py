"""From options and checked data to the best walk: weights, rank check, starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, DataError, ModelError, listed
from .algorithm1 import algorithm1
from .als import Walk, codes_given, loadings_given, minimise
from .canonical import canonical
from .compress import compressed
from .data import Modalities, Side
from .likelihood import maximise
from .objective import Codes, Loadings, Weights, default_weights
from .start import Leading, aligned, leading_of, random_codes

# tolerance and most sweeps of each method, unless they are given
DEFAULTS = {
    "als": {"tol": 1e-9, "max_iter": 500},
    "ml": {"tol": 1e-6, "max_iter": 2000},
    "algorithm1": {"tol": 1e-9, "max_iter": 500},
}
ROUGH = 1e-6  # tolerance of the descent that likelihood begins from
STARTS = ("svd", "random")
LATENT = (Side.FIXED, Side.RANDOM)  # each with a code of its own


@dataclass(frozen=True)
class Options:
    """The parameters of a form, checked."""

    rank: int
    method: str
    weights: tuple[float, ...] | Mapping[str, float] | None
    ridge: float
    l1: float
    l2: float
    starts: tuple[Any, ...]
    tol: float
    max_iter: int
    seed: int

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Options:
        """From what a user gave.

        Raises
        ------
        ArgumentError
        """
        method = params["method"]
        if not isinstance(method, str) or method not in DEFAULTS:
            raise ArgumentError(f"method={method!r} is not one of {', '.join(DEFAULTS)}.")
        params = {**params, **{k: v for k, v in DEFAULTS[method].items() if params[k] is None}}
        numbers = {name: _number(params, name) for name in ("ridge", "l1", "l2", "tol")}
        for name, only in (("l1", "algorithm1"), ("l2", "algorithm1"), ("ridge", "als")):
            if numbers[name] and method != only:
                raise ArgumentError(f'{name} belongs to method="{only}", not to "{method}".')
        start, seed = params["start"], params["seed"]
        starts = tuple(start) if isinstance(start, (list, tuple)) else (start,)
        if not starts:
            raise ArgumentError("start= is an empty list: name 'svd', 'random' or a fit.")
        if seed is not None and (not isinstance(seed, Integral) or seed < 0):
            raise ArgumentError(f"seed={seed!r} must be a whole number, at least 0, or None.")
        return cls(
            rank=_count(params, "rank"),
            method=method,
            weights=_weights(params["weights"]),
            starts=starts,
            max_iter=_count(params, "max_iter"),
            seed=0 if seed is None else int(seed),
            **numbers,
        )


def fitted_walk(data: Modalities, names: Sequence[str], options: Options) -> tuple[Walk, Weights]:
    """The walk with the least F among those from all starts, and the weights.

    Raises
    ------
    DataError
        Y has missing entries and the method takes none.
    ModelError
        The rank is above what one side carries.
    ArgumentError
        A start is unknown or does not fit, or weights do not.
    """
    if options.method != "als" and not data.complete:
        raise DataError('Y has missing entries, which only method="als" can take.')
    weights = _ordered(options.weights, names) or default_weights(data)
    _check_size(data, names, options.rank)
    rng = np.random.default_rng(options.seed)
    core, X, Z = _subspaces(data, weights, options, rng)
    for side, found in zip(LATENT, (X, Z)):
        _check_rank(_names_of(side, data, names), found, options.rank)
    walks = []
    for start in options.starts:
        codes, loadings = _started(core, names, start, X, Z, weights, options, rng)
        walks.append(_walked(data, core, codes, loadings, weights, options))
    return min(walks, key=lambda walk: walk.trace[-1]), weights


def _subspaces(
    data: Modalities, weights: Weights, options: Options, rng: np.random.Generator
) -> tuple[Modalities, Leading, Leading]:
    """What to begin the descent on, and the leading vectors of both sides there.

    Where the compressed problem lacks directions the data themselves are asked: it has lost
    those that are weak.
    """
    small = None if options.method == "algorithm1" else compressed(data, options.rank)
    for core in (small or data, data):
        X, Z = (leading_of(core, side, weights, options.rank, rng) for side in LATENT)
        if core is data or min(X.carried, Z.carried) >= options.rank:
            break
    return core, X, Z


def _walked(
    data: Modalities,
    core: Modalities,
    codes: Codes,
    loadings: Loadings,
    weights: Weights,
    options: Options,
) -> Walk:
    """From one start, by the method asked for."""
    tol, max_iter = options.tol, options.max_iter
    if options.method == "als":
        return _descent(data, core, loadings, weights, options)
    if options.method == "ml":
        rough = minimise(core, loadings, weights, tol=ROUGH, max_iter=max_iter)
        return maximise(data, core, rough, weights, tol, max_iter)
    return algorithm1(data, codes, weights, options.l1, options.l2, tol, max_iter)


def _descent(
    data: Modalities, core: Modalities, loadings: Loadings, weights: Weights, options: Options
) -> Walk:
    """A descent on the compressed problem, if there is one, and on the data from there."""
    settings = weights, options.ridge, options.tol
    if core is data or options.max_iter == 1:
        return minimise(data, loadings, *settings, options.max_iter)
    coarse = minimise(core, loadings, *settings, options.max_iter - 1)
    left = options.max_iter - coarse.status.n_iter
    return coarse.followed_by(minimise(data, coarse.loadings, *settings, left))


def _started(
    data: Modalities,
    names: Sequence[str],
    start: Any,
    X: Leading,
    Z: Leading,
    weights: Weights,
    options: Options,
    rng: np.random.Generator,
) -> tuple[Codes, Loadings]:
    """Codes and loadings to begin with, balanced."""
    if isinstance(start, str) and start in STARTS:
        codes = aligned(data, X, Z) if start == "svd" else random_codes(data, options.rank, rng)
        loadings = loadings_given(data, codes, weights, options.ridge)
        return canonical(codes, loadings, None if options.ridge else weights)
    previous: Mapping[str, Any] | None = getattr(start, "loadings_", None)
    if previous is None:
        raise ArgumentError(
            f"start={start!r} is neither 'svd' nor 'random' nor a fitted LinearMixedForm."
        )
    shapes = {name: (part.shape[1], options.rank) for name, part in zip(names, data)}
    if {name: A.shape for name, A in previous.items()} != shapes:
        raise ArgumentError(
            "The fit given as start= has another rank or other columns: start from 'svd'."
        )
    loadings = tuple(np.asarray(previous[name], dtype=np.float64) for name in names)
    return codes_given(data, loadings, weights, options.ridge)[0], loadings


def _names_of(side: Side, data: Modalities, names: Sequence[str]) -> str:
    return listed([name for name, part in zip(names, data) if part.side is side])


def _check_size(data: Modalities, names: Sequence[str], rank: int) -> None:
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


def _number(params: Mapping[str, Any], name: str) -> float:
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < np.inf:
        raise ArgumentError(f"{name}={value!r} must be a number that is not negative.")
    return float(value)


def _count(params: Mapping[str, Any], name: str) -> int:
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ArgumentError(f"{name}={value!r} must be a whole number, at least 1.")
    return int(value)


def _weights(given: Any) -> tuple[float, ...] | dict[str, float] | None:
    """Positive numbers, by name or in order."""
    if given is None:
        return None
    pairs = given.items() if isinstance(given, (Mapping, pd.Series)) else None
    try:
        numbers = [float(w) for w in (given if pairs is None else dict(pairs).values())]
    except (TypeError, ValueError) as error:
        raise ArgumentError("weights= needs one number for each modality.") from error
    if not all(0 < w < np.inf for w in numbers):
        raise ArgumentError(f"weights={tuple(numbers)} must be positive numbers.")
    return tuple(numbers) if pairs is None else dict(zip(dict(pairs), numbers))
