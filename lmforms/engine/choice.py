"""Which engine fits a model: a Cholesky factor, or conjugate gradients for the largest ones."""

from __future__ import annotations

import numpy as np

from ..control import Control
from ..errors import ArgumentError, MemoryLimitError
from .factor import System
from .iterative import IterativeSystem
from .sums.cross_products import CrossProducts

ALWAYS_EXACT_COLUMNS = 12_000
"""Beside the leading factor, this many random effects of crossed factors are fitted exactly at
least: a dense factor takes some twenty seconds per evaluation there on two cores, and its time
grows with the cube."""

PATTERN_ANALYSIS_BYTES = 2**29
"""What may be spent, beyond that size, on finding out whether the Schur complement is sparse."""


def analyse(cp: CrossProducts, control: Control) -> System | IterativeSystem:
    """The system to be solved, by the engine that `control` names or the sizes advise.

    Parameters
    ----------
    cp : CrossProducts
    control : Control

    Raises
    ------
    ArgumentError
        Conjugate gradients were asked for where they do not serve.
    MemoryLimitError
        Nothing fits.
    """
    if control.factor == "cg":
        return _iterative_on_request(cp)
    if control.factor != "auto" or _columns_beside_largest(cp) <= ALWAYS_EXACT_COLUMNS:
        return _exact_if_it_fits(cp, control)
    iterative = IterativeSystem(cp)
    if iterative.is_separate():
        return System(cp, "auto", control.memory)
    if iterative.pattern_bytes > min(PATTERN_ANALYSIS_BYTES, control.memory):
        return iterative
    try:
        return System(cp, "auto", control.memory, dense_up_to=ALWAYS_EXACT_COLUMNS)
    except MemoryLimitError:
        return iterative


def _exact_if_it_fits(cp: CrossProducts, control: Control) -> System | IterativeSystem:
    assert control.factor != "cg"
    try:
        return System(cp, control.factor, control.memory)
    except MemoryLimitError:
        if control.factor != "auto":
            raise
        iterative = IterativeSystem(cp)
        if iterative.is_separate():
            raise
        return iterative


def _iterative_on_request(cp: CrossProducts) -> IterativeSystem:
    if len(cp.factors) < 2:
        raise ArgumentError(
            "factor='cg' is for crossed grouping factors; this model has "
            f"{len(cp.factors)}. Use factor='auto'."
        )
    iterative = IterativeSystem(cp)
    if iterative.is_separate():
        raise ArgumentError(
            "factor='cg': the grouping factors are nested, or fall apart into small sets of "
            "levels that meet. An exact factor is cheap there and conjugate gradients are slow: "
            "use factor='auto'."
        )
    return iterative


def _columns_beside_largest(cp: CrossProducts) -> int:
    """Columns of all factors but the largest."""
    sizes = [f.zz.shape[0] * f.zz.shape[1] for f in cp.factors]
    return int(np.sum(sizes) - max(sizes, default=0))
