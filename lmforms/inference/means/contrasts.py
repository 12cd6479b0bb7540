"""Families of contrasts among means: coefficients and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np

from ...errors import ArgumentError, listed, near_matches
from ...support.arguments import short_repr
from ...support.arrays import FloatArray, real_values

FAMILIES = {
    "pairwise": "tukey",
    "revpairwise": "tukey",
    "trt.vs.ctrl": "dunnettx",
    "trt.vs.ctrlk": "dunnettx",
    "poly": "none",
    "eff": "fdr",
    "del.eff": "fdr",
    "consec": "mvt",
    "mean_chg": "mvt",
}
"""Contrasts by name, with their default adjustments, which are those of emmeans."""

MAX_DEGREE = 6
"""Highest degree of the polynomial contrasts."""

DEGREES = ("linear", "quadratic", "cubic", "quartic")

SUM_TOLERANCE = 1e-10
"""Coefficients that add up to less than this share of their size are a contrast."""


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Linear functions of m means.

    Attributes
    ----------
    labels : tuple of str
    coefficients : ndarray (r, m)
    ratio_labels : tuple of str
        Labels where the differences are shown as ratios.
    """

    labels: tuple[str, ...]
    coefficients: FloatArray
    ratio_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.ratio_labels:
            object.__setattr__(self, "ratio_labels", self.labels)

    @property
    def sum_to_zero(self) -> bool:
        """Whether all are contrasts."""
        size = np.abs(self.coefficients).sum(axis=1)
        return bool((np.abs(self.coefficients.sum(axis=1)) <= SUM_TOLERANCE * size).all())


class Label(str):
    """Text of a mean: the name of a factor stands before levels that are numbers.

    Attributes
    ----------
    plain : str
        The same without names, which may be given in its place.
    """

    plain: str

    def __new__(cls, text: str, plain: str | None = None) -> Label:
        """Text, and the text without names if that is another."""
        made = super().__new__(cls, text)
        made.plain = text if plain is None else plain
        return made


def contrasts(kind: Any, labels: Sequence[str], reference: str | None, what: str) -> Contrasts:
    """The contrasts of a family, or those given, among means with labels.

    Parameters
    ----------
    kind : str, mapping or matrix
        A name of :data:`FAMILIES`; labels to coefficients (r of them), in the order of the means
        or by their labels; or a matrix (r, m).
    labels : sequence of str
        Of the m means.
    reference : str, optional
        Label of the mean that ``"trt.vs.ctrl"`` compares the others with; the first by default.
    what : str
        Method that the user called, for messages.

    Raises
    ------
    ArgumentError
        Coefficients that are not numbers or not one for each mean.

    Examples
    --------
    >>> pairs = contrasts("pairwise", ["a", "b", "c"], None, "emmeans")
    >>> pairs.labels
    ('a - b', 'a - c', 'b - c')
    >>> contrasts("poly", ["1", "2", "3", "4"], None, "emmeans").coefficients.tolist()
    [[-3.0, -1.0, 1.0, 3.0], [1.0, -1.0, -1.0, 1.0], [-1.0, 3.0, -3.0, 1.0]]
    """
    if isinstance(kind, str):
        return _family(kind, labels, reference, what)
    if isinstance(kind, Mapping):
        rows = [_coefficients(name, row, labels, what) for name, row in kind.items()]
        names = tuple(str(name) for name in kind)
        return Contrasts(names, np.array(rows).reshape(len(rows), len(labels)))
    return _matrix(kind, labels, what)


def check_contrast(kind: Any, reference: Any, what: str) -> None:
    """Refuse what is no name of a family, mapping or matrix.

    Raises
    ------
    ArgumentError
    """
    if isinstance(kind, str):
        if kind not in FAMILIES:
            known = ", ".join(repr(name) for name in FAMILIES)
            raise ArgumentError(
                f"{what}: contrast={kind!r}: use one of {known}, a mapping of names to "
                f"coefficients, or a matrix.{near_matches(kind, FAMILIES)}"
            )
    elif isinstance(kind, Mapping):
        if not kind:
            raise ArgumentError(f"{what}: contrast={{}}: at least one contrast is needed.")
    elif kind is None or np.ndim(kind) not in (1, 2):
        raise ArgumentError(
            f"{what}: contrast={short_repr(kind)}: a name, a mapping of names to coefficients, or "
            "a matrix is needed."
        )
    if reference is not None and kind != "trt.vs.ctrl":
        raise ArgumentError(f"{what}: reference is for contrast='trt.vs.ctrl'.")


def _family(kind: str, labels: Sequence[str], reference: str | None, what: str) -> Contrasts:
    m = len(labels)
    names = [_in_parentheses(label) for label in labels]
    pairs = [(i, j) for i in range(m) for j in range(i + 1, m)]
    if kind == "pairwise":
        return _differences(names, pairs)
    if kind == "revpairwise":
        return _differences(names, [(j, i) for j in range(m) for i in range(j)])
    if kind == "trt.vs.ctrl":
        c = 0 if reference is None else _reference(reference, labels, what)
        return _differences(names, [(j, c) for j in range(m) if j != c])
    if kind == "trt.vs.ctrlk":
        return _differences(names, [(j, m - 1) for j in range(m - 1)])
    if kind == "consec":
        return _differences(names, [(j + 1, j) for j in range(m - 1)])
    if kind == "mean_chg":
        changes = np.array([_mean_change(m, j) for j in range(1, m)]).reshape(m - 1, m)
        return Contrasts(tuple(f"{names[j - 1]}|{names[j]}" for j in range(1, m)), changes)
    if kind == "poly":
        made = polynomials(m)
        texts = tuple(DEGREES[d] if d < 4 else f"degree {d + 1}" for d in range(len(made)))
        return Contrasts(texts, np.array(made, dtype=np.float64).reshape(len(made), m))
    rows = np.eye(m) - 1.0 / m
    if kind == "del.eff":
        rows = rows * (m / max(m - 1, 1))
    return Contrasts(tuple(f"{name} effect" for name in labels), rows)


def _differences(names: Sequence[str], pairs: Sequence[tuple[int, int]]) -> Contrasts:
    rows = np.zeros((len(pairs), len(names)))
    for r, (i, j) in enumerate(pairs):
        rows[r, i], rows[r, j] = 1.0, -1.0
    differences, ratios = (
        tuple(f"{names[i]} {sign} {names[j]}" for i, j in pairs) for sign in "-/"
    )
    return Contrasts(differences, rows, ratios)


def _in_parentheses(label: str) -> str:
    """A label that has operators of its own, in parentheses."""
    return f"({label})" if set(label) & set("-+/*") else label


def _reference(reference: Any, labels: Sequence[str], what: str) -> int:
    return _place(reference, labels, f"{what}: reference={short_repr(reference)}")


def _place(given: Any, labels: Sequence[str], where: str) -> int:
    """The mean of a label."""
    text = str(given)
    for texts in (list(labels), [getattr(label, "plain", label) for label in labels]):
        if text in texts:
            return texts.index(text)
    raise ArgumentError(
        f"{where} is the label of no mean.{near_matches(text, labels)} Labels: {listed(labels)}."
    )


def _mean_change(m: int, j: int) -> FloatArray:
    """The mean of all from the j-th on less the mean of those before."""
    row = np.full(m, 1.0 / (m - j))
    row[:j] = -1.0 / j
    return row


def polynomials(m: int, degree: int = MAX_DEGREE) -> list[list[int]]:
    """Orthogonal polynomials over m equally spaced points, in smallest whole numbers.

    Degrees 1 to min(m − 1, `degree`); the last coefficient is positive.

    References
    ----------
    Fisher, Yates (1963), *Statistical Tables*, table XXIII.
    """
    points = [Fraction(2 * i - (m - 1)) for i in range(m)]
    basis = [[Fraction(1)] * m]
    for d in range(1, min(m - 1, degree) + 1):
        row = [x**d for x in points]
        for earlier in basis:
            share = _product(row, earlier) / _product(earlier, earlier)
            row = [a - share * b for a, b in zip(row, earlier, strict=True)]
        basis.append(row)
    return [_whole(row) for row in basis[1:]]


def _product(row: Sequence[Fraction], other: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(row, other, strict=True)), Fraction(0))


def _whole(row: Sequence[Fraction]) -> list[int]:
    common = lcm(*(a.denominator for a in row))
    numbers = [int(a * common) for a in row]
    return [a // gcd(*numbers) for a in numbers]


def _coefficients(name: Any, given: Any, labels: Sequence[str], what: str) -> FloatArray:
    where = f"{what}: contrast {name!r}"
    if isinstance(given, Mapping):
        row = np.zeros(len(labels))
        for label, value in given.items():
            place = _place(label, labels, f"{where}: {label!r}")
            row[place] = _numbers(where, [value])[0]
        return row
    row = _numbers(where, given)
    if row.shape != (len(labels),):
        raise ArgumentError(
            f"{where} has {row.size} coefficients for {len(labels)} means: {listed(labels)}."
        )
    return row


def _matrix(given: Any, labels: Sequence[str], what: str) -> Contrasts:
    rows = np.atleast_2d(_numbers(f"{what}: contrast", given))
    if rows.shape[1] != len(labels):
        raise ArgumentError(
            f"{what}: contrast has {rows.shape[1]} columns for {len(labels)} means: "
            f"{listed(labels)}."
        )
    return Contrasts(tuple(f"contrast {i + 1}" for i in range(len(rows))), rows)


def _numbers(where: str, given: Any) -> FloatArray:
    try:
        values = real_values(given)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ArgumentError(f"{where}: coefficients must be numbers.") from None
    if not np.isfinite(values).all():
        raise ArgumentError(f"{where}: coefficients must be finite.")
    return values
