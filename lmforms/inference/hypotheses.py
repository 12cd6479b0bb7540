"""Hypotheses about the coefficients: matrices, mappings and text to rows of L."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, ColumnError, listed, near_matches
from ..support.arrays import FloatArray

CONTRADICTION = 1e-8
"""Hypotheses are consistent if Lβ = rhs has a solution to this share of rhs."""


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Lβ = rhs, row by row.

    Attributes
    ----------
    labels : tuple of str (r,)
    L : ndarray (r, p)
    rhs : ndarray (r,)
    """

    labels: tuple[str, ...]
    L: FloatArray
    rhs: FloatArray


def read_hypotheses(L: Any, names: Sequence[str]) -> Hypotheses:
    """Rows of L in the order of the coefficients.

    Parameters
    ----------
    L : str, sequence of str, mapping, DataFrame or array
        Text such as ``"a - b = 0, c = 2"``; a mapping of labels to rows, each an array or a mapping
        of coefficients to weights; a frame with coefficients as columns; or a matrix (r, p).
    names : sequence of str (p,)
        Coefficients.

    Raises
    ------
    ArgumentError
        A width that is not p, weights that are no finite numbers, or text that is no hypothesis.
    ColumnError
        A name that is no coefficient.

    Examples
    --------
    >>> read_hypotheses("Days = 10", ["Intercept", "Days"])
    Hypotheses(labels=('Days = 10',), L=array([[0., 1.]]), rhs=array([10.]))
    """
    if isinstance(L, str):
        return _of_text([L], names)
    if isinstance(L, (list, tuple)) and L and all(isinstance(text, str) for text in L):
        return _of_text(L, names)
    if isinstance(L, Mapping):
        if not L:
            raise ArgumentError("contrast: L is empty.")
        rows = [_weights(str(label), row, names) for label, row in L.items()]
        return Hypotheses(tuple(map(str, L)), np.array(rows), np.zeros(len(rows)))
    labels = None
    if isinstance(L, pd.DataFrame):
        unknown = [str(c) for c in L.columns if c not in names]
        if unknown:
            raise _unknown(unknown[0], names)
        twice = L.columns[L.columns.duplicated()]
        if len(twice):
            raise ArgumentError(f"contrast: L has the column `{twice[0]}` twice.")
        labels = tuple(map(str, L.index))
        L = L.reindex(columns=list(names), fill_value=0.0).to_numpy()
    matrix = np.atleast_2d(_numbers("L", L))
    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        raise ArgumentError(
            f"contrast: L has shape {np.shape(L)}; each row needs {len(names)} weights, for "
            f"{listed(list(names))}."
        )
    if labels is None:
        labels = tuple(_written(row, names) for row in matrix)
    return Hypotheses(labels, matrix, np.zeros(len(matrix)))


def _weights(label: str, row: Any, names: Sequence[str]) -> FloatArray:
    if isinstance(row, Mapping):
        for name in row:
            if name not in names:
                raise _unknown(str(name), names)
        row = [row.get(name, 0.0) for name in names]
    values = _numbers(f"the row `{label}`", row)
    if values.shape != (len(names),):
        raise ArgumentError(
            f"contrast: the row `{label}` has shape {values.shape}; it needs {len(names)} weights, "
            f"for {listed(list(names))}. A mapping of names to weights can leave zeros out."
        )
    return values


def _numbers(what: str, values: Any) -> FloatArray:
    try:
        if values is None or np.iscomplexobj(values):
            raise TypeError
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"contrast: {what} is not made of numbers: give a matrix, a mapping of coefficients to "
            "weights, or text such as 'a - b = 0'."
        ) from None
    if not np.isfinite(out).all():
        raise ArgumentError(f"contrast: {what} has missing or infinite weights.")
    return out


def _of_text(texts: Sequence[str], names: Sequence[str]) -> Hypotheses:
    from formulaic.errors import FormulaicError
    from formulaic.utils.constraints import LinearConstraints

    parts = [part for text in texts for part in _split(text)]
    rows, rhs = [], []
    for part in parts:
        if len(re.findall("=", _without_quotes(part))) > 1:
            raise ArgumentError(
                f"contrast: `{part}` has several equality signs: write one hypothesis for each, "
                "separated by commas."
            )
        text = _quoted(_without_exponents(part), names)
        _check_names(text, names)
        try:
            found = LinearConstraints.from_spec(text, variable_names=list(names))
        except (
            FormulaicError,
            RuntimeError,
            ValueError,
            TypeError,
            SyntaxError,
            LookupError,
            ArithmeticError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ArgumentError(
                f"contrast: `{part}` is not a linear hypothesis such as 'a - b = 0' ({reason})"
            ) from None
        row = np.asarray(found.constraint_matrix, dtype=np.float64)[0]
        if not row.any():
            raise ArgumentError(f"contrast: `{part}` says nothing about a coefficient.")
        rows.append(row)
        rhs.append(float(found.constraint_values[0]))
    return Hypotheses(tuple(parts), np.array(rows), np.array(rhs))


def _split(text: str) -> list[str]:
    """The hypotheses of a text, separated by commas outside of brackets and backticks."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, char in enumerate(text):
        if char == "`":
            quoted = not quoted
        elif not quoted:
            depth += (char in "([") - (char in ")]")
            if char == "," and depth == 0:
                parts.append(text[start:i])
                start = i + 1
    parts = [part.strip() for part in [*parts, text[start:]]]
    if not all(parts):
        raise ArgumentError(f"contrast: no hypothesis beside a comma in {text!r}.")
    return parts


def _quoted(text: str, names: Sequence[str]) -> str:
    """The text with coefficients whose names are no plain words in backticks."""
    odd = sorted((n for n in names if not re.fullmatch(r"\w+", n)), key=len, reverse=True)
    if not odd:
        return text
    pattern = "|".join(["`[^`]*`", *(rf"(?<![\w:]){re.escape(n)}(?![\w:])" for n in odd)])
    return re.sub(pattern, lambda m: m[0] if m[0][0] == "`" else f"`{m[0]}`", text)


def _without_exponents(text: str) -> str:
    """The text with numbers such as 1e-3 written as decimals, which the parser reads."""

    def decimal(found: re.Match[str]) -> str:
        if found[0][0] == "`":
            return found[0]
        return np.format_float_positional(float(found[0]), trim="-")

    number = r"(?<![\w.])(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+(?!\w)"
    return re.sub(rf"`[^`]*`|{number}", decimal, text)


def _check_names(text: str, names: Sequence[str]) -> None:
    """Refuse what is neither a coefficient nor a number, in a text with quoted names."""
    for quoted in re.findall("`([^`]*)`", text):
        if quoted not in names:
            raise _unknown(quoted, names)
    for word in re.split(r"[-+*/=()]", _without_quotes(text)):
        word = word.strip()
        if word and word not in names and not re.fullmatch(r"\d+\.?\d*|\.\d+", word):
            raise _unknown(word, names)


def check_consistent(tested: Hypotheses) -> None:
    """Refuse hypotheses that cannot be true together.

    Raises
    ------
    ArgumentError
    """
    sizes = np.linalg.norm(tested.L, axis=1)
    sizes[sizes == 0] = 1.0
    L, rhs = tested.L / sizes[:, None], tested.rhs / sizes
    solution = np.linalg.lstsq(L, rhs, rcond=None)[0]
    if np.abs(L @ solution - rhs).max(initial=0.0) > CONTRADICTION * np.abs(rhs).max(initial=0.0):
        raise ArgumentError(
            "contrast: the hypotheses contradict each other: "
            f"{listed([f'`{label}`' for label in tested.labels])}. Test them one by one, "
            "joint=False."
        )


def _without_quotes(text: str) -> str:
    return re.sub("`[^`]*`", "", text)


def _unknown(name: str, names: Sequence[str]) -> ColumnError:
    return ColumnError(
        f"contrast: `{name}` is not a coefficient of the model.{near_matches(name, names)} "
        f"It has {listed(list(names))}."
    )


def _written(row: FloatArray, names: Sequence[str]) -> str:
    """A row as a sum of coefficients."""
    out = ""
    for weight, name in zip(row, names, strict=True):
        if weight:
            sign = " - " if weight < 0 else " + "
            size = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            out += f"{sign}{size}{name}"
    return out.removeprefix(" + ").replace(" - ", "-", 1) if out[:3] == " - " else out[3:] or "0"
