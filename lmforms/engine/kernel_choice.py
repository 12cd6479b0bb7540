"""When the compiled kernels of fits are loaded: once a process has fitted so much that it pays.

Loading numba and the kernels takes more time than the fit of a small model, and compiling them where
nothing is cached takes seconds. Nobody who fits once pays for that. Every fit that kernels would
speed up counts, by the random effects that it passes over; beyond a bound they are loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..errors import ArgumentError

LOADING_COST = 400_000
"""Random effects whose passes without kernels take about the time of loading numba and kernels from
the cache, which is 0.6 s: 200 small fits, or two of 100,000 groups with slopes."""

SMALL_FIT = 2_000
"""A small fit counts as so many random effects: its arrays are small, and its calls are what costs."""


@dataclass(frozen=True)
class FitKernels:
    """Modules of compiled loops."""

    levels: Any
    newton: Any


class _Count:
    """Random effects that this process has passed over, and what it has loaded."""

    passed = 0
    loaded: FitKernels | None = None


def kernels_of_fit(effects: int, compiled: bool | str) -> FitKernels | None:
    """Compiled kernels, if the fit of a model should use them.

    Parameters
    ----------
    effects : int
        Random effects of the model.
    compiled : bool or "auto"
        As :attr:`lmforms.Control.compiled`.

    Raises
    ------
    ArgumentError
        Kernels are demanded and numba cannot be imported.
    """
    if compiled is False:
        return None
    if _Count.loaded is None:
        if compiled == "auto":
            _Count.passed += max(effects, SMALL_FIT)
            if _Count.passed < LOADING_COST:
                return None
        try:
            _Count.loaded = FitKernels(
                import_module(".factor.level_kernels", __package__),
                import_module(".optimize.newton_kernels", __package__),
            )
        except ImportError:
            if compiled == "auto":
                return None
            raise ArgumentError(
                "Control(compiled=True) needs numba, which cannot be imported: install it, or "
                "leave `compiled` out."
            ) from None
    return _Count.loaded
