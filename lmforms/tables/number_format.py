"""Numbers of tables as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray

MINUS = "\N{MINUS SIGN}"

DIGITS = 4
"""Significant digits shown at least, of the smallest number or standard error in a column."""

FEW_DIGITS = 2
"""Those of a number without a standard error where others of its column have one."""

MOST_DIGITS = 9
"""Digits shown at most, of the largest; beyond, numbers are formatted one by one."""

MOST_DECIMALS = 6
"""Decimals of a number that has its own; a smaller number has an exponent."""

EXACT = 1e-14
"""Relative difference of a number to a rounded one up to which it is that number."""

LEAST_P = 1e-4
"""p-values below this are called smaller than it: four decimals are shown of others."""

WITHOUT_DECIMALS = 1e15
"""Numbers of fixed decimals from here on have an exponent: they have no more digits."""

NO_P = 1e-16
"""p-values below this are all called smaller than it in a sentence."""

WHOLE_DF = 1000.0
"""Degrees of freedom above this are rounded to whole numbers."""

STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
"""Marks of p-values below a bound."""

STARS_NOTE = "* p < 0.05, ** p < 0.01, *** p < 0.001."

ESTIMATES = frozenset(("estimate", "lower", "upper", "conf.low", "conf.high"))
ERRORS = frozenset(("std_error", "std.error"))
"""Columns of one unit, written with the same decimals."""

P_VALUES = ("p_value", "p.value")


def minus_signs(text: str) -> str:
    """A number with a minus sign for each hyphen.

    Examples
    --------
    >>> minus_signs("-1.2e-05")
    '−1.2e−05'
    """
    return text.replace("-", MINUS)


def signed(value: float, spec: str) -> str:
    """A number by a format, with a minus sign, or none where it is rounded to zero.

    Examples
    --------
    >>> signed(-0.02, ".3f"), signed(-0.0002, ".3f")
    ('−0.020', '0.000')
    """
    text = f"{value:{spec}}"
    if text.startswith("-") and not text.strip("-0."):
        return text[1:]
    return minus_signs(text)


def _decimals(smallest: float, digits: int) -> int:
    return int(max(0, digits - 1 - np.floor(np.log10(smallest))))


def _fewest_decimals(sizes: FloatArray, most: int) -> int:
    """Decimals that show numbers in full, if fewer than `most` do."""
    for decimals in range(most):
        if (np.abs(np.round(sizes, decimals) - sizes) <= EXACT * sizes).all():
            return decimals
    return most


def _sizes(numbers: FloatArray) -> FloatArray:
    return np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])


def aligned(values: Any, digits: int = DIGITS) -> list[str]:
    """Numbers of a column with common decimals where their sizes allow it.

    Examples
    --------
    >>> aligned([251.405, -10.4673]), aligned([0.0, 0.2])
    (['251.41', '−10.47'], ['0.0', '0.2'])
    """
    numbers = np.asarray(values, dtype=np.float64)
    sizes = _sizes(numbers)
    if not len(sizes):
        return [signed(v, "g") for v in numbers]
    decimals = _fewest_decimals(sizes, _decimals(sizes.min(), digits))
    if decimals + max(0, np.floor(np.log10(sizes.max()))) + 1 > max(MOST_DIGITS, digits):
        return ["0" if v == 0 else signed(v, f".{digits}g") for v in numbers]
    return [signed(v, f".{decimals}f") for v in numbers]


def estimate_texts(
    columns: Mapping[str, Any], errors: Any = None, digits: int = DIGITS
) -> dict[str, list[str]]:
    """Estimates, their standard errors and limits, with the same decimals.

    Parameters
    ----------
    columns : mapping of str to array (m,)
        In one unit, estimates first.
    errors : array (m,), optional
        Standard errors, of which the smallest has so many digits; without any, the smallest number
        of the first column.
    digits : int

    Examples
    --------
    >>> texts = estimate_texts({"estimate": [251.4051, -0.0213]}, [6.8246, 1.5458])
    >>> texts["estimate"], texts["std_error"]
    (['251.405', '−0.021'], ['6.825', '1.546'])
    """
    numbers = {name: np.asarray(v, dtype=np.float64) for name, v in columns.items()}
    first = next(iter(numbers.values()))
    scale = first
    if errors is not None:
        own = numbers["std_error"] = np.asarray(errors, dtype=np.float64)
        known = np.isfinite(own) & (own != 0)
        few = 10.0 ** (digits - min(FEW_DIGITS, digits)) if known.any() else 1.0
        scale = np.where(known, own, few * first)
    every = np.column_stack(list(numbers.values()))
    sizes, largest = _sizes(scale), _sizes(every)
    if not len(sizes):
        return {name: aligned(v, digits) for name, v in numbers.items()}
    decimals = _decimals(sizes.min(), digits)
    if decimals + max(0, np.floor(np.log10(largest.max()))) + 1 <= max(MOST_DIGITS, digits):
        return {name: [signed(x, f".{decimals}f") for x in v] for name, v in numbers.items()}
    rows = [_row_texts(row, size, digits) for row, size in zip(every, scale, strict=True)]
    return {name: [row[j] for row in rows] for j, name in enumerate(numbers)}


def _row_texts(row: FloatArray, scale: float, digits: int) -> list[str]:
    """Numbers of one row with the decimals of its standard error, or with exponents."""
    sizes = _sizes(row)
    if len(sizes) and np.isfinite(scale) and scale != 0:
        decimals = _decimals(abs(scale), digits)
        most = decimals + max(0, np.floor(np.log10(sizes.max()))) + 1
        if decimals <= MOST_DECIMALS and most <= max(MOST_DIGITS, digits):
            return [signed(v, f".{decimals}f") for v in row]
    return ["0" if v == 0 else signed(v, f".{digits - 1}e") for v in row]


def fixed_decimals(values: Any, decimals: int) -> list[str]:
    """Numbers with so many decimals, or with an exponent where doubles have none left.

    Examples
    --------
    >>> fixed_decimals([2.5, -1e300], 2)
    ['2.50', '−1.00e+300']
    """
    return [
        signed(v, f".{decimals}{'f' if abs(v) < WITHOUT_DECIMALS else 'e'}")
        for v in np.asarray(values, dtype=np.float64)
    ]


def p_texts(values: Any) -> list[str]:
    """p-values: four decimals, or that they are smaller than four can show.

    Examples
    --------
    >>> p_texts([0.25, 3.2e-6, 0.0])
    ['0.2500', '<0.0001', '<0.0001']
    """
    numbers = np.asarray(values, dtype=np.float64)
    return [f"<{LEAST_P:.4f}" if p < LEAST_P else f"{p:.4f}" for p in numbers]


def p_phrase(p: float) -> str:
    """A p-value within a sentence.

    Examples
    --------
    >>> p_phrase(0.0312), p_phrase(0.0)
    ('p = 0.031', 'p < 1e−16')
    """
    return minus_signs(f"p = {p:.2g}" if p >= NO_P else f"p < {NO_P:g}")


def star_texts(p_values: Any) -> list[str]:
    """The marks of p-values, empty for those that are not below 0.05 or missing.

    Examples
    --------
    >>> star_texts([0.0002, 0.03, 0.2])
    ['***', '*', '']
    """
    return [
        next((mark for bound, mark in STARS if p < bound), "")
        for p in np.asarray(p_values, dtype=np.float64)
    ]


def df_texts(values: Any) -> list[str]:
    """Degrees of freedom: whole if all are, else two decimals, none where they are large.

    Examples
    --------
    >>> df_texts([17.0, 161.0]), df_texts([17.0, 15.359, 37613.99])
    (['17', '161'], ['17.00', '15.36', '37614'])
    """
    numbers = np.asarray(values, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    whole = np.allclose(finite, np.round(finite), rtol=0, atol=1e-6)
    texts = []
    for v in numbers:
        spec = ".0f" if whole or v >= WHOLE_DF else ".2f"
        texts.append(signed(v, spec if abs(v) < WITHOUT_DECIMALS else ".2e"))
    return texts


def criterion_texts(values: Any) -> list[str]:
    """Criteria, of which differences matter and not sizes, and seconds: two decimals.

    Examples
    --------
    >>> criterion_texts([1755.628, -237733.8341])
    ['1755.63', '−237733.83']
    """
    return fixed_decimals(values, 2)


def statistic_texts(values: Any) -> list[str]:
    """t, F and χ² statistics: three decimals."""
    return fixed_decimals(values, 3)


def weight_texts(values: Any) -> list[str]:
    """Shares of 1: four decimals."""
    return fixed_decimals(values, 4)


TEXTS = {
    **dict.fromkeys(P_VALUES, p_texts),
    **dict.fromkeys(("df", "num_df", "den_df"), df_texts),
    **dict.fromkeys(("criterion", "loglik", "aic", "bic", "delta_aic"), criterion_texts),
    **dict.fromkeys(("logLik", "AIC", "BIC", "REMLcrit", "deviance"), criterion_texts),
    "statistic": statistic_texts,
    "weight": weight_texts,
    "seconds": criterion_texts,
}
"""How columns are written that are not aligned by their decimals."""


def column_texts(name: str, values: Any, digits: int = DIGITS) -> list[str]:
    """The cells of a column of a table; what is missing is empty.

    Examples
    --------
    >>> column_texts("group", np.array(["g", None])), column_texts("p.value", [0.25])
    (['g', ''], ['0.2500'])
    """
    kind = np.asarray(values).dtype.kind
    if kind == "O":
        return ["" if v is None or v is np.nan or v is pd.NA else _object(v) for v in values]
    if kind != "f":
        return [minus_signs(str(v)) if kind == "i" else str(v) for v in values]
    made = next((made for start, made in TEXTS.items() if name.startswith(start)), None)
    texts = aligned(values, digits) if made is None else made(values)
    return _or_empty(values, texts)


def _object(value: Any) -> str:
    """A cell of mixed kinds: a number has a minus sign, text is as it is."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return minus_signs(str(value)) if number else str(value)


def _or_empty(values: Any, texts: Sequence[str]) -> list[str]:
    return ["" if np.isnan(v) else text for v, text in zip(values, texts, strict=True)]


def frame_texts(table: pd.DataFrame, digits: int = DIGITS) -> list[list[str]]:
    """The cells of all columns: estimates, standard errors and limits with the same decimals."""
    columns = {j: table.iloc[:, j].to_numpy() for j in range(table.shape[1])}
    names = [str(name) for name in table.columns]
    numbers = {j for j, values in columns.items() if values.dtype.kind == "f"}
    estimates = {str(j): columns[j] for j in sorted(numbers) if names[j] in ESTIMATES}
    errors = [j for j in sorted(numbers) if names[j] in ERRORS]
    joint: dict[int, list[str]] = {}
    if estimates:
        made = estimate_texts(estimates, columns[errors[0]] if errors else None, digits)
        joint = {int(j): _or_empty(columns[int(j)], made[j]) for j in estimates}
        if errors:
            joint[errors[0]] = _or_empty(columns[errors[0]], made["std_error"])
    return [
        joint[j] if j in joint else column_texts(name, columns[j], digits)
        for j, name in enumerate(names)
    ]
