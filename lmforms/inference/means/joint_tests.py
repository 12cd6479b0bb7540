"""F tests of all contrasts among the marginal means of each term."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from ...data.coded_as_fitted import check_row_by_row
from ...results.result_table import ResultTable
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..degrees_of_freedom.methods import df_method
from .estimability import RowSpace, row_space
from .grid import ReferenceGrid, grid_of
from .marginal_means import MarginalMeans, marginal_means, with_outer
from .nesting import nested_factors, nesting_notes, term_columns
from .predictors import Predictor, grid_predictors


def joint_test_table(
    state: FitState,
    by: Sequence[str],
    at: Any,
    weights: str,
    *,
    ddf: str,
    information: str | None,
    what: str,
) -> ResultTable:
    """F tests of each term within each combination of values of `by`.

    Parameters
    ----------
    state : FitState
    by : sequence of str
    at : mapping or None
    weights : str
    ddf, information
        See :func:`lmforms.inference.degrees_of_freedom.methods.df_method`.
    what : str
        Method that the user called, for messages.

    Notes
    -----
    The contrasts of a term are the products of differences of neighbouring levels of its factors.
    A number takes the values one below and one above its mean, so that its difference is its
    slope.
    """
    method = df_method(state, ddf, information)
    space = row_space(state.design)
    grid = _grid(state, at, by, what)
    rows, notes = [], [*method.notes, *nesting_notes(grid.nests)]
    lost = False
    for effect in _effects(grid, by):
        outer = [n for n in effect if any(n in grid.nests.get(m, ()) for m in effect)]
        means = marginal_means(grid, effect, by, weights)
        label = ":".join(effect)
        for group in means.groups:
            L = _interaction(means, group, outer)
            estimable, reduced = _estimable(space, L, means, group)
            test = method.joint(estimable, estimable @ state.estimate.beta)
            lost |= reduced
            if not test.num_df:
                continue
            values = means.columns(means.by, group[:1])
            row = {name: values[name].iloc[0] for name in by}
            row |= {"term": label, "num_df": test.num_df, "den_df": test.den_df}
            rows.append(row | {"statistic": test.statistic, "p_value": test.p_value})
    order = [*by, "term", "num_df", "den_df", "statistic", "p_value"]
    table = pd.DataFrame(rows, columns=order)
    for name in by:
        levels = grid.predictor(name).levels
        table[name] = table[name].astype(levels.dtype)
    table = table.sort_values(list(by), kind="stable", ignore_index=True) if by else table
    numbers = [p.name for p in grid.predictors if not p.is_factor and p.origin == "mean"]
    if numbers:
        listed = ", ".join(f"`{n}`" for n in numbers)
        notes.append(f"Numbers ({listed}) at their means less and plus 1.")
    if lost:
        notes.append("Some contrasts are not estimable from these data and are left out.")
    title = "Joint tests" + (f" by {', '.join(by)}" if by else "")
    return ResultTable(table, title=title, notes=notes)


def _grid(state: FitState, at: Any, by: Sequence[str], what: str) -> ReferenceGrid:
    """The reference grid with two values of each number, mean − 1 and mean + 1."""
    design = state.design
    predictors = []
    for p in grid_predictors(design, at, what):
        if not p.is_factor and p.origin == "mean" and p.name not in by:
            mean = float(p.levels.iloc[0])
            levels = pd.Series([mean - 1.0, mean + 1.0], name=p.name)
            p = Predictor(p.name, levels, None, np.arange(2), "mean")
        predictors.append(p)
    check_row_by_row(design, [], what)
    nests = nested_factors(predictors, term_columns(design))
    return grid_of(design, predictors, nests, what)


def _effects(grid: ReferenceGrid, by: Sequence[str]) -> list[tuple[str, ...]]:
    """Sets of predictors whose contrasts can differ from zero: parts of the model's terms."""
    varying = {p.name for p in grid.predictors if len(p.chosen) > 1} - set(by)
    order = [n for n in grid.names if n in varying]
    found: dict[frozenset[str], None] = {}
    for term in term_columns(grid.design):
        names = [n for n in order if n in term]
        for size in range(1, len(names) + 1):
            for part in combinations(names, size):
                found[frozenset(with_outer(part, by, grid)) & frozenset(order)] = None
    return [tuple(n for n in order if n in part) for part in sorted(found, key=len)]


def _interaction(means: MarginalMeans, group: Any, outer: Sequence[str]) -> FloatArray:
    """Coefficients of the interaction contrasts among some means, (r, means of the group).

    Differences of neighbouring levels of each factor, within each combination of levels of those
    that others are nested in.
    """
    codes = means.codes[group]
    out = np.eye(len(codes))
    for j, name in enumerate(means.spec):
        if name in outer:
            continue
        keep = [k for k in range(codes.shape[1]) if k != j]
        rest, inverse = np.unique(codes[:, keep], axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        rows, left = [], []
        for g in range(len(rest)):
            members = np.flatnonzero(inverse == g)
            members = members[np.argsort(codes[members, j], kind="stable")]
            for low, high in pairwise(members.tolist()):
                rows.append(out[high] - out[low])
                left.append(codes[low])
        out = np.array(rows).reshape(len(rows), len(group))
        codes = np.array(left, dtype=np.intp).reshape(len(left), codes.shape[1])
    return out


def _estimable(
    space: RowSpace, C: FloatArray, means: MarginalMeans, group: Any
) -> tuple[FloatArray, bool]:
    """Estimable combinations of the contrasts, of the columns in the fit; whether some are lost."""
    defined = ~((C != 0.0) & ~means.defined[group]).any(axis=1)
    L = C[defined] @ means.functions[group]
    kept = space.estimable_part(L)
    return kept[:, space.kept], len(kept) < len(C)
