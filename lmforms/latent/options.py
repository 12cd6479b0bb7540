"""The parameters of a form, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import number, one_of, whole_number

DEFAULTS = {
    "als": {"tol": 1e-9, "max_iter": 500},
    "ml": {"tol": 1e-6, "max_iter": 2000},
    "algorithm1": {"tol": 1e-9, "max_iter": 500},
}
"""Tolerance and largest number of sweeps of each method, unless they are given."""

STARTS = ("svd", "regression", "random")


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
        method = one_of("method", method, list(DEFAULTS))
        params = {**params, **{k: v for k, v in DEFAULTS[method].items() if params[k] is None}}
        numbers = {
            name: number(name, params[name], least=0.0) for name in ("ridge", "l1", "l2", "tol")
        }
        for name, only in (("l1", "algorithm1"), ("l2", "algorithm1"), ("ridge", "als")):
            if numbers[name] and method != only:
                raise ArgumentError(f'{name} belongs to method="{only}", not to "{method}".')
        start, seed = params["start"], params["seed"]
        starts = tuple(start) if isinstance(start, (list, tuple)) else (start,)
        if not starts:
            raise ArgumentError("start= is an empty list: name 'svd', 'random' or a fit.")
        return cls(
            rank=whole_number("rank", params["rank"], least=1),
            method=method,
            weights=_weights(params["weights"]),
            starts=starts,
            max_iter=whole_number("max_iter", params["max_iter"], least=1),
            seed=0 if seed is None else whole_number("seed", seed),
            **numbers,
        )


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
