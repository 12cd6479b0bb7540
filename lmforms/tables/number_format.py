"""Numbers of tables as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

LEAST_DIGITS = 4
"""Digits shown at least, of the smallest number in a column."""

MOST_DIGITS = 9
"""Digits shown at most, of the largest; beyond, numbers are formatted one by one."""

LEAST_P = 1e-4
"""p-values below this are written with an exponent."""

NO_P = 1e-16
"""p-values below this are all called smaller than it in a sentence."""

WHOLE_DF = 1000.0
"""Degrees of freedom above this are rounded to whole numbers."""


def aligned(values: Any) -> list[str]:
    """Numbers of a column with common decimals where their sizes allow it.

    Examples
    --------
    >>> aligned([251.405, 10.4673])
    ['251.41', '10.47']
    """
    numbers = np.asarray(values, dtype=np.float64)
    sizes = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
    if not len(sizes):
        return [f"{v:g}" for v in numbers]
    low, high = np.floor(np.log10(sizes.min())), np.floor(np.log10(sizes.max()))
    decimals = int(max(0, LEAST_DIGITS - 1 - low))
    if decimals + max(0, high) + 1 > MOST_DIGITS:
        return ["0" if v == 0 else f"{v:.{LEAST_DIGITS}g}" for v in numbers]
    return [f"{v:.{decimals}f}" for v in numbers]


def fixed_decimals(values: Any, decimals: int) -> list[str]:
    """Numbers with so many decimals."""
    return [f"{v:.{decimals}f}" for v in np.asarray(values, dtype=np.float64)]


def p_texts(values: Any) -> list[str]:
    """p-values: four decimals, or an exponent where they are small.

    Examples
    --------
    >>> p_texts([0.25, 3.2e-6, 0.0])
    ['0.2500', '3.2e-06', '<1e-300']
    """
    return [_p_text(float(p)) for p in np.asarray(values, dtype=np.float64)]


def _p_text(p: float) -> str:
    if np.isnan(p) or p >= LEAST_P:
        return f"{p:.4f}"
    return "<1e-300" if p < 1e-300 else f"{p:.1e}"


def p_phrase(p: float) -> str:
    """A p-value within a sentence.

    Examples
    --------
    >>> p_phrase(0.0312), p_phrase(0.0)
    ('p = 0.031', 'p < 1e-16')
    """
    return f"p = {p:.2g}" if p >= NO_P else f"p < {NO_P:g}"


def df_texts(values: Any) -> list[str]:
    """Degrees of freedom: whole if all are, else two decimals, none where they are large.

    Examples
    --------
    >>> df_texts([17.0, 161.0]), df_texts([17.0, 15.359, 37613.99])
    (['17', '161'], ['17.00', '15.36', '37614'])
    """
    numbers = np.asarray(values, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    if np.allclose(finite, np.round(finite), rtol=0, atol=1e-6):
        return [f"{v:.0f}" for v in numbers]
    return [f"{v:.2f}" if v < WHOLE_DF else f"{v:.0f}" for v in numbers]


def criterion_texts(values: Any) -> list[str]:
    """Criteria, of which differences matter and not sizes, and seconds: two decimals.

    Examples
    --------
    >>> criterion_texts([1755.628, 237733.8341])
    ['1755.63', '237733.83']
    """
    return fixed_decimals(values, 2)


def statistic_texts(values: Any) -> list[str]:
    """t, F and χ² statistics: three decimals."""
    return fixed_decimals(values, 3)


def weight_texts(values: Any) -> list[str]:
    """Shares of 1: four decimals."""
    return fixed_decimals(values, 4)


TEXTS = {
    **dict.fromkeys(("p_value", "p.value"), p_texts),
    **dict.fromkeys(("df", "num_df", "den_df"), df_texts),
    **dict.fromkeys(("criterion", "loglik", "aic", "bic", "delta_aic"), criterion_texts),
    **dict.fromkeys(("logLik", "AIC", "BIC", "REMLcrit", "deviance"), criterion_texts),
    "statistic": statistic_texts,
    "weight": weight_texts,
    "seconds": criterion_texts,
}
"""How columns are written that are not aligned by their decimals."""


def column_texts(name: str, values: Any) -> list[str]:
    """The cells of a column of a table; what is missing is empty.

    Examples
    --------
    >>> column_texts("group", np.array(["g", None])), column_texts("p.value", [0.25])
    (['g', ''], ['0.2500'])
    """
    kind = np.asarray(values).dtype.kind
    if kind == "O":
        return ["" if v is None or v is np.nan or v is pd.NA else str(v) for v in values]
    if kind != "f":
        return [str(v) for v in values]
    texts = next((made for start, made in TEXTS.items() if name.startswith(start)), aligned)
    return ["" if np.isnan(v) else text for v, text in zip(values, texts(values), strict=True)]


def text_table(
    headers: Sequence[str], stubs: Sequence[str], columns: Sequence[Sequence[str]], aligns: str
) -> str:
    """Columns of text side by side; `aligns` has "l" or "r" for each."""
    widths = [max(len(h), *map(len, c), 0) for h, c in zip(headers, columns, strict=True)]
    stub_width = max(map(len, stubs), default=0)

    def line(stub: str, cells: Sequence[str]) -> str:
        shown = [
            f"{c:<{w}}" if a == "l" else f"{c:>{w}}"
            for c, w, a in zip(cells, widths, aligns, strict=True)
        ]
        return "  ".join([f"{stub:<{stub_width}}"] * bool(stub_width) + shown).rstrip()

    rows = [line(s, cells) for s, *cells in zip(stubs, *columns, strict=True)]
    return "\n".join([line("", headers), *rows])
