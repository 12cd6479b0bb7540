"""Options of the engine, as one frozen value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, get_args

from .errors import ArgumentError

Engine = Literal["auto", "dense", "cholmod", "superlu", "cg"]


@dataclass(frozen=True, kw_only=True)
class Control:
    """How a model is fitted; the defaults suit almost every model.

    Parameters
    ----------
    factor : {"auto", "dense", "cholmod", "superlu", "cg"}
        How the Schur complement of the crossed factors is factored, or, with ``"cg"``,
        solved by conjugate gradients and never formed (the likelihood is then an estimate).
        ``"auto"`` measures its pattern (nested factors need none of these);
        ``fit.optimizer.blocks`` shows what was chosen.
    max_evaluations : int
        Evaluations of the criterion before the optimiser gives up.
    tolerance : float
        When a Newton step promises to lower the criterion by less than this it is the last.
    singular : float
        A fit is singular when a random effect's smallest standard deviation, in any
        direction and relative to σ, is below this (lme4's default; predictors are
        measured in units of their own spread).
    memory : int
        Bytes that the factor of crossed grouping factors may take; a model that would need
        more is fitted by conjugate gradients if ``factor="auto"``, and refused otherwise,
        before anything is allocated.
    seed : int
        Of the random signs with which ``"cg"`` estimates traces: the same seed gives the
        same fit.

    Examples
    --------
    >>> Control(max_evaluations=500).max_evaluations
    500
    """

    factor: Engine = "auto"
    max_evaluations: int = 300
    tolerance: float = 1e-8
    singular: float = 1e-4
    memory: int = 8 * 2**30
    seed: int = 0

    def __post_init__(self) -> None:
        if self.factor not in get_args(Engine):
            raise ArgumentError(
                f"Control: factor={self.factor!r}; use one of {', '.join(get_args(Engine))}."
            )
        if not isinstance(self.max_evaluations, Integral) or self.max_evaluations < 1:
            raise ArgumentError("Control: max_evaluations must be a whole number of at least 1.")
        if not (_finite(self.tolerance) and self.tolerance > 0):
            raise ArgumentError("Control: tolerance must be a positive, finite number.")
        if not (_finite(self.singular) and self.singular >= 0):
            raise ArgumentError("Control: singular must be a finite number, and not negative.")
        if not (_finite(self.memory) and self.memory > 0):
            raise ArgumentError("Control: memory must be a positive, finite number of bytes.")
        if not isinstance(self.seed, Integral) or self.seed < 0:
            raise ArgumentError("Control: seed must be a whole number, and not negative.")
        for name, kind in (
            ("memory", int),
            ("seed", int),
            ("max_evaluations", int),
            ("tolerance", float),
            ("singular", float),
        ):
            object.__setattr__(self, name, kind(getattr(self, name)))


def _finite(value: object) -> bool:
    """Whether it is a number that a float can hold."""
    try:
        return isinstance(value, Real) and math.isfinite(value)
    except OverflowError:
        return False
