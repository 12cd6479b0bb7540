"""From options and checked data to the best walk: weights, rank check, starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataError, ModelError
from .algorithm1 import algorithm1
from .als import Walk, codes_given, loadings_given, minimise
from .canonical import canonical
from .objective import Codes, Loadings, Modalities, Weights, default_weights
from .start import NEGLIGIBLE, Leading, aligned, leading, random_codes

METHODS = ("als", "algorithm1")
STARTS = ("svd", "random")


@dataclass(frozen=True)
class Options:
    """The parameters of a form, checked."""

    rank: int
    method: str
    weights: Weights | None
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
        if method not in METHODS:
            raise ArgumentError(f"method={method!r} is not one of {', '.join(METHODS)}.")
        numbers = {name: _number(params, name) for name in ("ridge", "l1", "l2", "tol")}
        if method == "als" and (numbers["l1"] or numbers["l2"]):
            raise ArgumentError('l1 and l2 belong to method="algorithm1"; "als" has ridge.')
        if method == "algorithm1" and numbers["ridge"]:
            raise ArgumentError('ridge belongs to method="als"; "algorithm1" has l1 and l2.')
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


def fitted_walk(data: Modalities, options: Options) -> tuple[Walk, Weights]:
    """The walk with the least F among those from all starts, and the weights.

    Raises
    ------
    DataError
        Y has missing entries and the method takes none.
    ModelError
        The rank is above what X or Z carry.
    ArgumentError
        A start is unknown or does not fit.
    """
    if options.method == "algorithm1" and data.seen is not None:
        raise DataError('Y has missing entries, which only method="als" can take.')
    weights = options.weights or default_weights(data)
    _check_size(data, options.rank)
    rng = np.random.default_rng(options.seed)
    X, Z = (leading(A, options.rank, rng) for A in (data.X, data.Z))
    for name, found in (("X", X), ("Z", Z)):
        _check_rank(name, found, options.rank)
    walks = []
    for start in options.starts:
        codes, loadings = _started(data, start, X, Z, weights, options, rng)
        if options.method == "als":
            settings = options.ridge, options.tol, options.max_iter
            walks.append(minimise(data, loadings, weights, *settings))
        else:
            shrinkage = options.l1, options.l2, options.tol, options.max_iter
            walks.append(algorithm1(data, codes, weights, *shrinkage))
    return min(walks, key=lambda walk: walk.trace[-1]), weights


def _started(
    data: Modalities,
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
    previous: Loadings | None = getattr(start, "_loadings", None)
    if previous is None:
        raise ArgumentError(
            f"start={start!r} is neither 'svd' nor 'random' nor a fitted LinearMixedForm."
        )
    shapes = [(A.shape[1], options.rank) for A in (data.Y, data.X, data.Z)]
    if [A.shape for A in previous] != shapes:
        raise ArgumentError(
            "The fit given as start= has another rank or other columns: start from 'svd'."
        )
    return codes_given(data, previous, weights, options.ridge)[0], previous


def _check_size(data: Modalities, rank: int) -> None:
    for name, A in (("X", data.X), ("Z", data.Z)):
        if rank > min(A.shape):
            raise ModelError(
                f"rank={rank} is above what {name} can carry: it has {A.shape[0]} rows and "
                f"{A.shape[1]} columns. Take rank={min(A.shape)} or less."
            )


def _check_rank(name: str, found: Leading, rank: int) -> None:
    carried = int(np.sum(found.values > NEGLIGIBLE * found.values[0]))
    if carried < rank:
        raise ModelError(
            f"rank={rank} is above what {name} carries: {carried} of its directions differ from "
            f"zero. Take rank={carried} or less."
        )


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


def _weights(given: Any) -> Weights | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        if set(given) != set(Weights._fields):
            raise ArgumentError("weights= needs one number for each of Y, X and Z.")
        given = [given[name] for name in Weights._fields]
    try:
        found = Weights(*(float(w) for w in given))
    except (TypeError, ValueError) as error:
        raise ArgumentError("weights= needs one number for each of Y, X and Z.") from error
    if not all(0 < w < np.inf for w in found):
        raise ArgumentError(f"weights={tuple(found)} must be positive numbers.")
    return found
