"""Random effects of structured terms: their points, and their covariance structure.

The random effects of ``ar1(0 + f | g)`` are the levels of a factor, at points 0, 1, 2, …; those of
``exp(0 + f | g)`` are levels that are numbers, and those of ``exp(x + y | g)`` the distinct places
(x, y) within the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from typing import Any

import numpy as np

from ..covariance import STRUCTURES, Covariance
from ..covariance.structure_kinds import NO_PRODUCTS, product_structure
from ..errors import DataError, ModelError
from ..formula.aliases import unaliased
from ..formula.formulaic_factors import factors_of
from ..formula.term_matrix import TermMatrix
from ..formula.terms import BoundRandomTerm
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .shared_structures import STRUCTURES_BY_SIZE, structure_of_size

EVEN_SPACING = 1e-9
"""Numbers are equally spaced if their gaps differ by less than this share."""

MOST_PLACES = 2_000
"""Places of one term: matrices of all pairs of them are factored at each step."""


@dataclass(frozen=True, eq=False)
class Places:
    """Distinct places, each with a random effect.

    Attributes
    ----------
    points : ndarray (k, d)
    columns : ndarray of bool
        Which columns of the expression are coordinates; the intercept is none.
    names : tuple of str
        Of the coordinates.
    """

    points: FloatArray
    columns: BoolArray
    names: tuple[str, ...]

    @property
    def effects(self) -> tuple[str, ...]:
        """What the random effect of each place is called."""
        return tuple(
            ",".join(f"{name}={x:.12g}" for name, x in zip(self.names, point, strict=True))
            for point in self.points
        )

    def indicators(self, values: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Columns (n, k) that are 1 for the place of a row, and which rows are at no place."""
        known = {point.tobytes(): j for j, point in enumerate(self.points + 0.0)}
        rows = np.ascontiguousarray(values[:, self.columns] + 0.0)
        codes = np.array([known.get(row.tobytes(), -1) for row in rows], dtype=np.intp)
        out = np.zeros((len(rows), len(self.points)))
        there = np.flatnonzero(codes >= 0)
        out[there, codes[there]] = 1.0
        return out, codes < 0


@dataclass(frozen=True, eq=False)
class StructuredEffects:
    """The random effects of a term with its structure.

    Attributes
    ----------
    matrix : TermMatrix
        The basis.
    covariance : Covariance
    places : Places, optional
        Where each effect is, if that is not a level of a factor.
    has_levels : bool
        Whether the effects are levels of factors: some may have no rows then.
    """

    matrix: TermMatrix
    covariance: Covariance
    places: Places | None = None
    has_levels: bool = False


def structured_effects(spec: BoundRandomTerm, matrix: TermMatrix) -> StructuredEffects:
    """Effects and structure of a random term.

    Parameters
    ----------
    spec : BoundRandomTerm
    matrix : TermMatrix
        The columns of its expression.

    Raises
    ------
    FormulaError, ModelError
        Columns that the structure cannot have, or too few of them.
    """
    if spec.structure in STRUCTURES_BY_SIZE:
        return StructuredEffects(matrix, structure_of_size(spec.structure, len(matrix.names)))
    if spec.is_product:
        return _product(spec, matrix)
    kind = STRUCTURES[spec.structure]
    if kind.effects == "places":
        return _placed(spec, matrix)
    k = len(matrix.names)
    _check_size(spec, k)
    if kind.effects == "any":
        points = np.arange(float(k))[:, None]
        covariance = kind.make(points, spec.number, matrix.names)
        return StructuredEffects(matrix, covariance)
    levels = _factor_levels(spec, matrix)
    if levels is None:
        raise spec.part.error(
            f"`{spec.structure}` is a structure of the levels of one factor in their order: write "
            f"`{spec.structure}(0 + factor(time) | {spec.group_name}{spec.options})` with a factor "
            "and without the intercept."
        )
    points = _steps([level for (level,) in levels], spec.structure, spec)
    covariance = kind.make(points, spec.number, matrix.names)
    return StructuredEffects(matrix, covariance, has_levels=True)


# --- sizes -----------------------------------------------------------------------------------


def _check_size(spec: BoundRandomTerm, k: int) -> None:
    """Refuse structures of too few random effects."""
    name, number = spec.structure, spec.number
    if k < 2:
        raise spec.part.error(
            f"`{name}` is a structure of several random effects, and there is one here: write "
            f"`({spec.part.label} | {spec.group_name})`."
        )
    if name == "rr" and number is not None and number >= k:
        raise spec.part.error(
            f"the rank {number} of `rr` has to be less than the number of random effects, {k}: "
            f"with as many `({spec.part.label} | {spec.group_name})` is the same."
        )
    if name == "ma" and number is not None and number >= k:
        raise spec.part.error(
            f"`ma` of order {number} needs {number + 1} levels or more, and there are {k}: "
            f"take a lower order, or `toep`."
        )
    if name == "fa" and number is not None:
        most = max((d for d in range(1, k) if (k - d) ** 2 >= k + d), default=0)
        if number > most:
            way = f"take {most} at most" if most else "three effects are needed for one factor"
            raise spec.part.error(
                f"`fa` with {number} common factors has more parameters than the covariances of "
                f"{k} random effects: {way}, or write `({spec.part.label} | {spec.group_name})`."
            )


# --- levels ----------------------------------------------------------------------------------


def _factor_levels(spec: BoundRandomTerm, matrix: TermMatrix) -> list[tuple[Any, ...]] | None:
    """The levels that each column stands for; None unless the columns are those of factors."""
    terms = list(matrix.spec.formula)
    factors = list(factors_of(matrix.spec.formula))
    if len(terms) != 1 or len(factors) != (2 if spec.is_product else 1):
        return None
    found = []
    for factor in factors:
        state = matrix.spec.encoder_state.get(factor.expr)
        if state is None or state[0].value != "categorical":
            return None
        found.append(list(state[1]["categories"]))
    by_name = {}
    for levels in combinations(*found):
        pieces = zip(factors, levels, strict=True)
        by_name[":".join(f"{unaliased(f.expr)}[{level}]" for f, level in pieces)] = levels
    if not all(name in by_name for name in matrix.names):
        return None
    return [by_name[name] for name in matrix.names]


def _steps(levels: Sequence[Any], structure: str, spec: BoundRandomTerm) -> FloatArray:
    """Places 0, 1, 2, … of levels in their order; those of numbers are by their values."""
    distinct = list(dict.fromkeys(levels))
    numbers = _numbers(distinct)
    if numbers is None:
        order = {level: float(i) for i, level in enumerate(distinct)}
        return np.array([[order[level]] for level in levels])
    ordered = np.sort(numbers)
    gaps = np.diff(ordered)
    if len(gaps) and np.ptp(gaps) > EVEN_SPACING * gaps.max():
        raise spec.part.error(
            f"`{structure}` takes the levels as equally spaced, and they are "
            f"{', '.join(f'{x:g}' for x in ordered[:12])}: write `exp` for distances that differ."
        )
    step = {level: float(np.searchsorted(ordered, x)) for level, x in zip(distinct, numbers)}
    return np.array([[step[level]] for level in levels])


def _numbers(levels: Sequence[Any]) -> FloatArray | None:
    """Levels as different finite numbers; None if they are not all."""
    try:
        numbers = np.array([float(str(level)) for level in levels])
    except ValueError:
        return None
    whole = np.isfinite(numbers).all() and len(np.unique(numbers)) == len(numbers)
    return numbers if whole else None


# --- places ----------------------------------------------------------------------------------


def _placed(spec: BoundRandomTerm, matrix: TermMatrix) -> StructuredEffects:
    kind, levels = STRUCTURES[spec.structure], _factor_levels(spec, matrix)
    if levels is not None:
        _check_size(spec, len(levels))
        numbers = _numbers([level for (level,) in levels])
        if numbers is None:
            raise spec.part.error(
                f"`{spec.structure}` needs levels that are numbers, and they are "
                f"{', '.join(str(level) for (level,) in levels[:6])}: write `ar1` for equal steps, "
                f"or coordinates, `{spec.structure}(x + y | {spec.group_name})`."
            )
        return StructuredEffects(matrix, kind.make(numbers[:, None]), has_levels=True)
    coordinates = np.array([name != "Intercept" for name in matrix.names])
    if matrix.is_categorical and any("[" in name for name in matrix.names):
        raise spec.part.error(
            f"`{spec.structure}` takes one factor without the intercept, `0 + f`, or numbers as "
            "coordinates, `x + y`."
        )
    names = tuple(n for n, used in zip(matrix.names, coordinates, strict=True) if used)
    points = np.unique(matrix.values[:, coordinates] + 0.0, axis=0)
    if len(points) > MOST_PLACES:
        raise ModelError(
            f"the random term {spec.written} has {len(points)} different places, and at most "
            f"{MOST_PLACES} can be fitted. Round the coordinates."
        )
    if not names:
        raise spec.part.error(f"`{spec.structure}` needs coordinates, as in `x + y`.")
    _check_size(spec, len(points))
    places = Places(points, coordinates, names)
    values, _ = places.indicators(matrix.values)
    made = replace(matrix, values=values, names=places.effects)
    return StructuredEffects(made, kind.make(points), places)


def place_basis(
    places: Places, values: FloatArray, spec: BoundRandomTerm, new_levels: str
) -> FloatArray:
    """The basis (n, k) of new rows; rows at new places are zero, or refused."""
    basis, new = places.indicators(values)
    if new.any() and new_levels == "raise":
        where = values[new][0][places.columns]
        text = ", ".join(f"{n} = {x:g}" for n, x in zip(places.names, where, strict=True))
        raise DataError(
            f"the random term {spec.written} has no random effect at {text}: no row of the fit is "
            "there. Use new_levels='zero' to predict without it."
        )
    return basis


# --- products --------------------------------------------------------------------------------


def _product(spec: BoundRandomTerm, matrix: TermMatrix) -> StructuredEffects:
    first, second = spec.structure.split(":")
    for name in (first, second):
        if name in NO_PRODUCTS:
            raise spec.part.error(f"`{name}` cannot be a factor of a product.")
    levels = _factor_levels(spec, matrix)
    if levels is None:
        raise spec.part.error(
            "each structure of a product has one factor: write for example "
            f"`(us(trait):ar1(factor(time)) | {spec.group_name})`."
        )
    own = [STRUCTURES[name].heterogeneous for name in (first, second)]
    if all(own):
        raise spec.part.error(
            f"`{first}` and `{second}` both have a variance for each level, and only one factor of "
            "a product can: take for example `ar1` in the place of `har1`, `cs` in that of `us`."
        )
    sides = [[level[i] for level in levels] for i in (0, 1)]
    points = []
    for name, side in zip((first, second), sides, strict=True):
        distinct = list(dict.fromkeys(side))
        if len(distinct) < 2:
            raise spec.part.error(f"`{name}` is a structure of several levels, and there is one.")
        if STRUCTURES[name].effects == "places":
            numbers = _numbers(distinct)
            if numbers is None:
                raise spec.part.error(f"`{name}` needs levels that are numbers.")
            at = dict(zip(distinct, numbers, strict=True))
            points.append(np.array([[at[level]] for level in side]))
        elif STRUCTURES[name].effects == "series":
            points.append(_steps(side, name, spec))
        else:
            at = {level: float(i) for i, level in enumerate(distinct)}
            points.append(np.array([[at[level]] for level in side]))
    labels = [unaliased(f.expr) for f in factors_of(matrix.spec.formula)]
    deviation: IndexArray | None = None
    of: tuple[str, ...] = ("",)
    if any(own):
        side = sides[own.index(True)]
        distinct = list(dict.fromkeys(side))
        deviation = np.array([distinct.index(level) for level in side], dtype=np.intp)
        of = tuple(f"{labels[own.index(True)]}[{level}]" for level in distinct)
    covariance = product_structure(
        (first, second), (points[0], points[1]), (labels[0], labels[1]), deviation, of
    )
    return StructuredEffects(matrix, covariance, has_levels=True)
