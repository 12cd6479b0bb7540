"""A user's function of a fit: its numbers and their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ...errors import ArgumentError
from ...support.arrays import FloatArray


class Statistic:
    """A function of a results object that gives numbers, always the same ones.

    Parameters
    ----------
    function : callable
        Gives a number, an array, a Series or a mapping of numbers.
    fit : MixedModelResults
        On which it is tried.

    Raises
    ------
    ArgumentError
        It is no function.
    """

    def __init__(self, function: Any, fit: Any) -> None:
        if not callable(function):
            raise ArgumentError(
                "statistic must be a function of a fit, such as lambda fit: fit.params, not "
                f"{type(function).__name__}."
            )
        self.function: Callable[[Any], Any] = function
        self.fit = fit
        self.label = getattr(function, "__name__", type(function).__name__)

    @cached_property
    def of_fit(self) -> tuple[list[str], FloatArray]:
        """Names and values of its numbers for the fit itself.

        Raises
        ------
        ArgumentError
            It fails, or gives something else.
        """
        names, values = self._of(self.fit, "the fit itself")
        if not len(values):
            raise ArgumentError(f"statistic: {self.label} gave no numbers for the fit itself.")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ArgumentError(
                f"statistic: {self.label} gave two numbers of one name, {twice!r}. Give "
                "each its own."
            )
        return names, values

    def __call__(self, fit: Any, where: str) -> FloatArray:
        """Its numbers for another fit, which messages call `where`.

        Raises
        ------
        ArgumentError
            It fails, or gives other numbers than for the fit.
        """
        names, values = self._of(fit, where)
        expected, _ = self.of_fit
        if names != expected:
            raise ArgumentError(
                f"statistic: {self.label} gave {_shape(names)} for {where} and "
                f"{_shape(expected)} for the fit itself: it must give the same numbers each "
                "time, NaN where there is none."
            )
        return values

    def _of(self, fit: Any, where: str) -> tuple[list[str], FloatArray]:
        try:
            found = self.function(fit)
        except Exception as exc:
            raise ArgumentError(
                f"statistic: {self.label} raised {type(exc).__name__} for {where}: {exc}"
            ) from exc
        try:
            return _read(found)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"statistic: {self.label} gave {type(found).__name__} for {where}; a real number, "
                "an array, a Series or a mapping of numbers is needed."
            ) from None


def _shape(names: list[str]) -> str:
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return f"{len(names)} numbers ({shown})"


def _read(found: Any) -> tuple[list[str], FloatArray]:
    """Names and values.

    Raises
    ------
    TypeError, ValueError
        It is not made of real numbers.
    """
    if isinstance(found, Mapping):
        found = pd.Series(dict(found))
    if isinstance(found, pd.DataFrame):
        raise TypeError
    if isinstance(found, pd.Series):
        names = [
            " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
            for label in found.index
        ]
        return names, _real(found.to_numpy())
    array = np.asarray(found)
    if array.ndim == 0:
        return ["statistic"], _real(array[None])
    places = np.ndindex(*array.shape)
    return [", ".join(map(str, place)) for place in places], _real(array.ravel())


def _real(values: Any) -> FloatArray:
    array = np.asarray(values)
    is_real = array.dtype.kind in "biuf"
    if array.dtype.kind == "O":  # not strings that look like numbers
        is_real = all(isinstance(value, Real) for value in array)
    if not is_real:
        raise TypeError
    return np.asarray(array, dtype=np.float64)
