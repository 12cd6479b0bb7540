"""Numbers of a matrix as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..support.arrays import FloatArray
from .number_format import signed

LARGEST_DIGITS, SMALLEST_DIGITS = 4, 2
"""Significant digits that the largest and the smallest number of a unit have at least."""

MOST_DIGITS = 6
"""Digits of the largest number, beyond which the smallest is not considered."""

MOST_COMMON_DIGITS = 8
"""Digits of the largest number, beyond which units have decimals of their own."""

MOST_DECIMALS, MOST_OWN_DECIMALS = 12, 6
"""Beyond, numbers have exponents: those of one unit, and those of a unit among several."""

NEGLIGIBLE = 1e-13
"""Numbers of a smaller share of the largest of their unit are zero but for rounding."""


def number_texts(
    values: Any,
    decimals: int | None = None,
    zero: str | None = None,
    units: Any = None,
    exponents: bool = False,
) -> list[str]:
    """Numbers with common decimals, if their sizes allow it, and a true minus sign.

    Parameters
    ----------
    values : array
    decimals : int, optional
        Of numbers that are not all whole. By default as few as show the largest and the smallest
        number of each unit.
    zero : str, optional
        How zero is written; by default with the decimals of the others.
    units : array of int, optional
        Numbers of which are of one unit, and have common decimals in any case; by default all.
    exponents : bool
        Whether a number of which its decimals would show fewer than two digits has an exponent.

    Examples
    --------
    >>> number_texts([0.1662317, -3.466743e-05, 0.0])
    ['0.166232', '−0.000035', '0.000000']
    >>> number_texts([0.1662317, -3.466743e-05], units=[0, 1])
    ['0.1662', '−3.467e−05']
    >>> number_texts([1.0, -12.0])
    ['1', '−12']
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    unit_of = np.zeros(numbers.size, dtype=np.intp)
    if units is not None:
        unit_of = np.unique(np.ravel(units), return_inverse=True)[1]
    tiny = np.zeros(unit_of.max(initial=0) + 1)
    np.maximum.at(tiny, unit_of, NEGLIGIBLE * np.where(np.isfinite(numbers), np.abs(numbers), 0.0))
    counted = np.isfinite(numbers) & (np.abs(numbers) > tiny[unit_of])
    sizes = [np.abs(numbers[counted & (unit_of == u)]) for u in range(len(tiny))]
    given = decimals is not None and not are_whole(np.abs(numbers[counted]))
    places = [decimals] * len(sizes) if given else _decimals(sizes)

    def text(value: float, unit: int) -> str:
        if abs(value) <= tiny[unit]:
            value = 0.0
            if zero is not None:
                return zero
        own = places[unit]
        if own is None:
            return _alone(value, len(sizes) > 1)
        if exponents and not given and 0 < abs(value) < 10.0 ** (SMALLEST_DIGITS - 1 - own):
            return _alone(value, True)
        return signed(value, f".{own}f")

    return [text(v, u) for v, u in zip(numbers.tolist(), unit_of.tolist(), strict=True)]


def are_whole(sizes: FloatArray) -> bool:
    """Whether numbers of these sizes are all whole, and not too long to be written so."""
    whole = bool((sizes == np.round(sizes)).all())
    return whole and float(sizes.max(initial=0.0)) < 10.0**MOST_DIGITS


def _alone(value: float, full: bool) -> str:
    """A number with digits of its own; `full` shows zeros at the end of them, too."""
    if not full or value == 0.0:
        return signed(value, f".{LARGEST_DIGITS}g")
    return signed(value, f".{LARGEST_DIGITS - 1}e")


def _decimals(sizes: Sequence[FloatArray]) -> list[int | None]:
    """Decimals of each unit; None if its numbers are written one by one."""
    every = np.concatenate(sizes)
    if are_whole(every):
        return [0] * len(sizes)
    if len(sizes) == 1:
        return [_needed(every, MOST_DECIMALS)]
    needed = [_needed(own, MOST_OWN_DECIMALS) if len(own) else 0 for own in sizes]
    known = [own for own in needed if own is not None]
    if len(known) == len(needed) and max(known) + _whole_digits(every) <= MOST_COMMON_DIGITS:
        return [max(known)] * len(sizes)
    return needed


def _needed(sizes: FloatArray, most: int) -> int | None:
    low, high = (int(np.floor(np.log10(size))) for size in (sizes.min(), sizes.max()))
    needed = max(LARGEST_DIGITS - 1 - high, min(SMALLEST_DIGITS - 1 - low, MOST_DIGITS - 1 - high))
    return None if needed > most or high > MOST_DECIMALS else max(needed, 0)


def _whole_digits(sizes: FloatArray) -> int:
    return max(int(np.floor(np.log10(sizes.max()))), 0) + 1
