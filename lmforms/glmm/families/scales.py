"""Scales of means and of parameters: natural, and unbounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy.special import expit, logit

from ...support.arrays import FloatArray

Inner = Literal["log", "logit", "identity"]
"""The inner predictor τ as a function of the mean."""


def _logit_of_excess(power: FloatArray) -> FloatArray:
    return np.asarray(logit(np.asarray(power) - 1.0))


# Natural from unbounded, and back, of parameters that are not positive numbers with ω = ln value
_SCALES: dict[str, tuple[Callable[..., FloatArray], Callable[..., FloatArray]]] = {
    "power": (lambda w: 1.0 + expit(w), _logit_of_excess),
    "zero_inflation": (expit, logit),
}
_RANGES = {"power": "between 1 and 2", "zero_inflation": "between 0 and 1"}


def range_of(name: str) -> str:
    """The values that a parameter can have, in words."""
    return _RANGES.get(name, "above 0")


def natural(name: str, omega: Any) -> FloatArray:
    """A parameter in its natural units.

    Examples
    --------
    >>> natural("power", 0.0), natural("size", 0.0)
    (array(1.5), array(1.))
    """
    return np.asarray(_SCALES.get(name, (np.exp, np.log))[0](omega))


def unbounded(name: str, value: Any) -> FloatArray:
    """A parameter on its unbounded scale ω."""
    return np.asarray(_SCALES.get(name, (np.exp, np.log))[1](value))


def mean_of(kind: Inner, tau: FloatArray) -> FloatArray:
    """The mean whose inner predictor is τ."""
    with np.errstate(all="ignore"):
        return np.asarray({"log": np.exp, "logit": expit, "identity": np.asarray}[kind](tau))


def inner_of(kind: Inner, mean: FloatArray) -> FloatArray:
    """The inner predictor of a mean."""
    with np.errstate(all="ignore"):
        return np.asarray({"log": np.log, "logit": logit, "identity": np.asarray}[kind](mean))
