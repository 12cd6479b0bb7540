"""Options of the engine, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from .errors import ArgumentError
from .support.arguments import (
    flag_or_auto,
    named_arguments,
    number,
    one_of,
    positive,
    short_repr,
    whole_number,
)
from .support.foreign_arguments import refuse_method, refuse_options

Solver = Literal["auto", "dense", "sparse", "cholmod", "superlu", "cg"]

METHODS_WITH_START = (
    "ai",
    "newton",
    "fisher",
    "em",
    "em-fixed-point",
    "em-henderson",
    "quasi-newton",
)
"""Estimators of variance components that iterate from starting values."""

METHODS_WITHOUT_START = ("emma", "gibbs")
"""Estimators of variance components without starting values."""

METHODS = ("auto", *METHODS_WITH_START, *METHODS_WITHOUT_START)
"""What `method` of a fit may be."""

DEFAULT_MEMORY = 8 * 2**30
"""Bytes that the factor of a model may take."""


@named_arguments
@dataclass(frozen=True, kw_only=True)
class Control:
    """How a model is fitted; the defaults suit almost every model.

    Parameters
    ----------
    factor : {"auto", "dense", "sparse", "cholmod", "superlu", "cg"}
        How the Schur complement of the crossed factors is factored, or, with ``"cg"``,
        solved by conjugate gradients and never formed (the likelihood is then an estimate).
        ``"auto"`` measures its pattern (nested factors need none of these). A sparse one is
        ordered once and factored by the package's own Cholesky (``"sparse"``), by SciPy's
        SuperLU (``"superlu"``, which ``"auto"`` takes for small ones), or by CHOLMOD
        (``"cholmod"``, only when asked for; needs scikit-sparse).
        ``fit.optimizer.blocks`` shows what was chosen.
    max_evaluations : int
        Evaluations of the criterion before the optimiser gives up. The rough searches over the
        parameters of a residual structure that come before have a limit of their own: each takes
        60 evaluations at most, and none begins after this number of them.
        ``optimizer.n_evaluations`` counts all. Left at its default, an estimator of
        :mod:`lmforms.varcomp` keeps its own limit.
    tolerance : float
        When a Newton step promises to lower the criterion by less than this it is the last.
        Left at its default, an estimator of :mod:`lmforms.varcomp` keeps its own tolerance.
    singular : float
        A fit is singular when a random effect's smallest standard deviation, in any
        direction and relative to σ, is below this (lme4's default; predictors are
        measured in units of their own spread).
    memory : int
        Bytes that the factor of crossed grouping factors may take; a model that would need
        more is fitted by conjugate gradients if ``factor="auto"``, and refused otherwise,
        before anything is allocated.
    compiled : bool or "auto"
        Whether small and one-factor models are fitted by compiled kernels. Loading these takes
        longer than a small fit, so that ``"auto"`` loads them when a process has fitted about 200
        small models, or a few with very many groups, and ten times as many where they have to be
        compiled. Results differ by rounding only.
    seed : int
        Of the random signs with which ``"cg"`` estimates traces: the same seed gives the
        same fit. Exact fits of large crossed models begin at such an estimate; where they end does
        not depend on it.

    Examples
    --------
    >>> Control(max_evaluations=500).max_evaluations
    500
    """

    factor: Solver = "auto"
    max_evaluations: int = 300
    tolerance: float = 1e-8
    singular: float = 1e-4
    memory: int = DEFAULT_MEMORY
    seed: int = 0
    compiled: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        checked = {
            "factor": one_of("Control: factor", self.factor, get_args(Solver)),
            "max_evaluations": whole_number(
                "Control: max_evaluations", self.max_evaluations, least=1
            ),
            "tolerance": positive("Control: tolerance", self.tolerance),
            "singular": number("Control: singular", self.singular, least=0.0),
            "memory": int(positive("Control: memory", self.memory)),
            "seed": whole_number("Control: seed", self.seed),
            "compiled": flag_or_auto("Control: compiled", self.compiled),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def method_of(value: Any) -> str:
    """The `method` of a fit."""
    if isinstance(value, str) and value in METHODS:
        return str(value)
    refuse_method(value)
    return one_of("method", value, METHODS)


@cache
def _default() -> Control:
    """The default options, checked once."""
    return Control()


def control_of(value: Any) -> Control:
    """The options, or the default ones."""
    if value is None:
        return _default()
    if isinstance(value, Control):
        return value
    refuse_options(value)
    raise ArgumentError(f"control must be a lmforms.Control, not {short_repr(value)}.")
