"""F tests of all contrasts among the marginal means of each term."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

from ...data.coded_as_fitted import check_row_by_row
from ...data.design import Design
from ...results.state import FitState
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.methods import df_method
from .estimability import RowSpace, row_space
from .grid import ReferenceGrid, grid_of
from .marginal_means import MarginalMeans, marginal_means, with_outer
from .nesting import nested_factors, nesting_notes, term_columns
from .predictors import Predictor, grid_predictors
from .rounding import without_rounding
from .slopes import data_range


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
    slope; where one of them is beyond the data, as far below and above as the nearer end is.
    """
    method = df_method(state, ddf, information)
    space = row_space(state.design)
    grid = _grid(state, at, by, what)
    untested = []
    rows, notes = [], [*method.notes, *nesting_notes(grid.nests)]
    lost = False
    for effect in _effects(grid, by):
        outer = [n for n in effect if any(n in grid.nests.get(m, ()) for m in effect)]
        means = marginal_means(grid, effect, by, weights)
        label, tested = ":".join(effect), False
        for group in means.groups:
            L = _interaction(means, group, outer)
            estimable, reduced = _estimable(space, L, means, group)
            test = method.joint(estimable, estimable @ state.estimate.beta)
            lost |= reduced
            if not test.num_df:
                continue
            tested = True
            values = means.columns(means.by, group[:1])
            row = {name: values[name].iloc[0] for name in by}
            row |= {"term": label, "num_df": test.num_df, "den_df": test.den_df}
            rows.append(row | {"statistic": test.statistic, "p_value": test.p_value})
        if not tested:
            untested.append(label)
    order = [*by, "term", "num_df", "den_df", "statistic", "p_value"]
    table = pd.DataFrame(rows, columns=order)
    for name in by:
        levels = grid.predictor(name).levels
        table[name] = table[name].astype(levels.dtype)
    table = table.sort_values(list(by), kind="stable", ignore_index=True) if by else table
    notes += _number_notes(grid.predictors)
    if untested:
        notes.append(
            f"No test of {', '.join(untested)}: the contrasts are zero or not estimable at these "
            "values, which at= replaces."
        )
    if lost:
        notes.append("Some contrasts are not estimable from these data and are left out.")
    title = "Joint tests" + (f" by {', '.join(by)}" if by else "")
    return ResultTable(table, title=title, notes=notes)


def _grid(state: FitState, at: Any, by: Sequence[str], what: str) -> ReferenceGrid:
    """The reference grid with two values of each number, below and above its mean."""
    design = state.design
    predictors = []
    for p in grid_predictors(design, at, what):
        if not p.is_factor and p.origin == "mean" and p.name not in by:
            mean, step = float(p.levels.iloc[0]), _step(design, p)
            levels = pd.Series([mean - step, mean + step], name=p.name)
            p = Predictor(p.name, levels, None, np.arange(2), "mean")
        predictors.append(p)
    check_row_by_row(design, [], what)
    nests = nested_factors(predictors, term_columns(design))
    return grid_of(design, predictors, nests, what)


def _step(design: Design, p: Predictor) -> float:
    """1, or less if that is beyond the data: there a logarithm, say, may not be defined."""
    low, high = data_range(design, p.name)
    mean = float(p.levels.iloc[0])
    within = min(mean - low, high - mean)
    return min(1.0, within) if within > 0.0 else 1.0


def _number_notes(predictors: Sequence[Predictor]) -> list[str]:
    """Which values numbers have that are not given."""
    at_mean = [p for p in predictors if not p.is_factor and p.origin == "mean"]
    two, one, other = [], [], []
    for p in at_mean:
        values = p.values.to_numpy()
        if len(values) == 1:
            one.append(f"`{p.name}`")
        elif abs((values[1] - values[0]) / 2.0 - 1.0) < 1e-6:
            two.append(f"`{p.name}`")
        else:
            other.append(f"`{p.name}` at {values[0]:.6g} and {values[1]:.6g}")
    notes = []
    if two:
        notes.append(f"Numbers ({', '.join(two)}) at their means less and plus 1.")
    if other:
        notes.append(f"{', '.join(other)}, as its mean less or plus 1 is beyond the data.")
    if one:
        notes.append(f"{', '.join(one)} held at the mean.")
    return notes


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
    C, counted = C[defined], len(C)
    L = without_rounding(C @ means.functions[group], np.abs(C) @ means.rounding[group])
    kept = space.estimable_part(L)
    return kept[:, space.kept], len(kept) < counted
