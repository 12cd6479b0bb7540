"""Arrays of fitted lines by level of a grouping factor: data, its line, the population's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..data.design import Design, GroupingFactor
from ..errors import ArgumentError, DataError, ModelError, listed, near_matches
from ..formula.formulaic_factors import columns_of
from ..support.arguments import short_repr, whole_number
from ..support.label_texts import joined_label
from .accepted_fits import is_generalized
from .effects_arrays import chosen_group
from .means_arrays import is_numeric

GRID = 41
"""Points of a line."""

OFF_GRID = 0.0123
"""How far a trial value lies from those of the data, as a share of the range of the predictor."""

MOST_AVERAGED = 50
"""Most rows of a level over which a line is averaged; of more rows a sample is taken."""

MOST_LEVELS = 60
"""Most panels of a figure."""


@dataclass(frozen=True, eq=False)
class LevelLines:
    """Data and lines of one level.

    Attributes
    ----------
    label : str
    x, y : ndarray (rows,)
        Of the level's rows; categories are positions.
    at, fitted : ndarray (m,)
        The level's own line, from its first to its last x.
    wide, population : ndarray (l,)
        The line without random effects, over all x of the data.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    at: np.ndarray
    fitted: np.ndarray
    wide: np.ndarray
    population: np.ndarray


@dataclass(frozen=True, eq=False)
class GroupLines:
    """Lines of the levels of a grouping factor.

    Attributes
    ----------
    group : str
    levels : int
        Of the grouping factor, also those that are not drawn.
    shown : tuple of LevelLines
    categories : tuple of str
        Of x, empty for a number.
    response : str
    """

    group: str
    levels: int
    shown: tuple[LevelLines, ...]
    categories: tuple[str, ...]
    response: str


def group_lines(fit: Any, x: Any, group: Any, levels: Any) -> GroupLines:
    """Fitted lines of some levels by a predictor.

    A line is the mean prediction over the level's rows, with their x replaced.

    Raises
    ------
    ArgumentError
        There is no such predictor, grouping factor or level.
    ModelError
        There are no random effects; or classes are ordered, which have no mean.
    """
    if is_generalized(fit) and fit.family == "ordinal":
        raise ModelError(
            "fitted_lines: ordered classes have no mean. fit.predict(rows) has the probabilities "
            "of each."
        )
    design = fit.state.design
    factor = design.groups[chosen_group(fit, group, "fitted_lines")]
    table = design.frame.rows_used(design.in_model).data.reset_index(drop=True)
    _check_predictor(design, x, table)
    values, categories = _places(table[x])
    chosen = _chosen_levels(factor, levels)
    terms = _terms_of_lines(design, factor, table[x] if categories else None)
    between = not categories and _has_values_between(fit, table, x)
    wide = _grid(values) if between else np.unique(values)
    rows = [np.flatnonzero(factor.codes == level) for level in chosen]
    own = [_grid(values[i]) if between else np.unique(values[i]) for i in rows]
    bases = [_other_predictors(design, table, i, x) for i in rows]
    as_x = partial(_as_column, like=table[x], categories=categories)
    lines = _mean_predictions(fit, bases, x, [as_x(at) for at in own], terms)
    population = _mean_predictions(fit, bases, x, [as_x(wide)] * len(bases), "none")
    shown = [
        LevelLines(
            joined_label(factor.levels[level]),
            values[i],
            fit.state.response[i],
            at,
            line,
            wide,
            of_all,
        )
        for level, i, at, line, of_all in zip(chosen, rows, own, lines, population, strict=True)
    ]
    return GroupLines(factor.name, len(factor.levels), tuple(shown), categories, _response(fit))


def without_residuals(fit: Any) -> dict[str, Any]:
    """Options of `predict` that leave out what residuals of a structure tell; of linear fits."""
    return {} if is_generalized(fit) else {"residual": "none"}


def _response(fit: Any) -> str:
    """What the y axis says."""
    if is_generalized(fit) and fit.state.estimate.family.takes_trials:
        trials = fit.state.estimate.likelihood.response.of_trials()
        return "proportion" if (trials > 1.0).any() else "probability"
    return str(fit.formula.partition("~")[0].strip())


def _check_predictor(design: Design, x: Any, table: pd.DataFrame) -> None:
    random = [columns_of(term.expression) for term in design.bound.random]
    names = columns_of(design.bound.fixed).union(*random)
    known = [name for name in table if name in names]
    if x not in known:
        way = f"Its predictors are {listed(known)}." if known else "The model has no predictors."
        raise ArgumentError(
            f"x={short_repr(x)} is no predictor of the model.{near_matches(str(x), known)} {way}"
        )
    if any(x == group.factor for group in design.groups):
        raise ArgumentError(
            f"x={x!r} is a grouping factor: name a predictor as x, and the factor as group=."
        )


def _places(column: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of a predictor, or positions among its categories and their names."""
    if is_numeric(column):
        return column.to_numpy(dtype=np.float64), ()
    found = column.astype("category").cat
    return found.codes.to_numpy(dtype=np.float64), tuple(map(str, found.categories))


def _has_values_between(fit: Any, table: pd.DataFrame, x: str) -> bool:
    """Whether a number may have values that no row has, and is not used as a label."""
    column = table[x].to_numpy(dtype=np.float64)
    between = 0.5 * (column.min() + np.partition(column, 1)[1]) + OFF_GRID * np.ptp(column)
    row = table.iloc[[0]].assign(**{x: between})
    options = {"offset": np.zeros(1)} if "offset" in fit.state.design.frame.extra else {}
    try:
        fit.predict(row, **without_residuals(fit), **options)
    except DataError:
        return False
    return True


def _grid(values: np.ndarray) -> np.ndarray:
    return np.linspace(values.min(), values.max(), GRID)


def _as_column(at: np.ndarray, like: pd.Series, categories: Sequence[str]) -> pd.Series:
    """Places as values of the predictor."""
    if not categories:
        return pd.Series(at)
    found = like.astype("category").cat.categories
    return pd.Series(found.take(at.astype(np.intp))).astype(like.dtype)


def _chosen_levels(factor: GroupingFactor, levels: Any) -> list[int]:
    """Places of levels, evenly spaced in their order where only a number is given."""
    count = len(factor.levels)
    used = np.unique(factor.codes)
    if isinstance(levels, (int, np.integer)) and not isinstance(levels, bool):
        most = whole_number("levels", levels, least=1, most=MOST_LEVELS)
        places = np.linspace(0, len(used) - 1, min(most, len(used)))
        return used[np.round(places).astype(np.intp)].tolist()
    if isinstance(levels, str) or not np.iterable(levels):
        levels = [levels]
    by_text = {joined_label(level): place for place, level in enumerate(factor.levels)}
    chosen = []
    for level in levels:
        text = joined_label(level)
        if text not in by_text or by_text[text] not in used:
            raise ArgumentError(
                f"levels: {short_repr(level)} is no level of {factor.name} in the data."
                f"{near_matches(text, by_text)} It has {count} levels, such as "
                f"{listed(list(by_text), 3)}."
            )
        chosen.append(by_text[text])
    if not 1 <= len(chosen) <= MOST_LEVELS:
        raise ArgumentError(f"levels= names {len(chosen)} levels: 1 to {MOST_LEVELS} are drawn.")
    return chosen


def _terms_of_lines(
    design: Design, factor: GroupingFactor, categories: pd.Series | None
) -> list[str]:
    """Grouping factors whose effects belong to a level's line.

    Those that a level has one level of, and those that it has one level of in each category of x.
    """
    cells = [factor.codes]
    if categories is not None:
        codes = categories.astype("category").cat.codes.to_numpy()
        cells.append(factor.codes * (codes.max() + 1) + codes)
    return [
        other.name
        for other in design.groups
        if any(_is_constant(other.codes, within) for within in cells)
    ]


def _is_constant(codes: np.ndarray, within: np.ndarray) -> bool:
    pairs = within.astype(np.int64) * (codes.max() + 1) + codes
    return len(np.unique(pairs)) == len(np.unique(within))


def _other_predictors(
    design: Design, table: pd.DataFrame, rows: np.ndarray, x: str
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Rows of a level whose other columns differ, repeated as often as they are there, a sample."""
    own = table.iloc[rows]
    given = design.frame.extra.get("offset")
    offset = None if given is None else given[design.in_model][rows]
    only_response = columns_of(design.bound.response) - columns_of(design.bound.fixed)
    others = own.drop(columns=[x, *(only_response - {x})], errors="ignore")
    varies = bool(others.shape[1]) and len(others.drop_duplicates()) > 1
    if not varies and (offset is None or np.ptp(offset) == 0):
        chosen = np.array([0])
    else:
        chosen = np.unique(np.linspace(0, len(rows) - 1, MOST_AVERAGED).astype(np.intp))
    return own.iloc[chosen], None if offset is None else offset[chosen]


def _mean_predictions(
    fit: Any,
    bases: Sequence[tuple[pd.DataFrame, np.ndarray | None]],
    x: str,
    places: Sequence[pd.Series],
    random: Any,
) -> list[np.ndarray]:
    """For each level means over its rows of predictions at its places."""
    tables: list[pd.DataFrame] = []
    offsets: list[np.ndarray] = []
    sizes: list[tuple[int, int]] = []
    for (base, offset), at in zip(bases, places, strict=True):
        m, k = len(at), len(base)
        table = base.iloc[np.tile(np.arange(k), m)].reset_index(drop=True)
        tables.append(table.assign(**{x: at.repeat(k).reset_index(drop=True)}))
        if offset is not None:
            offsets.append(np.tile(offset, m))
        sizes.append((m, k))
    given = {"offset": np.concatenate(offsets)} if offsets else {}
    predicted = fit.predict(
        pd.concat(tables, ignore_index=True),
        random=random,
        new_levels="zero",
        **without_residuals(fit),
        **given,
    ).to_numpy()
    ends = np.cumsum([m * k for m, k in sizes])[:-1]
    parts = np.split(predicted, ends)
    return [part.reshape(size).mean(axis=1) for part, size in zip(parts, sizes, strict=True)]
