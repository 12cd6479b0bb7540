"""The parameters of a form, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError

# tolerance and most sweeps of each method, unless they are given
DEFAULTS = {
    "als": {"tol": 1e-9, "max_iter": 500},
    "ml": {"tol": 1e-6, "max_iter": 2000},
    "algorithm1": {"tol": 1e-9, "max_iter": 500},
}
STARTS = ("svd", "random")


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
    pairs = dict(given.items()) if isinstance(given, (Mapping, pd.Series)) else None
    try:
        numbers = [float(w) for w in (given if pairs is None else pairs.values())]
    except (TypeError, ValueError) as error:
        raise ArgumentError("weights= needs one number for each modality.") from error
    if not all(0 < w < np.inf for w in numbers):
        raise ArgumentError(f"weights={tuple(numbers)} must be positive numbers.")
    return tuple(numbers) if pairs is None else dict(zip(pairs, numbers))
